"""The floor: the matrix products of a step and nothing else."""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.peers import Prepare, Run, Unavailable
from benchmarks.workloads import Workload

__all__ = ["products"]


def products(variant: str) -> Prepare:
    """Forward, weight gradients, and input gradients but the first, through ``numpy.matmul``."""

    def prepare(workload: Workload, device: str) -> Run:
        if workload.kind == "update" or device != "cpu":
            raise Unavailable("there is no matrix product in it" if device == "cpu" else "on the host only")
        rng = np.random.default_rng(0)
        sizes, n = workload.sizes, workload.batch
        x = [rng.standard_normal((n, size), dtype=np.float32) for size in sizes]
        outputs = [np.empty_like(each) for each in x]
        weights = [rng.standard_normal((b, a), dtype=np.float32) for a, b in itertools.pairwise(sizes)]
        gradients = [np.empty_like(weight) for weight in weights]
        training = workload.kind == "training"

        def run() -> None:
            for _ in range(workload.steps):
                for i, weight in enumerate(weights):
                    np.matmul(x[i], weight.T, out=outputs[i + 1])
                if training:
                    for i, weight in enumerate(weights):
                        np.matmul(x[i + 1].T, x[i], out=gradients[i])
                        if i:
                            np.matmul(x[i + 1], weight, out=outputs[i])

        return run

    return prepare
