r"""Which parameters a penalty or a constraint acts on: all, weights only, or by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

from npnet.errors import ArgumentError, DtypeError
from npnet.nn.group_norm import GroupNorm, InstanceNorm1d, InstanceNorm2d
from npnet.nn.layer_norm import LayerNorm, RMSNorm
from npnet.nn.module import Module
from npnet.nn.normalization import BatchNorm1d, BatchNorm2d
from npnet.nn.parameter import Parameter

__all__ = ["NORMALIZATION", "Choice", "Penalized", "Selective"]

Penalized: TypeAlias = Module | Parameter | Iterable[Parameter] | Iterable[tuple[str, Parameter]]
"""What a penalty can be asked about; ``model.parameters()`` and ``model.named_parameters()`` are two."""

Choice: TypeAlias = Literal["all", "weights"] | Callable[[str, Parameter], bool]

NORMALIZATION = (
    BatchNorm1d,
    BatchNorm2d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    LayerNorm,
    RMSNorm,
)
"""Layers whose parameters are no weights in the sense of ``on="weights"``."""


class Selective:
    """Base of what acts on some of a model's parameters.

    Parameters
    ----------
    on : {"all", "weights"} or callable, keyword-only, default "all"
        All parameters; all but the biases (whose name starts with ``bias``) and those of normalisation
        layers; or those for which ``on(name, parameter)`` is true.

    Raises
    ------
    ArgumentError
        If `on` is none of these.
    """

    def __init__(self, *, on: Choice = "all") -> None:
        if not callable(on) and on not in ("all", "weights"):
            raise ArgumentError(
                f"on must be 'all', 'weights' or a function of a name and a parameter, got {on!r}"
            )
        self.on = on

    def select(self, model_or_parameters: Penalized) -> list[Parameter]:
        """The parameters on which this acts, each once.

        Parameters
        ----------
        model_or_parameters : Module, Parameter, or iterable of Parameter or of (name, Parameter)
            ``on="weights"`` needs the model itself, a function as `on` the names.

        Returns
        -------
        list of Parameter
            In the order of the model or of the iterable.

        Raises
        ------
        ArgumentError
            If nothing is selected (a misspelt name, an iterator that was used up before), or `on` needs
            more than was given.
        DtypeError
            If it is no model, nor parameters.
        """
        found = list(self._walk(model_or_parameters))
        selected = dict.fromkeys(p for name, p, owner in found if self._selects(name, p, owner))
        if not selected:
            names = ", ".join(name or "(no name)" for name, _, _ in found) or "none"
            raise ArgumentError(f"{self!r} finds nothing to act on; the parameters given are: {names}")
        return list(selected)

    def _selects(self, name: str | None, parameter: Parameter, owner: Module | None) -> bool:
        if self.on == "all":
            return True
        if self.on == "weights":
            if name is None or owner is None:
                raise ArgumentError("on='weights' must know the layers: pass the model, not its parameters")
            return not (name.rpartition(".")[2].startswith("bias") or isinstance(owner, NORMALIZATION))
        if name is None:
            raise ArgumentError("on= a function needs names: pass the model or model.named_parameters()")
        return bool(self.on(name, parameter))

    def _walk(self, target: Penalized) -> Iterator[tuple[str | None, Parameter, Module | None]]:
        """Every parameter with its name and the layer that owns it, as far as they are known."""
        if isinstance(target, Module):
            for path, module in target.named_modules():
                yield from ((*named, module) for named in module.named_parameters(path, recurse=False))
            return
        items: Iterable[Any] = target if isinstance(target, Iterable) else [target]
        for item in items:
            name, parameter = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
            if not isinstance(parameter, Parameter):
                raise DtypeError(
                    f"{type(self).__name__} takes a model or its parameters, got {type(parameter).__name__}; "
                    "for bare arrays, such as the values of a dict, there are the formulas of "
                    "npnet.regularization.functional"
                )
            yield name, parameter, None

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"
