"""A training step as one call moves a model as PyTorch's loop does; compiled, it has the bits of the loop."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import backend, nn, optim
from npnet.random import RecordingGenerator, ReplayGenerator
from npnet.training import TrainStep
from npnet.training.tests.train_steps import ending_chains
from parity_tests.equal import assert_equal
from parity_tests.registry.specification import seeds
from parity_tests.report import Subject
from torchref import to_torch
from torchref.masks import give_masks

thorough = pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE") != "thorough",
    reason="it compiles for a minute: HYPOTHESIS_PROFILE=thorough runs it",
)

LAYERS = {
    "Linear": lambda masks: nn.Linear(5, 5),
    "Linear without bias": lambda masks: nn.Linear(5, 5, bias=False),
    "BatchNorm1d": lambda masks: nn.BatchNorm1d(5),
    "BatchNorm1d, cumulative": lambda masks: nn.BatchNorm1d(5, momentum=None),
    "LayerNorm": lambda masks: nn.LayerNorm(5),
    "ReLU": lambda masks: nn.ReLU(),
    "GELU": lambda masks: nn.GELU(),
    "Dropout": lambda masks: nn.Dropout(0.4, generator=masks),
}
LOSSES = {
    "CrossEntropyLoss": nn.CrossEntropyLoss,
    "CrossEntropyLoss, summed": lambda: nn.CrossEntropyLoss(reduction="sum"),
    "CrossEntropyLoss, smoothed": lambda: nn.CrossEntropyLoss(label_smoothing=0.1),
    "MSELoss": nn.MSELoss,
    "HuberLoss": lambda: nn.HuberLoss(delta=0.5),
    "BCEWithLogitsLoss": nn.BCEWithLogitsLoss,
}


def batches(loss: str, rows: int, steps: int, seed: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(seed)
    classes = loss.startswith("CrossEntropyLoss")
    return [
        (rng.standard_normal((rows, 5)), rng.integers(0, 3, rows) if classes else rng.random((rows, 3)))
        for _ in range(steps)
    ]


@given(
    layers=st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=5),
    loss=st.sampled_from(sorted(LOSSES)),
    rows=st.integers(2, 12),
    seed=seeds,
)
def test_steps_move_a_model_as_pytorchs_loop_does(layers: list[str], loss: str, rows: int, seed: int) -> None:
    npnet.manual_seed(seed)
    recorder = RecordingGenerator(npnet.random.Generator(seed))
    ours = nn.Sequential(*[LAYERS[name](recorder) for name in layers], nn.Linear(5, 3)).double()
    criterion = LOSSES[loss]()
    theirs, their_criterion = to_torch(ours), to_torch(criterion)
    optimizer = optim.SGD(ours.parameters(), lr=0.05, momentum=0.9)
    step = TrainStep(ours, criterion, optimizer)
    data = batches(loss, rows, 5, seed)
    found = [step(x, target) for x, target in data]

    give_masks(theirs, ReplayGenerator(recorder.tape))
    their_optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    subject = Subject("train step", "float64", "trajectory")
    for number, (x, target) in enumerate(data):
        their_optimizer.zero_grad()
        output = theirs(torch.tensor(x))
        their_loss = their_criterion(output, torch.tensor(target))
        their_loss.backward()
        their_optimizer.step()
        our_loss, our_output = found[number]
        pairs = (("loss", np.asarray(our_loss), their_loss), ("output", our_output, output))
        for label, mine, other in pairs:
            assert_equal(mine, other.detach().numpy(), subject, f"{label} of step {number}", least_scale=1.0)
    for name, value in ours.state_dict().items():
        assert_equal(value, theirs.state_dict()[name].numpy(), subject, name, least_scale=1.0)
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert_equal(mine.grad, other.grad.numpy(), subject, f"gradient of {name}", least_scale=1.0)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, engine_restored: None) -> Iterator[Any]:
    """The engine, whose rows are compiled at their first call, where it is installed."""
    pytest.importorskip("numba", reason="the engine needs Numba: pip install 'npnet[fast]'")
    chains: Any = importlib.import_module("npnet.engine.numba_chain")
    backend.set_engine("numba")
    monkeypatch.setattr(chains, "HOT", 0)
    chains.chain_of.cache_clear()
    yield chains
    chains.chain_of.cache_clear()


def steps(
    at_once: bool, model: Any, rows: int, dtype: str, reduction: str, lie: Callable[[Any], Any] = np.array
) -> list[Any]:
    """Losses, outputs, gradients, weights and statistics of some steps, and what is drawn next."""
    criterion, optimizer = nn.CrossEntropyLoss(reduction=reduction), optim.Adam(model.parameters())
    step = TrainStep(model, criterion, optimizer)
    found: list[Any] = []
    for x, target in batches("CrossEntropyLoss", rows, 6, 0):
        x = x.astype(dtype)
        if at_once:
            loss, output = step(x, lie(target))
        else:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, lie(target))
            model.backward(criterion.backward(), input_grad=False)
            optimizer.step()
        gradients = [parameter.grad for parameter in model.parameters()]
        found += [loss, output, *[None if each is None else np.array(each) for each in gradients]]
    return [*found, *model.state_dict().values(), npnet.random.stream("dropout").random_()]


def trained(
    at_once: bool, rows: int, dtype: str, reduction: str, lie: Callable[[Any], Any] = np.array
) -> tuple[list[Any], Any]:
    """The same of a common network; and the network."""
    npnet.manual_seed(0)
    hidden = [nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.4)]
    model = nn.Sequential(*hidden, nn.Linear(6, 3)).to(dtype)
    return steps(at_once, model, rows, dtype, reduction, lie), model


def frozen(target: Any) -> Any:
    target = target.copy()
    target.flags.writeable = False
    return target


def assert_same_bits(ours: list[Any], theirs: list[Any]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert type(one) is type(other)
        np.testing.assert_array_equal(one, other, strict=True)


def went_at_once(model: Any) -> bool:
    return any(name == "both" for chain in ending_chains(model) for name, _ in chain.ways)


@pytest.mark.parametrize("rows", [2, 7, 8, 100, 129, 300])
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=thorough)])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_compiled_it_has_the_bits_of_the_loop(compiled: Any, rows: int, dtype: str, reduction: str) -> None:
    ours, model = trained(True, rows, dtype, reduction)
    theirs, by_hand = trained(False, rows, dtype, reduction)
    assert_same_bits(ours, theirs)
    assert went_at_once(model)
    assert not went_at_once(by_hand)


@pytest.mark.parametrize(
    "lie", [lambda target: np.repeat(target, 2)[::2], lambda target: target.astype(np.uint8), frozen]
)
def test_targets_that_lie_otherwise_are_compiled_no_other_way(compiled: Any, lie: Any) -> None:
    ours, model = trained(True, 7, "float32", "mean", lie=lie)
    assert_same_bits(ours, trained(False, 7, "float32", "mean")[0])
    assert went_at_once(model)
    (chain,) = ending_chains(model)
    assert not chain._refused
    assert len(chain.ways["both", 0].signatures) == 1


def test_targets_of_other_bytes_are_left_to_numpy(compiled: Any) -> None:
    ours, model = trained(True, 7, "float32", "mean", lie=lambda target: target.astype(">i8"))
    assert_same_bits(ours, trained(False, 7, "float32", "mean", lie=lambda target: target.astype(">i8"))[0])
    assert not went_at_once(model)


def test_a_bias_of_one_number(compiled: Any) -> None:
    def train(at_once: bool) -> list[Any]:
        npnet.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
        model[3].bias = nn.Parameter(np.ones(1, np.float32), requires_grad=False)
        return steps(at_once, model, 9, "float32", "mean")

    assert_same_bits(train(True), train(False))


def test_where_it_is_not_compiled_it_has_them_too(compiled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "HOT", 10**9)
    monkeypatch.setattr("npnet.engine.numba_engine.is_kept", lambda name, source: False)
    ours, model = trained(True, 9, "float32", "mean")
    assert_same_bits(ours, trained(False, 9, "float32", "mean")[0])
    assert not went_at_once(model)
    monkeypatch.setattr(compiled, "HOT", 4)
    compiled.chain_of.cache_clear()
    later, model = trained(True, 9, "float32", "mean")
    assert_same_bits(later, ours)
    assert went_at_once(model)


def test_more_exponentials_than_a_row_should_have_are_numpys(compiled: Any) -> None:
    ours, model = trained(True, 3400, "float32", "mean")
    assert_same_bits(ours, trained(False, 3400, "float32", "mean")[0])
    assert not went_at_once(model)
