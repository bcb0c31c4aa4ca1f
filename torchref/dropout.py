"""Dropout whose masks come from a tape, so that both libraries can drop the same elements."""

from __future__ import annotations

import torch
from torch import nn

from npnet.random import ReplayGenerator

__all__ = ["ReplayedDropout"]


class ReplayedDropout(nn.Module):
    r"""Dropout :math:`y = x \odot m / (1 - p)` with recorded masks :math:`m`.

    Parameters
    ----------
    p : float
        Probability of zero, for the scale.
    masks : npnet.random.ReplayGenerator
        Gives the masks, in the order in which npnet's layers drew them.  Several layers share one.

    Raises
    ------
    StateError
        When the tape is at its end, or its next mask has another shape than the input.

    Examples
    --------
    >>> import numpy as np
    >>> layer = ReplayedDropout(0.5, ReplayGenerator([np.array([True, False])]))
    >>> layer(torch.tensor([1.0, 2.0]))
    tensor([2., 0.])
    """

    def __init__(self, p: float, masks: ReplayGenerator) -> None:
        super().__init__()
        self.p = p
        self.masks = masks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop what the tape says, while training."""
        if not self.training or self.p == 0.0:  # npnet draws no mask either
            return x
        if self.p == 1.0:
            return x * 0.0
        keep = torch.from_numpy(self.masks.bernoulli(1.0 - self.p, tuple(x.shape))).to(x.device)
        return x * keep / (1.0 - self.p)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
