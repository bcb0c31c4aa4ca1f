"""Train a small network with PyTorch; the twin of ``train_npnet.py``."""

import sys

import numpy as np
import torch
from torch import nn, optim

rng = np.random.default_rng(0)
inputs = torch.from_numpy(rng.standard_normal((2000, 20), dtype=np.float32))
targets = torch.from_numpy(rng.integers(0, 3, 2000))
model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 3))
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=1e-3)
for step in range(int(sys.argv[1])):
    rows = slice(step % 20 * 100, step % 20 * 100 + 100)
    optimizer.zero_grad()
    loss = criterion(model(inputs[rows]), targets[rows])
    loss.backward()
    optimizer.step()
