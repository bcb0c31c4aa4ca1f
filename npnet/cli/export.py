"""``npnet export``: the network of a run, for others."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from npnet.cli.app import app, notes

if TYPE_CHECKING:
    from npnet.training import Predictor

Maker = Callable[["Predictor"], Iterable[bytes | memoryview]]


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of one of its folds.")],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="What to write: its name ends in .pt (a state_dict for PyTorch), .safetensors or .onnx.",
        ),
    ],
) -> None:
    """Write the network of a run for PyTorch, as safetensors, or as ONNX.

    Names of weights are those of state_dict() in both libraries. The file holds the network alone: what it
    takes are features as the run's features.json makes them.

    [bold]Examples[/bold]

        npnet export runs/mnist-numpy-1 mnist.pt
        npnet export runs/mnist-numpy-1 mnist.onnx
    """
    from npnet.errors import ArgumentError, OutputError
    from npnet.training.checkpoint import LAST
    from npnet.training.files import replace_file
    from npnet.training.predictor import load_predictor
    from npnet.training.run import WEIGHTS

    makers: dict[str, Maker] = {".pt": _torch, ".safetensors": _safetensors, ".onnx": _onnx}
    if out.suffix not in makers:
        raise ArgumentError(f"{out} does not say the format: its name must end in {', '.join(makers)}")
    with notes():
        predictor = load_predictor(run)
    if out.resolve() in {(predictor.path / own).resolve() for own in (WEIGHTS, LAST)}:
        raise OutputError(f"{out} is a file of the run itself, and would be lost: name another one")
    replace_file(out, makers[out.suffix](predictor))
    count = sum(parameter.size for parameter in predictor.model.parameters())
    typer.echo(f"{out}: {count:,} parameters", err=True)


def _torch(predictor: Predictor) -> list[bytes]:
    from npnet.errors import DeviceError

    try:
        save = importlib.import_module("torchref").state_dict_bytes
    except ImportError as error:
        raise DeviceError(f"a .pt file needs PyTorch: pip install 'npnet[torch]' ({error})") from error
    content: bytes = save(predictor.model.state_dict())
    return [content]


def _safetensors(predictor: Predictor) -> list[bytes | memoryview]:
    from npnet.training.files import tensor_chunks

    return list(tensor_chunks(predictor.model.state_dict(), _about(predictor)))


def _onnx(predictor: Predictor) -> list[bytes]:
    from npnet.training.onnx_graph import onnx_graph

    return [onnx_graph(predictor.model, predictor.features.shape, _about(predictor))]


def _about(predictor: Predictor) -> dict[str, str]:
    """What it takes to use the network: its preprocessing and the meaning of its outputs, as JSON."""
    from npnet.training.run import plain

    return {
        "npnet.recipe": predictor.recipe.name,
        "npnet.epoch": str(predictor.epoch),
        "npnet.features": json.dumps(predictor.features.state(), default=plain),
        "npnet.targets": json.dumps(predictor.objective.state(), default=plain),
    }
