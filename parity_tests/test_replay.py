"""A PyTorch script, run again from its seed with npnet's generator: the same run, draw for draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data

import npnet
import npnet.data
from parity_tests.replaying import where_promised, with_default_dtype

pytestmark = where_promised

Record = dict[str, Any]


@pytest.fixture(params=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> Iterator[str]:
    yield from with_default_dtype(request.param)


def in_torch(seed: int, epochs: int) -> Record:
    """The script as somebody would have it."""
    from torch import nn, optim

    torch.manual_seed(seed)
    inputs = torch.randn(300, 12)
    targets = torch.randint(0, 3, (300,))
    dataset = torch.utils.data.TensorDataset(inputs, targets)
    train, valid = torch.utils.data.random_split(dataset, [0.8, 0.2])
    loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
    check = torch.utils.data.DataLoader(valid, batch_size=len(valid))
    model = nn.Sequential(
        *(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.3)),
        *(nn.Linear(24, 16), nn.Dropout(0.0), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(16, 3),
    )
    record: Record = {
        "split": list(valid.indices),
        "weights": {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()},
        "targets": [],
        "losses": [],
        "checks": [],
        "states": [],
    }
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        model.train()
        for x, target in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), target)
            loss.backward()
            optimizer.step()
            record["targets"].append(target.tolist())
            record["losses"].append(loss.item())
            record["states"].append(torch.get_rng_state().numpy())
        model.eval()
        with torch.no_grad():
            record["checks"] += [criterion(model(x), target).item() for x, target in check]
    return record


def in_npnet(seed: int, epochs: int) -> Record:
    """The same with its imports changed and its backward pass written out."""
    from npnet import nn, optim

    npnet.manual_seed(seed, like="torch")
    generator = npnet.random.stream("init")
    inputs = generator.randn(300, 12)
    targets = generator.randint(0, 3, (300,))
    dataset = npnet.data.TensorDataset(inputs, targets)
    train, valid = npnet.data.random_split(dataset, [0.8, 0.2])
    loader = npnet.data.DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
    check = npnet.data.DataLoader(valid, batch_size=len(valid))
    model = nn.Sequential(
        *(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.3)),
        *(nn.Linear(24, 16), nn.Dropout(0.0), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(16, 3),
    )
    record: Record = {
        "split": valid.indices.tolist(),
        "weights": {name: array.copy() for name, array in model.state_dict().items()},
        "targets": [],
        "losses": [],
        "checks": [],
        "states": [],
    }
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        model.train()
        for x, target in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), target)
            model.backward(criterion.backward(), input_grad=False)
            optimizer.step()
            record["targets"].append(target.tolist())
            record["losses"].append(loss.item())
            record["states"].append(generator.get_state())
        model.eval()
        with npnet.no_grad():
            record["checks"] += [criterion(model(x), target).item() for x, target in check]
    return record


@pytest.mark.parametrize("seed", [0, 1, -3, 2**40 + 7])
def test_the_run_is_the_same(seed: int, dtype: str) -> None:
    ours, theirs = in_npnet(seed, epochs=6), in_torch(seed, epochs=6)
    assert ours["split"] == theirs["split"]
    assert ours["weights"].keys() == theirs["weights"].keys()
    for name, weight in theirs["weights"].items():
        np.testing.assert_array_equal(ours["weights"][name], weight, strict=True, err_msg=name)
    assert ours["targets"] == theirs["targets"]
    # Equal states after every step: equally many draws were made, for the same masks and orders.
    np.testing.assert_array_equal(ours["states"], theirs["states"])
    tolerance = 1e-10 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=0, atol=tolerance)
    if dtype == "float64":
        # Not in float32: the bias before BatchNorm has a true gradient of zero, Adam steps along the sign of
        # what rounding leaves of it, and the running mean, which evaluation subtracts, follows behind.
        np.testing.assert_allclose(ours["checks"], theirs["checks"], rtol=0, atol=tolerance)
