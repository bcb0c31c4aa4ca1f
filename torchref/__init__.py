"""torchref: the same models, penalties, optimizers and training loop in PyTorch.

>>> from npnet import nn
>>> import torchref
>>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
>>> twin = torchref.to_torch(model)
>>> twin
Sequential(
  (0): Linear(in_features=4, out_features=3, bias=True)
  (1): ReLU()
  (2): Linear(in_features=3, out_features=2, bias=True)
)
>>> list(torchref.from_torch(twin).state_dict()) == list(model.state_dict())
True
"""

from __future__ import annotations

from torchref.convert import from_torch, to_torch
from torchref.engine import TorchEngine
from torchref.masks import GivenMasks, give_masks
from torchref.penalties import L1, L2, ElasticNet, GroupLasso, L2Norm, l1_regularization, l2_regularization
from torchref.state import state_dict_bytes, to_arrays, to_tensors

__all__ = [
    "L1",
    "L2",
    "ElasticNet",
    "GivenMasks",
    "GroupLasso",
    "L2Norm",
    "Penalty",
    "TorchEngine",
    "from_torch",
    "give_masks",
    "l1_regularization",
    "l2_regularization",
    "state_dict_bytes",
    "to_arrays",
    "to_tensors",
    "to_torch",
]
