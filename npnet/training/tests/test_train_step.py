"""A step as one call is the five lines of the loop, to the last bit, whatever is done between the steps."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import nn, no_grad, optim
from npnet.engine.chain import Chain
from npnet.engine.tests.test_trace import assert_same as assert_same_arrays
from npnet.engine.tests.test_written_rows import CHANGES, COMMON, LAYERS, plans
from npnet.errors import BackwardError, DtypeError, NpnetError, ShapeError, TargetError
from npnet.nn.utils import clip_grad_norm_
from npnet.training import TrainStep

Step = Callable[[Any, Any], tuple[Any, Any]]
Between = Callable[["Training", int], None]

N, CLASSES = 5, 3


class Training:
    """A model, its loss and its optimizer."""

    other: nn.Parameter

    def __init__(self, model: nn.Sequential, criterion: nn.Module, optimizer: Any = None) -> None:
        self.model, self.criterion = model, criterion
        self.optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def by_hand(self, x: Any, target: Any) -> tuple[Any, Any]:
        self.optimizer.zero_grad()
        output = self.model(x)
        loss = self.criterion(output, target)
        self.model.backward(self.criterion.backward(), input_grad=False)
        self.optimizer.step()
        return loss, output


def network(layers: list[int], dtype: str = "float32") -> nn.Sequential:
    npnet.manual_seed(1)
    hidden = [LAYERS[i](N, dtype) for i in layers]
    return nn.Sequential(*hidden, nn.Linear(N, CLASSES, dtype=dtype))


def common() -> nn.Sequential:
    npnet.manual_seed(1)
    hidden = [nn.Linear(N, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*hidden, nn.Linear(6, CLASSES))


def indices(rows: int, dtype: str, rng: Any) -> Any:
    return rng.integers(0, CLASSES, rows)


def narrow(rows: int, dtype: str, rng: Any) -> Any:
    return rng.integers(0, CLASSES, rows).astype(np.uint8)


def values(rows: int, dtype: str, rng: Any) -> Any:
    return rng.standard_normal((rows, CLASSES)).astype(dtype)


def shares(rows: int, dtype: str, rng: Any) -> Any:
    return rng.random((rows, CLASSES)).astype(dtype)


WEIGHT = np.array([0.5, 1.0, 2.0])

LOSSES: dict[str, tuple[Callable[[str], nn.Module], Callable[[int, str, Any], Any]]] = {
    "cross-entropy": (lambda dtype: nn.CrossEntropyLoss(), indices),
    "cross-entropy of bytes": (lambda dtype: nn.CrossEntropyLoss(), narrow),
    "cross-entropy, summed": (lambda dtype: nn.CrossEntropyLoss(reduction="sum"), indices),
    "cross-entropy, weighted": (lambda dtype: nn.CrossEntropyLoss(WEIGHT.astype(dtype)), indices),
    "cross-entropy, smoothed": (lambda dtype: nn.CrossEntropyLoss(label_smoothing=0.1), indices),
    "cross-entropy, one class ignored": (lambda dtype: nn.CrossEntropyLoss(ignore_index=1), indices),
    "cross-entropy of shares": (lambda dtype: nn.CrossEntropyLoss(), shares),
    "squares": (lambda dtype: nn.MSELoss(), values),
    "squares, summed": (lambda dtype: nn.MSELoss(reduction="sum"), values),
    "distances": (lambda dtype: nn.L1Loss(), values),
    "Huber": (lambda dtype: nn.HuberLoss(delta=0.3), values),
    "smooth distances": (lambda dtype: nn.SmoothL1Loss(beta=0.3), values),
    "binary": (lambda dtype: nn.BCEWithLogitsLoss(pos_weight=WEIGHT.astype(dtype)), shares),
    "margins": (lambda dtype: nn.MultiMarginLoss(), indices),
}
AT_ONCE = {
    *("cross-entropy", "cross-entropy of bytes", "cross-entropy, summed", "squares", "squares, summed"),
    *("distances", "Huber", "smooth distances", "binary"),
}


def history(
    make: Callable[[], Training],
    target_of: Callable[[int, str, Any], Any],
    sizes: list[int],
    dtype: str,
    at_once: bool,
    between: Between | None = None,
) -> tuple[Any, Training]:
    """Everything that steps give and leave."""
    training = make()
    step: Step = training.by_hand
    if at_once:
        step = TrainStep(training.model, training.criterion, training.optimizer)
    rng = np.random.default_rng(0)
    found: list[Any] = []
    for number, rows in enumerate(sizes):
        if between is not None:
            between(training, number)
        x = rng.standard_normal((rows, N)).astype(dtype)
        target = target_of(rows, dtype, rng)
        given = x.copy(), target.copy()
        loss, output = step(x, target)
        assert_same((x, target), given)
        gradients = [parameter.grad for parameter in training.model.parameters()]
        found.append(copy.deepcopy((loss, tuple(gradients))))
        found.append((output, output.copy()))  # which nobody may touch any more
    for output, then in found[1::2]:
        assert_same(output, then)
    state = tuple(map(np.array, training.model.state_dict().values()))
    return (tuple(found), state, npnet.random.stream("dropout").randint(0, 9**9, (1,))), training


def both_of(training: Training) -> list[Chain]:
    """The chains in which model and loss went forth and back at once."""
    rows = [row for plan in training.model._contexts.plans.values() for row in plan._rows if row is not None]
    chains = [chain for row in rows for active in row._active.values() for chain in active.ending.values()]
    return [chain for chain in chains if any(way[0] == "both" for way in chain._written)]  # type: ignore[attr-defined]


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, (tuple, list)):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert_same_arrays(ours, theirs)


def compare(make: Callable[[], Training], *args: Any, **named: Any) -> Training:
    ours, training = history(make, *args, at_once=True, **named)
    theirs, _ = history(make, *args, at_once=False, **named)
    assert_same(ours, theirs)
    return training


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_loss(loss: str, dtype: str) -> None:
    make, target_of = LOSSES[loss]

    def training() -> Training:
        model = network(COMMON, dtype)
        return Training(model, make(dtype), optim.SGD(model.parameters(), lr=0.01))

    found = compare(training, target_of, [7, 7, 7, 7, 9, 7, 9, 9], dtype)
    assert bool(both_of(found)) == (loss in AT_ONCE)


@given(layers=plans, rows=st.sampled_from([2, 7, 130, 200]), dtype=st.sampled_from(["float32", "float64"]))
def test_every_network(layers: list[int], rows: int, dtype: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(
            lambda: Training(network(layers, dtype), nn.CrossEntropyLoss()),
            *(indices, [rows] * 5 + [rows + 1] * 4 + [rows] * 2, dtype),
        )


def usual(criterion: nn.Module | None = None) -> Training:
    return Training(network([*COMMON, 0]), criterion or nn.CrossEntropyLoss())


def reduce_otherwise(training: Training, step: int) -> None:
    training.criterion.reduction = "sum" if step // 3 % 2 else "mean"


def ignore_a_class(training: Training, step: int) -> None:
    training.criterion.ignore_index = 1 if step // 3 % 2 else -100


def weigh_classes(training: Training, step: int) -> None:
    training.criterion.weight = WEIGHT.astype(np.float32) if step // 3 % 2 else None


def change_gradients(training: Training, step: int) -> None:
    if step > 3:
        training.model[0].weight.grad.fill(7)


def take_a_gradient_away(training: Training, step: int) -> None:
    if step == 5:
        training.model[0].weight.grad = None


def take_all_gradients_away(training: Training, step: int) -> None:
    if step == 5:
        training.model.zero_grad()


def step_by_hand(training: Training, step: int) -> None:
    if step % 4 == 3:
        training.by_hand(*batch(9))


def evaluate(training: Training, step: int) -> None:
    with no_grad():
        training.model.eval()(batch(9)[0])
    training.model.train()


def call_without_going_back(training: Training, step: int) -> None:
    if step % 3 == 2:
        training.model(batch(9)[0])


def seed(training: Training, step: int) -> None:
    if step == 5:
        npnet.manual_seed(4)


def lower_the_rate(training: Training, step: int) -> None:
    training.optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)


def append_a_layer(training: Training, step: int) -> None:
    if step == 5:
        training.model.append(nn.ReLU())


def keep_gradients(training: Training, step: int) -> None:
    if step == 4:
        training.optimizer.zero_grad = lambda: None


def take_a_parameter_away(training: Training, step: int) -> None:
    if step == 4:
        training.optimizer.param_groups[0]["params"].pop()


def call_a_forward(training: Training, step: int) -> None:
    training.model[0].forward(batch(9)[0])


def add_a_group(training: Training, step: int) -> None:
    if step == 2:
        training.other = nn.Parameter(np.ones(3, np.float32))
        optim.SGD([training.other])  # which gives it a place
    if step == 5:
        training.optimizer.add_param_group({"params": [training.other]})
        training.other.grad = np.ones(3, np.float32)
    if step > 5:
        assert not training.other.has_grad


BETWEEN: tuple[Between, ...] = (
    *(reduce_otherwise, ignore_a_class, weigh_classes, change_gradients, take_a_gradient_away),
    *(take_all_gradients_away, step_by_hand, evaluate, call_without_going_back, seed, lower_the_rate),
    *(append_a_layer, add_a_group, keep_gradients, take_a_parameter_away, call_a_forward),
)


def batch(rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(8)
    return rng.standard_normal((rows, N)).astype(np.float32), rng.integers(0, CLASSES, rows)


@pytest.mark.parametrize("between", BETWEEN, ids=lambda between: between.__name__)
def test_whatever_is_done_between_two_steps(between: Between) -> None:
    compare(usual, indices, [9] * 10, "float32", between=between)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_noticed(change: Callable[..., Any]) -> None:
    def training() -> Training:
        model = network([*COMMON, 0])  # of which only the last bias moves, not what is set
        return Training(model, nn.CrossEntropyLoss(), optim.SGD([model[-1].bias], lr=0.1))

    compare(
        training, indices, [9] * 9, "float32", between=lambda training, step: change(training.model, step)
    )
    compare(usual, indices, [9] * 9, "float32", between=lambda training, step: change(training.model, step))


def halves() -> Training:
    model = network(COMMON)
    return Training(model, nn.CrossEntropyLoss(), optim.SGD(list(model.parameters())[:3], lr=0.1))


def more() -> Training:
    model, other = network(COMMON), nn.Parameter(np.ones(3, np.float32))
    other.grad = np.ones(3, np.float32)
    return Training(model, nn.CrossEntropyLoss(), optim.SGD([*model.parameters(), other], lr=0.1))


def test_what_is_learned_elsewhere_too_is_dropped() -> None:
    def give_a_gradient(training: Training, step: int) -> None:
        training.optimizer.param_groups[0]["params"][-1].grad = np.ones(3, np.float32)

    training = compare(more, indices, [9] * 6, "float32", between=give_a_gradient)
    np.testing.assert_array_equal(training.optimizer.param_groups[0]["params"][-1].data, np.ones(3))


def frozen() -> Training:
    model = network(COMMON)
    model[0].requires_grad_(False)
    model[-1].bias.requires_grad = False
    return Training(model, nn.CrossEntropyLoss())


def nothing_learns() -> Training:
    model = network(COMMON)
    return Training(model.requires_grad_(False), nn.CrossEntropyLoss())


def shared() -> Training:
    npnet.manual_seed(1)
    linear = nn.Linear(N, N)
    return Training(nn.Sequential(linear, nn.Tanh(), linear, nn.ReLU(), linear), nn.MSELoss())


def nested() -> Training:
    return Training(nn.Sequential(network(COMMON), nn.Linear(CLASSES, CLASSES)), nn.CrossEntropyLoss())


def watched() -> Training:
    training = usual()
    forward = training.model[2].forward
    training.model[2].forward = lambda x: 2 * forward(x)  # type: ignore[method-assign]
    return training


@pytest.mark.parametrize("make", [halves, more, frozen, nothing_learns, nested, watched])
def test_every_kind_of_training(make: Callable[[], Training]) -> None:
    compare(make, indices, [9] * 6, "float32")


def test_a_layer_that_comes_several_times() -> None:
    compare(shared, lambda rows, dtype, rng: rng.standard_normal((rows, N)).astype(dtype), [9] * 6, "float32")


def test_a_common_step_is_written_down_as_one() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(6):
        step(*batch(9))
    (chain,) = both_of(training)
    assert set(chain._written) == {("both", 0, 9)}  # type: ignore[attr-defined]


class Doubled(nn.CrossEntropyLoss):
    __module__ = "somebody's"

    def forward(self, x: Any, target: Any) -> Any:
        return 2 * super().forward(x, target)

    def backward(self, grad_output: Any = 1.0, *, input_grad: bool = True) -> Any:
        return super().backward(2 * grad_output, input_grad=input_grad)


class Unchained(nn.Sequential):
    __module__ = "somebody's"

    def forward(self, x: Any) -> Any:
        return super().forward(2 * x)


class Halved(nn.MSELoss):
    __module__ = "somebody's"

    def _reduced(self, losses: Any, divisor: Any) -> Any:
        return super()._reduced(losses, divisor) / 2


class Steep(nn.CrossEntropyLoss):
    __module__ = "somebody's"

    def _seed(self, *args: Any) -> Any:
        return 2 * super()._seed(*args)


class Annealed(nn.HuberLoss):
    __module__ = "somebody's"
    options = ("now",)

    @property
    def now(self) -> float:
        self.__dict__["calls"] = self.__dict__.get("calls", 0) + 1
        return 1.0 / self.__dict__["calls"]


class Bare(nn.Module):
    """A loss of somebody's own that takes no gradient."""

    def forward(self, x: Any, target: Any) -> Any:
        self.save(x)
        return x.sum()

    def backward(self) -> Any:  # type: ignore[override]
        (x,) = self.saved()
        return np.ones_like(x)


class Scheduled(nn.Dropout):
    """Its probability grows with every call."""

    __module__ = "somebody's"

    @property
    def p(self) -> float:
        self.__dict__["calls"] = self.__dict__.get("calls", 0) + 1
        return 0.9 - 0.8 / self.__dict__["calls"]

    @p.setter
    def p(self, value: float) -> None: ...


def scheduled() -> Training:
    npnet.manual_seed(1)
    layers = [nn.Linear(N, N), Scheduled(), nn.ReLU(), Scheduled(), nn.Linear(N, CLASSES)]
    return Training(nn.Sequential(*layers), nn.CrossEntropyLoss())


@pytest.mark.parametrize("make", [Steep, Bare])
def test_losses_of_others_are_called(make: Callable[[], nn.Module]) -> None:
    compare(lambda: usual(make()), indices, [9] * 6, "float32")


@pytest.mark.parametrize(
    "make", [Halved, Annealed, lambda: nn.HuberLoss(delta=np.float64(0.5)), lambda: nn.L1Loss()]
)
def test_losses_of_other_dtypes_and_options(make: Callable[[], nn.Module]) -> None:
    def training() -> Training:
        model = network(COMMON)
        return Training(model, make(), optim.SGD(model.parameters(), lr=0.01))

    compare(training, values, [9] * 6, "float32")


def test_a_layer_may_make_another_dtype() -> None:
    def training() -> Training:
        return Training(network(COMMON).append(nn.ELU(np.float64(0.5))), nn.CrossEntropyLoss())

    compare(training, indices, [9] * 6, "float32")


def test_probabilities_that_are_computed() -> None:
    compare(scheduled, indices, [9] * 6, "float32")


def test_an_optimizer_of_somebodys_own() -> None:
    class Descent:
        def __init__(self, parameters: Any) -> None:
            self.parameters = list(parameters)

        def zero_grad(self) -> None:
            for parameter in self.parameters:
                parameter.grad = None

        def step(self) -> None:
            for parameter in self.parameters:
                parameter.data -= 0.1 * parameter.grad

    def training() -> Training:
        model = network(COMMON)
        return Training(model, nn.CrossEntropyLoss(), Descent(model.parameters()))

    compare(training, indices, [9] * 6, "float32")


def test_what_breaks_off_leaves_no_gradients() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    x, target = batch(9)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        step(x * np.float32(1e30), target)
    assert not any(parameter.has_grad for parameter in training.model.parameters())


def test_warnings_come_in_the_order_of_the_lines() -> None:
    def warned(at_once: bool) -> list[str]:
        training = Training(network([*COMMON, 0]), nn.MSELoss())
        step: Step = training.by_hand
        if at_once:
            step = TrainStep(training.model, training.criterion, training.optimizer)
        x, _ = batch(9)
        target = np.zeros((9, CLASSES), np.float32)
        for _ in range(4):
            step(x, target)
        training.model[-1].weight.data.fill(1e19)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            step(x, target)
        return [str(warning.message) for warning in heard]

    ours, theirs = warned(at_once=True), warned(at_once=False)
    assert [each.replace("dot", "matmul") for each in ours] == [
        each.replace("dot", "matmul") for each in theirs
    ]
    assert theirs


def test_a_changed_option_is_written_down_again() -> None:
    training = usual(nn.HuberLoss())
    step = TrainStep(training.model, training.criterion, training.optimizer)
    x, target = batch(9)[0], np.zeros((9, CLASSES), np.float32)
    for delta in (1.0, 0.5):
        training.criterion.delta = delta
        for _ in range(4):
            step(x, target)
    (chain,) = both_of(training)
    (written,) = chain._written.values()  # type: ignore[attr-defined]
    assert 0.5 in [number for _, _, number in written._numbers]


def test_methods_of_others_are_called() -> None:
    compare(lambda: usual(Doubled()), indices, [9] * 6, "float32")

    def unchained() -> Training:
        return Training(Unchained(*network(COMMON)), nn.CrossEntropyLoss())

    with pytest.raises(BackwardError):  # as the loop itself: it changes its input
        compare(unchained, indices, [9] * 6, "float32")
    training = usual()
    seen = []
    backward = training.criterion.backward
    training.criterion.backward = lambda *args: (seen.append(args), backward(*args))[1]  # type: ignore[method-assign]
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    assert len(seen) == 4


@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize(
    ("x", "target", "error"),
    [
        (np.ones((9, N + 1), np.float32), np.zeros(9, np.int64), ShapeError),
        (np.ones((9, N), np.float32), np.zeros(8, np.int64), ShapeError),
        (np.ones((9, N), np.float32), np.full(9, CLASSES), TargetError),
        (np.ones((9, N), np.float32), np.full(9, -1), TargetError),
        (np.ones((9, N), np.float32), [0] * 9, NpnetError),
        (np.ones((9, N), np.float32), np.zeros(9, np.float32), DtypeError),
        (np.ones((9, N), np.int64), np.zeros(9, np.int64), DtypeError),
        (np.ones((9, N), np.float32), np.zeros((9, CLASSES)), NpnetError),
        ([[0.0] * N] * 9, np.zeros(9, np.int64), NpnetError),
    ],
)
def test_what_is_refused_changes_no_parameter(
    steps: int, x: Any, target: Any, error: type[Exception]
) -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(steps):
        step(*batch(9))
    before = [parameter.data.copy() for parameter in training.model.parameters()]
    with pytest.raises(error):
        step(x, target)
    for parameter, then in zip(training.model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, then)
    step(*batch(9))


def test_a_loss_of_many_numbers_is_refused_as_ever() -> None:
    training = usual(nn.CrossEntropyLoss(reduction="none"))
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(3):
        with pytest.raises(ShapeError, match="gradient of shape"):
            step(*batch(9))


def test_nothing_is_left_to_go_back_through() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        output = training.model(batch(9)[0])  # which the step forgets
        training.criterion(output, batch(9)[1])
        step(*batch(9))
        for module in (training.model, *training.model, training.criterion):
            with pytest.raises(BackwardError):
                module.backward(np.ones_like(output))
    with no_grad(), pytest.raises(BackwardError):
        step(*batch(9))


def test_before_the_update_gradients_may_be_changed() -> None:
    def clipped(at_once: bool) -> Any:
        training = usual()
        norms: list[float] = []

        def clip() -> None:
            norms.append(float(clip_grad_norm_(training.model.parameters(), 0.01)))

        step = TrainStep(training.model, training.criterion, training.optimizer, before_update=clip)
        for number in range(6):
            x, target = batch(9)
            if at_once:
                step(x + number, target)
                continue
            training.optimizer.zero_grad()
            training.criterion(training.model(x + number), target)
            training.model.backward(training.criterion.backward())
            clip()
            training.optimizer.step()
        return tuple(map(np.array, norms)), tuple(map(np.array, training.model.state_dict().values()))

    assert_same(clipped(at_once=True), clipped(at_once=False))


def test_input_that_lies_otherwise() -> None:
    def step_of(training: Training) -> TrainStep:
        return TrainStep(training.model, training.criterion, training.optimizer)

    for lie in (np.asfortranarray, lambda x: x[::-1][::-1], lambda x: np.repeat(x, 2, axis=1)[:, ::2]):
        ours, theirs = usual(), usual()
        at_once = step_of(ours)
        npnet.manual_seed(0)
        found = [at_once(lie(batch(9)[0]), batch(9)[1]) for _ in range(5)]
        npnet.manual_seed(0)
        assert_same(tuple(found), tuple(theirs.by_hand(*batch(9)) for _ in range(5)))


def test_an_option_that_does_not_fit_is_refused_every_time() -> None:
    training = usual(nn.BCEWithLogitsLoss(pos_weight=np.ones(CLASSES + 1, np.float32)))
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        with pytest.raises(ShapeError, match="pos_weight of shape"):
            step(batch(9)[0], np.zeros((9, CLASSES), np.float32))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda step: pickle.loads(pickle.dumps(step))])
def test_a_copy_learns_on_its_own(copied: Callable[[TrainStep], TrainStep]) -> None:
    training = usual()
    training.model[3].generator = npnet.random.Generator(5)
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    twin, found = copied(step), []
    for each in (step, twin):
        found.append(tuple(each(*batch(9))[0] for _ in range(4)))
    assert_same(*found)


def test_what_was_written_down_goes_with_the_step() -> None:
    training = usual()
    step = TrainStep(training.model, training.criterion, training.optimizer)
    for _ in range(4):
        step(*batch(9))
    values = weakref.ref(training.model[0].weight.arena.values)
    gc.collect()
    gc.disable()
    try:
        del training, step
        assert values() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"model": None}, "model is an npnet module"),
        ({"criterion": nn.CrossEntropyLoss}, "criterion is an npnet module, an instance"),
        ({"optimizer": nn.MSELoss()}, r"optimizer is one of npnet\.optim, an instance"),
        ({"optimizer": optim.SGD}, r"optimizer is one of npnet\.optim, an instance"),
        ({"before_update": 3}, "before_update is a function without arguments"),
        ({"optimizer": optim.SGD(network([]).parameters())}, "holds no parameter of the model"),
    ],
)
def test_what_is_no_training_is_refused(replaced: dict[str, Any], message: str) -> None:
    model = network(COMMON)
    parts: dict[str, Any] = {"optimizer": optim.SGD(model.parameters())}
    parts = {"model": model, "criterion": nn.CrossEntropyLoss(), **parts, **replaced}
    with pytest.raises(NpnetError, match=message):
        TrainStep(**parts)
