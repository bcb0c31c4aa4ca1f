"""Layers against ONNX's node tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npnet import nn
from npnet.nn import functional
from npnet.nn.linear import linear
from parity_tests.onnx_nodes import Node, hold

HostArray = npt.NDArray[Any]


def gemm(node: Node) -> Iterable[HostArray | None]:
    """A linear layer's formula; the transposes and factors of the operator are applied around it."""
    a, b, *rest = node.inputs
    assert a is not None
    assert b is not None
    a = a.T if node.attributes.get("transA") else a
    weight = b if node.attributes.get("transB") else b.T
    bias = None if not rest or rest[0] is None else node.attributes.get("beta", 1.0) * rest[0]
    yield linear(node.attributes.get("alpha", 1.0) * a, weight, bias)


def test_gemm() -> None:
    assert hold("gemm", gemm) >= 11


# ------------------------------------------------------------------ windows


def prepared(node: Node, kernel: list[int], fill: float) -> tuple[HostArray, dict[str, Any]]:
    """The input and the options of a window; padding that PyTorch does not know is made here, of `fill`."""
    (x, *_), given = node.inputs, node.attributes
    assert x is not None
    axes = len(kernel)
    stride, dilation = given.get("strides", [1] * axes), given.get("dilations", [1] * axes)
    pads = given.get("pads", [0] * (2 * axes))
    widths = list(zip(pads[:axes], pads[axes:], strict=True))
    auto = given.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        sides = zip(x.shape[2:], kernel, stride, dilation, strict=True)
        missing = [max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n) for n, k, s, d in sides]
        widths = [(m - m // 2, m // 2) if auto == "SAME_LOWER" else (m // 2, m - m // 2) for m in missing]
    options: dict[str, Any] = {"stride": tuple(stride), "padding": tuple(before for before, _ in widths)}
    if any(a != b or 2 * a > k for (a, b), k in zip(widths, kernel, strict=True)):
        x, options["padding"] = np.pad(x, [(0, 0), (0, 0), *widths], constant_values=fill), 0
    if "dilations" in given:
        options["dilation"] = tuple(dilation)
    if "ceil_mode" in given:
        options["ceil_mode"] = bool(given["ceil_mode"])
    return x, options


def conv(node: Node) -> Iterable[HostArray | None]:
    """Convolution without bias, as ONNX's cases have it."""
    weight = node.inputs[1]
    assert weight is not None
    x, options = prepared(node, list(weight.shape[2:]), 0.0)
    yield functional.conv2d(x, weight, **options)


def max_pool(node: Node) -> Iterable[HostArray | None]:
    """The values; npnet gives no indices."""
    kernel = node.attributes["kernel_shape"]
    x, options = prepared(node, kernel, -np.inf)
    yield getattr(functional, f"max_pool{len(kernel)}d")(x, tuple(kernel), **options)


def average_pool(node: Node) -> Iterable[HostArray | None]:
    """Where padding made by hand must not count, the quotient of two means that count it."""
    kernel, counted = node.attributes["kernel_shape"], bool(node.attributes.get("count_include_pad", 0))
    x, options = prepared(node, kernel, 0.0)
    pool = getattr(functional, f"avg_pool{len(kernel)}d")
    y = pool(x, tuple(kernel), count_include_pad=counted, **options)
    if x is not node.inputs[0] and not counted:
        inside = prepared(replace(node, inputs=(np.ones_like(node.inputs[0]),)), kernel, 0.0)[0]
        y = y / pool(inside, tuple(kernel), count_include_pad=counted, **options)
    yield y


THREE = "npnet has windows along one axis and two"


def test_conv() -> None:
    assert hold("conv", conv) >= 6


def test_max_pool() -> None:
    integers = "npnet takes floating arrays"
    assert hold("maxpool", max_pool, passed_over={"*_3d_*": THREE, "*_uint8": integers}) >= 14


def test_average_pool() -> None:
    dilated = "PyTorch's means have no dilation"
    passed_over = {"*_3d_*": THREE, "*_2d_dilations": dilated}
    four_digits = 2e-4  # of which one case tells no more
    assert hold("averagepool", average_pool, passed_over=passed_over, tolerance=four_digits) >= 13


def test_global_average_pool() -> None:
    assert hold("globalaveragepool", lambda node: [nn.AdaptiveAvgPool2d(1)(node.inputs[0])]) >= 2


# ------------------------------------------------------------------ normalisation


def batch_norm(node: Node) -> Iterable[HostArray | None]:
    """ONNX's momentum is one minus ours; its running variance is not corrected for the mean."""
    x, scale, shift, mean, variance = node.inputs
    assert x is not None
    training = bool(node.attributes.get("training_mode", 0))
    share = 1 - node.attributes.get("momentum", 0.9)
    layer = nn.BatchNorm2d(x.shape[1], node.attributes.get("epsilon", 1e-5), share).train(training)
    state = {"weight": scale, "bias": shift, "running_mean": mean, "running_var": variance}
    layer.load_state_dict(state, strict=False)
    yield layer(x)
    if training:
        assert variance is not None
        assert layer.running_var is not None
        m = x.size // x.shape[1]
        batch = (layer.running_var - (1 - share) * variance) * (m - 1) / m
        yield layer.running_mean
        yield (1 - share) * variance + batch


def test_batch_norm() -> None:
    assert hold("batch_normalization", batch_norm) >= 4


def layer_norm(node: Node) -> Iterable[HostArray | None]:
    """ONNX normalises all axes from one on."""
    x, scale, *shift = node.inputs
    assert x is not None
    shape = x.shape[node.attributes.get("axis", -1) :]
    yield functional.layer_norm(x, shape, scale, *shift, eps=node.attributes.get("epsilon", 1e-5))


def rms_norm(node: Node) -> Iterable[HostArray | None]:
    """As layer normalisation, without a shift."""
    x, scale = node.inputs
    assert x is not None
    shape = x.shape[node.attributes.get("axis", -1) :]
    yield functional.rms_norm(x, shape, scale, node.attributes.get("epsilon", 1e-5))


def group_norm(node: Node) -> Iterable[HostArray | None]:
    """Scale and shift are by channel."""
    x, scale, shift = node.inputs
    assert x is not None
    eps = node.attributes.get("epsilon", 1e-5)
    yield functional.group_norm(x, node.attributes["num_groups"], scale, shift, eps)


def instance_norm(node: Node) -> Iterable[HostArray | None]:
    """Each sample by itself."""
    x, scale, shift = node.inputs
    assert x is not None
    yield functional.instance_norm(x, weight=scale, bias=shift, eps=node.attributes.get("epsilon", 1e-5))


def test_normalisation_of_each_sample() -> None:
    assert hold("layernormalization", layer_norm) >= 19
    assert hold("rmsnormalization", rms_norm) >= 19
    assert hold("groupnormalization", group_norm) >= 2
    assert hold("instance_normalization", instance_norm) >= 2


# ------------------------------------------------------------------ the runner itself


def test_a_wrong_value_is_noticed() -> None:
    with pytest.raises(AssertionError, match="test_gemm_"):
        hold("gemm", lambda node: (y if y is None else y * np.float32(1.0001) for y in node.outputs))


def test_a_computation_that_shows_nothing_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no output was compared"):
        hold("gemm", lambda node: (None for _ in node.outputs))


def test_a_pattern_that_passes_nothing_over_is_noticed() -> None:
    with pytest.raises(AssertionError, match="passes nothing over"):
        hold("gemm", gemm, passed_over={"test_no_such_case": "there is none"})
