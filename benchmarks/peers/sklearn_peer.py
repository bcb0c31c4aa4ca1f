"""scikit-learn's MLPClassifier, which has neither batch normalisation nor dropout."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Prepare, Run, Unavailable
from benchmarks.workloads import Workload, batch_data

__all__ = ["sklearn_peer"]


def sklearn_peer(variant: str) -> Prepare:
    """The classifier; it leaves out what it has not, and the report says so."""

    def prepare(workload: Workload, device: str) -> Run:
        from sklearn.neural_network import MLPClassifier

        if device != "cpu" or workload.kind == "update" or workload.l1 or workload.optimizer != "Adam":
            raise Unavailable("MLPClassifier has no such thing")
        x, y = batch_data(workload)
        model = MLPClassifier(workload.sizes[1:-1], batch_size=workload.batch, alpha=0.0, random_state=0)
        classes = np.arange(workload.sizes[-1])
        model.partial_fit(x, y, classes=classes)
        if workload.kind == "training":
            return lambda: model.partial_fit(x, y)  # one epoch in its own batches, shuffled

        def run() -> None:
            for start in range(0, workload.rows, workload.batch):
                model.predict_proba(x[start : start + workload.batch])

        return run

    return prepare
