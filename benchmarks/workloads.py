"""What is measured: networks, batches and optimizers, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["GPU_WORKLOADS", "WORKLOADS", "Reach", "Workload", "batch_data", "find"]


@dataclass(frozen=True)
class Reach:
    """The ratios to reach; None where none was set.

    Parameters
    ----------
    numpy : float, optional
        npnet on NumPy to the best of eager PyTorch.
    engine : float, optional
        npnet with its engine to the best of eager PyTorch.
    all_peers : float, optional
        npnet with its engine to the best of all peers that do the same work.
    """

    numpy: float | None = None
    engine: float | None = None
    all_peers: float | None = None


@dataclass(frozen=True)
class Workload:
    """One thing to do, the same for every peer.

    Parameters
    ----------
    name : str
    kind : {"training", "inference", "update"}
        Whole training steps from data in memory; forward passes in evaluation mode; an optimizer alone.
    sizes : tuple of int
        Features, hidden units ..., classes.
    batch : int
        Rows in a step.
    steps : int
        Steps in an epoch; there are ``batch * steps`` rows.
    batch_norm, dropout, l1 : bool, float, float
        After each hidden layer; and the weight of the L1 penalty.
    optimizer : str
        A class of ``npnet.optim`` and ``torch.optim``.
    parameters : int
        For ``kind="update"``: how many numbers are learned.
    reach : Reach
    """

    name: str
    kind: str = "training"
    sizes: tuple[int, ...] = ()
    batch: int = 0
    steps: int = 1
    batch_norm: bool = True
    dropout: float = 0.3
    l1: float = 0.0
    optimizer: str = "Adam"
    parameters: int = 0
    reach: Reach = Reach()

    @property
    def rows(self) -> int:
        """Rows in memory."""
        return self.batch * self.steps

    @property
    def plain(self) -> bool:
        """Whether there is neither batch normalisation nor dropout nor a penalty."""
        return not self.batch_norm and not self.dropout and not self.l1


def batch_data(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (float32) and classes (int64); how long a step takes does not depend on their values."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((workload.rows, workload.sizes[0]), dtype=np.float32)
    return inputs, rng.integers(0, workload.sizes[-1], workload.rows)


GALAXIES = (20, 64, 32, 3)
MNIST = (784, 256, 128, 10)
WIDE = (784, 1024, 1024, 10)

_TRAINING = (
    Workload("galaxies-32", sizes=GALAXIES, batch=32, steps=100, reach=Reach(0.27, 0.15, 0.75)),
    Workload("galaxies-128", sizes=GALAXIES, batch=128, steps=100, reach=Reach(0.33, 0.22, 0.80)),
    Workload("galaxies-1024", sizes=GALAXIES, batch=1024, steps=40, reach=Reach(0.68, 0.50, 0.85)),
    Workload("mnist-64", sizes=MNIST, batch=64, steps=50, reach=Reach(0.92, 0.66, 0.95)),
    Workload("mnist-128", sizes=MNIST, batch=128, steps=40, reach=Reach(0.92, 0.70, 0.95)),
    Workload("mnist-512", sizes=MNIST, batch=512, steps=15),
    Workload("wide-256", sizes=WIDE, batch=256, steps=8, reach=Reach(1.10, 0.93, 1.00)),
)

_MNIST_128 = _TRAINING[4]
_PARTS = (
    replace(_MNIST_128, name="mnist-128-linear", batch_norm=False, dropout=0.0, reach=Reach()),
    replace(_MNIST_128, name="mnist-128-batchnorm", dropout=0.0, reach=Reach()),
    replace(_MNIST_128, name="mnist-128-dropout", batch_norm=False, reach=Reach()),
    replace(_MNIST_128, name="mnist-128-l1", batch_norm=False, dropout=0.0, l1=1e-4, reach=Reach()),
)

_INFERENCE = (
    Workload("inference-galaxies-1", kind="inference", sizes=GALAXIES, batch=1, steps=200),
    Workload("inference-galaxies-1024", kind="inference", sizes=GALAXIES, batch=1024, steps=50),
    Workload("inference-mnist-1000", kind="inference", sizes=MNIST, batch=1000, steps=10),
)

OPTIMIZERS = (
    *("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "ASGD", "Rprop"),
)
_SIZES = {10**4: "1e4", 10**6: "1e6", 10**7: "1e7"}
_UPDATES = tuple(
    Workload(
        f"{optimizer.lower()}-{label}",
        kind="update",
        optimizer=optimizer,
        parameters=size,
        steps=max(1, 2_000_000 // size),
        reach=Reach(1.7, 0.7) if (optimizer, size) == ("Adam", 10**6) else Reach(),
    )
    for optimizer in OPTIMIZERS
    for size, label in _SIZES.items()
)

WORKLOADS = (*_TRAINING, *_PARTS, *_INFERENCE, *_UPDATES)
"""What ``python -m benchmarks`` runs on a CPU."""

GPU_WORKLOADS = (
    Workload("mnist-128", sizes=MNIST, batch=128, steps=200, reach=Reach(1.5)),
    Workload("mnist-1024", sizes=MNIST, batch=1024, steps=50, reach=Reach(1.0)),
    Workload("mnist-4096", sizes=MNIST, batch=4096, steps=20, reach=Reach(1.0)),
    Workload("galaxies-1024", sizes=GALAXIES, batch=1024, steps=200, reach=Reach(1.0)),
    Workload("galaxies-16384", sizes=GALAXIES, batch=16384, steps=50, reach=Reach(1.0)),
    Workload("wide-4096", sizes=WIDE, batch=4096, steps=20, reach=Reach(1.0)),
)
"""What ``python -m benchmarks --device cuda`` runs."""


def find(wanted: list[str], workloads: tuple[Workload, ...]) -> list[Workload]:
    """Those of a name, or whose names begin with it where none has it; all where nothing is wanted.

    Raises
    ------
    ValueError
        If there is none.
    """
    names = [workload.name for workload in workloads]
    chosen: set[str] = set()
    for name in wanted:
        found = [name] if name in names else [each for each in names if each.startswith(name)]
        if not found:
            raise ValueError(f"no workload begins with {name!r}; there are {', '.join(names)}")
        chosen.update(found)
    return [workload for workload in workloads if not wanted or workload.name in chosen]
