"""A recurrent network that walks along a series and carries its state from chunk to chunk, in PyTorch."""

import argparse

import torch
from torch import nn, optim
from waves import waves

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--chunk", type=int, default=25)
parser.add_argument("--dtype", default="float64")
args = parser.parse_args()

torch.manual_seed(args.seed)
dtype = getattr(torch, args.dtype)
torch.set_default_dtype(dtype)

series = torch.tensor(waves(steps=501, streams=8), dtype=dtype)  # (steps, streams, 1)


class Walker(nn.Module):
    """Says at every step what comes next."""

    def __init__(self, hidden):
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, hidden), nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        output, state = self.lstm(x, state)
        return self.head(output), state


model = Walker(16)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=1e-2)

for epoch in range(args.epochs):
    state, total = None, 0.0
    for start in range(0, len(series) - 1, args.chunk):
        chunk = series[start : start + args.chunk + 1]
        optimizer.zero_grad()
        forecast, state = model(chunk[:-1], state)
        loss = criterion(forecast, chunk[1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state = tuple(part.detach() for part in state)  # the past goes on, its gradient does not
        total += loss.item() * (len(chunk) - 1)
    print(f"epoch {epoch + 1}: loss {total / (len(series) - 1):.6f}")
