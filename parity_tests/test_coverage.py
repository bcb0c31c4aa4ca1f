"""Every public class has a parity case: in the registry, or in a test module that this table names."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from npnet import nn, optim, regularization
from npnet.optim import lr_scheduler, swa_utils
from parity_tests.registry import MODULES, OPTIMIZERS
from parity_tests.schedules import DRAWN

ROOT = Path(__file__).parents[1]

SCHEDULES, WALKS = "parity_tests/schedules.py", "parity_tests/test_lr_scheduler.py"
PENALTIES = "parity_tests/test_penalties.py"
AVERAGES = "parity_tests/test_swa_utils.py"

ELSEWHERE: dict[str, str] = {
    **{
        f"lr_scheduler.{name}": SCHEDULES if name in DRAWN else WALKS
        for name in lr_scheduler.__all__
        if name != "LRScheduler"
    },
    **{f"swa_utils.{name}": AVERAGES for name in ("AveragedModel", "SWALR")},
    **{
        f"regularization.{name}": PENALTIES
        for name in ("L1", "L2", "ElasticNet", "GroupLasso", "L2Norm", "MaxNorm")
    },
    **{
        f"regularization.{name}": "parity_tests/test_augmentation.py"
        for name in (
            *("Compose", "RandomAffine", "RandomHorizontalFlip", "RandomQuarterTurn", "RandomRotation"),
            *("RandomShift", "RandomVerticalFlip"),
        )
    },
    "regularization.EarlyStopping": "npnet/regularization/tests/test_early_stopping.py",
    **{f"nn.{name}": "parity_tests/test_noise.py" for name in ("DropConnect", "GaussianNoise")},
    "nn.Parameter": "parity_tests/test_arena.py",
}
"""Where the cases of classes lie that no generic test walks."""

BASES = {
    "nn.Module": "what it computes is what its subclasses compute; test_protocol.py and test_state_dict.py",
    "optim.Optimizer": "its loop runs the rules of the registry; test_arena.py",
    "lr_scheduler.LRScheduler": "base of the schedules",
    "regularization.Augmentation": "base of the augmentations",
    "regularization.Penalty": "base of the penalties",
}
"""Classes that are there to be derived from."""

REGISTRY = {f"nn.{name}" for name in MODULES} | {f"optim.{name}" for name in OPTIMIZERS}


def public_classes() -> list[str]:
    """Names of the public classes of the packages that promise parity."""
    packages: dict[str, ModuleType] = {
        "nn": nn,
        "optim": optim,
        "lr_scheduler": lr_scheduler,
        "swa_utils": swa_utils,
        "regularization": regularization,
    }
    return [
        f"{short}.{name}"
        for short, package in packages.items()
        for name in package.__all__
        if inspect.isclass(getattr(package, name))
    ]


@pytest.mark.parametrize("name", public_classes())
def test_every_public_class_has_a_parity_case(name: str) -> None:
    where = [name in table for table in (REGISTRY, ELSEWHERE, BASES)]
    assert sum(where) == 1, (
        f"{name}: name its parity case in exactly one of the registry and the tables above"
    )


@pytest.mark.parametrize(("name", "file"), ELSEWHERE.items())
def test_the_named_module_speaks_of_the_class(name: str, file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"\b{name.rsplit('.', 1)[-1]}\b", text), f"{file} does not mention {name}"


def test_the_tables_name_nothing_that_is_gone() -> None:
    assert {*REGISTRY, *ELSEWHERE, *BASES} <= set(public_classes())
