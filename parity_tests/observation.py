"""One protocol for every module, run on either library: what it computes, learns and remembers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from parity_tests.libraries import NPNET, Npnet, Torch
from parity_tests.registry import ModuleSpecification
from parity_tests.registry.specification import Case

__all__ = ["build", "cotangent_of", "inputs_of", "observe", "take_step"]

HostArray = npt.NDArray[Any]
Library = Npnet | Torch
Seen = dict[tuple[str, str], HostArray | None]


def build(library: Library, specification: ModuleSpecification, case: Case, dtype: str) -> Any:
    """Make the module, with parameters and running statistics drawn from the case's seed."""
    module = specification.build(library, case.arguments, dtype)
    rng = np.random.default_rng([case.seed, 1])  # not the stream that an input came from
    own = specification.build(NPNET, case.arguments, dtype)
    state = {}
    for name, array in own.state_dict().items():
        kind = name.rsplit(".", 1)[-1]
        if kind == "num_batches_tracked":
            state[name] = np.array(3)
        elif kind == "running_var":
            state[name] = rng.uniform(0.5, 2.0, array.shape).astype(dtype)
        elif name in dict(own.named_parameters()) or kind == "running_mean":
            state[name] = rng.normal(size=array.shape).astype(dtype)
        else:  # an argument of the case, such as the weights of the classes
            state[name] = array
    library.load(module, state)
    return module


def inputs_of(library: Library, batch: Iterable[HostArray], dtype: str) -> list[Any]:
    """The inputs of one call, floating ones in the dtype."""
    return [library.array(part.astype(dtype) if part.dtype.kind == "f" else part) for part in batch]


def cotangent_of(shape: tuple[int, ...], dtype: str, seed: int) -> HostArray:
    """A random gradient by an output: one of all ones would let truncated formulas pass."""
    return np.asarray(np.random.default_rng([seed, 2]).normal(size=shape), dtype)


def take_step(library: Library, module: Any, batch: Iterable[HostArray], dtype: str, seed: int) -> Seen:
    """Call the module, go back, and look at everything."""
    inputs = inputs_of(library, batch, dtype)
    output = library.forward(module, inputs)
    value = library.host(output)
    cotangent = cotangent_of(value.shape, dtype, seed)
    seen: Seen = {("forward", "output"): value}
    seen["gradient", "input"] = library.backward(module, inputs, output, cotangent)
    seen |= {("gradient", name): gradient for name, gradient in library.gradients(module).items()}
    seen |= {("buffers", name): buffer for name, buffer in library.buffers(module).items()}
    return seen


def observe(library: Library, specification: ModuleSpecification, case: Case, dtype: str) -> Seen:
    """Several steps of training, then one of evaluation."""
    module = build(library, specification, case, dtype)
    library.seed(case.seed)
    seen: Seen = {}
    for number, batch in enumerate((*case.batches, case.batches[0])):
        stage = f"step {number}"
        if number == len(case.batches):
            module.eval()
            stage = "evaluation"
        step = take_step(library, module, batch, dtype, case.seed + number)
        seen |= {(quantity, f"{stage}, {label}"): array for (quantity, label), array in step.items()}
        if case.between != "add":
            module.zero_grad(set_to_none=case.between == "none")
    return seen
