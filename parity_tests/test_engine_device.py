"""The trainer's engine on the strict device: what it does there, it does on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from npnet import manual_seed
from npnet.data import Dataset, Split
from npnet.random import Generator
from npnet.training import KeepWeights, NumpyEngine, StopAtNaN, Trainer, load_recipe, make_task
from parity_tests import strict_device

OVERRIDES = (
    "training.epochs=2",
    "training.batch_size=16",
    "training.dtype=float64",
    "model.hidden=[8]",
    "model.dropout=0",  # a GPU draws its own masks
    'regularization.penalty={kind = "ElasticNet", l1 = 1e-3, l2 = 1e-3}',
    "regularization.clip_grad_norm=1",
    "regularization.clip_grad_value=0.1",
    "regularization.label_smoothing=0.1",
    "regularization.class_weight=[1.0, 2.0, 0.5]",
)
CASES = {
    "fully connected": (),
    "weights averaged by steps": ('training.averaging={kind = "ema", decay = 0.9, use_buffers = false}',),
    "weights averaged by epochs": ('training.averaging={kind = "swa", start_from_epoch = 0}',),
    "convolutional, pictures moved": (
        'model={kind = "cnn", channels = [4], hidden = [6]}',
        'regularization.augmentation=["RandomQuarterTurn", "RandomHorizontalFlip", '
        '{kind = "RandomShift", pixels = 1}, {kind = "RandomRotation", degrees = 20}]',
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def new_task(request):
    images = Generator(0).randint(0, 256, (60, 5, 5)).astype(np.uint8)
    dataset = Dataset("mnist", images, np.arange(60) % 3, ("a", "b", "c"), np.arange(60))
    split = Split(np.arange(40), np.arange(40, 60), np.arange(0))

    def make():
        manual_seed(0)
        return make_task(load_recipe("mnist", [*OVERRIDES, *request.param]), dataset, split)[0]

    return make


@pytest.mark.device
def test_a_step_does_not_wait_for_the_device(new_task):
    engine = NumpyEngine(new_task(), device="strict")
    with strict_device.count_synchronisations() as waits:
        for _ in range(2):
            engine.train_batch(np.arange(16))
    assert waits == []


@pytest.mark.device
def test_a_run_is_the_host_s(new_task):
    histories, weights = [], []
    for device in ("cpu", "strict"):
        engine = NumpyEngine(new_task(), device=device)
        frame = Trainer(engine, [StopAtNaN(), KeepWeights()]).fit().frame
        histories.append(frame.drop(columns=["seconds", "rows_per_second"]))
        weights.append(engine.state_dict())
    np.testing.assert_allclose(*histories, rtol=1e-12)
    for name in weights[0]:
        np.testing.assert_allclose(weights[0][name], weights[1][name], rtol=0, atol=1e-12)
