"""What the votes of a galaxy say of its class: the best that any classifier can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from npnet.data.simulator.model import flag_threshold, redshift_quantile

if TYPE_CHECKING:
    from npnet.backend import Array
    from npnet.data.simulator.model import GalaxyModel, LogOdds

__all__ = ["posterior"]

REDSHIFT_NODES = 32


def posterior(votes: Array, model: GalaxyModel) -> Array:
    r"""Probability of each class given the six raw votes, as exact as the quadrature.

    With :math:`\pi_t` the share of type :math:`t`, and :math:`z_j` redshifts of equal probability,

    .. math::
        P(c \mid k) = \sum_j w_j P(c \mid k, z_j), \qquad
        w_j \propto \sum_t \pi_t \prod_q \int \mathrm{Bin}(k_q \mid n_q, \sigma(x))\,
        \mathcal N(x;\, m_{qt} - b_q(z_j),\, s_{qt}^2)\, dx

    where :math:`k_q` of the :math:`n_q` who reached question :math:`q` said yes; only "spiral?" is blurred.

    Parameters
    ----------
    votes : ndarray
        Counts of shape ``(n, 6)``, in the order of the columns.
    model : GalaxyModel
        What drew them.

    Returns
    -------
    ndarray
        Of shape ``(n, 3)``: spiral, elliptical, uncertain.
    """
    elliptical, clockwise, anticlockwise, edge_on, unknown, merger = np.asarray(votes, dtype=np.float64).T
    winding = clockwise + anticlockwise
    spiral = winding + edge_on
    recognised, rest = elliptical + spiral, unknown + merger

    nodes = redshift_quantile((np.arange(REDSHIFT_NODES) + 0.5) / REDSHIFT_NODES)
    grid = _log_odds_grid(model)
    answers = {
        "recognised": _answer_likelihood(recognised, rest, grid),
        "spiral": _answer_likelihood(spiral, elliptical, grid),
        "edge_on": _answer_likelihood(edge_on, winding, grid),
        "clockwise": _answer_likelihood(clockwise, anticlockwise, grid),
        "merger": _answer_likelihood(merger, unknown, grid),
    }
    weight = np.zeros((len(recognised), REDSHIFT_NODES))
    for kind in model.types:
        likelihood = np.full((len(recognised), 1), kind.share)
        for question, answer in answers.items():
            log_odds: LogOdds = getattr(kind, question)
            fading = model.blurring(nodes) if question == "spiral" else np.zeros(1)
            likelihood = likelihood * (answer @ _normal_weights(log_odds.mean - fading, log_odds.std, grid))
        weight += likelihood
    weight /= weight.sum(axis=1, keepdims=True)

    total = recognised + rest
    threshold = flag_threshold(recognised / total)[:, None]
    log_odds_of_flag = model.flag_log_odds(elliptical[:, None], spiral[:, None], nodes)
    is_spiral = (weight * ndtr((log_odds_of_flag - threshold) / model.flag_error)).sum(axis=1)
    is_elliptical = (weight * ndtr((-log_odds_of_flag - threshold) / model.flag_error)).sum(axis=1)
    return np.stack([is_spiral, is_elliptical, 1 - is_spiral - is_elliptical], axis=1)


def _log_odds_grid(model: GalaxyModel) -> Array:
    """Equal steps over all log odds that the model draws.

    On a Gaussian, whose ends vanish, the trapezoidal rule converges faster than any power of the step.
    """
    mean, std = np.array([log_odds for kind in model.types for log_odds in kind[1:]]).T
    low, high = (mean - 8 * std).min() - model.blur, (mean + 8 * std).max()
    step = min(0.15, std.min() / 2)  # 0.15: half the width of the sharpest binomial likelihood, 82 votes
    return np.arange(low, high + step, step)


def _answer_likelihood(yes: Array, no: Array, grid: Array) -> Array:
    """Probability of these answers at each log odds of the grid, ``(n, grid)``, up to a factor a row."""
    log_yes, log_no = -np.logaddexp(0, -grid), -np.logaddexp(0, grid)
    return np.asarray(np.exp(yes[:, None] * log_yes + no[:, None] * log_no))


def _normal_weights(mean: Array, std: float, grid: Array) -> Array:
    """Quadrature weights of the normal densities with these means, ``(grid, means)``."""
    density = np.exp(-0.5 * ((grid[:, None] - mean) / std) ** 2)
    return np.asarray(density / density.sum(axis=0))
