"""Planted mistakes in the averages of a training: when they are taken, what they hold, what is judged."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

AVERAGING = "npnet/training/averaging.py"
NUMPY = "npnet/training/numpy_engine.py"
TESTS = "npnet/training/tests/test_averaging.py"

MISTAKES: list[Mistake] = [
    Mistake(
        "the equal average begins an epoch too early",
        AVERAGING,
        "if not self.settings.every_step and self.epochs > self.settings.start_from_epoch",
        "if not self.settings.every_step and self.epochs >= self.settings.start_from_epoch",
        f"{TESTS}::test_swa_is_the_mean_of_the_last_epochs_with_statistics_of_its_own",
    ),
    Mistake(
        "the moving average begins an epoch too late",
        AVERAGING,
        "if self.settings.every_step and self.epochs >= self.settings.start_from_epoch",
        "if self.settings.every_step and self.epochs > self.settings.start_from_epoch",
        f"{TESTS}::test_ema_begins_where_it_is_told",
    ),
    Mistake(
        "the statistics of the average are not measured",
        AVERAGING,
        "if self.begun and not self.settings.use_buffers",
        "if self.begun and self.settings.use_buffers",
        f"{TESTS}::test_swa_is_the_mean_of_the_last_epochs_with_statistics_of_its_own",
    ),
    Mistake(
        "the network of the last step is judged, not the average",
        NUMPY,
        "rows, judged = self.task.rows[part], self.judged",
        "rows, judged = self.task.rows[part], self.model",
        f"{TESTS}::test_the_average_is_what_is_judged",
    ),
    Mistake(
        "the rate is annealed an epoch too early",
        AVERAGING,
        "if self.schedule is None or self.epochs <= self.settings.start_from_epoch",
        "if self.schedule is None or self.epochs < self.settings.start_from_epoch",
        f"{TESTS}::test_the_rate_is_annealed_as_by_pytorch",
    ),
    Mistake(
        "the average is forgotten over a break",
        NUMPY,
        'self.averaging.load_state_dict(state["averaging"])',
        'self.averaging.epochs = state["averaging"]["epochs"]',
        f"{TESTS}::test_every_average_goes_on",
    ),
]
