"""JAX with Optax: a jitted step a call, or a whole epoch in one call."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from benchmarks.peers import Prepare, Run, Unavailable
from benchmarks.workloads import Workload, batch_data

__all__ = ["jax_peer"]

OPTIMIZERS = {"Adam": "adam", "AdamW": "adamw", "SGD": "sgd", "RMSprop": "rmsprop"}


def jax_peer(variant: str) -> Prepare:
    """JAX in one of its ways, ``"step"`` or ``"scan"``."""

    def prepare(workload: Workload, device: str) -> Run:
        try:
            import jax
            import optax
        except ImportError as error:
            raise Unavailable("JAX or Optax is not installed") from error
        if device != "cpu":
            raise Unavailable("measured on the host only")
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_default_prng_impl", "rbg")  # the quicker of its generators on a CPU
        if workload.kind == "training":
            return _training(jax, optax, workload, variant)
        if variant == "scan":
            raise Unavailable("a scan is for epochs")
        return (_inference if workload.kind == "inference" else _update)(jax, optax, workload)

    return prepare


def _initial(jax: Any, workload: Workload) -> tuple[list[Any], list[Any]]:
    """Weights and running statistics, layer by layer, as PyTorch starts them."""
    rng, jnp = np.random.default_rng(0), jax.numpy
    weights, statistics = [], []
    sizes = workload.sizes
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        bound = 1 / math.sqrt(a)
        layer = {
            "w": jnp.asarray(rng.uniform(-bound, bound, (a, b)).astype(np.float32)),
            "b": jnp.asarray(rng.uniform(-bound, bound, b).astype(np.float32)),
        }
        if workload.batch_norm and i < len(sizes) - 2:
            layer |= {"gamma": jnp.ones(b), "beta": jnp.zeros(b)}
            statistics.append({"mean": jnp.zeros(b), "var": jnp.ones(b)})
        weights.append(layer)
    return weights, statistics


def _forward(
    jax: Any, workload: Workload, weights: Any, statistics: Any, x: Any, key: Any
) -> tuple[Any, Any]:
    """Logits and the moved statistics; without a key, in evaluation mode."""
    jnp, moved, n = jax.numpy, [], x.shape[0]
    for i, layer in enumerate(weights):
        x = x @ layer["w"] + layer["b"]
        if i == len(weights) - 1:
            break
        if workload.batch_norm:
            running = statistics[i]
            mean, var = (running["mean"], running["var"]) if key is None else (x.mean(0), x.var(0))
            if key is not None:
                unbiased = var * (n / (n - 1))
                moved.append(
                    {
                        "mean": 0.9 * running["mean"] + 0.1 * mean,
                        "var": 0.9 * running["var"] + 0.1 * unbiased,
                    }
                )
            x = (x - mean) * jax.lax.rsqrt(var + 1e-5) * layer["gamma"] + layer["beta"]
        x = jax.nn.relu(x)
        if workload.dropout and key is not None:
            key, own = jax.random.split(key)
            keep = jax.random.bernoulli(own, 1 - workload.dropout, x.shape)
            x = jnp.where(keep, x / (1 - workload.dropout), 0)
    return x, moved


def _training(jax: Any, optax: Any, workload: Workload, variant: str) -> Run:
    if workload.optimizer not in OPTIMIZERS:
        raise Unavailable(f"{workload.optimizer} is not set up for Optax here")
    jnp = jax.numpy
    inputs, targets = (jnp.asarray(array) for array in batch_data(workload))
    optimizer = getattr(optax, OPTIMIZERS[workload.optimizer])(1e-3)
    weights, statistics = _initial(jax, workload)
    state = (weights, statistics, optimizer.init(weights), jax.random.key(0))

    def loss_of(weights: Any, statistics: Any, x: Any, target: Any, key: Any) -> tuple[Any, Any]:
        logits, moved = _forward(jax, workload, weights, statistics, x, key)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, target).mean()
        if workload.l1:
            loss += workload.l1 * sum(jnp.abs(p).sum() for p in jax.tree.leaves(weights))
        return loss, moved

    def step(state: Any, rows: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
        weights, statistics, moments, key = state
        key, own = jax.random.split(key)
        value_and_grad = jax.value_and_grad(loss_of, has_aux=True)
        (loss, moved), grad = value_and_grad(weights, statistics, inputs[rows], targets[rows], own)
        updates, moments = optimizer.update(grad, moments, weights)
        return (optax.apply_updates(weights, updates), moved, moments, key), loss

    def epoch(state: Any, rows: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
        return jax.lax.scan(lambda state, rows: step(state, rows, inputs, targets), state, rows)

    call = jax.jit(step if variant == "step" else epoch, donate_argnums=0)
    rng = np.random.default_rng(0)

    def run() -> None:
        nonlocal state
        order = jnp.asarray(rng.permutation(workload.rows).reshape(workload.steps, workload.batch))
        if variant == "scan":
            state, losses = call(state, order, inputs, targets)
            losses.sum().item()
            return
        for rows in order:
            state, loss = call(state, rows, inputs, targets)
            loss.item()

    return run


def _inference(jax: Any, optax: Any, workload: Workload) -> Run:
    inputs = jax.numpy.asarray(batch_data(workload)[0])
    weights, statistics = _initial(jax, workload)
    call = jax.jit(lambda weights, statistics, x: _forward(jax, workload, weights, statistics, x, None)[0])

    def run() -> None:
        for start in range(0, workload.rows, workload.batch):
            call(weights, statistics, inputs[start : start + workload.batch]).block_until_ready()

    return run


def _update(jax: Any, optax: Any, workload: Workload) -> Run:
    if workload.optimizer not in OPTIMIZERS:
        raise Unavailable(f"{workload.optimizer} is not set up for Optax here")
    values = np.random.default_rng(0).standard_normal((2, workload.parameters), dtype=np.float32)
    weights, gradient = (jax.numpy.asarray(value) for value in values)
    optimizer = getattr(optax, OPTIMIZERS[workload.optimizer])(1e-3)
    moments = optimizer.init(weights)

    def step(weights: Any, moments: Any, gradient: Any) -> tuple[Any, Any]:
        updates, moments = optimizer.update(gradient, moments, weights)
        return optax.apply_updates(weights, updates), moments

    call = jax.jit(step, donate_argnums=(0, 1))

    def run() -> None:
        nonlocal weights, moments
        for _ in range(workload.steps):
            weights, moments = call(weights, moments, gradient)
        weights.block_until_ready()

    return run
