"""PyTorch: eager with each kind of optimizer, with its loader, and compiled."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from benchmarks.peers import Prepare, Run, Unavailable
from benchmarks.peers.npnet_peer import network
from benchmarks.workloads import Workload, batch_data

__all__ = ["torch_peer"]

COMPILED = {"compile": "default", "reduce-overhead": "reduce-overhead"}
FUSED = ("Adam", "AdamW", "SGD", "Adagrad")


def torch_peer(variant: str) -> Prepare:
    """PyTorch in one of its ways."""

    def prepare(workload: Workload, device: str) -> Run:
        try:
            import torch
        except ImportError as error:
            raise Unavailable("PyTorch is not installed") from error
        if device == "cuda" and not torch.cuda.is_available():
            raise Unavailable("PyTorch sees no GPU")
        if variant in COMPILED and device == "cpu" and not (shutil.which("g++") or shutil.which("clang++")):
            raise Unavailable("torch.compile needs a C++ compiler, and there is none")
        torch.manual_seed(0)
        make = {"training": _training, "inference": _inference, "update": _update}[workload.kind]
        run = make(torch, workload, device, variant)

        def until_done() -> None:
            run()
            if device == "cuda":
                torch.cuda.synchronize()

        return until_done

    return prepare


def _optimizer(torch: Any, parameters: Any, workload: Workload, variant: str, **more: Any) -> Any:
    options: dict[str, Any] = {}
    if variant in ("fused", *COMPILED):
        if workload.optimizer in FUSED:
            options["fused"] = True
        elif variant == "fused":
            raise Unavailable(f"PyTorch has no fused {workload.optimizer}")
    if variant == "foreach":
        options["foreach"] = True
    if "lr" not in more and workload.optimizer == "SGD":
        more["lr"] = 1e-3
    return getattr(torch.optim, workload.optimizer)(parameters, **options, **more)


def _training(torch: Any, workload: Workload, device: str, variant: str) -> Run:
    inputs, targets = (torch.from_numpy(array) for array in batch_data(workload))
    if variant != "loader":
        inputs, targets = inputs.to(device), targets.to(device)
    model = network(torch.nn, workload).to(device)
    criterion = torch.nn.CrossEntropyLoss()
    parameters = list(model.parameters())
    optimizer = _optimizer(torch, parameters, workload, variant)

    def loss_of(x: Any, target: Any) -> Any:
        loss = criterion(model(x), target)
        return loss + workload.l1 * sum(p.abs().sum() for p in parameters) if workload.l1 else loss

    compute = torch.compile(loss_of, mode=COMPILED[variant]) if variant in COMPILED else loss_of
    pinned = variant == "loader" and device == "cuda"
    dataset = torch.utils.data.TensorDataset(inputs, targets)
    loader = torch.utils.data.DataLoader(dataset, batch_size=workload.batch, shuffle=True, pin_memory=pinned)

    def batches() -> Any:
        if variant == "loader":
            for x, target in loader:
                yield x.to(device, non_blocking=True), target.to(device, non_blocking=True)
            return
        for rows in torch.randperm(workload.rows, device=device).split(workload.batch):
            yield inputs[rows], targets[rows]

    def run() -> None:
        total: Any = 0.0
        for x, target in batches():
            optimizer.zero_grad()
            loss = compute(x, target)
            loss.backward()
            optimizer.step()
            total += loss.item() if device == "cpu" else loss.detach()

    return run


def _inference(torch: Any, workload: Workload, device: str, variant: str) -> Run:
    if variant not in ("default", *COMPILED):
        raise Unavailable("inference has no optimizer and no loader")
    inputs = torch.from_numpy(batch_data(workload)[0]).to(device)
    model = network(torch.nn, workload).to(device).eval()
    call = torch.compile(model, mode=COMPILED[variant]) if variant in COMPILED else model

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, workload.rows, workload.batch):
                call(inputs[start : start + workload.batch])

    return run


def _update(torch: Any, workload: Workload, device: str, variant: str) -> Run:
    if variant not in ("default", "foreach", "fused"):
        raise Unavailable("only the optimizer is measured")
    values = np.random.default_rng(0).standard_normal((2, workload.parameters), dtype=np.float32)
    parameter = torch.nn.Parameter(torch.from_numpy(values[0]).to(device))
    parameter.grad = torch.from_numpy(values[1]).to(device)
    optimizer = _optimizer(torch, [parameter], workload, variant, lr=1e-3)

    def run() -> None:
        for _ in range(workload.steps):
            optimizer.step()

    return run
