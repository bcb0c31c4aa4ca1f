"""Planted mistakes in the rules of SGD, Adam and RMSprop, and in what all optimizers share."""

from __future__ import annotations

from parity_tests.mistakes import Mistake

__all__ = ["MISTAKES"]

ADAM = "npnet/optim/adam.py"
ADAMW = "npnet/optim/adamw.py"
KERNEL = "npnet/optim/kernel.py"
OPTIMIZER = "npnet/optim/optimizer.py"
RMSPROP = "npnet/optim/rmsprop.py"
SGD = "npnet/optim/sgd.py"
STATE = "npnet/optim/state.py"


def parity(name: str) -> str:
    """The test of one class against PyTorch."""
    return f"parity_tests/test_optimizer_lives.py::test_trajectories[cpu-{name}]"


ARENA = "parity_tests/test_arena.py"
CLOSED = "parity_tests/test_optimizer_lives.py"

MISTAKES: list[Mistake] = [
    # SGD
    Mistake(
        "dampening touches the first step",
        SGD,
        '1.0 if numbers["step"] == 1 else 1.0 - group["dampening"]',
        '1.0 - group["dampening"]',
        parity("SGD"),
    ),
    Mistake("dampening is forgotten", SGD, '1.0 - group["dampening"]', "1.0", parity("SGD")),
    Mistake("Nesterov's look ahead lacks mu", SGD, "lr * (g + mu * b)", "lr * (g + b)", parity("SGD")),
    Mistake("Nesterov's form without the gradient", SGD, "lr * (g + mu * b)", "lr * (mu * b)", parity("SGD")),
    Mistake(
        "Nesterov's form is never chosen",
        SGD,
        'nesterov_sgd if group["nesterov"] else momentum_sgd',
        "momentum_sgd",
        parity("SGD"),
    ),
    # Adam
    Mistake(
        "the bias correction is one step late",
        ADAM,
        "1 - beta2**step",
        "1 - beta2**(step + 1)",
        parity("Adam"),
    ),
    Mistake(
        "the first moment is not corrected",
        ADAM,
        'group["lr"] * root / (1 - beta1**step)',
        'group["lr"] * root',
        f"{CLOSED}::test_adam_along_a_constant_gradient_takes_steps_of_the_learning_rate",
    ),
    Mistake("epsilon is not corrected", ADAM, 'group["eps"] * root', 'group["eps"]', parity("Adam")),
    Mistake(
        "epsilon inside the root",
        ADAM,
        "np.sqrt(v) + eps",
        "np.sqrt(v + eps)",
        parity("Adam"),
    ),
    Mistake(
        "epsilon inside AMSGrad's root",
        ADAM,
        "np.sqrt(w) + eps",
        "np.sqrt(w + eps)",
        parity("AdamW"),
    ),
    Mistake("AMSGrad forgets the maximum", ADAM, "np.maximum(w, v, out=w)", "w[...] = v", parity("Adam")),
    Mistake(
        "decay is always coupled",
        ADAM,
        'return bool(group["decoupled_weight_decay"])',
        "return False",
        f"{CLOSED}::test_decoupled_decay_without_gradient_is_a_power",
    ),
    Mistake(
        "decay is always decoupled",
        ADAM,
        'return bool(group["decoupled_weight_decay"])',
        "return True",
        parity("Adam"),
    ),
    Mistake(
        "AdamW without decoupling",
        ADAMW,
        "decoupled_weight_decay=True",
        "decoupled_weight_decay=False",
        parity("AdamW"),
    ),
    # RMSprop
    Mistake(
        "centred with momentum forgets the mean",
        RMSPROP,
        "b += g / (np.sqrt(v - a * a) + eps)",
        "b += g / (np.sqrt(v) + eps)",
        parity("RMSprop"),
    ),
    Mistake(
        "centred forgets the mean",
        RMSPROP,
        "p -= lr * (g / (np.sqrt(v - a * a) + eps))",
        "p -= lr * (g / (np.sqrt(v) + eps))",
        parity("RMSprop"),
    ),
    Mistake(
        "epsilon inside the root of RMSprop",
        RMSPROP,
        "p -= lr * (g / (np.sqrt(v) + eps))",
        "p -= lr * (g / np.sqrt(v + eps))",
        parity("RMSprop"),
    ),
    # What all share
    Mistake("decay of the wrong sign", KERNEL, "g = g + shrink * p", "g = g - shrink * p", parity("SGD")),
    Mistake(
        "decoupled decay of the wrong sign",
        OPTIMIZER,
        '1.0 - group["lr"] * decay',
        '1.0 + group["lr"] * decay',
        parity("AdamW"),
    ),
    Mistake(
        "decoupled decay without the rate",
        OPTIMIZER,
        '1.0 - group["lr"] * decay',
        "1.0 - decay",
        parity("AdamW"),
    ),
    Mistake("maximize is forgotten", KERNEL, "            g = -g\n", "            pass\n", parity("SGD")),
    Mistake(
        "the runs ignore which gradients are absent",
        OPTIMIZER,
        "plan.present != present",
        "False",
        parity("SGD"),
    ),
    Mistake(
        "absent gradients count as zero",
        OPTIMIZER,
        "            if members[0].has_grad:\n                shelf",
        "            if True:\n                shelf",
        f"{ARENA}::test_what_has_no_gradient_stays_untouched[Adam]",
    ),
    Mistake(
        "runs are kept though parameters moved",
        OPTIMIZER,
        "plan.moves != Arena.moves",
        "False",
        f"{ARENA}::test_turned_into_float64_it_goes_on_as_one_made_so[SGD]",
    ),
    Mistake(
        "state starts anew on another device",
        STATE,
        "new.put(name, parameter, old.share(name, parameter))",
        "new.array(name, parameter.data)",
        f"{ARENA}::test_moved_to_a_device_it_goes_on_to_the_bit[Adam]",
    ),
    Mistake(
        "zero_grad drops nothing",
        OPTIMIZER,
        "parameter.clear_grad(set_to_none)",
        "pass",
        f"{ARENA}::test_what_has_no_gradient_stays_untouched[SGD]",
    ),
]
