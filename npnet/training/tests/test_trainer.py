from __future__ import annotations

import math

import numpy as np
import pytest

from npnet.errors import ArgumentError, NonFiniteError, RecipeError, ShapeError
from npnet.random import Generator, manual_seed
from npnet.regularization import EarlyStopping
from npnet.training import (
    Callback,
    Classification,
    KeepWeights,
    NumpyEngine,
    Step,
    StopAtNaN,
    StopEarly,
    Task,
    Trainer,
    load_recipe,
)
from npnet.training.trainer import RunningMean

BASE = ("scheduler=none", "model.dropout=0", "training.batch_size=8", "training.epochs=3")


def make_task(*overrides, seed=0, n=30, **changes):
    recipe = load_recipe("digits", [*BASE, *overrides])
    generator = Generator(1)
    inputs = generator.normal(0.0, 1.0, (n + 10, 4), "float32")
    targets = (inputs[:, 0] > 0).astype(np.int64) + (inputs[:, 1] > 0)
    rows = {"train": np.arange(n), "validation": np.arange(n, n + 10), "test": np.arange(0)}
    manual_seed(seed)
    return Task(
        recipe, recipe.model.build(4, 3), **{"inputs": inputs, "targets": targets, "rows": rows} | changes
    )


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


class Events(Callback):
    def __init__(self):
        self.heard = []

    def on_train_start(self, trainer):
        self.heard.append("start")

    def on_batch_end(self, trainer, step):
        self.heard.append("batch")

    def on_epoch_end(self, trainer, measured):
        self.heard.append("epoch")

    def on_train_end(self, trainer):
        self.heard.append("end")


class FailAt(NumpyEngine):
    """Does something instead of its `number`-th step."""

    def __init__(self, task, number, failure):
        super().__init__(task)
        self.number, self.failure, self.steps = number, failure, 0

    def train_batch(self, rows):
        self.steps += 1
        if self.steps == self.number:
            if isinstance(self.failure, BaseException):
                raise self.failure
            return Step(self.failure, 0)
        return super().train_batch(rows)


def test_callbacks_hear_every_step_and_epoch():
    events = Events()
    Trainer(NumpyEngine(make_task()), [events]).fit()
    assert events.heard == ["start", *[*["batch"] * 4, "epoch"] * 3, "end"]


def test_the_history_is_a_table_with_an_epoch_a_row():
    frame = Trainer(NumpyEngine(make_task())).fit().frame
    assert frame.index.tolist() == [1, 2, 3]
    assert frame.index.name == "epoch"
    assert np.isfinite(frame.to_numpy()).all()
    assert frame["train_loss"].iloc[-1] < frame["train_loss"].iloc[0]


def test_the_history_holds_what_the_steps_gave():
    task = make_task("training.epochs=1")
    engine = NumpyEngine(task)
    seen = []

    class Collect(Callback):
        def on_batch_end(self, trainer, step):
            seen.append(step)

    row = Trainer(engine, [Collect()]).fit().rows[0]
    sizes = np.array([8, 8, 8, 6])  # of 30 rows in batches of 8
    assert math.isclose(row["train_loss"], float(np.dot([s.loss for s in seen], sizes)) / 30)
    assert row["train_accuracy"] == sum(s.tally for s in seen) / 30
    evaluation = engine.evaluate("validation")
    assert row["validation_loss"] == evaluation.loss
    hits = evaluation.outputs.argmax(axis=1) == task.targets[task.rows["validation"]]
    assert row["validation_accuracy"] == hits.mean()


def test_evaluation_changes_nothing_and_sees_the_part():
    task = make_task()
    engine = NumpyEngine(task)
    engine.train_batch(np.arange(8))
    before = engine.state_dict()
    evaluation = engine.evaluate("validation")
    assert same(before, engine.state_dict())
    model, x = engine.model.eval(), task.inputs[30:]
    np.testing.assert_array_equal(evaluation.outputs, model(x))


def test_steps_after_an_evaluation_are_taken_in_training_mode():
    engine = NumpyEngine(make_task())
    engine.evaluate("validation")
    engine.train_batch(np.arange(8))
    assert engine.state_dict()["1.num_batches_tracked"] == 1


def test_one_seed_gives_one_run_and_another_seed_another():
    weights = []
    for seed in (0, 0, 1):
        engine = NumpyEngine(make_task("model.dropout=0.2", seed=seed))
        Trainer(engine).fit()
        weights.append(engine.state_dict())
    assert same(weights[0], weights[1])
    assert not same(weights[0], weights[2])


def test_a_pass_visits_every_row_once_in_a_new_order():
    task = make_task()
    first, second = np.concatenate(list(task.batches())), np.concatenate(list(task.batches()))
    assert sorted(first) == sorted(second) == list(range(30))
    assert list(first) != list(second)


def test_full_batch_training_has_one_step_an_epoch():
    task = make_task("training.batch_size=full")
    assert [len(rows) for rows in task.batches()] == [30]
    assert task.steps_per_epoch == 1


@pytest.mark.parametrize(("drop_last", "steps"), [("false", 4), ("true", 3)])
def test_a_last_batch_that_is_not_full(drop_last, steps):
    task = make_task(f"training.drop_last={drop_last}")
    assert task.steps_per_epoch == len(list(task.batches())) == steps


def test_a_single_row_for_batch_norm_is_refused_before_training():
    with pytest.raises(ShapeError, match="33 training rows in batches of 8 leave one row alone"):
        make_task(n=33)
    with pytest.raises(ShapeError, match="batches of 1 "):
        make_task("training.batch_size=1")
    make_task("training.drop_last=true", n=33)
    make_task("model.batch_norm=false", n=33)


def test_dropping_all_rows_is_refused_before_training():
    with pytest.raises(
        RecipeError, match=r"has 33 rows, fewer than training\.batch_size 34, and .* drops them"
    ):
        make_task("training.batch_size=34", "training.drop_last=true", n=33)
    assert make_task("training.batch_size=33", "training.drop_last=true", n=33).steps_per_epoch == 1
    assert make_task("training.batch_size=34", n=33).steps_per_epoch == 1


def test_there_must_be_rows_to_train_on():
    rows = {"train": np.arange(0), "validation": np.arange(3), "test": np.arange(0)}
    with pytest.raises(ArgumentError, match="no training rows"):
        Trainer(NumpyEngine(make_task(rows=rows))).fit()


def test_early_stopping_ends_the_training_after_patience():
    stopping = EarlyStopping(patience=2, min_delta=1e9)
    trainer = Trainer(NumpyEngine(make_task("training.epochs=50")), [StopEarly(stopping, "validation_loss")])
    assert len(trainer.fit()) == 3


def test_the_weights_of_the_best_epoch_come_back():
    engine = NumpyEngine(make_task("training.epochs=4"))
    stopping = EarlyStopping(patience=10)
    after = {}
    values = iter([0.5, 0.3, 0.4, 0.6])  # the second is best

    class Rig(Callback):
        def on_epoch_end(self, trainer, measured):
            measured["validation_loss"] = next(values)
            after[trainer.epoch] = trainer.engine.state_dict()

    keep = KeepWeights(stopping)
    Trainer(engine, [Rig(), StopEarly(stopping, "validation_loss"), keep]).fit()
    assert keep.epoch == 2
    assert same(engine.state_dict(), after[2])
    assert not same(after[2], after[4])


def test_without_a_rule_the_last_weights_stay():
    engine, keep, after = NumpyEngine(make_task()), KeepWeights(), {}

    class Rig(Callback):
        def on_epoch_end(self, trainer, measured):
            after[trainer.epoch] = trainer.engine.state_dict()

    Trainer(engine, [Rig(), keep]).fit()
    assert keep.epoch == 3
    assert same(engine.state_dict(), after[3])


def test_until_a_value_counts_the_newest_weights_are_kept():
    keep = KeepWeights(stopping := EarlyStopping(patience=1, start_from_epoch=10))
    Trainer(NumpyEngine(make_task()), [StopEarly(stopping, "validation_loss"), keep]).fit()
    assert keep.epoch == 3


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_and_says_where(loss):
    engine, keep = FailAt(make_task(), 6, loss), KeepWeights()
    trainer = Trainer(engine, [StopAtNaN(), keep])
    with pytest.raises(NonFiniteError, match=f"became {loss} in epoch 2, at step 2 of 4 "):
        trainer.fit()
    assert keep.epoch == 1
    assert same(engine.state_dict(), keep.weights)
    assert len(trainer.history) == 1


def test_on_a_device_a_nan_is_seen_when_the_sum_is_read():
    # A 0-d array in place of a float is what an engine gives whose device works behind the program's back.
    engine, keep = FailAt(make_task(), 6, np.array(math.nan)), KeepWeights()
    with pytest.raises(NonFiniteError, match="became nan in epoch 2, at step 4 of 4 or before"):
        Trainer(engine, [StopAtNaN(), keep]).fit()
    assert keep.epoch == 1


def test_a_learning_rate_that_is_too_large_ends_with_the_last_good_weights():
    task = make_task("optimizer=SGD", "optimizer.lr=1e30", "model.batch_norm=false")
    engine, keep = NumpyEngine(task), KeepWeights()
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="in epoch 1"):
        Trainer(engine, [StopAtNaN(), keep]).fit()
    assert keep.epoch == 0
    assert all(np.isfinite(array).all() for array in engine.state_dict().values())


def test_weights_that_the_last_step_spoilt_are_not_kept():
    rows = {"train": np.arange(30), "validation": np.arange(0), "test": np.arange(0)}
    task = make_task(
        "optimizer=SGD",
        "optimizer.lr=1e39",  # more than float32 holds
        "training.batch_size=full",
        "data.validation=0",
        "regularization.early_stopping=none",
        rows=rows,
    )
    engine, keep = NumpyEngine(task), KeepWeights()
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match="weight became NaN or infinite in epoch 1"),
    ):
        Trainer(engine, [StopAtNaN(), keep]).fit()
    assert keep.epoch == 0
    assert all(np.isfinite(array).all() for array in engine.state_dict().values())


def test_ctrl_c_leaves_the_weights_of_the_last_whole_epoch():
    engine, keep = FailAt(make_task(), 6, KeyboardInterrupt()), KeepWeights()
    with pytest.raises(KeyboardInterrupt):
        Trainer(engine, [keep]).fit()
    assert keep.epoch == 1
    assert same(engine.state_dict(), keep.weights)


def test_one_cycle_spans_the_run_a_batch_at_a_time():
    task = make_task("scheduler=OneCycleLR", "scheduler.max_lr=0.1")
    engine, rates = NumpyEngine(task), []

    class Rates(Callback):
        def on_batch_end(self, trainer, step):
            rates.append(trainer.engine.lr)

    history = Trainer(engine, [Rates()]).fit()
    assert len(rates) == 12
    assert history.rows[0]["lr"] == pytest.approx(0.1 / 25)
    assert max(rates) > 0.09
    assert rates[-2] == pytest.approx(0.1 / 25 / 1e4)  # of the last step


def test_other_schedules_go_by_epochs():
    task = make_task("optimizer.lr=0.8", "scheduler=ExponentialLR", "scheduler.gamma=0.5")
    assert [row["lr"] for row in Trainer(NumpyEngine(task)).fit().rows] == [0.8, 0.4, 0.2]


def test_reduce_on_plateau_watches_the_monitor_in_its_direction():
    for monitor, rates in (("train_accuracy", [0.4, 0.4, 0.2]), ("train_loss", [0.4, 0.4, 0.4])):
        task = make_task(
            "optimizer.lr=0.4",
            "scheduler=ReduceLROnPlateau",
            "scheduler.patience=0",
            "scheduler.factor=0.5",
            f"training.monitor={monitor}",
        )

        class Falling(Callback):
            def on_epoch_end(self, trainer, measured, monitor=monitor):
                measured[monitor] = 1.0 / trainer.epoch

        assert [row["lr"] for row in Trainer(NumpyEngine(task), [Falling()]).fit().rows] == rates


def step_of(*overrides, **changes):
    """Gradient of all parameters as one step leaves it, without touching the weights."""
    engine = NumpyEngine(make_task("optimizer=SGD", "optimizer.lr=0", *overrides, **changes))
    step = engine.train_batch(np.arange(8))
    flat = np.concatenate([parameter.grad.ravel() for parameter in engine.model.parameters()])
    return engine, step, flat


def test_a_penalty_enters_the_gradient_and_not_the_loss():
    engine, step, flat = step_of('regularization.penalty={kind = "L2", lamb = 0.5}')
    _, plain_step, plain = step_of()
    weights = np.concatenate([parameter.data.ravel() for parameter in engine.model.parameters()])
    assert step.loss == plain_step.loss
    np.testing.assert_allclose(flat - plain, weights, rtol=0, atol=1e-6)
    assert engine.penalty() == pytest.approx(0.5 * float(np.square(weights).sum()))


def test_the_step_takes_the_regularized_gradient():
    overrides = ("optimizer=SGD", "optimizer.lr=0.5", 'regularization.penalty={kind = "L2", lamb = 0.5}')
    engine = NumpyEngine(make_task(*overrides, "regularization.clip_grad_norm=0.1"))
    before = {name: parameter.data.copy() for name, parameter in engine.model.named_parameters()}
    engine.train_batch(np.arange(8))
    total = 0.0
    for name, parameter in engine.model.named_parameters():
        step = (before[name] - parameter.data) / 0.5
        np.testing.assert_allclose(step, parameter.grad, rtol=0, atol=1e-6)
        total += float(np.square(step).sum())
    assert math.sqrt(total) == pytest.approx(0.1, rel=1e-3)


def test_every_step_starts_from_no_gradient():
    engine, _, first = step_of()
    engine.train_batch(np.arange(8))  # the rate is 0: the weights have not moved
    second = np.concatenate([parameter.grad.ravel() for parameter in engine.model.parameters()])
    np.testing.assert_array_equal(first, second)


def test_gradients_are_clipped_by_norm_and_by_value():
    _, _, plain = step_of()
    _, _, by_norm = step_of("regularization.clip_grad_norm=0.01")
    _, _, by_value = step_of("regularization.clip_grad_value=0.001")
    assert np.linalg.norm(plain) > 0.01
    assert np.linalg.norm(by_norm) == pytest.approx(0.01, rel=1e-3)
    np.testing.assert_array_equal(by_value, np.clip(plain, -0.001, 0.001))


def test_label_smoothing_and_class_weights_enter_the_loss():
    _, plain, _ = step_of()
    _, smoothed, _ = step_of("regularization.label_smoothing=0.2")
    _, weighted, _ = step_of(objective=Classification(weight=np.array([1.0, 5.0, 1.0])))
    assert len({plain.loss, smoothed.loss, weighted.loss}) == 3


def test_a_run_in_double_precision():
    engine = NumpyEngine(make_task("training.dtype=float64"))
    assert {array.dtype.name for array in engine.state_dict().values()} == {"float64", "int64"}
    assert engine.evaluate("validation").outputs.dtype == np.float64


def test_running_means_are_weighted_by_rows():
    running = RunningMean(Classification())
    running.add(Step(1.0, 3), 3)
    running.add(Step(2.0, 0), 1)
    assert (running.loss, running.measure, running.steps, running.rows) == (1.25, 0.75, 2, 4)
