"""What users can catch.

Every error that npnet raises on purpose derives from :class:`NpnetError` and, besides, from what a
NumPy user and a PyTorch user would already catch for the same mistake.  The command line prints the
message of an :class:`NpnetError` as one line; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "ArgumentLengthError",
    "ArgumentMissingError",
    "ArgumentTypeError",
    "AxisError",
    "BackwardError",
    "CheckpointError",
    "ConflictError",
    "DataError",
    "DataMissingError",
    "DeviceError",
    "DeviceMemoryError",
    "DtypeError",
    "DtypeMismatchError",
    "EngineError",
    "FetchError",
    "GradcheckError",
    "LockedError",
    "NonFiniteError",
    "NpnetError",
    "OutputError",
    "RecipeError",
    "RecipeMismatchError",
    "ScriptError",
    "ShapeError",
    "StateError",
    "TargetError",
    "UnsupportedError",
]


class NpnetError(Exception):
    """Base of every error that npnet raises on purpose."""


class ArgumentError(NpnetError, ValueError, RuntimeError):
    """An argument lies outside what is accepted (a negative learning rate, ``p = 1.5``).

    PyTorch raises ValueError where its Python looks at the argument, RuntimeError where its C++ does.
    """


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument is of a kind that cannot be meant (text for a number, a number for an optimizer)."""


class ArgumentLengthError(ArgumentTypeError, IndexError):
    """A tuple of arguments has too few or too many of them (``betas=(0.9,)``)."""


class ConflictError(ArgumentError, AssertionError):
    """Two arguments exclude each other (``avg_fn`` and ``multi_avg_fn``)."""


class ArgumentMissingError(ArgumentError, KeyError):
    """A mapping of arguments lacks one (a parameter group without ``"params"``)."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return Exception.__str__(self)


class UnsupportedError(NpnetError, TypeError, NotImplementedError):
    """An argument that PyTorch knows and npnet does not offer (``inplace=True``)."""


class ShapeError(NpnetError, ValueError, RuntimeError):
    """An array has the wrong shape."""


class AxisError(ShapeError, IndexError):
    """An axis is out of range for an array."""


class DtypeError(NpnetError, TypeError, RuntimeError):
    """An array has the wrong dtype, or is no array at all."""


class DtypeMismatchError(DtypeError, ValueError):
    """An input has another dtype than the parameters that it meets.

    PyTorch's recurrent layers raise ValueError for it, the others RuntimeError.
    """


class DeviceError(NpnetError, RuntimeError):
    """An array lies on the wrong device, or the device is not to be had."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A device has not enough memory."""


class EngineError(NpnetError, ImportError, RuntimeError):
    """The engine that was asked for is not installed."""


class TargetError(NpnetError, ValueError, IndexError, RuntimeError):
    """A label or target lies outside the range that the loss accepts.

    PyTorch raises IndexError in most losses, RuntimeError in some.
    """


class BackwardError(NpnetError, RuntimeError):
    """``backward`` was called where there is nothing to go back through."""


class GradcheckError(NpnetError, RuntimeError, AssertionError):
    """A backward pass does not agree with differences of its forward pass."""


class StateError(NpnetError, ValueError, RuntimeError, KeyError):
    """A ``state_dict`` does not fit what it is loaded into."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return Exception.__str__(self)


class CheckpointError(StateError):
    """A checkpoint cannot be read, or is not one of this run."""


class ScriptError(NpnetError, RuntimeError):
    """A script that was to be run is not there, fails, or trains nothing."""


class DataError(NpnetError, ValueError):
    """A data file or table holds something that cannot be trained on."""


class DataMissingError(DataError, FileNotFoundError):
    """A data file is not where it was looked for."""

    def __str__(self) -> str:  # OSError formats (errno, strerror) when it has two arguments
        return Exception.__str__(self)


class FetchError(NpnetError, ConnectionError):
    """A data file could not be fetched from any of its addresses."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class RecipeError(NpnetError, ValueError):
    """A recipe, or an override of one, has an unknown key or a bad value."""


class RecipeMismatchError(RecipeError):
    """A run is asked to go on with another recipe than it was begun with.

    Attributes
    ----------
    differences : dict
        Names of settings to the value that the run has and the one that was asked for.
    """

    def __init__(self, run: str, differences: dict[str, tuple[object, object]]) -> None:
        listed = "; ".join(f"{name} was {was!r}, is {now!r}" for name, (was, now) in differences.items())
        super().__init__(f"{run} was begun with another recipe: {listed}")
        self.differences = differences


class NonFiniteError(NpnetError, FloatingPointError, RuntimeError):
    """A loss, gradient or weight became NaN or infinite."""


class OutputError(NpnetError, OSError):
    """An output folder cannot be used."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class LockedError(OutputError):
    """A run's folder is being written by another process."""
