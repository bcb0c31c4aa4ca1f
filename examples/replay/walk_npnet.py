"""A recurrent network that walks along a series and carries its state from chunk to chunk, in npnet."""

import argparse

from waves import waves

import npnet
from npnet import nn, optim

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--chunk", type=int, default=25)
parser.add_argument("--dtype", default="float64")
args = parser.parse_args()

npnet.manual_seed(args.seed, like="torch")
npnet.set_default_dtype(args.dtype)

series = waves(steps=501, streams=8).astype(args.dtype)  # (steps, streams, 1)


class Walker(nn.Module):
    """Says at every step what comes next."""

    def __init__(self, hidden):
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, hidden), nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        output, state = self.lstm(x, state)
        return self.head(output), state

    def backward(self, grad_output, *, input_grad=True):
        return self.lstm.backward(self.head.backward(grad_output), input_grad=input_grad)


model = Walker(16)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=1e-2)

for epoch in range(args.epochs):
    state, total = None, 0.0
    for start in range(0, len(series) - 1, args.chunk):
        chunk = series[start : start + args.chunk + 1]
        optimizer.zero_grad()
        forecast, state = model(chunk[:-1], state)  # a state is an array: no gradient hangs on it
        loss = criterion(forecast, chunk[1:])
        model.backward(criterion.backward(), input_grad=False)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * (len(chunk) - 1)
    print(f"epoch {epoch + 1}: loss {total / (len(series) - 1):.6f}")
