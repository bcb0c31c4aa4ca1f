"""Data: datasets and their registry, splits, features, and the loader that cuts batches."""

from __future__ import annotations

from npnet.data.loader import DataLoader, Subset, TensorDataset, default_collate, random_split
from npnet.data.sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = [
    "BatchSampler",
    "DataLoader",
    "RandomSampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "random_split",
]
