"""The optimizer's bookkeeping: groups, the arena, state, and the one loop that runs an update rule.

An update rule is a pure elementwise function ``rule(p, g, *state, *constants)`` of flat arrays; see
:mod:`npnet.optim.sgd` for one that reads like the paper.  Everything else is here:

- parameters are housed end to end (:func:`npnet.nn.parameter.house`), and state lies in flat arrays of
  the same order, one :class:`_Shelf` a group, dtype and device;
- a step walks *runs*: maximal stretches of parameters that lie end to end, all have a gradient, and have
  taken equally many steps; the rule is called once a run;
- runs are found anew only when the set of present gradients, or a parameter's place, has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar, NamedTuple

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, DtypeError, StateError, UnsupportedError
from npnet.nn.parameter import Arena, Parameter, Run, house, runs

__all__ = ["Optimizer"]

BLOCK = 32_768
"""Elements that a rule is given at a time on the host, so that what it touches stays in the cache."""

Rule = Callable[..., Any]
ParamsT = Iterable[Parameter] | Iterable[Mapping[str, Any]]


class _Shelf:
    """The state of those parameters of one group that share a dtype and a device.

    Attributes
    ----------
    kind : tuple
        The dtype and the device.
    offsets : dict
        Where each parameter's share begins, in the order of the group.
    arrays : dict
        Name of a state to its flat array.
    """

    def __init__(self, kind: tuple[Any, str], parameters: list[Parameter]) -> None:
        self.kind = kind
        self.offsets: dict[Parameter, int] = {}
        self.size = 0
        for parameter in parameters:
            self.offsets[parameter] = self.size
            self.size += parameter.size
        self.arrays: dict[str, Array] = {}

    def array(self, name: str, like: Array) -> Array:
        """The flat array of that name, zeros where it is new."""
        if name not in self.arrays:
            self.arrays[name] = np.zeros(self.size, like.dtype, like=like)
        return self.arrays[name]

    def share(self, name: str, parameter: Parameter) -> Array:
        """One parameter's share of it, in the parameter's shape."""
        start = self.offsets[parameter]
        return self.arrays[name][start : start + parameter.size].reshape(parameter.shape)

    def put(self, name: str, parameter: Parameter, values: Array) -> None:
        """Copy values of any dtype and device into one parameter's share."""
        self.array(name, parameter.data)
        self.share(name, parameter)[...] = backend.to_device(values, parameter.device)


class _Row(NamedTuple):
    """One run that a step walks, and where its state begins on its shelf."""

    group: dict[str, Any]
    run: Run
    shelf: _Shelf
    start: int


class _Plan(NamedTuple):
    """The runs of all groups, and what they depend on."""

    rows: list[_Row]
    present: list[bool]
    moves: int


class Optimizer:
    r"""Base of the optimizers.

    A subclass says, for a group of options, which :meth:`rule` it runs, which :attr:`states` the rule
    takes, and with which :meth:`constants`.

    Parameters
    ----------
    params : iterable of Parameter, or iterable of dict
        What to learn.  Each dict is a group: ``{"params": [...], "lr": ...}``; what it leaves out comes
        from `defaults`.
    defaults : dict
        The options and their defaults, plain Python numbers; among them ``lr``, ``weight_decay`` and
        ``maximize``, which every optimizer has.

    Attributes
    ----------
    param_groups : list of dict
        The groups; change ``group["lr"]`` between steps as you like.
    state : dict
        For each parameter that has taken a step, its state: views into flat arrays, and ``"step"``.

    Raises
    ------
    ArgumentError
        If there is no parameter, one comes twice, or an option is out of range.
    """

    states: ClassVar[tuple[str, ...]] = ()
    """Names of every state array that the rules may take, as in PyTorch's ``state_dict``."""

    counts_steps: ClassVar[bool] = True
    """Whether PyTorch's ``state_dict`` of this optimizer holds ``step``."""

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._shelves: dict[Parameter, _Shelf] = {}
        self._steps: dict[Parameter, int] = {}
        self._plan: _Plan | None = None
        self._kernels: dict[tuple[Rule, bool, bool, bool], Rule] = {}
        if isinstance(params, Parameter):
            raise DtypeError(f"{type(self).__name__} takes an iterable of parameters: write [parameter]")
        given: list[Any] = list(params)
        if not given:
            raise ArgumentError(f"{type(self).__name__} got an empty list of parameters")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    # ------------------------------------------------------------------ what a subclass says

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range; called for every new group and every loaded one."""
        for name in ("lr", "weight_decay"):
            check_range(self, name, group[name], 0.0)

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The update rule for these options."""
        raise NotImplementedError

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the state arrays that the rule takes for these options, in its order."""
        raise NotImplementedError

    def constants(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The numbers that the rule takes at a parameter's `step`-th step, counted from 1."""
        raise NotImplementedError

    def decoupled(self, group: Mapping[str, Any]) -> bool:
        """Whether weight decay shrinks the parameters rather than enters the gradient."""
        return False

    # ------------------------------------------------------------------ groups

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group of parameters with options of its own.

        Raises
        ------
        ArgumentError
            If a parameter is in a group already, or an option is unknown or out of range.
        """
        given = dict(param_group)
        params = given.pop("params", None)
        group_params = [params] if isinstance(params, Parameter) else list(params or ())
        for parameter in group_params:
            if not isinstance(parameter, Parameter):
                raise DtypeError(
                    f"{type(self).__name__} learns npnet parameters, got {type(parameter).__name__}; "
                    "pass model.parameters()"
                )
        known = {parameter for group in self.param_groups for parameter in group["params"]}
        if len({*known, *group_params}) < len(known) + len(group_params):
            raise ArgumentError("a parameter appears twice, in one group or in two; list each once")
        unknown = sorted(set(given) - set(self.defaults) - {"initial_lr", "name"})
        if unknown:
            raise ArgumentError(
                f"{type(self).__name__} knows no option {unknown[0]!r}; its options are "
                f"{', '.join(self.defaults)}"
            )
        options = {name: plain(given.get(name, default)) for name, default in self.defaults.items()}
        group = {"params": group_params, **given, **options}
        self.check_options(group)
        self.param_groups.append(group)
        house(group_params)
        self._plan = None

    def _parameters(self) -> list[Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every gradient, or set those that are there to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.clear_grad(set_to_none)

    # ------------------------------------------------------------------ the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and the gradients anew; called once, first.

        Returns
        -------
        object
            What the closure returned, else None.
        """
        loss = None if closure is None else closure()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            for row in self._rows():
                self._step_run(*row)
        return loss

    def _step_run(self, group: dict[str, Any], run: Run, shelf: _Shelf, start: int) -> None:
        members = [group["params"][position] for position in run.members]
        names = self.states_of(group)
        step = self._steps.get(members[0], 0) + 1
        if names or self.counts_steps:
            for parameter in members:
                self._steps[parameter] = step
        values = run.values
        stop = start + values.size
        state = [shelf.array(name, values)[start:stop] for name in names]
        decay, decoupled = group["weight_decay"], self.decoupled(group)
        shrink = 1.0 - group["lr"] * decay if decoupled else decay
        key = (self.rule(group), group["maximize"], decay != 0.0, decoupled)
        if key not in self._kernels:
            self._kernels[key] = _kernel(*key)
        _run_blocks(
            self._kernels[key], (values, run.gradients, *state), (shrink, *self.constants(group, step))
        )

    def _rows(self) -> list[_Row]:
        """What this step walks; found anew only if a gradient came or went, or a parameter moved."""
        parameters = self._parameters()
        present = [parameter.has_grad for parameter in parameters]
        plan = self._plan
        if plan is None or plan.moves != Arena.moves or plan.present != present:
            house(parameters)
            rows = [row for group in self.param_groups for row in self._rows_of(group)]
            plan = self._plan = _Plan(rows, present, Arena.moves)
        return plan.rows

    def _rows_of(self, group: dict[str, Any]) -> list[_Row]:
        params = group["params"]
        self._shelve(params)
        shelves = [self._shelves[parameter] for parameter in params]
        # Neighbours in the arena are neighbours on the shelf too if both places differ by one number.
        keys = [
            (
                parameter.has_grad,
                self._steps.get(parameter, 0),
                shelf,
                shelf.offsets[parameter] - parameter.offset,
            )
            for parameter, shelf in zip(params, shelves, strict=True)
        ]
        return [
            _Row(group, run, shelves[run.members[0]], shelves[run.members[0]].offsets[params[run.members[0]]])
            for run in runs(params, keys)
            if params[run.members[0]].has_grad
        ]

    def _shelve(self, parameters: list[Parameter]) -> None:
        """Put the state of parameters of one dtype and device on one shelf; what there was moves along."""
        kinds: dict[tuple[Any, str], list[Parameter]] = {}
        for parameter in parameters:
            kinds.setdefault((parameter.dtype, parameter.device), []).append(parameter)
        for kind, members in kinds.items():
            old = self._shelves.get(members[0])
            if old is not None and old.kind == kind and list(old.offsets) == members:
                continue
            new = _Shelf(kind, members)
            for parameter in members:
                if (old := self._shelves.get(parameter)) is not None:
                    for name in old.arrays:
                        new.put(name, parameter, old.share(name, parameter))
                self._shelves[parameter] = new

    # ------------------------------------------------------------------ state

    @property
    def state(self) -> dict[Parameter, dict[str, Any]]:
        """For each parameter that has taken a step, its state arrays (views) and its ``step``."""
        found: dict[Parameter, dict[str, Any]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter in self._steps:
                    shelf = self._shelves[parameter]
                    entry: dict[str, Any] = {"step": self._steps[parameter]} if self.counts_steps else {}
                    entry |= {name: shelf.share(name, parameter) for name in shelf.arrays}
                    found[parameter] = entry
        return found

    def state_dict(self) -> dict[str, Any]:
        """State and options in PyTorch's structure; the arrays are views, not copies, as in PyTorch.

        ``step`` is a 0-d float32 array, as it is a 0-d tensor there; ``torchref`` turns arrays into tensors.
        """
        numbers = {parameter: number for number, parameter in enumerate(self._parameters())}
        state = {}
        for parameter, entry in self.state.items():
            if "step" in entry:
                entry["step"] = np.array(entry["step"], np.float32)
            state[numbers[parameter]] = entry
        groups = []
        for group in self.param_groups:
            options = {name: value for name, value in group.items() if name != "params"}
            groups.append({**options, "params": [numbers[parameter] for parameter in group["params"]]})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a :meth:`state_dict`, of this library or (as arrays) of PyTorch.

        Either all of it is taken over or, where something does not fit, nothing.

        Raises
        ------
        StateError
            If groups, parameters, names or shapes do not fit; says which.
        """
        try:
            saved_groups = list(state_dict["param_groups"])
            saved_state = state_dict["state"]
            sizes = [len(group["params"]) for group in saved_groups]
        except (KeyError, TypeError) as error:
            raise StateError(f"not the state of an optimizer: it has no {error}") from error
        own_sizes = [len(group["params"]) for group in self.param_groups]
        if sizes != own_sizes:
            raise StateError(f"the state has groups of {sizes} parameters, this optimizer of {own_sizes}")
        groups = [
            self._loaded_group(group, saved)
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
        ]
        owners = {
            number: parameter
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
            for number, parameter in zip(saved["params"], group["params"], strict=True)
        }
        loaded = {
            owners[number]: self._loaded_state(owners[number], number, entry)
            for number, entry in saved_state.items()
            if number in owners
        }
        for group, options in zip(self.param_groups, groups, strict=True):
            params = group["params"]
            group.clear()
            group.update(options, params=params)
        self._plan = None
        self._steps.clear()
        self._shelves.clear()
        for group in self.param_groups:
            self._shelve(group["params"])
        for parameter, (step, arrays) in loaded.items():
            if step:
                self._steps[parameter] = step
            for name, array in arrays.items():
                self._shelves[parameter].put(name, parameter, array)

    def _loaded_group(self, own: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
        options = {
            name: plain(value)
            for name, value in saved.items()
            if name not in ("params", *IMPLEMENTATION_OPTIONS)
        }
        options = {**{name: own[name] for name in self.defaults}, **options}
        self.check_options(options)
        return options

    def _loaded_state(
        self, parameter: Parameter, number: Any, entry: Mapping[str, Any]
    ) -> tuple[int, dict[str, Array]]:
        arrays = {name: value for name, value in entry.items() if name != "step" and value is not None}
        unknown = sorted(set(arrays) - set(self.states))
        if unknown:
            raise StateError(
                f"the state of parameter {number} holds {unknown[0]!r}, which {type(self).__name__} does not "
                f"know (it knows {', '.join(self.states)}): it belongs to another optimizer"
            )
        for name, value in arrays.items():
            if value.shape != parameter.shape:
                raise StateError(
                    f"{name} of parameter {number} has shape {tuple(value.shape)}, expected {parameter.shape}"
                )
        if self.counts_steps and "step" not in entry:
            raise StateError(
                f"the state of parameter {number} has no 'step': it belongs to another optimizer"
            )
        return int(entry["step"]) if self.counts_steps else int(bool(arrays)), arrays

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plan": None, "_kernels": {}}

    def __repr__(self) -> str:
        lines = []
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params"]
        return "\n".join([f"{type(self).__name__} (", *lines, ")"])


def _kernel(rule: Rule, maximize: bool, decays: bool, decoupled: bool) -> Rule:
    r"""Put in front of a rule what all optimizers share.

    To maximise is to go along :math:`-g`.  Weight decay :math:`\lambda` either enters the gradient, :math:`g
    + \lambda p`, or shrinks the parameter by :math:`1 - \eta \lambda` (decoupled).
    """

    def kernel(p: Array, g: Array, shrink: float, *state_and_constants: Any) -> None:
        if maximize:
            g = -g
        if decays and decoupled:
            p *= shrink
        elif decays:
            g = g + shrink * p
        rule(p, g, *state_and_constants)

    return kernel


def _run_blocks(kernel: Rule, arrays: tuple[Array, ...], constants: tuple[float, ...]) -> None:
    """Call ``kernel(p, g, shrink, *state, *constants)`` on flat arrays, on the host block by block."""
    shrink, *numbers = constants
    size = arrays[0].size
    block = BLOCK if isinstance(arrays[0], np.ndarray) else max(size, 1)
    for first in range(0, size, block):
        p, g, *state = arrays if size <= block else (array[first : first + block] for array in arrays)
        kernel(p, g, shrink, *state, *numbers)


def plain(value: Any) -> Any:
    """An option as plain Python numbers: a NumPy float64 would turn float32 arrays into float64."""
    if isinstance(value, (tuple, list)):
        return tuple(plain(item) for item in value)
    if isinstance(value, np.generic) or (backend.is_array(value) and value.ndim == 0):
        return value.item()
    return value


def check_range(
    owner: object, name: str, value: Any, low: float, high: float = float("inf"), *, below: bool = False
) -> None:
    """Refuse an option that is no number within `low` and `high` (with ``below``, less than `high`)."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (below and value == high):
        upper = "" if high == float("inf") else f" and {'below' if below else 'at most'} {high}"
        raise ArgumentError(
            f"{type(owner).__name__}: {name} must be a number, at least {low}{upper}, got {value!r}"
        )


IMPLEMENTATION_OPTIONS = ("foreach", "fused", "capturable", "differentiable")
"""Arguments with which PyTorch chooses among implementations of the same rule."""


def refuse_implementation(owner: object, **options: Any) -> None:
    """Refuse the arguments that choose an implementation in PyTorch."""
    for name, value in options.items():
        if value:
            raise UnsupportedError(
                f"{type(owner).__name__}: {name}= only chooses an implementation in PyTorch; "
                "here there is one, so leave it out"
            )
