"""The functions of ``nn.functional`` compute what PyTorch's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from npnet import nn
from npnet.errors import ArgumentError, DtypeError, NpnetError, ShapeError, UnsupportedError
from parity_tests.equal import assert_equal
from parity_tests.libraries import LIBRARIES, NPNET, TORCH, arguments_for, every_device
from parity_tests.registry import MODULES
from parity_tests.registry.layers import shapes
from parity_tests.registry.several_losses import parted
from parity_tests.registry.specification import arrays
from parity_tests.report import Subject

alphas = st.sampled_from([0.3, 1.0, 1.7])
halves = st.sampled_from([0.0, 0.5, 1.0])

ELEMENTWISE: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "celu": {"alpha": alphas},
    "elu": {"alpha": alphas},
    "gelu": {"approximate": st.sampled_from(["none", "tanh"])},
    "hardshrink": {"lambd": halves},
    "hardsigmoid": {},
    "hardswish": {},
    "hardtanh": {"min_val": st.sampled_from([-2.0, 0.0]), "max_val": st.sampled_from([0.5, 2.0])},
    "leaky_relu": {"negative_slope": st.floats(-1, 2)},
    "logsigmoid": {},
    "mish": {},
    "relu": {},
    "relu6": {},
    "selu": {},
    "sigmoid": {},
    "silu": {},
    "softplus": {"beta": st.sampled_from([0.5, 1.0, 3.0]), "threshold": st.sampled_from([20.0, 1.0])},
    "softshrink": {"lambd": halves},
    "softsign": {},
    "tanh": {},
    "tanhshrink": {},
}
"""The options of each."""

LOSSES = {
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "cross_entropy": "CrossEntropyLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
    "huber_loss": "HuberLoss",
    "kl_div": "KLDivLoss",
    "l1_loss": "L1Loss",
    "mse_loss": "MSELoss",
    "multilabel_margin_loss": "MultiLabelMarginLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
    "multi_margin_loss": "MultiMarginLoss",
    "nll_loss": "NLLLoss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "smooth_l1_loss": "SmoothL1Loss",
    "soft_margin_loss": "SoftMarginLoss",
}
SEVERAL = {
    "cosine_embedding_loss": "CosineEmbeddingLoss",
    "gaussian_nll_loss": "GaussianNLLLoss",
    "margin_ranking_loss": "MarginRankingLoss",
    "triplet_margin_loss": "TripletMarginLoss",
}
WINDOWS = {
    f"{name}{axes}d": f"{kind}{axes}d"
    for name, kind in (
        ("max_pool", "MaxPool"),
        ("avg_pool", "AvgPool"),
        ("adaptive_avg_pool", "AdaptiveAvgPool"),
    )
    for axes in (1, 2)
}
DROPOUTS = {
    "alpha_dropout": (1, 4),
    "dropout": (1, 4),
    "dropout1d": (2, 3),
    "dropout2d": (4, 4),
    "feature_alpha_dropout": (2, 5),
}
"""Fewest and most axes."""

CONVOLUTIONS = {"conv1d": "Conv1d", "conv2d": "Conv2d"}
OTHERS = ("linear", "flatten", "glu", "log_softmax", "prelu", "softmax", "softmin", "threshold")
INPLACE = (
    *("celu", "elu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish"),
    *("relu", "relu6", "selu", "silu", "threshold"),
)
NORMALIZATIONS = {
    "batch_norm": ("BatchNorm2d", {"weight", "bias"}),
    "group_norm": ("GroupNorm", {"weight", "bias"}),
    "instance_norm": ("InstanceNorm2d", {"weight", "bias"}),
    "layer_norm": ("LayerNorm", {"weight", "bias"}),
    "rms_norm": ("RMSNorm", {"weight"}),
}
"""The class whose cases are drawn, and the parameters that the function takes."""


def compare(name: str, device: str, inputs: tuple[Any, ...], arguments: dict[str, Any]) -> None:
    """Call both, and compare the values."""
    library = LIBRARIES[device]
    twin = getattr(torch.nn.functional, name, None) or getattr(torch, name)
    found = []
    for each, function in ((library, getattr(nn.functional, name)), (TORCH, twin)):
        each.seed(3)
        output = function(*map(each.array, inputs), **arguments_for(each, arguments))
        found.append(each.host(output))
    subject = Subject(f"functional.{name}", "float64", "forward")
    assert_equal(found[0], found[1], subject, str(arguments), least_scale=1.0)


@every_device
@pytest.mark.parametrize("name", ELEMENTWISE)
@given(data=st.data())
def test_elementwise(name: str, device: str, data: st.DataObject) -> None:
    arguments = data.draw(st.fixed_dictionaries({}, optional=ELEMENTWISE[name]))
    compare(name, device, (data.draw(shapes(least=0).flatmap(arrays)),), arguments)


@every_device
@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
def test_losses(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[LOSSES[name]].cases)
    compare(name, device, case.batches[0], case.arguments)


@every_device
@pytest.mark.parametrize("name", SEVERAL)
@given(data=st.data())
def test_losses_of_several_inputs(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[SEVERAL[name]].cases)
    options = {key: value for key, value in case.arguments.items() if key != "shapes"}
    first, *rest = parted(case.batches[0][0], case.arguments["shapes"])
    if name == "gaussian_nll_loss":
        compare(name, device, (first, case.batches[0][1], np.abs(rest[0])), options)
        compare(name, device, (first, case.batches[0][1]), {**options, "var": 2.5})
    else:
        compare(name, device, (first, *rest, *case.batches[0][1:]), options)


@every_device
@pytest.mark.parametrize("name", ["huber_loss", "l1_loss", "mse_loss"])
@given(data=st.data())
def test_weighted_losses(name: str, device: str, data: st.DataObject) -> None:
    """The mean is over the weights or over the elements, as PyTorch has it."""
    case = data.draw(MODULES[LOSSES[name]].cases)
    weight = np.asarray(np.abs(data.draw(arrays(case.batches[0][0].shape))) + 0.1)
    compare(name, device, case.batches[0], {**case.arguments, "weight": weight})


def test_a_weight_of_another_shape_is_refused() -> None:
    for name in ("huber_loss", "l1_loss", "mse_loss"):
        with pytest.raises(ShapeError, match=r"weight has shape \(2,\), input \(3,\)"):
            getattr(nn.functional, name)(np.ones(3), np.ones(3), weight=np.ones(2))


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{name}: inplace=True is not supported"):
        getattr(nn.functional, name)(np.ones(3), *([1.0, 2.0] if name == "threshold" else []), inplace=True)


@every_device
@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax", "glu"])
@given(data=st.data())
def test_along_an_axis(name: str, device: str, data: st.DataObject) -> None:
    classes = {"softmax": "Softmax", "softmin": "Softmin", "log_softmax": "LogSoftmax", "glu": "GLU"}
    case = data.draw(MODULES[classes[name]].cases)
    compare(name, device, case.batches[0], case.arguments)


def test_softmax_takes_a_dtype_and_warns_without_an_axis() -> None:
    x = np.array([[1.0, 2.0]], np.float32)
    assert nn.functional.softmax(x, dim=1, dtype="float64").dtype == np.float64
    for shape, axis in (((3,), 0), ((2, 3), 1), ((2, 3, 4), 0), ((2, 2, 2, 2), 1)):
        y = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
        with pytest.warns(UserWarning, match=f"without dim= takes axis {axis}") as caught:
            found = nn.functional.log_softmax(y)
        assert caught[0].filename == __file__
        with pytest.warns(UserWarning, match="Implicit dimension"):
            expected = torch.nn.functional.log_softmax(torch.tensor(y))
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)
        with pytest.warns(UserWarning, match=f"Softmax without dim= takes axis {axis}") as caught:
            nn.Softmax()(y)
        assert caught[0].filename == __file__


def test_the_mean_of_kl_div_is_over_the_elements() -> None:
    x, q = np.log([[0.25, 0.75], [0.5, 0.5]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    criterion = nn.KLDivLoss()
    with pytest.warns(UserWarning, match="'mean' divides the total loss"):
        expected = torch.nn.functional.kl_div(torch.tensor(x), torch.tensor(q))
    assert criterion(x, q) == pytest.approx(expected.item(), rel=1e-14)
    np.testing.assert_array_equal(criterion.backward(), -q / 4)


@every_device
@given(data=st.data(), value=st.floats(-2, 2))
def test_threshold(device: str, data: st.DataObject, value: float) -> None:
    x = data.draw(shapes(least=0).flatmap(arrays))
    compare("threshold", device, (x,), {"threshold": data.draw(halves), "value": value})


@every_device
@given(data=st.data())
def test_prelu(device: str, data: st.DataObject) -> None:
    x = data.draw(shapes(least=1).flatmap(arrays))
    slopes = data.draw(st.sampled_from([1, x.shape[1] if x.ndim > 1 else 1]))
    compare("prelu", device, (x, data.draw(arrays((slopes,)))), {})


@every_device
@pytest.mark.parametrize("name", WINDOWS)
@given(data=st.data())
def test_windows(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[WINDOWS[name]].cases)
    compare(name, device, case.batches[0], case.arguments)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@given(data=st.data(), own=st.booleans())
def test_normalizations(name: str, data: st.DataObject, own: bool) -> None:
    """Values, and the running statistics that are moved in place."""
    kind, taken = NORMALIZATIONS[name]
    case = data.draw(MODULES[kind].cases)
    x, rng = case.batches[0][0], np.random.default_rng(case.seed)
    assume(name != "instance_norm" or x.ndim == 4)
    given = {
        key: value
        for key, value in case.arguments.items()
        if key in ("num_groups", "normalized_shape", "eps")
    }
    if not isinstance(given.get("normalized_shape", ()), tuple):
        given["normalized_shape"] = (given["normalized_shape"],)
    if case.arguments.get("affine", case.arguments.get("elementwise_affine")):
        shape = given.get("normalized_shape", x.shape[1:2])
        given |= {key: rng.normal(size=shape) for key in sorted(taken)}
    if name in ("batch_norm", "instance_norm"):
        given |= {
            "running_mean": rng.normal(size=x.shape[1]),
            "running_var": rng.uniform(0.5, 2.0, x.shape[1]),
        }
        given |= {"training" if name == "batch_norm" else "use_input_stats": own, "momentum": 0.3}
    seen = []
    for library, module in ((NPNET, nn.functional), (TORCH, torch.nn.functional)):
        arguments = arguments_for(library, given)
        output = getattr(module, name)(library.array(x), **arguments)
        running = [
            library.host(arguments[key]) for key in ("running_mean", "running_var") if key in arguments
        ]
        seen.append([library.host(output), *running])
    for i, (ours, theirs) in enumerate(zip(*seen, strict=True)):
        assert_equal(
            ours, theirs, Subject(f"functional.{name}", "float64", "forward"), f"{i} of {case.arguments}"
        )


OPERANDS: dict[str, tuple[str, tuple[int, ...], tuple[Any, ...], dict[str, tuple[int, ...]]]] = {
    "batch_norm": ("batch_norm", (3, 4), (), {"running_mean": (4,), "running_var": (4,)}),
    "batch_norm affine": (
        "batch_norm",
        (3, 4),
        (None, None),
        {"weight": (4,), "bias": (4,), "training": ()},
    ),
    "conv1d": ("conv1d", (1, 2, 4), (), {"weight": (4, 1, 2), "bias": (4,), "groups": ()}),
    "conv2d": ("conv2d", (1, 2, 4, 4), (), {"weight": (4, 1, 2, 2), "bias": (4,), "groups": ()}),
    "group_norm": ("group_norm", (3, 4), (2,), {"weight": (4,), "bias": (4,)}),
    "instance_norm": ("instance_norm", (2, 4, 3), (None, None), {"weight": (4,), "bias": (4,)}),
    "instance_norm running": (
        "instance_norm",
        (2, 4, 3),
        (),
        {"running_mean": (4,), "running_var": (4,)},
    ),
    "layer_norm": ("layer_norm", (3, 4), ((4,),), {"weight": (4,), "bias": (4,)}),
    "linear": ("linear", (3, 4), (), {"weight": (2, 4), "bias": (2,)}),
    "prelu": ("prelu", (3, 4), (), {"weight": (4,)}),
    "rms_norm": ("rms_norm", (3, 4), ((4,),), {"weight": (4,)}),
}
"""Function, shape of its input, what comes after it, and the shapes of the arrays given by name."""

LENIENT = {
    ("linear", "bias", "shape"): "PyTorch broadcasts any bias",
    ("instance_norm", "running_mean", "dtype"): "PyTorch casts it",
    ("rms_norm", "weight", "dtype"): "PyTorch casts, and warns that it is slow",
}
SETTINGS = {"training": True, "groups": 2}


@pytest.mark.filterwarnings("ignore:Mismatch dtype")
@pytest.mark.parametrize("bent", ["shape", "dtype"])
@pytest.mark.parametrize(
    ("case", "operand"),
    [(case, name) for case in OPERANDS for name in OPERANDS[case][3] if name not in SETTINGS],
)
def test_arrays_that_do_not_fit_are_refused(case: str, operand: str, bent: str) -> None:
    """A bias of too few elements is not broadcast, a float64 weight not cast."""
    name, shape, positional, others = OPERANDS[case]
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    given = {
        key: SETTINGS[key] if key in SETTINGS else np.ones(size, np.float32) for key, size in others.items()
    }
    getattr(nn.functional, name)(x, *positional, **given)  # all is well
    right: Any = given[operand]
    given[operand] = right[..., :3][..., None, :] if bent == "shape" else right.astype(np.float64)
    with pytest.raises(ShapeError if bent == "shape" else DtypeError) as ours:
        getattr(nn.functional, name)(x, *positional, **given)
    assert isinstance(ours.value, NpnetError)
    if (name, operand, bent) not in LENIENT:
        with pytest.raises((RuntimeError, ValueError)) as theirs:
            getattr(torch.nn.functional, name)(TORCH.array(x), *positional, **arguments_for(TORCH, given))
        assert isinstance(ours.value, type(theirs.value))


def test_a_bias_of_one_group_is_not_broadcast_over_all() -> None:
    with pytest.raises(ShapeError, match=r"conv1d takes bias of shape \(4,\), got \(2,\)"):
        nn.functional.conv1d(np.ones((1, 2, 4)), np.ones((4, 1, 2)), np.ones(2), groups=2)
    with pytest.raises(ShapeError, match=r"layer_norm takes weight of shape \(4,\), got \(1,\)"):
        nn.functional.layer_norm(np.ones((3, 4)), (4,), np.ones(1))
    with pytest.raises(DtypeError, match="linear takes an array, got list"):
        nn.functional.linear([[1.0]], np.ones((1, 1)))  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match="float32 or float64, got int64"):
        nn.functional.linear(np.ones((1, 1), np.int64), np.ones((1, 1)))


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
@pytest.mark.parametrize("given", ["running_mean", "running_var"])
def test_one_running_statistic_alone_is_refused(name: str, given: str) -> None:
    arguments = {"running_mean": None, "running_var": None, given: np.ones(4)}
    if name == "batch_norm":
        arguments["training"] = True
    for library, error in ((NPNET, ArgumentError), (TORCH, ValueError)):
        module: Any = nn if library is NPNET else torch.nn
        x = library.array(np.random.default_rng(0).normal(size=(2, 4, 3)))
        with pytest.raises(error, match="both"):
            getattr(module.functional, name)(x, **arguments_for(library, arguments))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("celu", {"alpha": 0.0}, "celu divides by alpha"),
        ("gelu", {"approximate": "foo"}, "'none' or 'tanh', got 'foo'"),
        ("hardtanh", {"min_val": 1.0, "max_val": -1.0}, "at least min_val"),
        ("prelu", {"weight": np.ones((1, 3))}, r"got shape \(1, 3\)"),
        ("softshrink", {"lambd": -1.0}, "must not be negative"),
        ("softplus", {"beta": 0.0}, "softplus divides by beta"),
    ],
)
def test_functions_check_their_options_as_the_classes_do(
    name: str, options: dict[str, Any], message: str
) -> None:
    x = np.ones((2, 3))
    with pytest.raises(NpnetError, match=message) as ours:
        getattr(nn.functional, name)(x, **options)
    if name != "softplus":  # PyTorch divides by zero
        with pytest.raises((RuntimeError, ValueError)) as theirs:
            getattr(torch.nn.functional, name)(TORCH.array(x), **arguments_for(TORCH, options))
        assert isinstance(ours.value, type(theirs.value))


def test_hardtanh_takes_equal_bounds() -> None:
    np.testing.assert_array_equal(nn.functional.hardtanh(np.array([-1.0, 3.0]), 1.0, 1.0), [1.0, 1.0])


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_softmax_of_no_classes_is_empty(name: str) -> None:
    x = np.zeros((3, 0), np.float32)
    layer = getattr(nn, name)(1)
    assert layer(x).shape == getattr(torch.nn, name)(1)(torch.tensor(x)).shape
    assert layer.backward(x).shape == (3, 0)


def test_a_single_number_as_gradient_takes_the_dtype_of_the_loss() -> None:
    x, t = np.array([0.5, 2.0], np.float32), np.zeros(2, np.float32)
    for seed in (2.0, np.float64(2.0), np.array(2.0)):
        criterion = nn.MSELoss()
        criterion(x, t)
        grad = criterion.backward(seed)
        assert grad is not None
        assert grad.dtype == np.float32
        np.testing.assert_array_equal(grad, 2 * x)


@every_device
@pytest.mark.parametrize("name", CONVOLUTIONS)
@given(data=st.data())
def test_convolutions(name: str, device: str, data: st.DataObject) -> None:
    case = data.draw(MODULES[CONVOLUTIONS[name]].cases)
    assume(case.arguments["padding_mode"] == "zeros")
    layer = getattr(nn, CONVOLUTIONS[name])(**case.arguments, dtype="float64")
    operands = [*case.batches[0], *(parameter.data for parameter in layer.parameters())]
    arguments = {key: case.arguments[key] for key in ("stride", "padding", "dilation", "groups")}
    compare(name, device, tuple(operands), arguments)


@every_device
@given(data=st.data())
def test_linear(device: str, data: st.DataObject) -> None:
    leading, n_in, n_out = data.draw(shapes(least=0, most=2)), *data.draw(shapes(2, 2))
    x, weight, bias = (data.draw(arrays(shape)) for shape in ((*leading, n_in), (n_out, n_in), (n_out,)))
    compare("linear", device, (x, weight, bias)[: data.draw(st.integers(2, 3))], {})


@every_device
@given(data=st.data())
def test_flatten(device: str, data: st.DataObject) -> None:
    compare("flatten", device, (data.draw(shapes(least=1).flatmap(arrays)),), {"start_dim": 0})


@every_device
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", DROPOUTS)
@given(data=st.data(), p=st.sampled_from([0.0, 0.3, 1.0]))
def test_dropout(name: str, device: str, data: st.DataObject, training: bool, p: float) -> None:
    x = data.draw(shapes(*DROPOUTS[name]).flatmap(arrays))
    compare(name, device, (x,), {"p": p, "training": training})


def test_every_function_is_tested() -> None:
    assert set(nn.functional.__all__) == {
        *ELEMENTWISE,
        *LOSSES,
        *SEVERAL,
        *DROPOUTS,
        *WINDOWS,
        *CONVOLUTIONS,
        *NORMALIZATIONS,
        *OTHERS,
    }


def test_inputs_are_not_touched() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    x.flags.writeable = False
    for name in ELEMENTWISE:
        getattr(nn.functional, name)(x)
    nn.functional.dropout(x, 0.5)
