"""What the PyTorch that is installed knows: older ones lack an argument here and there.

The pinned version knows all; ``test_signatures.py`` holds npnet's arguments against it.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from hypothesis import strategies as st

__all__ = ["known_arguments", "takes_late_groups"]


def known_arguments(name: str, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw arguments of a class of ``torch.nn``, those left out that it does not know."""
    known = inspect.signature(getattr(torch.nn, name)).parameters
    return st.fixed_dictionaries({key: values for key, values in options.items() if key in known})


@functools.cache
def takes_late_groups(name: str) -> bool:
    """Whether a class of ``torch.optim`` steps a group added after construction (old Adagrads do not)."""
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = getattr(torch.optim, name)([first])
    optimizer.add_param_group({"params": [second]})
    second.grad = torch.ones(1)
    try:
        optimizer.step()
    except KeyError:  # its state was made by the constructor alone
        return False
    return True
