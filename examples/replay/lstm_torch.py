"""Digits with a recurrent network, a row of the picture at a time, in PyTorch."""

import argparse

import torch
from pictures import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("--data", default="digits")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--dtype", default="float64")
parser.add_argument("--max-lr", type=float, default=6e-3)
args = parser.parse_args()

torch.manual_seed(args.seed)
dtype = getattr(torch, args.dtype)
torch.set_default_dtype(dtype)

pictures, classes = load(args.data)
side = pictures.shape[1]
dataset = TensorDataset(torch.tensor(pictures, dtype=dtype), torch.tensor(classes))
train, valid = random_split(dataset, [0.9, 0.1])
loader = DataLoader(train, batch_size=128, shuffle=True, drop_last=True)
check = DataLoader(valid, batch_size=1000)


class Reader(nn.Module):
    """Reads a picture row by row, and says what it was after the last one."""

    def __init__(self, features, hidden, classes):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, num_layers=2, dropout=0.2, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x):
        output, _ = self.lstm(x)
        return self.head(self.dropout(output[:, -1]))


model = Reader(side, 64, 10)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), weight_decay=1e-5)
schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.max_lr, total_steps=args.epochs * len(loader))

for epoch in range(args.epochs):
    model.train()
    for x, target in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), target)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()

    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == target).sum().item() for x, target in check)
    print(f"epoch {epoch + 1}: loss {loss.item():.6f}, right {hits} of {len(valid)}")
