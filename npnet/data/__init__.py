"""Tables and images in: datasets and their registry, splits, features, loader.

Examples
--------
>>> from npnet import data
>>> from npnet.random import Generator
>>> digits = data.load("digits")
>>> split = data.stratified_split(digits.targets, 0.2, 0.2, generator=Generator(0))
>>> features = data.make_features("table").fit(digits.inputs.iloc[split.train], digits.targets[split.train])
>>> features.transform(digits.inputs.iloc[split.test]).shape
(359, 64)
"""

from __future__ import annotations

from npnet.data.catalogue import load, names
from npnet.data.dataset import Dataset
from npnet.data.features import Features, features_class, features_from_state, make_features
from npnet.data.loader import DataLoader, default_collate
from npnet.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from npnet.data.split import Split, chronological_split, stratified_folds, stratified_split
from npnet.data.subset import Subset, TensorDataset, random_split

__all__ = [
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "Features",
    "RandomSampler",
    "SequentialSampler",
    "Split",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "chronological_split",
    "default_collate",
    "features_class",
    "features_from_state",
    "load",
    "make_features",
    "names",
    "random_split",
    "stratified_folds",
    "stratified_split",
]
