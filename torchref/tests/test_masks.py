from __future__ import annotations

import numpy as np
import pytest
import torch

from npnet import nn
from npnet.errors import StateError
from npnet.random import Generator, RecordingGenerator, ReplayGenerator
from torchref import GivenMasks, give_masks


def dropping(module, tape):
    give_masks(module, tape)
    return module


def test_dropout_takes_the_tape_s_masks_and_gives_the_same_gradient():
    recorder = RecordingGenerator(Generator(0))
    layer, x = nn.Dropout(0.3, generator=recorder), np.random.default_rng(2).normal(size=(7, 4))
    cotangent = np.random.default_rng(1).normal(size=x.shape)
    ours = [(layer(x), layer.backward(cotangent)) for _ in range(2)]
    twin = dropping(torch.nn.Dropout(0.3), ReplayGenerator(recorder.tape))
    for output, gradient in ours:
        leaf = torch.tensor(x, requires_grad=True)
        theirs = twin(leaf)
        theirs.backward(torch.from_numpy(cotangent))
        np.testing.assert_allclose(theirs.detach(), output, rtol=1e-15)
        np.testing.assert_allclose(leaf.grad, gradient, rtol=1e-15)
    with pytest.raises(StateError, match="the tape holds 2 masks"):
        twin(torch.from_numpy(x))


def test_after_an_error_inside_a_layer_pytorch_draws_its_own_again():
    twin = dropping(torch.nn.Dropout(0.5), ReplayGenerator([]))
    with pytest.raises(StateError):
        twin(torch.ones(2))
    torch.manual_seed(3)
    expected = torch.nn.functional.dropout(torch.ones(50))
    torch.manual_seed(3)
    assert torch.equal(torch.nn.functional.dropout(torch.ones(50)), expected)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_where_npnet_draws_no_mask_the_tape_is_not_read(p):
    empty, x = ReplayGenerator([]), np.array([1.0, -2.0])
    twin = dropping(torch.nn.Dropout(p), empty)
    np.testing.assert_array_equal(twin(torch.from_numpy(x)), nn.Dropout(p)(x))
    assert empty.position == 0


def test_evaluation_reads_no_mask():
    tape = ReplayGenerator([np.array([True, False])])
    twin = dropping(torch.nn.Dropout(0.5), tape).eval()
    x = torch.tensor([1.0, 2.0])
    assert torch.equal(twin(x), x)
    assert tape.position == 0


def test_a_mask_of_another_shape_is_refused():
    twin = dropping(torch.nn.Dropout(0.5), ReplayGenerator([np.array([True])]))
    with pytest.raises(StateError, match="mask 0 of the tape has shape"):
        twin(torch.ones(2))


KINDS = {
    "channels": (torch.nn.Dropout2d(0.4), (4, 3, 2, 2), [(4, 3, 1, 1)]),
    "alpha": (torch.nn.AlphaDropout(0.4), (4, 3), [(4, 3)]),
    "between recurrent layers": (torch.nn.LSTM(3, 4, 3, dropout=0.4), (5, 2, 3), [(5, 2, 4)] * 2),
}


@pytest.mark.parametrize(("module", "shape", "asked"), KINDS.values(), ids=KINDS)
def test_every_kind_of_mask_is_asked_for_once(module, shape, asked):
    """With the masks that PyTorch would have drawn it computes what it would have computed."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))

    class Theirs:
        def __init__(self):
            self.asked, self.generator = [], torch.Generator().manual_seed(5)

        def bernoulli(self, p, shape):
            self.asked.append((p, shape))
            return torch.empty(shape).bernoulli_(p, generator=self.generator).numpy()

    torch.manual_seed(5)
    expected = module(x)
    masks = Theirs()
    with GivenMasks(masks):
        output = module(x)
    assert masks.asked == [(0.6, shape) for shape in asked]
    pick = (lambda out: out[0]) if isinstance(expected, tuple) else (lambda out: out)
    assert torch.equal(pick(output), pick(expected))
