r"""Averages of the weights along a training run: SWA and EMA, named as in ``torch.optim.swa_utils``.

Late in training the weights walk around a minimum rather than towards it; their average lies nearer to its
middle.  :class:`AveragedModel` keeps an average, :class:`SWALR` keeps the walk wide enough to be worth
averaging, and :func:`update_bn` measures the statistics that the averaged weights give rise to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from npnet import backend
from npnet.backend import Array
from npnet.errors import ConflictError, StateError
from npnet.nn.context import no_grad
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter, house, runs
from npnet.optim.lr_scheduler.checks import number
from npnet.optim.lr_scheduler.swalr import SWALR

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AvgFn = Callable[[Array, Array, int], Array]
MultiAvgFn = Callable[[list[Array], list[Array], int], None]


def ema(averaged: Array, current: Array, decay: float) -> Array:
    r"""One step of the exponential moving average, :math:`\beta \bar w + (1 - \beta) w`."""
    return decay * averaged + (1 - decay) * current


def swa(averaged: Array, current: Array, num_averaged: int) -> Array:
    r"""One step of the equal average, :math:`\bar w + (w - \bar w) / (n + 1)` after :math:`n` models."""
    return averaged + (current - averaged) / (num_averaged + 1)


class _Elementwise:
    """An ``avg_fn`` that works element by element, and so may be called once a run of parameters."""

    def __init__(self, function: AvgFn) -> None:
        self.function = function

    def __call__(self, averaged: Array, current: Array, num_averaged: int) -> Array:
        return self.function(averaged, current, num_averaged)


class _InPlace(_Elementwise):
    """The same as a ``multi_avg_fn``, which changes lists of arrays in place."""

    def __call__(self, averaged: Any, current: Any, num_averaged: int) -> None:  # type: ignore[override]
        for mine, other in zip(averaged, current, strict=True):
            mine[...] = self.function(mine, other, num_averaged)


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    r"""The exponential moving average, :math:`\bar w \leftarrow \beta \bar w + (1 - \beta) w`.

    Parameters
    ----------
    decay : float, default 0.999
        :math:`\beta`, from 0 to 1; about :math:`1 / (1 - \beta)` steps are remembered.

    Returns
    -------
    callable
        For :class:`AveragedModel`'s ``avg_fn``.

    Raises
    ------
    ArgumentError
        If `decay` is not from 0 to 1.

    Examples
    --------
    >>> get_ema_avg_fn(0.75)(np.array([4.0]), np.array([8.0]), 1)
    array([5.])
    """
    decay = float(number("decay", decay, least=0.0, most=1.0))
    return _Elementwise(lambda averaged, current, _: ema(averaged, current, decay))


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """As :func:`get_ema_avg_fn`, for :class:`AveragedModel`'s ``multi_avg_fn``.

    Parameters
    ----------
    decay : float, default 0.999

    Raises
    ------
    ArgumentError
        If `decay` is not from 0 to 1.
    """
    decay = float(number("decay", decay, least=0.0, most=1.0))
    return _InPlace(lambda averaged, current, _: ema(averaged, current, decay))


def get_swa_avg_fn() -> AvgFn:
    r"""The equal average, :math:`\bar w \leftarrow \bar w + (w - \bar w) / (n + 1)`, for ``avg_fn``.

    Examples
    --------
    >>> get_swa_avg_fn()(np.array([4.0]), np.array([10.0]), 2)
    array([6.])
    """
    return _Elementwise(swa)


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """As :func:`get_swa_avg_fn`, for :class:`AveragedModel`'s ``multi_avg_fn``.

    Notes
    -----
    Equal to :func:`get_swa_avg_fn` to rounding.  PyTorch's (2.13) is not: its share 1 / (n + 1) is a
    float32, for float64 parameters too, which costs eight digits.
    """
    return _InPlace(swa)


class AveragedModel(Module):
    r"""A copy of a model whose parameters are an average of those that the model had.

    The first :meth:`update_parameters` copies, each later one averages, by default equally (SWA):

    .. math:: \bar w_1 = w_1, \qquad \bar w_{n+1} = \bar w_n + \frac{w_{n+1} - \bar w_n}{n + 1}

    Parameters
    ----------
    model : Module
        Copied.
    device : str, optional
        Where the copy lies; where the model does if None.
    avg_fn : callable, optional
        ``avg_fn(averaged, current, num_averaged)`` returns the new average of one parameter.
    multi_avg_fn : callable, optional
        ``multi_avg_fn(averaged, current, num_averaged)`` changes a list of parameters in place; called once a
        dtype.
    use_buffers : bool, default False
        Average the buffers too; else they are copied from the model at each update.

    Attributes
    ----------
    module : Module
        The averaged model.
    n_averaged : ndarray
        How many models were averaged, a 0-d integer.

    Raises
    ------
    ConflictError
        If both functions are given.

    Notes
    -----
    The functions of this file run once for each stretch of parameters that lie end to end in both models; a
    function of yours gets parameters in their shapes, as in PyTorch.  ``num_averaged`` is a Python number
    here, and a tensor there.  Integer buffers are averaged in float32 and cut off, as there.  A model of
    another structure is refused, where PyTorch averages as far as the parameters pair up.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, "Averaging weights leads to wider optima and better
    generalization", UAI 2018.

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).

    Examples
    --------
    >>> from npnet import nn
    >>> model = nn.Linear(1, 1, bias=False, dtype="float64")
    >>> averaged = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     model.weight.data = np.array([[value]])
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.data
    array([[3.]])
    """

    n_averaged: Array

    def __init__(
        self,
        model: Module,
        device: str | None = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ConflictError("give one of avg_fn and multi_avg_fn, not both: each is the whole average")
        self.module = deepcopy(model).to(device)
        self.register_buffer("n_averaged", np.zeros((), np.int64))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers
        house(self.module.parameters())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present weights into the average.

        Parameters
        ----------
        model : Module
            Of the same structure, on any device.

        Raises
        ------
        StateError
            If parameters or buffers differ in number or shape; nothing is then changed.
        """
        # The count lives on the host, where to read it is not to wait; Module.to may have taken it along.
        self.n_averaged = backend.to_host(self.n_averaged)
        count = int(self.n_averaged)
        averaged, current = list(self.module.parameters()), list(model.parameters())
        kept, fresh = list(self.module.buffers()), list(model.buffers())
        _check_twins("parameters", averaged, current)
        _check_twins("buffers", kept, fresh)
        function = self.avg_fn or get_swa_avg_fn()
        whole = count == 0 or isinstance(self.multi_avg_fn or function, _Elementwise)
        pairs = [
            (mine, backend.to_device(other, backend.device_of(mine)))
            for mine, other in (_stretches(averaged, current) if whole else _one_by_one(averaged, current))
        ]
        buffers = [
            (mine, backend.to_device(other, backend.device_of(mine)))
            for mine, other in zip(kept, fresh, strict=True)
        ]
        if self.use_buffers:
            pairs += buffers
        if count == 0:
            _copy(pairs)
        elif self.multi_avg_fn is not None:
            _average_lists(self.multi_avg_fn, pairs, count)
        else:
            for mine, other in pairs:
                np.copyto(mine, function(_real(mine), _real(other), count), casting="unsafe")
        if not self.use_buffers:
            _copy(buffers)
        self.n_averaged += 1


Pairs = list[tuple[Array, Array]]


def _check_twins(what: str, averaged: Sequence[Any], current: Sequence[Any]) -> None:
    mine, other = [item.shape for item in averaged], [item.shape for item in current]
    if mine != other:
        raise StateError(f"the averaged model has {what} of shapes {mine}, the model given {other}")


def _stretches(averaged: list[Parameter], current: list[Parameter]) -> Iterator[tuple[Array, Array]]:
    """Flat views of stretches that lie end to end in the arenas of both models."""
    keys = [(id(o.arena), o.offset - m.offset) for m, o in zip(averaged, current, strict=True)]
    for run in runs(averaged, keys):
        first = current[run.members[0]]
        yield run.values, first.arena.values[first.offset : first.offset + run.stop - run.start]


def _one_by_one(averaged: list[Parameter], current: list[Parameter]) -> Iterator[tuple[Array, Array]]:
    return ((mine.data, other.data) for mine, other in zip(averaged, current, strict=True))


def _copy(pairs: Pairs) -> None:
    for mine, other in pairs:
        np.copyto(mine, other)


def _real(array: Array) -> Array:
    """Integers as float32, in which PyTorch computes with them."""
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _average_lists(function: MultiAvgFn, pairs: Pairs, count: int) -> None:
    """Call a function of lists once a dtype; integers go through float32 and back."""
    kinds: dict[Any, Pairs] = {}
    for mine, other in pairs:
        kinds.setdefault((mine.dtype, backend.device_of(mine)), []).append((mine, other))
    for members in kinds.values():
        results = [_real(mine) for mine, _ in members]
        function(results, [_real(other) for _, other in members], count)
        for (mine, _), result in zip(members, results, strict=True):
            if result is not mine:
                np.copyto(mine, result, casting="unsafe")


def update_bn(loader: Iterable[Any], model: Module, device: str | None = None) -> None:
    """Measure the running statistics of BatchNorm layers anew, in one pass over the data.

    Averaged weights give other activations than those that any model's statistics were taken from.

    Parameters
    ----------
    loader : iterable
        Of batches; of a list or tuple the first element is the input.
    model : Module
        Its BatchNorm layers average all batches equally during the pass; a model without any is left alone.
    device : str, optional
        Where batches are moved.

    Notes
    -----
    Momenta and the mode of the model come back also where a batch raises, which PyTorch forgets.

    Examples
    --------
    >>> from npnet import nn
    >>> model = nn.BatchNorm1d(1, dtype="float64")
    >>> update_bn([np.array([[1.0], [3.0]]), np.array([[5.0], [7.0]])], model)
    >>> model.running_mean, model.running_var
    (array([4.]), array([2.]))
    """
    layers: list[Any] = [module for module in model.modules() if hasattr(module, "reset_running_stats")]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    was_training = model.training
    model.train()
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
        with no_grad():
            for batch in loader:
                x = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(x if device is None else backend.to_device(x, device))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.train(was_training)
