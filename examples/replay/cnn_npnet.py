"""Digits with a convolutional network, in npnet."""

import argparse

from pictures import load

import npnet
from npnet import nn, optim
from npnet.data import DataLoader, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("--data", default="digits")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--dtype", default="float64")
args = parser.parse_args()

npnet.manual_seed(args.seed, like="torch")
npnet.set_default_dtype(args.dtype)

pictures, classes = load(args.data)
side = pictures.shape[1]
dataset = TensorDataset(pictures[:, None].astype(args.dtype), classes)
train, valid = random_split(dataset, [0.9, 0.1])
loader = DataLoader(train, batch_size=128, shuffle=True, drop_last=True)
check = DataLoader(valid, batch_size=1000)

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1, bias=False),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(16 * (side // 4) ** 2, 10),
)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), weight_decay=1e-5)
schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=args.epochs * len(loader))

for epoch in range(args.epochs):
    model.train()
    for x, target in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), target)
        model.backward(criterion.backward(), input_grad=False)
        optimizer.step()
        schedule.step()

    model.eval()
    with npnet.no_grad():
        hits = sum((model(x).argmax(1) == target).sum().item() for x, target in check)
    print(f"epoch {epoch + 1}: loss {loss.item():.6f}, right {hits} of {len(valid)}")
