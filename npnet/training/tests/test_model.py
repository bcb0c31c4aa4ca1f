from __future__ import annotations

import numpy as np
import pytest

from npnet import manual_seed, nn
from npnet.errors import RecipeError
from npnet.training.model import CNN, MLP, MODELS
from npnet.training.schema import read, write


def kinds(model):
    return [type(layer).__name__ for layer in model]


def test_an_mlp_flattens_pictures_and_takes_tables_as_they_are():
    assert kinds(MLP(hidden=(4,)).build((3, 5, 6), 2)) == ["Flatten", "Linear", "ReLU", "Linear"]
    assert kinds(MLP(hidden=(4,)).build((7,), 2)) == ["Linear", "ReLU", "Linear"]
    assert MLP(hidden=(4,)).build((3, 5, 6), 2)[1].in_features == 90
    assert MLP(hidden=()).build(7, 2)[0].in_features == 7


SETTINGS = {
    "plain": {"channels": [4]},
    "two convolutions a block": {"channels": [4, 6], "convolutions": 2, "kernel_size": 5},
    "even windows": {"channels": [4], "kernel_size": 2},
    "average pooling by three": {"channels": [4, 6], "pool": "AvgPool2d", "pool_size": 3},
    "global pooling": {"channels": [4, 6], "global_pool": True},
    "a head": {"channels": [4], "hidden": [9, 5], "dropout": 0.2, "block_dropout": 0.1},
    "no normalisation": {"channels": [4], "hidden": [9], "batch_norm": False, "activation": "Tanh"},
    "no blocks": {"channels": []},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 11, 14)])
def test_a_cnn_takes_pictures_of_its_shape_and_gives_the_outputs(settings, shape):
    table = read(CNN, "model", settings)
    assert read(CNN, "model", {k: v for k, v in write(table).items() if k != "kind"}) == table
    model = table.build(shape, 5)
    x = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    assert model(x).shape == (6, 5)
    model.backward(np.ones((6, 5), np.float32), input_grad=False)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_blocks_are_what_the_settings_say():
    model = CNN(channels=(4, 6), convolutions=2, hidden=(9,), dropout=0.2, block_dropout=0.1).build(
        (3, 8, 8), 5
    )
    block = [*["Conv2d", "BatchNorm2d", "ReLU"] * 2, "MaxPool2d", "Dropout"]
    assert kinds(model) == [
        *block * 2,
        *("Flatten", "Dropout", "Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"),
    ]
    convolutions = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [
        (3, 4),
        (4, 4),
        (4, 6),
        (6, 6),
    ]
    assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.1, 0.1, 0.2, 0.2]
    assert model[-5].in_features == 6 * 2 * 2


def test_no_layer_before_a_batch_norm_has_a_bias():
    model = CNN(channels=(4,), hidden=(9,)).build((3, 8, 8), 5)
    assert [name for name, _ in model.named_parameters() if name.endswith("bias")] == [
        *("1.bias", "6.bias", "8.bias")  # of BatchNorm2d, BatchNorm1d and the last Linear
    ]
    plain = CNN(channels=(4,), hidden=(9,), batch_norm=False).build((3, 8, 8), 5)
    assert sum(name.endswith("bias") for name, _ in plain.named_parameters()) == 3


def test_a_globally_pooled_network_does_not_see_where_something_is():
    manual_seed(0)
    model = CNN(channels=(4,), kernel_size=1, pool_size=1, global_pool=True).build((1, 6, 6), 3).eval()
    x = np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(model(x), model(np.roll(x, (2, 3), (2, 3))), rtol=1e-5)


def test_what_is_no_picture_or_too_small_is_refused():
    with pytest.raises(RecipeError, match=r"takes pictures, a row of the shape \(C, H, W\), got \(20,\)"):
        CNN(channels=(4,)).build((20,), 3)
    with pytest.raises(
        RecipeError, match="4 blocks that make pictures 2 times smaller leave nothing of 8 by 9"
    ):
        CNN(channels=(4,) * 4).build((1, 8, 9), 3)


def test_every_kind_can_be_named():
    assert set(MODELS) >= {"mlp", "cnn"}
    assert all(cls.kind == kind for kind, cls in MODELS.items())
