"""One specification a class: what the generic tests walk."""

from __future__ import annotations

from parity_tests.registry.activations import ACTIVATIONS
from parity_tests.registry.class_losses import CLASS_LOSSES
from parity_tests.registry.containers import CONTAINERS
from parity_tests.registry.images import IMAGES
from parity_tests.registry.layers import LAYERS
from parity_tests.registry.losses import LOSSES
from parity_tests.registry.noise import NOISE
from parity_tests.registry.normalization import NORMALIZATIONS
from parity_tests.registry.optimizers import RULES
from parity_tests.registry.recurrent import RECURRENT
from parity_tests.registry.several_losses import SEVERAL_LOSSES
from parity_tests.registry.specification import ModuleSpecification, OptimizerSpecification

__all__ = ["MODULES", "OPTIMIZERS", "ModuleSpecification", "OptimizerSpecification"]

TOPICS = (
    LAYERS,
    ACTIVATIONS,
    NOISE,
    IMAGES,
    NORMALIZATIONS,
    RECURRENT,
    LOSSES,
    CLASS_LOSSES,
    SEVERAL_LOSSES,
    CONTAINERS,
)

MODULES: dict[str, ModuleSpecification] = {each.name: each for topic in TOPICS for each in topic}
OPTIMIZERS: dict[str, OptimizerSpecification] = {each.name: each for each in RULES}
