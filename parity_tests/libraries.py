"""npnet and PyTorch behind one face, so that one test body runs on either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import npnet
from npnet import backend
from parity_tests import strict_device  # noqa: F401 (registers the device "strict")

__all__ = ["LIBRARIES", "NPNET", "STRICT", "TORCH", "Npnet", "Torch", "every_device", "every_library"]

HostArray = npt.NDArray[Any]


def arguments_for(library: Npnet | Torch, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with every host array turned into an array of the library."""
    return {
        name: library.array(value) if isinstance(value, np.ndarray) else value
        for name, value in arguments.items()
    }


class Npnet:
    """npnet on one device."""

    nn: Any = npnet.nn
    optim: Any = npnet.optim

    def __init__(self, device: str) -> None:
        self.device = device

    def seed(self, seed: int) -> None:
        """Start every stream as PyTorch's generator starts."""
        npnet.manual_seed(seed, like="torch")

    def array(self, values: HostArray) -> Any:
        """A copy on the device."""
        return backend.to_device(np.array(values), self.device)

    def host(self, array: Any) -> HostArray:
        """A copy on the host."""
        return np.array(backend.to_host(array))

    def parameter(self, values: HostArray, requires_grad: bool = True) -> Any:
        """A parameter with these values."""
        return npnet.nn.Parameter(self.array(values), requires_grad)

    def place(self, module: Any, dtype: str) -> Any:
        """Give a module a dtype, and bring it to the device."""
        return module.to(dtype=dtype).to(self.device)

    def forward(self, module: Any, inputs: Iterable[Any]) -> Any:
        """Call the module."""
        return module(*inputs)

    def backward(self, module: Any, inputs: Any, output: Any, cotangent: HostArray) -> HostArray:
        """Go back; the gradient by the first input."""
        return self.host(module.backward(self.array(cotangent)))

    def buffers(self, module: Any) -> dict[str, HostArray]:
        """Copies of all buffers."""
        return {name: self.host(buffer) for name, buffer in module.named_buffers()}

    def gradients(self, module: Any) -> dict[str, HostArray | None]:
        """Copies of all gradients, None where there is none."""
        return {
            name: None if parameter.grad is None else self.host(parameter.grad)
            for name, parameter in module.named_parameters()
        }

    def load(self, module: Any, state: Mapping[str, HostArray]) -> None:
        """Load a state of host arrays."""
        module.load_state_dict({name: self.array(value) for name, value in state.items()})


class Torch:
    """PyTorch on the CPU."""

    nn: Any = torch.nn
    optim: Any = torch.optim

    def seed(self, seed: int) -> None:
        """Seed the default generator."""
        torch.manual_seed(seed)

    def array(self, values: HostArray) -> Any:
        """A copy as a tensor."""
        return torch.tensor(values)

    def host(self, array: Any) -> HostArray:
        """A copy on the host."""
        return np.array(array.detach().numpy())

    def parameter(self, values: HostArray, requires_grad: bool = True) -> Any:
        """A parameter with these values."""
        return torch.nn.Parameter(self.array(values), requires_grad)

    def place(self, module: Any, dtype: str) -> Any:
        """Give a module a dtype."""
        return module.to(getattr(torch, dtype))

    def forward(self, module: Any, inputs: Any) -> Any:
        """Call the module, the first input being differentiable."""
        inputs[0].requires_grad_(True)
        return module(*inputs)

    def backward(self, module: Any, inputs: Any, output: Any, cotangent: HostArray) -> HostArray:
        """Go back; the gradient by the first input."""
        output.backward(self.array(cotangent))
        return self.host(inputs[0].grad)

    buffers = Npnet.buffers
    gradients = Npnet.gradients
    load = Npnet.load


NPNET, STRICT, TORCH = Npnet("cpu"), Npnet("strict"), Torch()
LIBRARIES = {"cpu": NPNET, "strict": STRICT}
"""What is compared with PyTorch, by device."""

every_device = pytest.mark.parametrize("device", ["cpu", pytest.param("strict", marks=pytest.mark.device)])
every_library = pytest.mark.parametrize(
    "library", [pytest.param(NPNET, id="cpu"), pytest.param(STRICT, id="strict", marks=pytest.mark.device)]
)
