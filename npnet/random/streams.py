"""One stream a purpose, so that a change in one does not move the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from npnet.errors import ArgumentError, DtypeError, StateError
from npnet.random.generator import Generator, seed_sequence

__all__ = [
    "STREAMS",
    "copy_streams",
    "get_rng_state",
    "manual_seed",
    "resolve",
    "set_rng_state",
    "stream",
    "using_streams",
]

STREAMS = ("init", "split", "shuffle", "dropout", "augment")
"""Names of the streams, in the order in which a run first draws from them."""

_streams: dict[str, Any] = {name: Generator() for name in STREAMS}


def stream(name: str) -> Any:
    """The stream of that name.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if name not in _streams:
        raise ArgumentError(f"unknown random stream {name!r}; the streams are {', '.join(STREAMS)}")
    return _streams[name]


def manual_seed(seed: int, *, like: str | None = None) -> None:
    """Seed every stream.

    Parameters
    ----------
    seed : int
        Any integer; the same one gives the same run.
    like : {None, "torch"}, keyword-only
        With ``"torch"`` all streams become one and the same :class:`TorchGenerator`, which draws what
        PyTorch draws after ``torch.manual_seed(seed)``.

    Raises
    ------
    ArgumentError
        If `like` is something else.
    """
    if like not in (None, "torch"):
        raise ArgumentError(f"like is None or 'torch', got {like!r}")
    if like == "torch":
        from npnet.random.torch_generator import TorchGenerator  # loaded when it is asked for

        _streams.update(dict.fromkeys(STREAMS, TorchGenerator().manual_seed(seed)))
        return
    for name in STREAMS:
        _streams[name] = Generator(seed_sequence(seed, name))


def copy_streams() -> dict[str, Any]:
    """Copies of all streams, each about to draw what the stream itself will draw next.

    Streams that are one and the same, as after ``manual_seed(seed, like="torch")``, are so among the copies.

    Examples
    --------
    >>> manual_seed(0)
    >>> copies = copy_streams()
    >>> stream("split").random_() == copies["split"].random_()
    True
    """
    copies: dict[int, Any] = {}
    for generator in _streams.values():
        if id(generator) not in copies:
            copies[id(generator)] = copy = type(generator)(0)
            copy.host_only = generator.host_only
            copy.set_state(generator.get_state())
    return {name: copies[id(generator)] for name, generator in _streams.items()}


@contextmanager
def using_streams(streams: Mapping[str, Any]) -> Iterator[None]:
    """A context in which the streams are these, from :func:`copy_streams`.

    Two runs that take turns, each within copies of its own, draw the same numbers.
    """
    before = dict(_streams)
    _streams.update(streams)
    try:
        yield
    finally:
        _streams.update(before)


def resolve(generator: Any, name: str) -> Any:
    """What a ``generator=`` argument means: itself, or the stream `name` where it is None.

    Raises
    ------
    DtypeError
        If it offers no draws, as NumPy's own generators do not under these names.
    """
    if generator is None:
        return _streams[name]
    if type(generator).__module__.split(".")[0] == "torch":
        raise DtypeError(
            f"generator= takes an npnet.random.Generator, got PyTorch's on device {str(generator.device)!r}; "
            "npnet.random.TorchGenerator().set_state(generator.get_state()) goes on from that of a CPU"
        )
    if not hasattr(generator, "bernoulli"):
        raise DtypeError(
            f"generator= takes an npnet.random.Generator, got {type(generator).__name__}; "
            "make one with npnet.random.Generator(seed)"
        )
    return generator


def get_rng_state() -> dict[str, Any]:
    """Where every stream stands; streams that are one generator share an entry.

    Examples
    --------
    >>> state = get_rng_state()
    >>> a = stream("dropout").random_()
    >>> set_rng_state(state)
    >>> stream("dropout").random_() == a
    True
    """
    generators: list[Any] = []
    of_stream = {}
    for name, generator in _streams.items():
        if generator not in generators:
            generators.append(generator)
        of_stream[name] = generators.index(generator)
    states = [
        {"kind": type(one).__name__, "host_only": one.host_only, "state": one.get_state()}
        for one in generators
    ]
    return {"streams": of_stream, "generators": states}


def set_rng_state(state: Any) -> None:
    """Let every stream go on from where :func:`get_rng_state` found it.

    Raises
    ------
    StateError
        If it is not such a state; nothing is changed then.
    """
    try:
        generators = [_restored(**entry) for entry in state["generators"]]
        streams = {name: generators[state["streams"][name]] for name in STREAMS}
    except (KeyError, TypeError, IndexError) as error:
        raise StateError(f"not the state of the random streams: {error}") from error
    _streams.update(streams)


def _restored(kind: str, host_only: bool, state: Any) -> Any:
    if kind == "Generator":
        generator: Any = Generator(0, host_only=bool(host_only))
    elif kind == "TorchGenerator":
        from npnet.random.torch_generator import TorchGenerator

        generator = TorchGenerator()
    else:
        raise StateError(f"not the state of the random streams: there is no generator {kind!r}")
    generator.set_state(state)
    return generator
