r"""The penalties of :mod:`npnet.regularization` as terms of a PyTorch loss; autograd finds the gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from npnet.errors import ArgumentError
from npnet.regularization.functional import strength
from npnet.regularization.group_lasso import Groups, check_groups, group_axes
from npnet.regularization.selection import NORMALIZATION

__all__ = [
    "L1",
    "L2",
    "ElasticNet",
    "GroupLasso",
    "L2Norm",
    "Penalty",
    "l1_regularization",
    "l2_regularization",
]

Choice = Literal["all", "weights"] | Callable[[str, Tensor], bool]

NORMALIZATION_LAYERS = tuple(getattr(nn, layer.__name__) for layer in NORMALIZATION)
"""The twins of the layers whose parameters are no weights in the sense of ``on="weights"``."""


def l1_regularization(weights: Tensor | Iterable[Tensor], lamb: float) -> Tensor:
    r"""Compute :math:`\lambda \sum_i |w_i|`; autograd's derivative at zero is zero.

    Examples
    --------
    >>> l1_regularization(torch.tensor([1.0, -2.0]), 0.5)
    tensor(1.5000)
    """
    return _summed(weights, torch.abs, strength("lamb", lamb))


def l2_regularization(weights: Tensor | Iterable[Tensor], lamb: float) -> Tensor:
    r"""Compute :math:`\lambda \sum_i w_i^2`.

    Examples
    --------
    >>> l2_regularization(torch.tensor([1.0, -2.0]), 0.5)
    tensor(2.5000)
    """
    return _summed(weights, torch.square, strength("lamb", lamb))


def _summed(weights: Tensor | Iterable[Tensor], f: Callable[[Tensor], Tensor], lamb: float) -> Tensor:
    tensors = [weights] if isinstance(weights, Tensor) else list(weights)
    if not tensors:
        raise ArgumentError("a penalty needs at least one tensor")
    return lamb * torch.stack([f(w).sum() for w in tensors]).sum()


class Penalty:
    """What a penalty acts on: see :class:`npnet.regularization.Penalty`.

    Parameters
    ----------
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised: all; all but the biases and those of normalisation layers; or those
        for which ``on(name, parameter)`` is true.

    Raises
    ------
    ArgumentError
        If `on` is none of these; at a call, if it selects nothing.
    """

    def __init__(self, *, on: Choice = "all") -> None:
        if not callable(on) and on not in ("all", "weights"):
            raise ArgumentError(
                f"on must be 'all', 'weights' or a function of a name and a parameter, got {on!r}"
            )
        self.on = on

    def select(self, model: nn.Module) -> list[Tensor]:
        """The parameters on which this penalty acts, each once."""
        found = {
            parameter: None
            for path, module in model.named_modules()
            for name, parameter in module.named_parameters(path, recurse=False)
            if self._selects(name, parameter, module)
        }
        return list(found)

    def _selects(self, name: str, parameter: Tensor, owner: nn.Module) -> bool:
        if self.on == "all":
            return True
        if self.on == "weights":
            return not (name.rpartition(".")[2].startswith("bias") or isinstance(owner, NORMALIZATION_LAYERS))
        return bool(self.on(name, parameter))

    def __call__(self, model: nn.Module) -> Tensor:
        """The penalty, a term of the loss."""
        return self.value(self.select(model))

    def value(self, weights: list[Tensor]) -> Tensor:
        """The penalty of these parameters, as :meth:`select` gives them; a loop selects once."""
        raise NotImplementedError(f"{type(self).__name__} has no value; write one")


class L1(Penalty):
    r"""The term :math:`\lambda \sum_i |w_i|`.

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`.
    on : {"all", "weights"} or callable, keyword-only

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, -3.0)
    >>> L1(0.5)(layer).item()
    3.0
    """

    def __init__(self, lamb: float, *, on: Choice = "all") -> None:
        super().__init__(on=on)
        self.lamb = strength("lamb", lamb)

    def value(self, weights: list[Tensor]) -> Tensor:
        """The penalty of these tensors."""
        return l1_regularization(weights, self.lamb)


class L2(Penalty):
    r"""The term :math:`\lambda \sum_i w_i^2`, without a half.

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`.
    on : {"all", "weights"} or callable, keyword-only

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, -3.0)
    >>> L2(0.5)(layer).item()
    9.0
    """

    def __init__(self, lamb: float, *, on: Choice = "all") -> None:
        super().__init__(on=on)
        self.lamb = strength("lamb", lamb)

    def value(self, weights: list[Tensor]) -> Tensor:
        """The penalty of these tensors."""
        return l2_regularization(weights, self.lamb)


class ElasticNet(Penalty):
    r"""The term :math:`\lambda_1 \sum_i |w_i| + \lambda_2 \sum_i w_i^2`.

    Parameters
    ----------
    l1, l2 : float
        The strengths :math:`\lambda_1, \lambda_2`.
    on : {"all", "weights"} or callable, keyword-only

    Examples
    --------
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, -3.0)
    >>> ElasticNet(0.5, 0.5)(layer).item()
    12.0
    """

    def __init__(self, l1: float, l2: float, *, on: Choice = "all") -> None:
        super().__init__(on=on)
        self.l1, self.l2 = strength("l1", l1), strength("l2", l2)

    def value(self, weights: list[Tensor]) -> Tensor:
        """The penalty of these tensors."""
        return l1_regularization(weights, self.l1) + l2_regularization(weights, self.l2)


class GroupLasso(Penalty):
    r"""The term :math:`\lambda \sum_g \sqrt{n_g} \, \|w_g\|_2` over groups of :math:`n_g` elements.

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`.
    groups : {"rows", "columns", "parameters"}, keyword-only
    weight_by_size : bool, keyword-only
        If False, without the root.
    on : {"all", "weights"} or callable, keyword-only

    Examples
    --------
    >>> layer = nn.Linear(4, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, -3.0)
    >>> GroupLasso(0.5)(layer).item()
    6.0
    """

    def __init__(
        self, lamb: float, *, groups: Groups = "rows", weight_by_size: bool = True, on: Choice = "all"
    ) -> None:
        super().__init__(on=on)
        self.lamb = strength("lamb", lamb)
        self.groups, self.weight_by_size = check_groups(groups), weight_by_size

    def value(self, weights: list[Tensor]) -> Tensor:
        """The penalty of these tensors."""
        return _summed(weights, self._norms, self.lamb)

    def _norms(self, w: Tensor) -> Tensor:
        """The norms of one tensor's groups, each times its scale."""
        axes = group_axes(tuple(w.shape), self.groups)
        norms = torch.linalg.vector_norm(w, dim=axes) if axes else w.abs()
        return norms * math.sqrt(w.numel() / norms.numel()) if self.weight_by_size else norms


class L2Norm(GroupLasso):
    r"""The term :math:`\lambda \sum_p \|w_p\|_2` over parameters, not squared.

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`.
    on : {"all", "weights"} or callable, keyword-only

    Examples
    --------
    >>> layer = nn.Linear(4, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, -3.0)
    >>> L2Norm(0.5)(layer).item()
    3.0
    """

    def __init__(self, lamb: float, *, on: Choice = "all") -> None:
        super().__init__(lamb, groups="parameters", weight_by_size=False, on=on)
