"""What the two cyclic policies share: momentum that runs against the learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from npnet.errors import ArgumentError
from npnet.optim.lr_scheduler.scheduler import ClosedFormLR
from npnet.optim.optimizer import Optimizer

__all__ = ["MomentumCyclingLR", "uses_beta1"]


def uses_beta1(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is ``betas[0]`` (Adam's family) rather than ``momentum``."""
    if not {"betas", "momentum"} & optimizer.defaults.keys():
        raise ArgumentError(
            f"cycle_momentum=True needs an optimizer with momentum or betas, {type(optimizer).__name__} has "
            "neither: pass cycle_momentum=False"
        )
    return "betas" in optimizer.defaults


class MomentumCyclingLR(ClosedFormLR):
    """A closed form for the rates and, where :attr:`cycle_momentum` is set, one for the momenta."""

    cycle_momentum: bool
    use_beta1: bool

    def closed_form_momentum(self, epoch: float) -> list[float]:
        """The momenta at ``epoch`` of a run that nobody disturbs; changes nothing."""
        raise NotImplementedError(f"{type(self).__name__} must define closed_form_momentum()")

    def _write(self, values: Sequence[float]) -> None:
        super()._write(values)
        if self.cycle_momentum:
            momenta = self.closed_form_momentum(self.last_epoch)
            for group, momentum in zip(self.optimizer.param_groups, momenta, strict=True):
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
