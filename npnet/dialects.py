r"""Dialects: what the same words mean in Keras, scikit-learn, Lightning and papers, as numbers for npnet.

npnet speaks PyTorch.  Each function here takes an argument list as another library writes it, with that
library's names and defaults, and returns the arguments with which npnet computes the same, or says how
nearly.

>>> from npnet import nn, optim
>>> model = nn.Linear(2, 1)
>>> optimizer = optim.RMSprop(model.parameters(), **keras_rmsprop(learning_rate=0.01))
>>> optimizer.param_groups[0]["alpha"]
0.9

References
----------
Keras 3.15, scikit-learn 1.9 and Lightning 2.6, whose sources say what their documentation leaves open.
"""

from __future__ import annotations

import math
from typing import Any

from npnet.errors import ArgumentError

__all__ = [
    "adamw_paper_weight_decay",
    "corrected_epsilon",
    "keras_adam",
    "keras_batch_norm",
    "keras_early_stopping",
    "keras_moving_variance",
    "keras_reduce_lr_on_plateau",
    "keras_rmsprop",
    "lightning_early_stopping",
    "sklearn_adam",
    "sklearn_alpha",
]


def corrected_epsilon(epsilon: float, beta2: float, step: int) -> float:
    r"""Adam's epsilon at one step, for libraries that add it to the uncorrected root.

    Keras, scikit-learn and the "efficient" version at the end of section 2 of Adam's paper compute

    .. math::
        p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt v + \hat\epsilon}

    and PyTorch, npnet and the paper's algorithm 1

    .. math::
        p \leftarrow p - \eta \frac{1}{1 - \beta_1^t} \frac{m}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    which are equal where :math:`\epsilon = \hat\epsilon / \sqrt{1 - \beta_2^t}`: a number that falls with the
    steps, at :math:`\beta_2 = 0.999` from 32 times :math:`\hat\epsilon` down to it.

    Parameters
    ----------
    epsilon : float
        :math:`\hat\epsilon`.
    beta2 : float
        :math:`\beta_2`, below 1.
    step : int
        :math:`t`, the number of the step to come, from 1.

    Returns
    -------
    float
        :math:`\epsilon`, to be put into ``group["eps"]`` before the step.

    Raises
    ------
    ArgumentError
        If `step` is below 1, or `beta2` not from 0 to below 1.

    Examples
    --------
    >>> from npnet import nn, optim
    >>> optimizer = optim.Adam(nn.Linear(2, 1).parameters(), **keras_adam())
    >>> for step in range(1, 4):
    ...     for group in optimizer.param_groups:
    ...         group["eps"] = corrected_epsilon(1e-7, group["betas"][1], step)
    ...     optimizer.step()

    References
    ----------
    Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 2.
    """
    if step < 1 or not 0 <= beta2 < 1:
        raise ArgumentError(
            f"steps count from 1 and beta2 is from 0 to below 1, got step={step}, beta2={beta2}"
        )
    return epsilon / math.sqrt(1 - beta2**step)


def keras_adam(
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    weight_decay: float | None = None,
) -> dict[str, Any]:
    r"""Arguments of :class:`npnet.optim.Adam` for ``keras.optimizers.Adam``, or with a decay ``AdamW``.

    Keras's `weight_decay` is decoupled in every optimizer, :math:`p \leftarrow (1 - \eta \lambda) p`.  Its
    epsilon stands elsewhere: the result is exact with :func:`corrected_epsilon` before each step.

    Examples
    --------
    >>> keras_adam(weight_decay=0.004)["decoupled_weight_decay"]
    True
    """
    return {
        "lr": learning_rate,
        "betas": (beta_1, beta_2),
        "eps": epsilon,
        "amsgrad": amsgrad,
        "weight_decay": 0.0 if weight_decay is None else weight_decay,
        "decoupled_weight_decay": weight_decay is not None,
    }


def sklearn_adam(
    learning_rate_init: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8
) -> dict[str, Any]:
    """Arguments of :class:`npnet.optim.Adam` for ``MLPClassifier(solver="adam")``.

    Exact with :func:`corrected_epsilon` before each step.

    Examples
    --------
    >>> sklearn_adam()
    {'lr': 0.001, 'betas': (0.9, 0.999), 'eps': 1e-08}
    """
    return {"lr": learning_rate_init, "betas": (beta_1, beta_2), "eps": epsilon}


def sklearn_alpha(alpha: float, batch_size: int) -> float:
    r"""Strength of ``L2(..., on="weights")`` for the `alpha` of ``MLPClassifier`` and ``MLPRegressor``.

    scikit-learn minimises :math:`\frac1n \sum_i \ell_i + \frac{\alpha}{2 n} \|W\|^2` over each batch of
    :math:`n` rows, so that the decay of a step grows as the batch shrinks; npnet's ``L2(lamb)`` is
    :math:`\lambda \|W\|^2` whatever the batch.  Hence :math:`\lambda = \alpha / (2 n)`, or a ``weight_decay``
    of :math:`\alpha / n`; a last batch that is smaller has a strength of its own.

    Parameters
    ----------
    alpha : float
    batch_size : int
        :math:`n`, the rows of the batch at hand.

    Raises
    ------
    ArgumentError
        If `batch_size` is below 1.

    Examples
    --------
    >>> sklearn_alpha(0.5, batch_size=25)
    0.01
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size must be at least 1, got {batch_size!r}")
    return alpha / (2 * batch_size)


def adamw_paper_weight_decay(weight_decay: float, lr: float) -> float:
    r"""``weight_decay`` of :class:`npnet.optim.AdamW` for the :math:`\lambda` of the AdamW paper.

    Algorithm 2 of the paper has :math:`p \leftarrow p - \eta_t (\alpha \hat m / (\sqrt{\hat v} + \epsilon) +
    \lambda p)`, where the schedule :math:`\eta_t` multiplies the decay and the learning rate :math:`\alpha`
    does not; PyTorch, Keras and npnet have :math:`p \leftarrow (1 - \alpha_t \lambda') p - \dots` with
    :math:`\alpha_t = \eta_t \alpha`.  Hence :math:`\lambda' = \lambda / \alpha`.

    Parameters
    ----------
    weight_decay : float
        :math:`\lambda`.
    lr : float
        :math:`\alpha`, the learning rate before any schedule, above 0.

    Raises
    ------
    ArgumentError
        If `lr` is not above 0.

    Examples
    --------
    >>> adamw_paper_weight_decay(1e-5, lr=1e-3)
    0.01

    References
    ----------
    Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """
    if not lr > 0:
        raise ArgumentError(f"lr must be above 0, got {lr!r}")
    return weight_decay / lr


def keras_rmsprop(
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> dict[str, Any]:
    r"""Arguments of :class:`npnet.optim.RMSprop` for ``keras.optimizers.RMSprop``: nearly the same.

    With :math:`v` the running mean of squares (less the square of the mean, if centered), Keras steps by
    :math:`\eta g / \sqrt{v + \epsilon}`, PyTorch and npnet by :math:`\eta g / (\sqrt v + \epsilon')`.  No
    :math:`\epsilon'` makes them equal unless :math:`\epsilon = 0`.  With :math:`\epsilon' = \sqrt\epsilon`,
    returned here, they are where :math:`v \ll \epsilon` and where :math:`v \gg \epsilon`; in between npnet's
    step is shorter, at :math:`v = \epsilon` by the most, :math:`\sqrt 2`.

    Momentum is the same while the learning rate stays: Keras's buffer sums :math:`\eta g / \dots`, PyTorch's
    :math:`g / \dots`.

    Examples
    --------
    >>> keras_rmsprop(epsilon=1e-6)["eps"]
    0.001
    """
    return {
        "lr": learning_rate,
        "alpha": rho,
        "eps": math.sqrt(epsilon),
        "momentum": momentum,
        "centered": centered,
    }


def keras_batch_norm(momentum: float = 0.99, epsilon: float = 0.001) -> dict[str, Any]:
    r"""Arguments of :class:`npnet.nn.BatchNorm1d` for ``keras.layers.BatchNormalization``.

    Keras's momentum is what stays, :math:`r \leftarrow \mu r + (1 - \mu) s`; PyTorch's and npnet's is what
    comes, :math:`r \leftarrow (1 - a) r + a s`: hence :math:`a = 1 - \mu`.  The epsilon is the same quantity
    with another default.  The moving variance differs further, see :func:`keras_moving_variance`.

    Examples
    --------
    >>> keras_batch_norm(momentum=0.75)
    {'momentum': 0.25, 'eps': 0.001}
    """
    return {"momentum": 1 - momentum, "eps": epsilon}


def keras_moving_variance(running_var: Any, momentum: float, batches: int, batch_size: int) -> Any:
    r"""Keras's ``moving_variance`` from npnet's ``running_var``, both from 1, after batches of one size.

    Into the running variance Keras takes the batch's variance with divisor :math:`n`, PyTorch and npnet the
    unbiased one with :math:`n - 1`; all but the initial value's share :math:`\mu^k` after :math:`k` batches
    is therefore larger here by :math:`n / (n - 1)`:

    .. math:: r_\text{Keras} = \mu^k + \frac{n - 1}{n} (r - \mu^k)

    Parameters
    ----------
    running_var : ndarray
        :math:`r`.
    momentum : float
        :math:`\mu`, in Keras's sense.
    batches : int
        :math:`k`.
    batch_size : int
        :math:`n`, values a feature (rows, times positions where there are any).

    Examples
    --------
    >>> keras_moving_variance(1.5, momentum=0.5, batches=1, batch_size=2)
    1.0
    """
    start = momentum**batches
    return start + (running_var - start) * ((batch_size - 1) / batch_size)


def keras_reduce_lr_on_plateau(
    factor: float = 0.1,
    patience: int = 10,
    mode: str = "min",
    min_delta: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
) -> dict[str, Any]:
    r"""Arguments of :class:`npnet.optim.lr_scheduler.ReduceLROnPlateau` for Keras's callback of that name.

    Keras acts at the `patience`-th bad epoch in a row, PyTorch at the one after; Keras's margin is absolute,
    PyTorch's relative by default; the last epoch of a cooldown counts in Keras; and Keras has no least change
    (PyTorch: ``eps``).  With these arguments both decide alike for finite values, of which Keras reads the
    first as an improvement whatever it is.

    Raises
    ------
    ArgumentError
        If `mode` is ``"auto"``, which guesses from the metric's name.

    Examples
    --------
    >>> keras_reduce_lr_on_plateau(patience=3)["patience"]
    2
    """
    return {
        "mode": _mode(mode),
        "factor": factor,
        "patience": max(patience, 1) - 1,
        "threshold": abs(min_delta),
        "threshold_mode": "abs",
        "cooldown": max(cooldown - 1, 0),
        "min_lr": min_lr,
        "eps": 0.0,
    }


def keras_early_stopping(
    monitor: str = "val_loss",
    min_delta: float = 0.0,
    patience: int = 0,
    mode: str = "min",
    baseline: float | None = None,
    start_from_epoch: int = 0,
) -> dict[str, Any]:
    """Arguments of :class:`npnet.regularization.EarlyStopping` for Keras's of that name.

    The decisions are then the same; see the table there.  ``restore_best_weights=True`` is
    :meth:`~npnet.regularization.EarlyStopping.restoring`.

    Raises
    ------
    ArgumentError
        If `mode` is ``"auto"``, which guesses from the metric's name.

    Examples
    --------
    >>> from npnet.regularization import EarlyStopping
    >>> stopping = EarlyStopping(**keras_early_stopping(monitor="val_loss", patience=0))
    >>> [stopping.step({"val_loss": value}) for value in (1.0, 1.0)]
    [False, True]
    """
    return {
        "monitor": monitor,
        "min_delta": abs(min_delta),
        "patience": max(patience, 1),
        "mode": _mode(mode),
        "baseline": baseline,
        "start_from_epoch": start_from_epoch,
        "first": "any",
        "baseline_stops": False,
    }


def lightning_early_stopping(
    monitor: str,
    min_delta: float = 0.0,
    patience: int = 3,
    mode: str = "min",
    check_finite: bool = True,
    stopping_threshold: float | None = None,
    divergence_threshold: float | None = None,
) -> dict[str, Any]:
    """Arguments of :class:`npnet.regularization.EarlyStopping` for Lightning's of that name.

    Both then stop at the same check; see the table there.  Lightning restores no weights, and a second fit
    goes on from the first one's state: here that is ``restoring(model, reset=False)``, or none at all.

    Raises
    ------
    ArgumentError
        If `mode` is neither; a negative `min_delta`, which makes worse values better in Lightning, is refused
        by EarlyStopping.

    Examples
    --------
    >>> lightning_early_stopping("val_acc", mode="max", check_finite=False)["nan"]
    'bad'
    """
    return {
        "monitor": monitor,
        "min_delta": min_delta,
        "patience": max(patience, 1),
        "mode": _mode(mode),
        "nan": "stop" if check_finite else "bad",
        "infinite": "stop" if check_finite else "ordered",
        "stopping_threshold": stopping_threshold,
        "divergence_threshold": divergence_threshold,
    }


def _mode(mode: str) -> str:
    if mode not in ("min", "max"):
        raise ArgumentError(f"mode must be 'min' or 'max', got {mode!r}; say which, no name is guessed from")
    return mode
