"""One specification a class: what the generic tests walk."""

from __future__ import annotations

from parity_tests.registry.containers import CONTAINERS
from parity_tests.registry.images import IMAGES
from parity_tests.registry.layers import LAYERS
from parity_tests.registry.losses import LOSSES
from parity_tests.registry.optimizers import RULES
from parity_tests.registry.specification import ModuleSpecification, OptimizerSpecification

__all__ = ["MODULES", "OPTIMIZERS", "ModuleSpecification", "OptimizerSpecification"]

MODULES: dict[str, ModuleSpecification] = {
    each.name: each for each in (*LAYERS, *IMAGES, *LOSSES, *CONTAINERS)
}
OPTIMIZERS: dict[str, OptimizerSpecification] = {each.name: each for each in RULES}
