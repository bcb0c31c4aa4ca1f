"""npnet through its public API: the layers, the optimizers and the loader that a user would write."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from benchmarks.peers import Prepare, Run, Unavailable
from benchmarks.workloads import Workload, batch_data

__all__ = ["network", "npnet_peer"]


def network(nn: Any, workload: Workload) -> Any:
    """The workload's model; ``nn`` is npnet's or PyTorch's, whose names are the same."""
    layers: list[Any] = []
    sizes = workload.sizes
    for a, b in itertools.pairwise(sizes[:-1]):
        layers.append(nn.Linear(a, b))
        if workload.batch_norm:
            layers.append(nn.BatchNorm1d(b))
        layers.append(nn.ReLU())
        if workload.dropout:
            layers.append(nn.Dropout(workload.dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def npnet_peer(variant: str) -> Prepare:
    """What runs npnet with an engine, ``"numpy"`` or ``"numba"``; with ``" loop"`` a loop written by hand."""
    engine, _, by_hand = variant.partition(" ")

    def prepare(workload: Workload, device: str) -> Run:
        from npnet import backend, manual_seed
        from npnet.errors import NpnetError

        manual_seed(0)
        try:
            if engine != "numpy":
                backend.set_engine(engine)
                _compile_at_once()
            backend.check_device(device)
        except (AttributeError, NpnetError) as error:
            raise Unavailable(" ".join(str(error).split())) from error
        if by_hand and workload.kind != "training":
            raise Unavailable("a loop is for epochs")
        training = _loop if by_hand else _training
        make = {"training": training, "inference": _inference, "update": _update}[workload.kind]
        run = make(workload, device)

        def until_done() -> None:
            run()
            if device == "cuda":
                import cupy

                cupy.cuda.get_current_stream().synchronize()

        return until_done

    return prepare


def _compile_at_once() -> None:
    """Let the engine compile rows of formulas at once, as it does in the second process that runs them."""
    from npnet.engine import numba_chain

    numba_chain.HOT = 0


def _prepared(workload: Workload, device: str) -> tuple[Any, ...]:
    """The loader, the model, its loss, the optimizer, and what adds the gradient of a penalty, if any."""
    from npnet import nn, optim, regularization
    from npnet.backend import to_device
    from npnet.data import DataLoader, TensorDataset

    arrays = [to_device(array, device) for array in batch_data(workload)]
    loader = DataLoader(TensorDataset(*arrays), batch_size=workload.batch, shuffle=True)
    model, criterion = network(nn, workload).to(device), nn.CrossEntropyLoss()
    optimizer = getattr(optim, workload.optimizer)(model.parameters())
    penalty = regularization.L1(workload.l1) if workload.l1 else None
    penalize = None if penalty is None else lambda: penalty.backward(model)
    return loader, model, criterion, optimizer, penalize


def _training(workload: Workload, device: str) -> Run:
    from npnet.training import TrainStep

    loader, model, criterion, optimizer, penalize = _prepared(workload, device)
    step = TrainStep(model, criterion, optimizer, before_update=penalize)

    def run() -> None:
        total: Any = 0.0
        for x, target in loader:
            loss, _ = step(x, target)
            total += loss.item() if device == "cpu" else loss

    return run


def _loop(workload: Workload, device: str) -> Run:
    loader, model, criterion, optimizer, penalize = _prepared(workload, device)

    def run() -> None:
        total: Any = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), target)
            model.backward(criterion.backward(), input_grad=False)
            if penalize is not None:
                penalize()
            optimizer.step()
            total += loss.item() if device == "cpu" else loss

    return run


def _inference(workload: Workload, device: str) -> Run:
    from npnet import nn, no_grad
    from npnet.backend import to_device

    inputs = to_device(batch_data(workload)[0], device)
    model = network(nn, workload).to(device).eval()

    def run() -> None:
        with no_grad():
            for start in range(0, workload.rows, workload.batch):
                model(inputs[start : start + workload.batch])

    return run


def _update(workload: Workload, device: str) -> Run:
    from npnet import nn, optim
    from npnet.backend import to_device

    values = np.random.default_rng(0).standard_normal((2, workload.parameters), dtype=np.float32)
    parameter = nn.Parameter(to_device(values[0], device))
    optimizer = getattr(optim, workload.optimizer)([parameter], lr=1e-3)
    parameter.grad = to_device(values[1], device)

    def run() -> None:
        for _ in range(workload.steps):
            optimizer.step()

    return run
