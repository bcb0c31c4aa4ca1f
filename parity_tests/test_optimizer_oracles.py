"""Optimizers against oracles that are not PyTorch: ONNX's node tests, Keras's golden tables, scikit-learn."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npnet import nn, optim
from npnet.regularization import L2

HostArray = npt.NDArray[Any]

# ------------------------------------------------------------------ ONNX

AFTER_ALL_CORRECTIONS = 100_000
"""A step count at which beta ** t is 0: ONNX's Adam leaves the corrections out at T = 0."""


STATES = {"Adam": ("exp_avg", "exp_avg_sq"), "Adagrad": ("sum",), "Momentum": ("momentum_buffer",)}
"""What each operator remembers, in PyTorch's names and ONNX's order."""


def onnx_cases() -> list[Any]:
    """ONNX's node tests of the three operators; collecting them all would take a minute."""
    try:
        node = importlib.import_module("onnx.backend.test.case.node")
    except ModuleNotFoundError:
        return []
    for module in ("adagrad", "adam", "momentum"):
        importlib.import_module(f"onnx.backend.test.case.node.{module}")
    return [case for case in node._NodeTestCases if case.model.graph.node[0].op_type in STATES]


def from_onnx(operator: str, attributes: dict[str, Any], rate: float, t: int) -> tuple[Any, dict[str, Any]]:
    """The class and the options with the operator's meaning."""
    options = {"lr": rate, "weight_decay": attributes["norm_coefficient"]}
    if operator == "Adam":
        options |= {"betas": (attributes["alpha"], attributes["beta"]), "eps": attributes["epsilon"]}
    elif operator == "Adagrad":
        options |= {"eps": attributes["epsilon"], "lr_decay": attributes["decay_factor"]}
    else:
        options |= {
            "momentum": attributes["alpha"],
            "dampening": 1 - attributes["beta"] if t else 0.0,
            "nesterov": attributes["mode"] == b"nesterov",
        }
    return getattr(optim, {"Momentum": "SGD"}.get(operator, operator)), options


@pytest.mark.parametrize("case", onnx_cases(), ids=lambda case: case.name)
def test_onnx_node(case: Any) -> None:
    node = case.model.graph.node[0]
    attributes = {each.name: each.s or each.f for each in node.attribute}
    (rate, t, *arrays), expected = case.data_sets[0]
    n = len(arrays) // (2 + len(STATES[node.op_type]))  # several parameters lie operand by operand
    values, gradients, *states = (arrays[i : i + n] for i in range(0, len(arrays), n))
    parameters = [nn.Parameter(value) for value in values]
    make, options = from_onnx(node.op_type, attributes, float(rate), int(t))
    optimizer = make(parameters, **options)
    saved = optimizer.state_dict()
    step = np.array(AFTER_ALL_CORRECTIONS if node.op_type == "Adam" else t, np.float32)
    saved["state"] = {
        i: {"step": step} | {name: state[i] for name, state in zip(STATES[node.op_type], states, strict=True)}
        for i in range(n)
    }
    if node.op_type == "Momentum":
        for entry in saved["state"].values():
            del entry["step"]
    optimizer.load_state_dict(saved)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    found = [parameter.data for parameter in parameters]
    for name in STATES[node.op_type]:
        found += [optimizer.state[parameter][name] for parameter in parameters]
    for value, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=2e-6)


def test_onnx_is_there() -> None:
    pytest.importorskip("onnx")
    assert {case.model.graph.node[0].op_type for case in onnx_cases()} == set(STATES)


# ------------------------------------------------------------------ Keras

KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.01}),
    "adam": ("Adam", {"eps": 1e-7, "amsgrad": True}),
    "adamw": ("AdamW", {"lr": 1.0, "weight_decay": 0.5, "eps": 2.0}),
    "adamax": ("Adamax", {"lr": 0.2, "betas": (0.85, 0.95), "eps": 1e-6}),
    "nadam": ("NAdam", {"lr": 0.5, "betas": (0.5, 0.67), "eps": 1e-5, "momentum_decay": 1.0}),
    "rmsprop": ("RMSprop", {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7, "centered": True}),
    "adagrad": ("Adagrad", {"lr": 0.2, "initial_accumulator_value": 0.3, "eps": 1e-6}),
    "adadelta": ("Adadelta", {"rho": 0.8, "eps": 1e-6}),
}
"""The file of Keras's test, and its optimizer in PyTorch's words."""


def golden_table(name: str) -> HostArray:
    """Rows after each of five steps, read out of the text of Keras's own test; Keras is not imported."""
    spec = importlib.util.find_spec("keras")
    path = Path(spec.origin).parent / f"src/optimizers/{name}_test.py" if spec and spec.origin else Path()
    if not path.is_file():
        pytest.skip("Keras, or the tests that its wheel holds, are not installed")
    for statement in ast.walk(ast.parse(path.read_text("utf-8"))):
        match statement:
            case ast.Assign(targets=[ast.Name(id="golden")], value=ast.Call(args=[rows, *_])):
                return np.broadcast_to(np.array(ast.literal_eval(rows)), (5, 10))
    raise AssertionError(f"no golden table in {path.name}")


@pytest.mark.parametrize("name", KERAS)
def test_keras_golden_table(name: str) -> None:
    golden = golden_table(name)
    kind, options = KERAS[name]
    w = nn.Parameter(np.ones(10))
    optimizer = getattr(optim, kind)([w], **options)
    for t, row in enumerate(golden, start=1):
        if kind.startswith("Adam") and kind != "Adamax":  # Keras adds its eps to the uncorrected root
            optimizer.param_groups[0]["eps"] = options["eps"] / np.sqrt(1 - 0.999**t).item()
        w.grad = np.full(10, 0.01) if t == 1 else np.arange(0.1, 1.05, 0.1)
        optimizer.step()
        np.testing.assert_allclose(w.data, row, rtol=0, atol=5e-4)  # as close as Keras


# ------------------------------------------------------------------ scikit-learn

REPLAYS: dict[str, tuple[dict[str, Any], Any]] = {
    "plain": ({"momentum": 0.0}, lambda p: optim.SGD(p, lr=0.05)),
    "momentum": (
        {"momentum": 0.9, "nesterovs_momentum": False},
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    ),
    "nesterov": (
        {"momentum": 0.9},
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
}


def sklearn_network(seed: int, rate: float, options: dict[str, Any]) -> Any:
    """A small MLPClassifier."""
    neural_network = pytest.importorskip("sklearn.neural_network")
    return neural_network.MLPClassifier(
        (5,),
        activation="tanh",
        alpha=0.3,
        solver="sgd",
        learning_rate_init=rate,
        random_state=seed,
        **options,
    )


@pytest.mark.parametrize("replay", REPLAYS)
def test_a_step_of_mlp_classifier(replay: str) -> None:
    """Each batch is one step; its alpha is halved, and divided by the batch; Adam: test_dialects.py."""
    options, make = REPLAYS[replay]
    rng = np.random.default_rng(0)
    theirs, still = sklearn_network(1, 0.05, options), sklearn_network(1, 1e-300, options)
    ours = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    optimizer, criterion = make(ours.parameters()), nn.CrossEntropyLoss()
    for t in range(1, 31):
        rows = int(rng.integers(10, 40))
        x, y = rng.normal(size=(rows, 4)), rng.integers(0, 3, rows)
        if t == 1:  # steps too short to be felt leave the initial weights, which nothing else shows
            still.partial_fit(x, y, classes=[0, 1, 2])
            for layer, weight, bias in zip((ours[0], ours[2]), still.coefs_, still.intercepts_, strict=True):
                layer.weight.data, layer.bias.data = weight.T, bias
        theirs.partial_fit(x, y, classes=[0, 1, 2])
        optimizer.zero_grad()
        criterion(ours(x), y)
        ours.backward(criterion.backward(), input_grad=False)
        L2(0.3 / 2 / rows, on="weights").backward(ours)
        optimizer.step()
        for layer, weight, bias in zip((ours[0], ours[2]), theirs.coefs_, theirs.intercepts_, strict=True):
            np.testing.assert_allclose(layer.weight.data, weight.T, rtol=0, atol=1e-12, err_msg=f"step {t}")
            np.testing.assert_allclose(layer.bias.data, bias, rtol=0, atol=1e-12, err_msg=f"step {t}")
