"""Planted mistakes in the learning-rate schedules."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

SCHEDULES = "npnet/optim/lr_scheduler"
LAMBDAS, DECAY, RAMPS = f"{SCHEDULES}/lambdas.py", f"{SCHEDULES}/decay.py", f"{SCHEDULES}/ramps.py"
COSINE, CYCLIC, ONE_CYCLE = f"{SCHEDULES}/cosine.py", f"{SCHEDULES}/cyclic.py", f"{SCHEDULES}/one_cycle.py"
PLATEAU, COMPOSITION = f"{SCHEDULES}/plateau.py", f"{SCHEDULES}/composition.py"
BASE, MOMENTUM = f"{SCHEDULES}/scheduler.py", f"{SCHEDULES}/momentum.py"

PARITY = "parity_tests/test_lr_scheduler.py"
CLOSED = f"{PARITY}::test_the_closed_form_is_the_recursion"
WALK = f"{PARITY}::test_rates_and_momenta_follow_pytorch"
RESUMED = "parity_tests/test_lr_scheduler_states.py::test_a_run_resumed_by_last_epoch_follows_pytorch"
PLATEAU_TEST = f"{PARITY}::test_plateau_follows_pytorch"
SEQUENCE = f"{PARITY}::test_one_after_the_other_follows_pytorch"
CHAIN = f"{PARITY}::test_all_at_once_follow_pytorch"
OWN = "npnet/optim/tests/test_lr_scheduler.py"

MISTAKES: list[Mistake] = [
    # LambdaLR
    Mistake(
        "LambdaLR is an epoch early",
        LAMBDAS,
        "base * factor(epoch)",
        "base * factor(epoch + 1)",
        WALK + "[LambdaLR]",
    ),
    Mistake(
        "LambdaLR forgets the rate", LAMBDAS, "base * factor(epoch)", "factor(epoch)", WALK + "[LambdaLR]"
    ),
    # MultiplicativeLR
    Mistake(
        "MultiplicativeLR is an epoch late",
        LAMBDAS,
        "rate * factor(self.last_epoch)",
        "rate * factor(self.last_epoch - 1)",
        WALK + "[MultiplicativeLR]",
    ),
    Mistake(
        "MultiplicativeLR multiplies at the start",
        LAMBDAS,
        "    def _initial_lr(self) -> list[float]:\n        return self._present_lrs()\n",
        "",
        WALK + "[MultiplicativeLR]",
    ),
    # StepLR
    Mistake(
        "StepLR's recursion is an epoch late",
        DECAY,
        "epoch % self.step_size == 0",
        "(epoch - 1) % self.step_size == 0",
        WALK + "[StepLR]",
    ),
    Mistake("StepLR decays at epoch 0", DECAY, "epoch > 0 and ", "", WALK + "[StepLR]"),
    Mistake(
        "StepLR's closed form is an epoch early",
        DECAY,
        "epoch // self.step_size",
        "(epoch + 1) // self.step_size",
        CLOSED + "[StepLR]",
    ),
    # MultiStepLR
    Mistake(
        "MultiStepLR forgets duplicates",
        DECAY,
        "sorted(self.milestones.elements())",
        "sorted(self.milestones)",
        CLOSED + "[MultiStepLR]",
    ),
    Mistake(
        "MultiStepLR decays after the milestone",
        DECAY,
        "return self.gamma ** bisect_right(",
        "from bisect import bisect_left\n\n        return self.gamma ** bisect_left(",
        CLOSED + "[MultiStepLR]",
    ),
    Mistake(
        "MultiStepLR's recursion decays once",
        DECAY,
        "self.milestones.get(epoch, 0)",
        "(epoch in self.milestones)",
        WALK + "[MultiStepLR]",
    ),
    # ExponentialLR
    Mistake(
        "ExponentialLR is an epoch early",
        DECAY,
        "self.gamma**epoch",
        "self.gamma ** (epoch + 1)",
        CLOSED + "[ExponentialLR]",
    ),
    Mistake(
        "ExponentialLR divides",
        DECAY,
        "        return self.gamma\n",
        "        return 1.0 / (self.gamma or 1.0)\n",
        WALK + "[ExponentialLR]",
    ),
    # ConstantLR
    Mistake(
        "ConstantLR ends an epoch late",
        RAMPS,
        "epoch < self.total_iters else 1.0",
        "epoch <= self.total_iters else 1.0",
        CLOSED + "[ConstantLR]",
    ),
    Mistake(
        "ConstantLR does not take the factor back",
        RAMPS,
        "1.0 / self.factor if",
        "self.factor if",
        WALK + "[ConstantLR]",
    ),
    # LinearLR
    Mistake(
        "LinearLR runs on",
        RAMPS,
        "if epoch > self.total_iters:\n            return 1.0\n        rise",
        "rise",
        WALK + "[LinearLR]",
    ),
    Mistake(
        "LinearLR's recursion is an epoch off",
        RAMPS,
        "self.total_iters * self.start_factor + (epoch - 1) * rise",
        "self.total_iters * self.start_factor + epoch * rise",
        WALK + "[LinearLR]",
    ),
    Mistake(
        "LinearLR falls instead of rising",
        RAMPS,
        "self.start_factor + rise * min",
        "self.start_factor - rise * min",
        WALK + "[LinearLR]",
    ),
    Mistake(
        "LinearLR repeats its start where it is resumed",
        RAMPS,
        "return self.get_lr() if self.last_epoch == 0 else self._present_lrs()",
        "return self.get_lr()",
        RESUMED + "[LinearLR]",
    ),
    # PolynomialLR
    Mistake(
        "PolynomialLR forgets the power",
        RAMPS,
        "(left / left_before) ** self.power",
        "(left / left_before)",
        WALK + "[PolynomialLR]",
    ),
    Mistake(
        "PolynomialLR rises past its end",
        RAMPS,
        "(1.0 - min(epoch, self.total_iters) / self.total_iters)",
        "abs(1.0 - epoch / self.total_iters)",
        WALK + "[PolynomialLR]",
    ),
    # CosineAnnealingLR
    Mistake(
        "CosineAnnealingLR turns an epoch late",
        COSINE,
        "(epoch - 1 - period) % (2 * period)",
        "(epoch - period) % (2 * period)",
        WALK + "[CosineAnnealingLR]",
    ),
    Mistake(
        "CosineAnnealingLR forgets the floor",
        COSINE,
        "now / before * (rate - low) + low",
        "now / before * rate",
        WALK + "[CosineAnnealingLR]",
    ),
    Mistake(
        "The cosine starts low",
        COSINE,
        "(1 + math.cos(math.pi * position",
        "(1 - math.cos(math.pi * position",
        WALK + "[CosineAnnealingLR]",
    ),
    # CosineAnnealingWarmRestarts
    Mistake(
        "Warm restarts come an epoch late",
        COSINE,
        "self.T_cur >= self.T_i",
        "self.T_cur > self.T_i",
        WALK + "[CosineAnnealingWarmRestarts]",
    ),
    Mistake(
        "Warm restarts do not lengthen",
        COSINE,
        "self.T_i * self.T_mult",
        "self.T_i",
        WALK + "[CosineAnnealingWarmRestarts]",
    ),
    Mistake(
        "Warm restarts round fractions",
        COSINE,
        "self.T_cur, self.T_i = self.cycle(epoch)",
        "self.T_cur, self.T_i = self.cycle(math.floor(epoch))",
        WALK + "[CosineAnnealingWarmRestarts]",
    ),
    # CyclicLR
    Mistake(
        "CyclicLR counts cycles from zero", CYCLIC, "0.5 ** (cycle - 1)", "0.5**cycle", WALK + "[CyclicLR]"
    ),
    Mistake(
        "CyclicLR's momentum runs with the rate",
        CYCLIC,
        "top - (top - base)",
        "base + (top - base)",
        WALK + "[CyclicLR]",
    ),
    Mistake(
        "CyclicLR forgets the amplitude",
        CYCLIC,
        "base + (top - base) * ramp * amplitude",
        "base + (top - base) * ramp",
        WALK + "[CyclicLR]",
    ),
    Mistake(
        "CyclicLR takes an earlier schedule's rate",
        CYCLIC,
        "        self.base_lrs = base_lrs  # an earlier schedule may have left another initial_lr\n",
        "",
        f"{PARITY}::test_a_cycle_keeps_its_own_rates_after_another_schedule[CyclicLR-arguments0]",
    ),
    # OneCycleLR
    Mistake(
        "OneCycleLR peaks a step late",
        ONE_CYCLE,
        "* total_steps - 1\n    if peak",
        "* total_steps\n    if peak",
        WALK + "[OneCycleLR]",
    ),
    Mistake(
        "OneCycleLR ends a step late",
        ONE_CYCLE,
        '(total_steps - 1, "max_lr"',
        '(total_steps, "max_lr"',
        WALK + "[OneCycleLR]",
    ),
    Mistake(
        "OneCycleLR's last rate is of the peak",
        ONE_CYCLE,
        'group["initial_lr"] / final_div',
        'group["max_lr"] / final_div',
        WALK + "[OneCycleLR]",
    ),
    Mistake(
        "OneCycleLR stops a step early",
        ONE_CYCLE,
        "epoch > self.total_steps",
        "epoch >= self.total_steps",
        WALK + "[OneCycleLR]",
    ),
    Mistake(
        "OneCycleLR's momentum runs with the rate",
        ONE_CYCLE,
        '"initial_lr", "max_lr", "max_momentum", "base_momentum")',
        '"initial_lr", "max_lr", "base_momentum", "max_momentum")',
        WALK + "[OneCycleLR]",
    ),
    # Momentum
    Mistake(
        "Both betas are cycled",
        MOMENTUM,
        '(momentum, *group["betas"][1:])',
        "(momentum, momentum)",
        WALK + "[OneCycleLR]",
    ),
    Mistake(
        "The momentum is an epoch late",
        MOMENTUM,
        "closed_form_momentum(self.last_epoch)",
        "closed_form_momentum(max(self.last_epoch - 1, 0))",
        WALK + "[CyclicLR]",
    ),
    # ReduceLROnPlateau
    Mistake(
        "Patience is off by one",
        PLATEAU,
        "self.num_bad_epochs > self.patience",
        "self.num_bad_epochs >= self.patience",
        PLATEAU_TEST,
    ),
    Mistake(
        "A tie is an improvement",
        PLATEAU,
        "else metric < bound",
        "else metric <= bound",
        f"{OWN}::test_a_tie_is_no_improvement",
    ),
    Mistake(
        "The threshold has the wrong sign",
        PLATEAU,
        "1.0 + sign * self.threshold",
        "1.0 - sign * self.threshold",
        PLATEAU_TEST,
    ),
    Mistake(
        "NaN is an improvement",
        PLATEAU,
        "metric > bound if",
        "not metric <= bound if",
        f"{OWN}::test_a_tie_is_no_improvement",
    ),
    Mistake(
        "The cooldown lets bad epochs count",
        PLATEAU,
        "            self.cooldown_counter -= 1\n            self.num_bad_epochs = 0\n",
        "            self.cooldown_counter -= 1\n",
        PLATEAU_TEST,
    ),
    Mistake(
        "min_lr is forgotten",
        PLATEAU,
        'max(group["lr"] * self.factor, low)',
        'group["lr"] * self.factor',
        PLATEAU_TEST,
    ),
    # SequentialLR
    Mistake(
        "The next schedule begins an epoch late",
        COMPOSITION,
        "bisect_right(self._milestones, epoch)",
        "bisect_right(self._milestones, epoch - 1)",
        SEQUENCE,
    ),
    Mistake(
        "The next schedule is stepped, not started",
        COMPOSITION,
        "part._restart()\n        else:",
        "part.step()\n        else:",
        SEQUENCE,
    ),
    Mistake(
        "Later schedules leave their first rate behind",
        COMPOSITION,
        '        for group in self.optimizer.param_groups:\n            group["lr"] = group["initial_lr"]\n',
        "",
        SEQUENCE,
    ),
    # ChainedScheduler
    Mistake(
        "The last of a chain is not stepped",
        COMPOSITION,
        "for part in self._schedulers:\n            part.step()",
        "for part in self._schedulers[:-1]:\n            part.step()",
        CHAIN,
    ),
    Mistake(
        "A chain is walked backwards",
        COMPOSITION,
        "for part in self._schedulers:\n            part.step()",
        "for part in reversed(self._schedulers):\n            part.step()",
        CHAIN,
    ),
    # What all share
    Mistake(
        "The first rate is forgotten",
        BASE,
        'group.setdefault("initial_lr", float(group["lr"]))',
        'group["initial_lr"] = float(group["lr"])',
        CHAIN,
    ),
    Mistake(
        "A failing step moves on",
        BASE,
        "            vars(self).update(before)\n",
        "",
        f"{OWN}::test_a_step_that_fails_leaves_everything_where_it_was",
    ),
    Mistake(
        "Any state is taken",
        BASE,
        "if state.keys() != expected:",
        "if not state:",
        f"{OWN}::test_the_state_of_another_schedule_is_refused_and_changes_nothing",
    ),
    Mistake(
        "A state is not copied",
        BASE,
        "return deepcopy(self._saved())",
        "return self._saved()",
        f"{OWN}::test_a_state_is_a_copy",
    ),
    # States
    Mistake(
        "a state of another class is taken",
        "npnet/optim/lr_scheduler/scheduler.py",
        "if owner not in (None, name):",
        "if owner is None:",
        "npnet/optim/tests/test_lr_scheduler.py::"
        "test_the_state_of_another_schedule_is_refused_and_changes_nothing[LambdaLR-MultiplicativeLR]",
    ),
    Mistake(
        "a state does not name its class",
        "npnet/optim/lr_scheduler/scheduler.py",
        "return state | {CLASS_KEY: type(self).__name__}",
        "return state",
        "npnet/optim/tests/test_lr_scheduler.py::"
        "test_the_state_of_another_schedule_is_refused_and_changes_nothing[LambdaLR-MultiplicativeLR]",
    ),
]
