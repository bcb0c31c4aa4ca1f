"""Averaged models, their schedule and their BatchNorm statistics against ``torch.optim.swa_utils``."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import swa_utils as theirs

import torchref
from npnet import errors, nn, optim
from npnet.optim import swa_utils as ours
from parity_tests.equal import assert_as_on_host
from parity_tests.strict_device import forbid_synchronisation

seeds = st.integers(0, 2**32 - 1)

FUNCTIONS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "default": lambda library: {},
    "swa": lambda library: {"avg_fn": library.get_swa_avg_fn()},
    "swa, lists": lambda library: {"multi_avg_fn": library.get_swa_multi_avg_fn()},
    "ema": lambda library: {"avg_fn": library.get_ema_avg_fn(0.7)},
    "ema, lists": lambda library: {"multi_avg_fn": library.get_ema_multi_avg_fn(0.7)},
    "ema, default decay": lambda library: {"avg_fn": library.get_ema_avg_fn()},
    "own": lambda library: {"avg_fn": lambda a, c, n: a + (c - a) * (c.max() - c.min()) / (n + 2)},
}
every_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def model_of(seed: int, dtype: str = "float64") -> nn.Sequential:
    """A model with a weight that two layers share, a frozen layer and buffers."""
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4)
    ).to(dtype=dtype)
    model[3].weight = model[2].weight
    model[0].requires_grad_(False)
    redraw(model, np.random.default_rng(seed))
    return model


def redraw(model: nn.Module, rng: np.random.Generator) -> None:
    """Give every parameter and buffer new values."""
    for value in model.state_dict().values():
        value[...] = rng.normal(size=value.shape) if value.dtype.kind == "f" else rng.integers(0, 50)


def assert_same_states(mine: nn.Module, other: torch.nn.Module, tolerance: float) -> None:
    state, twin = mine.state_dict(), other.state_dict()
    assert list(state) == list(twin)
    for name, value in state.items():
        assert str(value.dtype) == str(twin[name].numpy().dtype), name
        np.testing.assert_allclose(value, twin[name].numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


def assert_close_states(mine: nn.Module, other: nn.Module, tolerance: float) -> None:
    for name, value in other.state_dict().items():
        np.testing.assert_allclose(
            mine.state_dict()[name], value, rtol=tolerance, atol=tolerance, err_msg=name
        )


@every_function
@given(
    seed=seeds, housed=st.booleans(), use_buffers=st.booleans(), dtype=st.sampled_from(["float64", "float32"])
)
def test_an_average_is_pytorch_s_at_every_update(
    function: Any, seed: int, housed: bool, use_buffers: bool, dtype: str
) -> None:
    tolerance = 1e-13 if dtype == "float64" else 1e-6
    if function is FUNCTIONS["swa, lists"]:
        use_buffers = False  # PyTorch's raises there: it divides integers
        tolerance = 1e-6  # and its share of the newest model is a float32
    rng = np.random.default_rng([seed, 1])  # the first model averaged is not the one that was copied
    model = model_of(seed, dtype)
    if housed:
        optim.SGD(model.parameters(), lr=0.1)
    mine = ours.AveragedModel(model, use_buffers=use_buffers, **function(ours))
    other = theirs.AveragedModel(torchref.to_torch(model), use_buffers=use_buffers, **function(theirs))
    for _ in range(4):
        redraw(model, rng)
        mine.update_parameters(model)
        other.update_parameters(torchref.to_torch(model))
        assert_same_states(mine, other, tolerance)
    assert int(mine.n_averaged) == 4


def test_pytorch_s_two_equal_averages_differ_and_ours_do_not() -> None:
    """Both values, as of PyTorch 2.13: its function of lists takes float32(1 / 3), its default 1 / 3."""
    a, c = np.array([0.0]), np.array([3.0])
    mine = a.copy()
    ours.get_swa_multi_avg_fn()([mine], [c], 2)
    assert mine == ours.get_swa_avg_fn()(a, c, 2) == 1.0
    tensors = [torch.tensor(a)], [torch.tensor(c)]
    theirs.get_swa_multi_avg_fn()(*tensors, torch.tensor(2))
    assert tensors[0][0].item() == 3 * float(np.float32(1 / 3)) != 1.0


def test_the_equal_average_is_the_mean_and_the_exponential_one_its_closed_form() -> None:
    model, weights = model_of(0), []
    swa, ema = ours.AveragedModel(model), ours.AveragedModel(model, avg_fn=ours.get_ema_avg_fn(0.5))
    for i in range(6):
        redraw(model, np.random.default_rng(i))
        weights.append(model[2].weight.data.copy())
        swa.update_parameters(model)
        ema.update_parameters(model)
    np.testing.assert_allclose(swa.module[2].weight.data, np.mean(weights, axis=0), rtol=1e-13)
    shares = [0.5**5] + [0.5 ** (6 - i) for i in range(1, 6)]
    expected = sum(share * weight for share, weight in zip(shares, weights, strict=True))
    np.testing.assert_allclose(ema.module[2].weight.data, expected, rtol=1e-13)


def test_the_average_walks_runs_and_shares_nothing_with_the_model() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optim.SGD(model.parameters(), lr=0.1)
    shapes: list[Any] = []

    def spy(averaged: Any, current: Any, count: int) -> Any:
        shapes.append((averaged.shape, current.shape, count))
        return averaged

    for function, expected in (
        (ours._Elementwise(spy), [((26,), (26,), 1)]),
        (spy, [(p.shape, p.shape, 1) for p in model.parameters()]),
    ):
        shapes.clear()
        averaged = ours.AveragedModel(model, avg_fn=function)
        averaged.update_parameters(model)
        averaged.update_parameters(model)
        assert shapes == expected
    before = averaged.module[0].weight.data.copy()
    model[0].weight.data += 1
    np.testing.assert_array_equal(averaged.module[0].weight.data, before)


@every_function
def test_it_continues_from_either_library_s_state(function: Any) -> None:
    model = model_of(0)
    whole = ours.AveragedModel(model, **function(ours))
    twin = theirs.AveragedModel(torchref.to_torch(model), **function(theirs))
    for i in range(3):
        redraw(model, np.random.default_rng(i))
        whole.update_parameters(model)
        twin.update_parameters(torchref.to_torch(model))
    tolerance = 1e-6 if function is FUNCTIONS["swa, lists"] else 1e-13
    for state in (whole.state_dict(), {k: v.numpy() for k, v in twin.state_dict().items()}):
        resumed = ours.AveragedModel(model_of(7), **function(ours))
        resumed.load_state_dict(copy.deepcopy(state))
        redraw(model, np.random.default_rng(9))
        expected = copy.deepcopy(whole)
        expected.update_parameters(model)
        resumed.update_parameters(model)
        assert_close_states(resumed, expected, tolerance)


@pytest.mark.device
@every_function
@pytest.mark.parametrize("use_buffers", [False, True])
def test_the_device_averages_without_waiting(function: Any, use_buffers: bool) -> None:
    model = model_of(0)
    host = ours.AveragedModel(model, use_buffers=use_buffers, **function(ours))
    device = ours.AveragedModel(model, "strict", use_buffers=use_buffers, **function(ours))
    on_device = copy.deepcopy(model).to("strict")
    for i in range(3):
        redraw(model, np.random.default_rng(i))
        on_device.load_state_dict(model.state_dict())
        host.update_parameters(model)
        with forbid_synchronisation():
            device.update_parameters(on_device)
    for name, value in device.state_dict().items():
        assert_as_on_host(value, host.state_dict()[name], name, steps=3)
    moved = host.to("strict")  # takes the count along, which then comes home once
    moved.update_parameters(on_device)
    with forbid_synchronisation():
        moved.update_parameters(on_device)
    assert int(moved.n_averaged) == 5


def test_an_averaged_model_runs_and_goes_back() -> None:
    model = nn.Sequential(nn.Linear(3, 2, dtype="float64"), nn.Tanh())
    averaged = ours.AveragedModel(model)
    averaged.update_parameters(model)
    x, g = np.random.default_rng(0).normal(size=(2, 5, 3))[0], np.ones((5, 2))
    np.testing.assert_array_equal(averaged(x), model(x))
    np.testing.assert_array_equal(averaged.backward(g), model.backward(g))


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    averaged = ours.AveragedModel(model_of(0))
    averaged.update_parameters(model_of(0))
    before = {name: value.copy() for name, value in averaged.state_dict().items()}
    for wrong in (nn.Linear(3, 4), nn.Sequential(*list(model_of(0))[:-1])):
        with pytest.raises(errors.StateError, match="the averaged model has parameters of shapes"):
            averaged.update_parameters(wrong)
    without = model_of(0)
    without[4].register_buffer("running_mean", None)
    with pytest.raises(errors.StateError, match="the averaged model has buffers of shapes"):
        averaged.update_parameters(without)
    for name, value in averaged.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def refused_alike(make: Callable[[Any], Any]) -> Exception:
    """Both libraries refuse, ours with an exception of the type of theirs."""
    with pytest.raises(Exception) as other:  # noqa: PT011 (whatever PyTorch raises)
        make(theirs)
    with pytest.raises(type(other.value)) as mine:
        make(ours)
    assert isinstance(mine.value, errors.NpnetError)
    return mine.value


def linear_of(library: Any) -> Any:
    return nn.Linear(2, 1) if library is ours else torch.nn.Linear(2, 1)


def sgd_of(library: Any, groups: int = 1) -> Any:
    layers = [linear_of(library) for _ in range(groups)]
    sgd = optim.SGD if library is ours else torch.optim.SGD
    return sgd([{"params": list(layer.parameters()), "lr": 0.1 * (i + 1)} for i, layer in enumerate(layers)])


@pytest.mark.parametrize("decay", [-0.1, 1.1])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    assert repr(decay) in str(refused_alike(lambda library: library.get_ema_avg_fn(decay)))
    assert repr(decay) in str(refused_alike(lambda library: library.get_ema_multi_avg_fn(decay)))
    with pytest.raises(errors.ArgumentError, match="nan"):
        ours.get_ema_avg_fn(float("nan"))


def test_two_functions_are_refused() -> None:
    def make(library: Any) -> Any:
        return library.AveragedModel(
            linear_of(library), avg_fn=library.get_swa_avg_fn(), multi_avg_fn=library.get_swa_multi_avg_fn()
        )

    assert "avg_fn and multi_avg_fn" in str(refused_alike(make))


# ---------------------------------------------------------------- SWALR


@given(
    swa_lr=st.floats(0.0, 2.0) | st.lists(st.floats(0.0, 2.0), min_size=2, max_size=2),
    anneal_epochs=st.integers(0, 6),
    strategy=st.sampled_from(["cos", "linear"]),
    disturbed=st.sets(st.integers(0, 8)),
    cut=st.integers(0, 8),
)
def test_swalr_is_pytorch_s_at_every_step(
    swa_lr: Any, anneal_epochs: int, strategy: str, disturbed: set[int], cut: int
) -> None:
    mine, other = sgd_of(ours, 2), sgd_of(theirs, 2)
    schedule = ours.SWALR(mine, swa_lr, anneal_epochs, strategy)
    twin = theirs.SWALR(other, swa_lr, anneal_epochs, strategy)  # type: ignore[arg-type]
    for step in range(9):
        np.testing.assert_allclose(schedule.get_last_lr(), twin.get_last_lr(), rtol=1e-12, atol=1e-15)
        assert [group["swa_lr"] for group in mine.param_groups] == [g["swa_lr"] for g in other.param_groups]
        if step == cut:  # saved by PyTorch, continued here
            schedule.load_state_dict(twin.state_dict())
        if step in disturbed:
            for group in (*mine.param_groups, *other.param_groups):
                group["lr"] *= 0.5
        other.step()
        schedule.step()
        twin.step()


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_undisturbed_swalr_is_its_closed_form(strategy: str) -> None:
    optimizer = sgd_of(ours)
    schedule = ours.SWALR(optimizer, 0.7, 5, strategy)
    for t in range(9):
        tau = min(1.0, t / 5)
        alpha = tau if strategy == "linear" else 0.5 - 0.5 * np.cos(np.pi * tau)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.7 * alpha + 0.1 * (1 - alpha), rel=1e-12)
        schedule.step()


def test_swalr_takes_over_from_another_schedule_as_in_pytorch() -> None:
    rates = []
    for library, schedules in ((ours, optim.lr_scheduler), (theirs, torch.optim.lr_scheduler)):
        optimizer = sgd_of(library)
        first = schedules.ExponentialLR(optimizer, 0.9)  # type: ignore[attr-defined]
        second = library.SWALR(optimizer, 0.5, 4)
        seen = []
        for epoch in range(10):
            optimizer.step()
            (second if epoch > 4 else first).step()
            seen.append(optimizer.param_groups[0]["lr"])
        rates.append(seen)
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-12)


@pytest.mark.parametrize(
    "arguments",
    [
        {"swa_lr": 0.1, "anneal_epochs": -1},
        {"swa_lr": 0.1, "anneal_epochs": 2.0},
        {"swa_lr": 0.1, "anneal_strategy": "cosine"},
        {"swa_lr": [0.1, 0.2]},
        {"swa_lr": 0.1, "last_epoch": 3},
    ],
)
def test_what_swalr_refuses(arguments: dict[str, Any]) -> None:
    refused_alike(lambda library: library.SWALR(sgd_of(library), **arguments))


# ---------------------------------------------------------------- update_bn


@given(seed=seeds, as_tuple=st.booleans(), training=st.booleans(), momentum=st.sampled_from([0.1, 0.5, None]))
def test_update_bn_is_pytorch_s(seed: int, as_tuple: bool, training: bool, momentum: Any) -> None:
    model = model_of(seed).train(training)
    model[1].momentum = momentum
    twin = torchref.to_torch(model)
    rng = np.random.default_rng(seed)
    batches = [rng.normal(size=(n, 3)) for n in (4, 2, 7)]
    ours.update_bn([(b, "target") for b in batches] if as_tuple else batches, model)
    theirs.update_bn([torch.tensor(b) for b in batches], twin)
    assert_same_states(model, twin, 1e-13)
    assert (model[1].momentum, model[4].momentum) == (momentum, 0.1)
    assert [m.training for m in model.modules()] == [m.training for m in twin.modules()]


@pytest.mark.device
@pytest.mark.usefixtures("numpy_engine")
def test_update_bn_moves_batches_and_leaves_models_without_statistics_alone() -> None:
    host = model_of(0)
    device = copy.deepcopy(host).to("strict")
    batches = [np.random.default_rng(1).normal(size=(4, 3))]
    ours.update_bn(batches, host)
    ours.update_bn(batches, device, "strict")
    for name, value in device.state_dict().items():
        assert_as_on_host(value, host.state_dict()[name], name, steps=len(host))
    untouched: Iterator[Any] = iter(batches)
    ours.update_bn(untouched, nn.Linear(3, 2))
    assert next(untouched) is batches[0]


def test_a_batch_that_raises_leaves_momenta_and_mode_as_they_were() -> None:
    model = model_of(0).eval()
    with pytest.raises(errors.ShapeError):
        ours.update_bn([np.zeros((4, 2))], model)
    assert model[1].momentum == 0.1
    assert not any(module.training for module in model.modules())


def test_signatures_and_names_are_pytorch_s() -> None:
    assert set(ours.__all__) == set(theirs.__all__)
    for name in ours.__all__:
        mine, other = (inspect.signature(getattr(library, name)).parameters for library in (ours, theirs))
        for own, twin in zip(mine.values(), other.values(), strict=True):
            assert (own.name, own.default, own.kind) == (twin.name, twin.default, twin.kind), name


def test_a_function_of_lists_gets_one_list_a_dtype() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, dtype="float64"), nn.Linear(3, 2))
    seen: list[Any] = []
    for library in (ours, theirs):
        own = model if library is ours else torchref.to_torch(model)
        calls: list[Any] = []

        def function(averaged: Any, current: Any, count: Any, calls: list[Any] = calls) -> None:
            calls.append(([tuple(a.shape) for a in averaged], int(count)))
            for mine, other in zip(averaged, current, strict=True):
                mine *= 0.5
                mine += other * 0.25

        averaged = library.AveragedModel(own, multi_avg_fn=function)
        for _ in range(3):
            averaged.update_parameters(own)
        seen.append((calls, averaged))
    assert sorted(seen[0][0]) == sorted(seen[1][0])
    assert_same_states(seen[0][1], seen[1][1], 1e-6)
