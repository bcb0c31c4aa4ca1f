"""Who does the work: npnet, the libraries that it is compared with, and BLAS alone.

A peer is a function ``prepare(workload, device) -> run``; ``run()`` does one epoch of the workload's steps
and comes back when the device is done.  It raises :class:`Unavailable` where it has no way to do a workload.
A family of peers is a module that imports its library inside the function, so that a library that is not
installed costs one line of the report, not the whole of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.workloads import Workload

__all__ = ["CPU_PEERS", "GPU_PEERS", "PEERS", "Peer", "Prepare", "Unavailable"]

Run = Callable[[], None]
Prepare = Callable[["Workload", str], Run]


class Unavailable(Exception):  # noqa: N818 (no error: it is reported and gone past)
    """A peer cannot do this workload here; the message says why."""


class Peer(NamedTuple):
    """An entry of the table.

    Parameters
    ----------
    name : str
    about : str
        For people.
    place : str
        ``module:function``; the function makes the peer's `Prepare`.
    group : {"floor", "npnet", "engine", "own", "eager", "other"}
        What it counts as in ratios; ``"own"``, npnet in other ways, in none.
    variant : str
        The function's argument.
    """

    name: str
    about: str
    place: str
    group: str
    variant: str

    def load(self) -> Prepare:
        """Its function, for this variant."""
        module, function = self.place.split(":")
        made: Prepare = getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)(self.variant)
        return made


_TABLE = (
    Peer("blas", "the matrix products alone", "blas:products", "floor", ""),
    Peer("npnet", "npnet on NumPy; on a GPU, on CuPy", "npnet_peer:npnet_peer", "npnet", "numpy"),
    Peer("npnet-numba", "npnet with the Numba engine", "npnet_peer:npnet_peer", "engine", "numba"),
    Peer("npnet-loop", "npnet on NumPy, a loop by hand", "npnet_peer:npnet_peer", "own", "numpy loop"),
    Peer("npnet-numba-loop", "the same with the Numba engine", "npnet_peer:npnet_peer", "own", "numba loop"),
    Peer("torch", "PyTorch eager, default", "torch_peer:torch_peer", "eager", "default"),
    Peer("torch-foreach", "PyTorch eager, foreach", "torch_peer:torch_peer", "eager", "foreach"),
    Peer("torch-fused", "PyTorch eager, fused", "torch_peer:torch_peer", "eager", "fused"),
    Peer("torch-loader", "PyTorch eager, default, DataLoader", "torch_peer:torch_peer", "other", "loader"),
    Peer("torch-compile", "torch.compile, fused", "torch_peer:torch_peer", "other", "compile"),
    Peer("jax-step", "JAX + Optax, jit, a step a call", "jax_peer:jax_peer", "other", "step"),
    Peer("jax-scan", "JAX + Optax, jit, an epoch in a scan", "jax_peer:jax_peer", "other", "scan"),
    Peer("sklearn", "scikit-learn's MLPClassifier", "sklearn_peer:sklearn_peer", "other", ""),
    Peer(
        "torch-reduce-overhead",
        "torch.compile, reduce-overhead, fused",
        "torch_peer:torch_peer",
        "other",
        "reduce-overhead",
    ),
)

PEERS = {peer.name: peer for peer in _TABLE}
"""Name to peer."""

CPU_PEERS = tuple(name for name in PEERS if name != "torch-reduce-overhead")
GPU_PEERS = (
    *("npnet", "torch", "torch-foreach", "torch-fused", "torch-loader", "torch-compile"),
    "torch-reduce-overhead",
)
