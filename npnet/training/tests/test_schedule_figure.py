from __future__ import annotations

import numpy as np
import pytest

from npnet import optim
from npnet.errors import ArgumentError, RecipeError
from npnet.nn.parameter import Parameter
from npnet.training.recipe import SCHEDULES
from npnet.training.schedule_figure import named_schedule, schedule_figure, walk_schedule

SETTINGS = {
    "StepLR": ["step_size=7"],
    "MultiStepLR": ["milestones=[3, 9]"],
    "ExponentialLR": ["gamma=0.9"],
    "CosineAnnealingLR": ["T_max=10"],
    "CosineAnnealingWarmRestarts": ["T_0=5"],
    "CyclicLR": ["base_lr=0.01", "max_lr=0.1", "step_size_up=5"],
    "OneCycleLR": ["max_lr=0.1"],
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_drawn_at_the_rates_of_its_closed_form(name):
    frame = walk_schedule(named_schedule(name, SETTINGS.get(name, ()), steps=30), 30)
    figure = schedule_figure(frame, name)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), frame["lr"])
    assert (len(figure.axes) == 2) == (name in ("CyclicLR", "OneCycleLR"))
    fresh = named_schedule(name, SETTINGS.get(name, ()), steps=30)
    if hasattr(fresh, "closed_form"):
        expected = [fresh.closed_form(step)[0] for step in range(30)]
        np.testing.assert_allclose(frame["lr"], expected, rtol=1e-12, atol=1e-15)
    else:
        assert frame["lr"].nunique() > 1


def test_adam_shows_its_first_beta():
    optimizer = optim.Adam([Parameter([0.0])], lr=0.1)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    frame = walk_schedule(schedule, 10)
    assert frame["momentum"].iloc[0] == pytest.approx(0.95)
    assert frame["momentum"].min() == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("name", "settings", "hint"),
    [
        ("StepLr", (), "StepLR"),
        ("StepLR", ["step=1"], "step_size"),
        ("StepLR", ["step_size"], "^StepLR takes arguments as key=value"),
        ("StepLR", ["a.b=1"], "^StepLR takes arguments as key=value"),
    ],
)
def test_what_is_wrong_is_named(name, settings, hint):
    with pytest.raises(RecipeError, match=hint):
        named_schedule(name, settings)


def test_a_walk_past_the_end_says_so():
    with pytest.raises(ArgumentError, match="the run is over"):
        walk_schedule(named_schedule("OneCycleLR", ["max_lr=0.1"], steps=10), 20)
    with pytest.raises(ArgumentError, match="at least 1"):
        walk_schedule(named_schedule("StepLR", ["step_size=1"]), 0)
