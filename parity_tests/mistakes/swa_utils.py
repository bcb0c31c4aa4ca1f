"""Planted mistakes in averaged models, their schedule and their BatchNorm statistics."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

FILE = "npnet/optim/swa_utils.py"
SWALR = "npnet/optim/lr_scheduler/swalr.py"
TESTS = "parity_tests/test_swa_utils.py"
AVERAGE = f"{TESTS}::test_an_average_is_pytorch_s_at_every_update"
SCHEDULE = f"{TESTS}::test_swalr_is_pytorch_s_at_every_step"
STATISTICS = f"{TESTS}::test_update_bn_is_pytorch_s"
DEVICE = f"{TESTS}::test_the_device_averages_without_waiting"

MISTAKES: list[Mistake] = [
    # The averages
    Mistake(
        "the decay is the newest's share",
        FILE,
        "decay * averaged + (1 - decay) * current",
        "(1 - decay) * averaged + decay * current",
        AVERAGE,
    ),
    Mistake("the exponential average grows", FILE, "(1 - decay) * current", "current", AVERAGE),
    Mistake(
        "the equal average divides by n",
        FILE,
        "(current - averaged) / (num_averaged + 1)",
        "(current - averaged) / num_averaged",
        AVERAGE,
    ),
    Mistake(
        "the equal average moves away",
        FILE,
        "averaged + (current - averaged) /",
        "averaged - (current - averaged) /",
        AVERAGE,
    ),
    Mistake(
        "the default decay has a nine too few",
        FILE,
        "def get_ema_avg_fn(decay: float = 0.999)",
        "def get_ema_avg_fn(decay: float = 0.99)",
        AVERAGE,
    ),
    # The model
    Mistake(
        "the first model is averaged with the initial copy",
        FILE,
        "        if count == 0:\n",
        "        if count < 0:\n",
        AVERAGE,
    ),
    Mistake("the count stays", FILE, "        self.n_averaged += 1\n", "", AVERAGE),
    Mistake(
        "the model itself is averaged into",
        FILE,
        "self.module = deepcopy(model).to(device)",
        "self.module = model.to(device)",
        f"{TESTS}::test_the_average_walks_runs_and_shares_nothing_with_the_model",
    ),
    Mistake(
        "buffers are left behind",
        FILE,
        "        if not self.use_buffers:\n            _copy(buffers)\n",
        "",
        AVERAGE,
    ),
    Mistake(
        "buffers are never averaged",
        FILE,
        "            pairs += buffers\n",
        "            _copy(buffers)\n",
        AVERAGE,
    ),
    Mistake(
        "a stretch ignores where the other model's lies",
        FILE,
        "[(id(o.arena), o.offset - m.offset) for",
        "[0 for",
        AVERAGE,
    ),
    Mistake(
        "functions of one's own get stretches",
        FILE,
        "whole = count == 0 or isinstance(self.multi_avg_fn or function, _Elementwise)",
        "whole = True",
        f"{TESTS}::test_the_average_walks_runs_and_shares_nothing_with_the_model",
    ),
    Mistake(
        "lists mix dtypes",
        FILE,
        "kinds.setdefault((mine.dtype, backend.device_of(mine)), [])",
        "kinds.setdefault(mine.shape, [])",
        f"{TESTS}::test_a_function_of_lists_gets_one_list_a_dtype",
    ),
    Mistake(
        "the count lies on the device",
        FILE,
        'self.register_buffer("n_averaged", np.zeros((), np.int64))',
        'self.register_buffer("n_averaged", np.zeros((), np.int64))\n        self.to(device)',
        DEVICE,
    ),
    # BatchNorm
    Mistake(
        "statistics are not started anew", FILE, "            layer.reset_running_stats()\n", "", STATISTICS
    ),
    Mistake(
        "the newest batch weighs by the momentum", FILE, "            layer.momentum = None\n", "", STATISTICS
    ),
    Mistake("the model stays in evaluation", FILE, "    model.train()\n", "", STATISTICS),
    Mistake(
        "momenta are not put back",
        FILE,
        "            layer.momentum = momentum\n",
        "            pass\n",
        STATISTICS,
    ),
    Mistake("the mode is not put back", FILE, "        model.train(was_training)\n", "", STATISTICS),
    # SWALR
    Mistake(
        "the cosine has no half",
        SWALR,
        "(1 - math.cos(math.pi * tau)) / 2",
        "1 - math.cos(math.pi * tau)",
        SCHEDULE,
    ),
    Mistake(
        "annealing is a step late",
        SWALR,
        "return self._rates(self._step_count)",
        "return self._rates(self._step_count - 1)",
        SCHEDULE,
    ),
    Mistake(
        "no epochs of annealing do not act at once",
        SWALR,
        "self._rates(1 if self.anneal_epochs == 0 else 0)",
        "self._rates(0)",
        SCHEDULE,
    ),
    Mistake(
        "the recursion starts from the present rate",
        SWALR,
        "(lr - alpha * swa_lr) / (1 - alpha)",
        "lr",
        SCHEDULE,
    ),
    Mistake(
        "annealing goes past its end",
        SWALR,
        "max(0.0, min(1.0, step / max(1, self.anneal_epochs)))",
        "max(0.0, step / max(1, self.anneal_epochs))",
        SCHEDULE,
    ),
]
