"""Specifications of the containers: whole models, drawn."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from parity_tests.registry.specification import Case, Library, ModuleSpecification, arrays, seeds

__all__ = ["CONTAINERS", "build_layers"]

Layer = tuple[str, dict[str, Any]]


def build_layers(library: Library, layers: list[Any]) -> list[Any]:
    """Modules from their descriptions; a list among them becomes a ``Sequential``."""
    return [
        library.nn.Sequential(*build_layers(library, layer))
        if isinstance(layer, list)
        else getattr(library.nn, layer[0])(**layer[1])
        for layer in layers
    ]


ACTIVATIONS: list[Layer] = [
    ("ReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("Identity", {}),
]


@st.composite
def models(draw: st.DrawFn) -> Case:
    """A network of blocks, some nested, on a batch of tables."""
    width = draw(st.integers(1, 6))
    inputs = width
    layers: list[Any] = [("Flatten", {})]
    for _ in range(draw(st.integers(1, 3))):
        n_out, normalise = draw(st.integers(1, 6)), draw(st.booleans())
        # A bias before BatchNorm has a true gradient of zero: nothing but rounding to compare.
        block: list[Any] = [("Linear", {"in_features": width, "out_features": n_out, "bias": not normalise})]
        if normalise:
            block.append(("BatchNorm1d", {"num_features": n_out}))
        block.append(draw(st.sampled_from(ACTIVATIONS)))
        if draw(st.booleans()):
            block.append(("Dropout", {"p": draw(st.sampled_from([0.0, 0.3, 0.5]))}))
        layers += [block] if draw(st.booleans()) else block
        width = n_out
    layers.append(("Linear", {"in_features": width, "out_features": 3}))
    batches = tuple(
        (draw(arrays((draw(st.integers(5, 20)), inputs), ("normal", "shifted"))),) for _ in range(3)
    )
    return Case({"layers": layers}, batches, draw(seeds), draw(st.sampled_from(["add", "none", "zeros"])))


def sequential(library: Library, arguments: dict[str, Any]) -> Any:
    """The layers in a chain."""
    return library.nn.Sequential(*build_layers(library, arguments["layers"]))


def module_list(library: Library, arguments: dict[str, Any]) -> Any:
    """A subclass that calls the layers of its list one after another."""

    class Chain(library.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = library.nn.ModuleList(build_layers(library, arguments["layers"]))

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    return Chain()


CONTAINERS = (
    ModuleSpecification("Sequential", models(), make=sequential, smooth=False, least_slope=1.0),
    ModuleSpecification("ModuleList", models(), make=module_list, smooth=False, least_slope=1.0),
)
