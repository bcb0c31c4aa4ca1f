"""The comparison of layers runs, and shows every layer."""

from __future__ import annotations

from benchmarks.layers import CLOCKS, NETWORKS, compare


def test_every_layer_is_timed() -> None:
    lines: list[str] = []
    compare("mnist-cnn", 1, CLOCKS["cpu"], lines.append)
    assert lines[0].startswith("\nmnist-cnn, batch 64: ")
    layers, _ = NETWORKS["mnist-cnn"]()
    kinds = [type(layer).__name__ for layer in layers if type(layer).__name__ != "Flatten"]
    assert [line.split()[0] for line in lines[2:]] == kinds
