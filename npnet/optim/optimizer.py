"""The optimizer's bookkeeping: groups of parameters, the runs that a step walks, and saved states.

An update rule (:mod:`npnet.optim.kernel`) knows nothing of this, and is a few lines; its arrays lie on
shelves (:mod:`npnet.optim.state`).  Here

- parameters are housed end to end (:func:`npnet.nn.parameter.house`);
- a step walks *runs*: maximal stretches of parameters that lie end to end, all have a gradient, and have
  equal numbers, such as equally many steps; the rule is called once a run;
- runs are found anew only when the set of present gradients, or a parameter's place, has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ArgumentError, ArgumentMissingError, ArgumentTypeError, DtypeError, StateError
from npnet.nn.parameter import Arena, Parameter, Run, house, runs
from npnet.optim.kernel import Rule, kernel_of, run_kernel
from npnet.optim.options import IMPLEMENTATION_OPTIONS, check_range, plain
from npnet.optim.state import Numbers, Shelf, State

__all__ = ["Optimizer", "ParamsT"]

ParamsT = Iterable[Parameter] | Iterable[Mapping[str, Any]]


class _Row:
    """One run that a step walks, where its state begins on its shelf, and its members' numbers."""

    def __init__(self, group: dict[str, Any], run: Run, shelf: Shelf, start: int, numbers: Numbers) -> None:
        self.group, self.numbers = group, numbers
        self._run, self._shelf, self._start = run, shelf, start
        self._names: tuple[str, ...] | None = None
        self._arrays: tuple[Array, ...] = ()

    def arrays(self, names: tuple[str, ...]) -> tuple[Array, ...]:
        """Values, gradients and these arrays of state, over the whole run; views that are made once."""
        if names != self._names:
            values, stop = self._run.values, self._start + self._run.stop - self._run.start
            state = (self._shelf.array(name, values)[self._start : stop] for name in names)
            self._names, self._arrays = names, (values, self._run.gradients, *state)
        return self._arrays


class _Plan(NamedTuple):
    """The runs of all groups, and what they depend on."""

    rows: list[_Row]
    present: list[bool]
    moves: int


class Optimizer:
    r"""Base of the optimizers.

    A subclass says, for a group of options, which :meth:`rule` it runs, which arrays of state the rule takes
    (:meth:`states_of`), and with which :meth:`constants`.  State arrays begin as zeros and the count of steps
    at 0; :meth:`initial_value` and :meth:`initial_numbers` say otherwise.

    Parameters
    ----------
    params : iterable of Parameter, or iterable of dict
        What to learn.  Each dict is a group: ``{"params": [...], "lr": ...}``; what it leaves out comes
        from `defaults`.
    defaults : dict
        The options and their defaults, plain Python numbers; among them ``lr`` and ``maximize``, which every
        optimizer has.

    Attributes
    ----------
    param_groups : list of dict
        The groups; change ``group["lr"]`` between steps as you like.
    state : dict
        For each parameter that has begun to learn, its state: numbers, and views into flat arrays.

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
        self.defaults = {name: plain(value) for name, value in defaults.items()}
        self.param_groups: list[dict[str, Any]] = []
        self._state = State()
        self._plan: _Plan | None = None
        if isinstance(params, Parameter) or not isinstance(params, Iterable):
            raise ArgumentTypeError(
                f"{type(self).__name__} takes an iterable of parameters, such as model.parameters() or "
                f"[parameter], got {params!r}"
            )
        given: list[Any] = list(params)
        if not given:
            raise ArgumentError(f"{type(self).__name__} got an empty list of parameters")
        self.check_options(self.defaults)
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    # ------------------------------------------------------------------ what a subclass says

    def check_options(self, group: Mapping[str, Any]) -> None:
        """Refuse options out of range; called for the defaults, for every new group and every loaded one."""
        for name in ("lr", "weight_decay"):
            if name in self.defaults:
                check_range(self, name, group[name], 0.0)

    def rule(self, group: Mapping[str, Any], step: int) -> Rule:
        """The update rule for these options at a parameter's `step`-th step, counted from 1."""
        raise NotImplementedError

    def states_of(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the state arrays that the rule takes for these options, in its order."""
        raise NotImplementedError

    def constants(self, group: Mapping[str, Any], numbers: Numbers) -> tuple[float, ...]:
        """The numbers that the rule takes.

        ``numbers["step"]`` counts this step already; the other numbers of the state are those that the last
        step left, to be carried on here.
        """
        raise NotImplementedError

    def decoupled(self, group: Mapping[str, Any]) -> bool:
        """Whether weight decay shrinks the parameters rather than enters the gradient."""
        return False

    def initial_numbers(self, group: Mapping[str, Any]) -> Numbers:
        """The numbers of a parameter that has taken no step, by their names in PyTorch's ``state_dict``."""
        return {"step": 0}

    def initial_value(self, group: Mapping[str, Any], name: str) -> float:
        """What fills a parameter's share of a state array before its first step."""
        return 0.0

    # ------------------------------------------------------------------ groups

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group of parameters with options of its own.

        Raises
        ------
        ArgumentError
            If a parameter is in a group already, or an option is unknown or out of range.
        ArgumentMissingError, ArgumentTypeError, DtypeError
            If there is no list of parameters.
        """
        given = dict(param_group)
        if "params" not in given:
            raise ArgumentMissingError(f"a parameter group needs 'params', got the keys {sorted(given)}")
        params = given.pop("params")
        if isinstance(params, (set, frozenset)):
            raise ArgumentTypeError("a set of parameters has no order to save states in; pass a list")
        group_params = [params] if isinstance(params, Parameter) else list(params)
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
                if parameter.has_grad:
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
        for row in self._rows():
            self._step_row(row)
        return loss

    def _step_row(self, row: _Row) -> None:
        group, numbers = row.group, row.numbers
        names = self.states_of(group)
        if names or self.counts_steps:  # plain SGD remembers nothing, so that momentum may begin later
            numbers["step"] += 1
        decay, decoupled = group.get("weight_decay", 0.0), self.decoupled(group)
        shrink = 1.0 - group["lr"] * decay if decoupled else decay
        rule = self.rule(group, int(numbers["step"]))
        kernel = kernel_of(rule, group["maximize"], decay != 0.0, decoupled)
        constants = (shrink, *self.constants(group, numbers))
        run_kernel(kernel, rule, row.arrays(names), constants)

    def _rows(self) -> list[_Row]:
        """What this step walks; found anew only if a gradient came or went, or a parameter moved."""
        present = [parameter.has_grad for group in self.param_groups for parameter in group["params"]]
        plan = self._plan
        if plan is None or plan.moves != Arena.moves or plan.present != present:
            house(self._parameters())
            rows = [row for group in self.param_groups for row in self._rows_of(group)]
            plan = self._plan = _Plan(rows, present, Arena.moves)
        return plan.rows

    def _rows_of(self, group: dict[str, Any]) -> list[_Row]:
        params = group["params"]
        self._begin(group, [parameter for parameter in params if parameter.has_grad])
        rows = []
        for run in runs(params, [self._key(parameter) for parameter in params]):
            members = [params[position] for position in run.members]
            if members[0].has_grad:
                shelf = self._state.shelves[members[0]]
                numbers = self._state.unite(members)
                rows.append(_Row(group, run, shelf, shelf.offsets[members[0]], numbers))
        return rows

    def _key(self, parameter: Parameter) -> tuple[Any, ...]:
        """What neighbours in the arena must share to be updated together."""
        shelf = self._state.shelves[parameter]
        numbers = self._state.numbers[parameter] if parameter.has_grad else {}
        # Neighbours in the arena are neighbours on the shelf too if both places differ by one number.
        return parameter.has_grad, *numbers.values(), shelf, shelf.offsets[parameter] - parameter.offset

    def _begin(self, group: dict[str, Any], parameters: list[Parameter]) -> None:
        """Give places on shelves to all parameters of a group, and state to those of `parameters` without."""
        self._state.shelve(group["params"])
        for parameter in parameters:
            if parameter not in self._state.numbers:
                fill = {name: self.initial_value(group, name) for name in self.states_of(group)}
                self._state.begin(parameter, self.initial_numbers(group), fill)

    # ------------------------------------------------------------------ state

    @property
    def state(self) -> dict[Parameter, dict[str, Any]]:
        """For each parameter that has begun to learn, its numbers and its state arrays (views)."""
        found: dict[Parameter, dict[str, Any]] = {}
        for parameter in self._parameters():
            numbers = self._state.numbers.get(parameter)
            if numbers is not None and (self.counts_steps or numbers["step"]):
                entry = found[parameter] = self._state.entry(parameter)
                if not self.counts_steps:
                    del entry["step"]
        return found

    def state_dict(self) -> dict[str, Any]:
        """State and options in PyTorch's structure; the arrays are views, not copies, as in PyTorch.

        Numbers are 0-d arrays of the default dtype, as they are 0-d tensors there; ``torchref`` turns arrays
        into tensors.
        """
        positions = {parameter: position for position, parameter in enumerate(self._parameters())}
        state = {
            positions[parameter]: {
                name: value if backend.is_array(value) else np.array(value, backend.default_dtype())
                for name, value in entry.items()
            }
            for parameter, entry in self.state.items()
        }
        groups = []
        for group in self.param_groups:
            options = {name: value for name, value in group.items() if name != "params"}
            groups.append({**options, "params": [positions[parameter] for parameter in group["params"]]})
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
            position: (parameter, group)
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
            for position, parameter in zip(saved["params"], group["params"], strict=True)
        }
        loaded = {
            owners[position][0]: self._loaded_state(*owners[position], position, entry)
            for position, entry in saved_state.items()
            if position in owners
        }
        for group, options in zip(self.param_groups, groups, strict=True):
            params = group["params"]
            group.clear()
            group.update(options, params=params)
        self._plan = None
        self._state = State()
        for group in self.param_groups:
            self._state.shelve(group["params"])
        for parameter, (numbers, arrays) in loaded.items():
            if self.counts_steps or arrays:
                self._state.begin(parameter, numbers, {})
            for name, array in arrays.items():
                self._state.shelves[parameter].put(name, parameter, array)

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
        self, parameter: Parameter, group: Mapping[str, Any], position: Any, entry: Mapping[str, Any]
    ) -> tuple[Numbers, dict[str, Array]]:
        numbers = self.initial_numbers(group)
        arrays = {name: value for name, value in entry.items() if name not in numbers and value is not None}
        unknown = sorted(set(arrays) - set(self.states))
        if unknown:
            raise StateError(
                f"the state of parameter {position} holds {unknown[0]!r}, which {type(self).__name__} does "
                f"not know (it knows {', '.join(self.states)}): it belongs to another optimizer"
            )
        for name, value in arrays.items():
            if value.shape != parameter.shape:
                raise StateError(
                    f"{name} of parameter {position} has shape {tuple(value.shape)}, "
                    f"expected {parameter.shape}"
                )
        if not self.counts_steps:
            return {"step": int(bool(arrays))}, arrays
        for name, initial in numbers.items():
            if name not in entry:
                raise StateError(
                    f"the state of parameter {position} has no {name!r}: it belongs to another optimizer"
                )
            numbers[name] = type(initial)(entry[name])
        return numbers, arrays

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plan": None}

    def __repr__(self) -> str:
        lines = []
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params"]
        return "\n".join([f"{type(self).__name__} (", *lines, ")"])
