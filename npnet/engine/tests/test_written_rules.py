"""Update rules and losses that were written down compute the same, to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.engine import numpy_engine
from npnet.engine.tests.test_trace import assert_same
from npnet.errors import TargetError
from npnet.nn.loss import cross_entropy
from npnet.optim.kernel import kernel_of, run_kernel

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    *(("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True})),
    *(("Adam", {}), ("Adam", {"amsgrad": True}), ("AdamW", {}), ("Adam", {"weight_decay": 0.1})),
    *(("RMSprop", {}), ("RMSprop", {"centered": True, "momentum": 0.5}), ("Adagrad", {"lr_decay": 0.1})),
    *(("Adadelta", {}), ("Adamax", {}), ("NAdam", {}), ("RAdam", {}), ("ASGD", {"t0": 2}), ("Rprop", {})),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
@pytest.mark.parametrize("more", [{}, {"maximize": True}])
@pytest.mark.parametrize("size", [7, 20_000])
def test_a_rule_learns_the_same_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any], more: dict[str, Any], size: int
) -> None:
    def learnt() -> tuple[Any, ...]:
        rng = np.random.default_rng(0)
        parameter = nn.Parameter(rng.standard_normal(size).astype(np.float32))
        optimizer = getattr(optim, name)([parameter], **options, **more)
        found = []
        for step in range(7):
            parameter.grad = rng.standard_normal(size).astype(np.float32) * step
            optimizer.param_groups[0]["lr"] *= 0.9
            optimizer.step()
            found += [parameter.data.copy(), parameter.grad.copy()]
        state = optimizer.state_dict()["state"].get(0, {})
        return (*found, *[np.array(value) for value in state.values()])

    backend_before = npnet.backend.engine()
    npnet.backend.set_engine("numpy")
    try:
        ours = learnt()
        monkeypatch.setattr(numpy_engine, "rule_runner", lambda kernel, rule: kernel)
        assert_same(ours, learnt())
    finally:
        npnet.backend.set_engine(backend_before)


def to_a_power(p: Any, g: Any, rate: float) -> None:
    p -= g**rate


def among_numbers(p: Any, g: Any, rate: float, share: float) -> None:
    p -= (rate * (1.0 - share)) * g


def looked_at(p: Any, g: Any, rate: float) -> None:
    if rate > 0.15:
        p -= rate * g


def where_it_is(p: Any, g: Any, rate: float) -> None:
    p -= np.where(g > 0, rate, g)


@pytest.mark.parametrize("rule", [to_a_power, among_numbers, looked_at, where_it_is])
def test_rules_that_treat_numbers_otherwise_are_refused(
    rule: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    kernel = kernel_of(rule, False, False, False)
    run, ours, theirs = numpy_engine.rule_runner(kernel, rule), np.ones(3, np.float32), np.ones(3, np.float32)
    more = [0.1] if rule is among_numbers else []
    with caplog.at_level("DEBUG", logger="npnet"):
        for rate in (0.1, 0.2, 0.3, 0.4):
            g = np.full(3, 0.3, np.float32)
            run(ours, g, 1.0, rate, *more)
            kernel(theirs, g, 1.0, rate, *more)
    np.testing.assert_array_equal(ours, theirs)
    assert f"{rule.__name__} is not written down" in caplog.text


def test_a_rate_of_numpys_is_taken_as_numpy_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def learnt() -> Any:
        parameter = nn.Parameter(np.linspace(-1, 1, 2000, dtype=np.float32))
        optimizer = optim.SGD([parameter], lr=0.1)
        for step in range(6):
            parameter.grad = parameter.data * 0.37
            optimizer.param_groups[0]["lr"] = np.float64(0.7123) if step % 2 else 0.7123
            optimizer.step()
        return parameter.data.copy()

    first, second = learnt(), learnt()
    monkeypatch.setattr(numpy_engine, "rule_runner", lambda kernel, rule: kernel)
    for ours in (first, second):
        np.testing.assert_array_equal(ours, learnt())


def test_a_rule_may_update_others() -> None:
    other = nn.Parameter(np.ones(2))
    inner = optim.SGD([other], lr=0.5)

    def rule(p: Any, g: Any, rate: float) -> None:
        other.grad = np.ones(2)
        inner.step()
        p -= rate * g

    rule.__module__ = "somebody_elses"
    p = np.ones(2)
    run_kernel(kernel_of(rule, False, False, False), rule, (p, np.ones(2)), (1.0, 0.25))
    np.testing.assert_array_equal([p, other.data], [[0.75] * 2, [0.5] * 2])


def test_what_diverges_is_quiet() -> None:
    parameter = nn.Parameter(np.ones(3, np.float32))
    optimizer = optim.SGD([parameter], lr=1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            parameter.grad = parameter.data * 1e30
            optimizer.step()
    assert not np.isfinite(parameter.data).any()


def test_a_rule_of_somebody_elses_is_called_every_time() -> None:
    calls = []

    def rule(p: Any, g: Any, rate: float) -> None:
        calls.append(rate)
        p -= rate * g

    rule.__module__ = "somebody_elses"
    run = numpy_engine.rule_runner(kernel_of(rule, False, False, False), rule)
    p = np.ones(2)
    for rate in (0.1, 0.2, 0.3, 0.4):
        run(p, np.ones(2), 1.0, rate)
    assert calls == [0.1, 0.2, 0.3, 0.4]
    np.testing.assert_allclose(p, 0.0, atol=1e-15)


@pytest.mark.parametrize("shape", [(5,), (1, 3), (9, 3), (200, 3), (4, 3, 2, 5)])
def test_a_loss_is_the_same_to_the_last_bit(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    def found() -> tuple[Any, ...]:
        rng, results = np.random.default_rng(0), []
        for reduction in ["mean", "sum", "none"] * 4:
            criterion = nn.CrossEntropyLoss(reduction=reduction)
            x = rng.standard_normal(shape).astype(np.float32)
            classes = shape[1] if len(shape) > 1 else shape[0]
            target = np.asarray(rng.integers(0, classes, shape[:1] + shape[2:] if len(shape) > 1 else ()))
            loss = criterion(x, target)
            seed = np.ones_like(loss) if reduction == "none" else 1.0
            results += [np.array(loss), np.array(criterion.backward(seed))]
        return tuple(results)

    before = npnet.backend.engine()
    npnet.backend.set_engine("numpy")
    try:
        ours = found()
        formula = cross_entropy.reduced_of_all.formula  # type: ignore[attr-defined]
        monkeypatch.setattr(formula, "run", formula.function)
        assert_same(ours, found())
    finally:
        npnet.backend.set_engine(before)


def test_a_loss_that_hides_from_warnings_goes_on_doing_so() -> None:
    criterion = nn.CrossEntropyLoss()
    x, ignored = np.zeros((2, 3), np.float32), np.full(2, -100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            assert np.isnan(criterion(x, ignored))  # 0 / 0


def test_targets_of_every_kind_and_number(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    target = np.array([0, 2, 1, 1, 0])
    expected = nn.CrossEntropyLoss()(x, target).item()
    np.save(tmp_path / "target.npy", target)
    kinds = [target.astype(kind) for kind in ("i1", "u1", "i4", "u8", ">i8", "<i8", ">u2")]
    for some in [*kinds, np.load(tmp_path / "target.npy", mmap_mode="r"), target[::-1][::-1]]:
        for _ in range(3):
            assert nn.CrossEntropyLoss()(x, some).item() == pytest.approx(expected, rel=1e-6)
    with pytest.raises(TargetError):
        nn.CrossEntropyLoss()(x, np.array([1 << 56, 0, 0, 0, 0], ">i8"))


def test_a_long_batch_spoils_nothing_for_others() -> None:
    run = numpy_engine.formula_runner(cross_entropy.reduced_of_all.formula.function)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for rows in (5000, 5000, 5000, 7, 7, 7):
        run(rng.standard_normal((rows, 3)), rng.integers(0, 3, rows), "mean")
    (entries,) = [each.cell_contents for each in run.__closure__ if isinstance(each.cell_contents, dict)]  # type: ignore[union-attr]
    assert len(entries) == 2
    assert all(entry.__doc__.startswith("def entry") for entry in entries.values())


def test_a_kind_that_cannot_be_written_down_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    run = numpy_engine.formula_runner(lambda x: x * 2 if len(x) > 3 else x * float(x[0]))
    with caplog.at_level("DEBUG", logger="npnet"):
        for size in (2, 2, 2, 5, 5, 2, 2, 5):
            np.testing.assert_array_equal(run(np.full(size, 3.0)), np.full(size, 6.0 if size > 3 else 9.0))
    assert caplog.text.count("is not written down") == 1


def test_what_lies_otherwise_is_another_kind() -> None:
    run = numpy_engine.formula_runner(lambda x: np.exp(x.reshape(-1)))
    x = np.arange(6.0).reshape(2, 3)
    for some in (x.T, x.T, x.T, x.T.copy(), x.T.copy()):
        before = some.copy()
        np.testing.assert_array_equal(run(some), np.exp(before.reshape(-1)))
        np.testing.assert_array_equal(some, before)


def test_many_kinds_of_arguments_are_forgotten_again() -> None:
    run = numpy_engine.formula_runner(lambda x: x * 2)
    for size in [*range(1, 200), *range(1, 200)]:
        np.testing.assert_array_equal(run(np.ones(size)), np.full(size, 2.0))
        np.testing.assert_array_equal(run(np.ones(size)), np.full(size, 2.0))
    (entries,) = [each.cell_contents for each in run.__closure__ if isinstance(each.cell_contents, dict)]  # type: ignore[union-attr]
    assert len(entries) <= numpy_engine.KINDS
