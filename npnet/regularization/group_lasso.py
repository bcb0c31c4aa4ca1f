r"""Penalties by the norms of groups: groups of weights vanish whole, or not at all."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from npnet.backend import Array
from npnet.errors import ArgumentError, ShapeError
from npnet.regularization.functional import group_gradient, group_prox, group_value, strength
from npnet.regularization.penalty import Penalty
from npnet.regularization.selection import Choice

__all__ = ["GroupLasso", "Groups", "L2Norm", "check_groups", "group_axes"]

Groups: TypeAlias = Literal["rows", "columns", "parameters"]

GROUPS = ("rows", "columns", "parameters")


def check_groups(groups: Groups) -> Groups:
    """The way to group, or an error."""
    if groups not in GROUPS:
        raise ArgumentError(f"groups must be one of {', '.join(map(repr, GROUPS))}, got {groups!r}")
    return groups


def group_axes(shape: tuple[int, ...], groups: Groups) -> tuple[int, ...]:
    """The axes along which the elements of one group lie.

    Examples
    --------
    >>> [group_axes((4, 3), groups) for groups in ("rows", "columns", "parameters")]
    [(1,), (0,), (0, 1)]
    """
    if groups == "columns" and len(shape) < 2:
        raise ShapeError(
            f"groups='columns' takes parameters of two or more axes, got shape {shape}; "
            "on='weights' leaves biases and the scales of normalisation out"
        )
    kept = {"rows": 0, "columns": 1, "parameters": None}[groups]
    return tuple(axis for axis in range(len(shape)) if axis != kept)


class GroupLasso(Penalty):
    r"""Sum of the Euclidean norms of groups: drives whole groups towards exact zeros.

    .. math::
        R(\theta) = \lambda \sum_g s_g \|\theta_g\|_2, \qquad
        \partial R / \partial \theta_g = \lambda s_g \, \theta_g / \|\theta_g\|_2, \qquad
        s_g = \sqrt{n_g}

    where group :math:`g` has :math:`n_g` elements, and the subgradient of a group of zeros is zero.  A row of
    a ``(out_features, in_features)`` weight is what one unit receives, a column what one input sends: rows
    prune units, columns select inputs.

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`; finite, not negative.
    groups : {"rows", "columns", "parameters"}, keyword-only, default "rows"
        What shares an index of the first axis (of a bias: each element), of the second axis, or a parameter.
    weight_by_size : bool, keyword-only, default True
        If False, :math:`s_g = 1`.
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised, see :class:`Penalty`.

    Raises
    ------
    ArgumentError
        If an argument is not accepted.
    ShapeError
        If there are to be columns, and a parameter has one axis.

    Notes
    -----
    scikit-learn's ``MultiTaskLasso(alpha)`` minimises :math:`\frac{1}{2n} \|Y - X W^\top\|^2 + \alpha \sum_g
    \|w_g\|_2` over the columns of :math:`W`: ``GroupLasso(alpha, groups="columns", weight_by_size=False)``.

    References
    ----------
    Yuan and Lin, "Model selection and estimation in regression with grouped variables" (2006), equation 2.2.

    Scardapane, Comminiello, Hussain, Uncini, "Group sparse regularization for deep neural networks" (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.nn.parameter import Parameter
    >>> w = Parameter(np.array([[3.0, 4.0], [0.0, 0.5]]))
    >>> penalty = GroupLasso(1.0, weight_by_size=False)
    >>> penalty([w]).item()
    5.5
    >>> penalty.prox(w.data, lr=1.0)
    array([[2.4, 3.2],
           [0. , 0. ]])
    """

    separable = False

    def __init__(
        self, lamb: float, *, groups: Groups = "rows", weight_by_size: bool = True, on: Choice = "all"
    ) -> None:
        self.lamb = strength("lamb", lamb)
        self.groups = check_groups(groups)
        self.weight_by_size = weight_by_size
        super().__init__(on=on)

    def value(self, w: Array) -> Array:
        """See :func:`~npnet.regularization.functional.group_value`."""
        axes, lamb = self._groups_of(w)
        return group_value(w, lamb, axes)

    def gradient(self, w: Array) -> Array:
        """See :func:`~npnet.regularization.functional.group_gradient`."""
        axes, lamb = self._groups_of(w)
        return group_gradient(w, lamb, axes)

    def prox(self, w: Array, lr: float) -> Array:
        """See :func:`~npnet.regularization.functional.group_prox`."""
        axes, lamb = self._groups_of(w)
        return group_prox(w, lr * lamb, axes)

    def _groups_of(self, w: Array) -> tuple[tuple[int, ...], float]:
        """The axes of a group of this array, and the strength that its norm has."""
        axes = group_axes(w.shape, self.groups)
        size = math.prod(w.shape[axis] for axis in axes)
        return axes, self.lamb * math.sqrt(size) if self.weight_by_size else self.lamb


class L2Norm(GroupLasso):
    r"""Sum of the Euclidean norms of the parameters, *not* squared.

    .. math::
        R(\theta) = \lambda \sum_p \|\theta_p\|_2, \qquad
        \partial R / \partial \theta_p = \lambda \, \theta_p / \|\theta_p\|_2

    over the parameters :math:`p` (arrays, not elements); the gradient is zero where a parameter is.
    Tutorials that add ``torch.norm(p)`` for each parameter call this L2 regularization; weight decay is not
    this but :class:`L2`.  The pull has the same length however large a parameter is, so that weak ones vanish
    whole.

    Parameters
    ----------
    lamb : float
        The strength :math:`\lambda`; finite, not negative.
    on : {"all", "weights"} or callable, keyword-only, default "all"
        Which parameters are penalised, see :class:`Penalty`.

    Raises
    ------
    ArgumentError
        If an argument is not accepted.

    Notes
    -----
    Equal to ``lamb * sum(torch.norm(p) for p in model.parameters())`` and its autograd.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet.nn.parameter import Parameter
    >>> w, b = Parameter(np.array([[3.0], [4.0]])), Parameter(np.array([2.0]))
    >>> penalty = L2Norm(0.5)
    >>> penalty([w, b]).item()
    3.5
    >>> penalty.backward([w, b])
    >>> w.grad
    array([[0.3],
           [0.4]])
    """

    def __init__(self, lamb: float, *, on: Choice = "all") -> None:
        super().__init__(lamb, groups="parameters", weight_by_size=False, on=on)
