"""Planted mistakes in the forecasters: what they may see, and how far back they learn."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

FORECAST = "npnet/training/forecast.py"
MODEL = "npnet/training/forecaster.py"
SPLIT = "npnet/data/split.py"
TASK = "npnet/training/task.py"
WINDOWS = "npnet/data/windows.py"

SERIES = "npnet/data/tests/test_series.py"
RUNS = "npnet/training/tests/test_forecast.py"

MISTAKES: list[Mistake] = [
    Mistake(
        "a window holds the step that is forecast",
        WINDOWS,
        "past = values[: len(values) - self.horizon]",
        "past = values[self.horizon :]",
        f"{SERIES}::test_a_window_holds_the_steps_before_its_row_and_no_later_one",
    ),
    Mistake(
        "windows look into the part before",
        SPLIT,
        "np.arange(end - size + reach, end)",
        "np.arange(end - size, end)",
        f"{SERIES}::test_the_parts_follow_one_another_and_no_row_looks_into_another",
    ),
    Mistake(
        "the scale is learned from all parts",
        TASK,
        "features.fit(table.iloc[split.train] if images is None",
        "features.fit(table if images is None",
        f"{RUNS}::test_nothing_of_later_parts_is_known_to_the_task",
    ),
    Mistake(
        "the chunk that is learned from is one step short",
        MODEL,
        "early, state = max(steps - chunk, 0), None",
        "early, state = max(steps - chunk + 1, 0), None",
        f"{RUNS}::test_truncation_beyond_the_window_is_none",
    ),
    Mistake(
        "the state is not carried over",
        MODEL,
        "output, _ = self.recurrent(input[:, early:], state)",
        "output, _ = self.recurrent(input[:, early:])",
        f"{RUNS}::test_truncation_leaves_the_values_and_cuts_the_gradient",
    ),
    Mistake(
        "chunks begin anew",
        MODEL,
        "min(start + chunk, early)], state)",
        "min(start + chunk, early)])",
        f"{RUNS}::test_truncation_leaves_the_values_and_cuts_the_gradient",
    ),
    Mistake(
        "the recipe's truncation is forgotten",
        TASK,
        "        model.bptt = recipe.training.bptt\n",
        "        model.bptt = None\n",
        f"{RUNS}::test_the_model_of_a_task_is_truncated_as_the_recipe_says",
    ),
    Mistake(
        "persistence knows today",
        FORECAST,
        '"persistence": horizon,',
        '"persistence": horizon - 1,',
        f"{RUNS}::test_a_run_is_compared_with_simple_forecasts",
    ),
    Mistake(
        "a season that lies ahead",
        FORECAST,
        "season * math.ceil(horizon / season)",
        "season",
        f"{RUNS}::test_a_forecast_that_would_look_before_the_series_is_left_out",
    ),
]
