r"""Constraints: sets in which weights must stay, entered by projection after a step.

A constraint is a penalty that is zero inside its set and infinite outside; its proximal step is the
projection onto the set, whatever the learning rate.  It has no gradient, hence none of the other forms.
"""

from __future__ import annotations

from npnet.errors import ArgumentError
from npnet.regularization.functional import clip_groups, strength
from npnet.regularization.group_lasso import Groups, check_groups, group_axes
from npnet.regularization.selection import Choice, Penalized, Selective

__all__ = ["MaxNorm"]


class MaxNorm(Selective):
    r"""Keep the Euclidean norm of each group of weights at or below a bound.

    .. math::
        w_g \leftarrow w_g \min\!\left(1, \frac{c}{\|w_g\|_2}\right)

    the nearest point of the ball :math:`\|w_g\|_2 \le c`.  As weights cannot grow without limit, learning
    rates may be large; it was proposed together with dropout.

    Parameters
    ----------
    max_norm : float
        The bound :math:`c`; finite, above 0.
    groups : {"rows", "columns", "parameters"}, keyword-only, default "rows"
        As in :class:`~npnet.regularization.GroupLasso`; a row of a linear layer's weight is what one unit
        receives.
    on : {"all", "weights"} or callable, keyword-only, default "weights"
        Which parameters are constrained, see :class:`~npnet.regularization.Penalty`.

    Raises
    ------
    ArgumentError
        If an argument is not accepted.

    Notes
    -----
    Keras's ``MaxNorm(max_value, axis=0)`` on a dense kernel, which is laid out ``(in, out)``, is this one but
    for the 1e-7 that it and ``torch.renorm`` add to the norm.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: A Simple Way to Prevent Neural
    Networks from Overfitting" (2014), section 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from npnet import nn
    >>> model = nn.Linear(2, 2, bias=False, dtype="float64")
    >>> model.weight.data = np.array([[3.0, 4.0], [0.3, 0.4]])
    >>> MaxNorm(1.0).project_(model)
    >>> model.weight.data
    array([[0.6, 0.8],
           [0.3, 0.4]])
    """

    def __init__(self, max_norm: float, *, groups: Groups = "rows", on: Choice = "weights") -> None:
        self.max_norm = strength("max_norm", max_norm)
        if self.max_norm == 0.0:
            raise ArgumentError(f"max_norm must be above 0, got {max_norm!r}")
        self.groups = check_groups(groups)
        super().__init__(on=on)

    def project_(self, model_or_parameters: Penalized) -> None:
        """Project the selected parameters that are not frozen, right after ``optimizer.step()``.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            What is constrained, so far as `on` selects it.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`select`.
        ShapeError
            If there are to be columns, and a parameter has one axis; nothing is then changed.
        """
        learned = [p for p in self.select(model_or_parameters) if p.requires_grad]
        axes = [group_axes(p.shape, self.groups) for p in learned]
        for parameter, along in zip(learned, axes, strict=True):
            w = parameter.data
            w[...] = clip_groups(w, self.max_norm, along)
