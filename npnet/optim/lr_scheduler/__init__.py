"""Learning-rate schedules, named and behaving as in ``torch.optim.lr_scheduler``.

==================================== =======================================================================
schedule                             rate at epoch :math:`t`
==================================== =======================================================================
:class:`LambdaLR`                    the initial rate times a function of :math:`t`
:class:`MultiplicativeLR`            the present rate times a function of :math:`t`
:class:`StepLR`                      a factor less at regular intervals
:class:`MultiStepLR`                 a factor less at milestones
:class:`ExponentialLR`               a factor less at every epoch
:class:`ConstantLR`                  a smaller rate for the first epochs
:class:`LinearLR`                    along a straight line: warm-up, or decay
:class:`PolynomialLR`                to zero along a power of the epochs left
:class:`CosineAnnealingLR`           to a minimum along half a cosine
:class:`CosineAnnealingWarmRestarts` the same again and again
:class:`CyclicLR`                    a triangle wave, once a batch
:class:`OneCycleLR`                  up and down once in a run, once a batch
:class:`ReduceLROnPlateau`           a factor less when a metric stops improving
:class:`SequentialLR`                schedules one after the other
:class:`ChainedScheduler`            schedules all at once
==================================== =======================================================================

A schedule is walked as PyTorch walks it, mostly by a recursion on the present rate, so that other changes
of the rate stay. Where its rates are a function of the epoch alone, ``closed_form(epoch)`` is that
function, and ``closed_form_momentum(epoch)`` the one of the cycled momentum: use them to draw or to check a
schedule.
"""

from __future__ import annotations

from npnet.optim.lr_scheduler.composition import ChainedScheduler, SequentialLR
from npnet.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from npnet.optim.lr_scheduler.cyclic import CyclicLR
from npnet.optim.lr_scheduler.decay import ExponentialLR, MultiStepLR, StepLR
from npnet.optim.lr_scheduler.lambdas import LambdaLR, MultiplicativeLR
from npnet.optim.lr_scheduler.one_cycle import OneCycleLR
from npnet.optim.lr_scheduler.plateau import ReduceLROnPlateau
from npnet.optim.lr_scheduler.ramps import ConstantLR, LinearLR, PolynomialLR
from npnet.optim.lr_scheduler.scheduler import LRScheduler

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
