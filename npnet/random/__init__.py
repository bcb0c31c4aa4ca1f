r"""Seeded random streams.

Every draw in npnet comes from a generator: the ``generator=`` argument where one is given, else the
stream of the draw's purpose, ``init``, ``split``, ``shuffle``, ``dropout`` or ``augment``.
:func:`manual_seed` seeds them all, each from NumPy's ``SeedSequence`` under its own name, so that one
dropout layer more does not move the initial weights or the order of the data.  Without it they start
from the operating system's entropy.  ``manual_seed(seed, like="torch")`` makes them one
:class:`TorchGenerator`, which draws what PyTorch would.

Weights, splits and orders are drawn on the host, hence the same on every device.  Dropout masks are
drawn where the activations live, unless the generator says ``host_only``.

Examples
--------
>>> import npnet
>>> npnet.manual_seed(0)
>>> a = npnet.random.stream("init").uniform(0.0, 1.0, (2,), "float64")
>>> npnet.manual_seed(0)
>>> b = npnet.random.stream("init").uniform(0.0, 1.0, (2,), "float64")
>>> bool((a == b).all())
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npnet.random.generator import Generator
from npnet.random.streams import (
    STREAMS,
    copy_streams,
    get_rng_state,
    manual_seed,
    resolve,
    set_rng_state,
    stream,
    using_streams,
)
from npnet.random.tape import RecordingGenerator, ReplayGenerator

if TYPE_CHECKING:
    from npnet.random.torch_generator import TorchGenerator

__all__ = [
    "STREAMS",
    "Generator",
    "RecordingGenerator",
    "ReplayGenerator",
    "TorchGenerator",
    "copy_streams",
    "get_rng_state",
    "manual_seed",
    "resolve",
    "set_rng_state",
    "stream",
    "using_streams",
]


def __getattr__(name: str) -> Any:
    """Load PyTorch's generator on first use, so that ``import npnet`` stays quick."""
    if name == "TorchGenerator":
        from npnet.random.torch_generator import TorchGenerator

        return TorchGenerator
    raise AttributeError(f"module 'npnet.random' has no attribute {name!r}")
