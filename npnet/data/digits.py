"""Images of handwritten digits and of clothes: MNIST, Fashion-MNIST, and scikit-learn's small digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from npnet.data.dataset import Dataset, check_targets
from npnet.data.idx import idx_shape, read_idx
from npnet.data.registry import entry, locate
from npnet.errors import DataError

__all__ = ["load_digits", "load_mnist"]

DIGITS = tuple("0123456789")
CLASS_NAMES = {
    "mnist": DIGITS,
    "fashion-mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}


def load_mnist(name: str, data: str | Path | None) -> Dataset:
    """MNIST or Fashion-MNIST: training rows first, then the official test rows as ``held_out``.

    Files other than the published ones are taken too, whatever the size and the number of their images;
    ``origin`` says which they are.

    Parameters
    ----------
    name : {"mnist", "fashion-mnist"}
        Which one.
    data : str, Path or None
        The folder of the four files.

    Raises
    ------
    DataMissingError
        If a file is not found.
    DataError
        If one cannot be used, or images and labels are not equally many.
    TargetError
        If a label is none of the ten classes, or all are the same.
    """
    dataset = entry(name)
    paths = locate(dataset, data)
    images = [paths["train_images"], paths["test_images"]]
    labels = [read_idx(paths[role], ndim=1).astype(np.int64) for role in ("train_labels", "test_labels")]
    for role, part in zip(("train_labels", "test_labels"), labels, strict=True):
        check_targets(part, len(CLASS_NAMES[name]), str(paths[role]))
    for image_path, part in zip(images, labels, strict=True):
        count = idx_shape(image_path, ndim=3)[0]
        if count != len(part):
            raise DataError(f"{image_path}: {count} images for {len(part)} labels; each image needs one")
    targets = np.concatenate(labels)
    published = all(dataset.files[role].matches(path) for role, path in paths.items())
    return Dataset(
        name=name,
        inputs=read_idx(*images, ndim=3),
        targets=targets,
        class_names=CLASS_NAMES[name],
        identifiers=np.arange(len(targets)),
        held_out=np.arange(len(targets)) >= len(labels[0]),
        origin=f"{images[0].parent} (checksums {'as published' if published else 'not those published'})",
    )


def load_digits() -> Dataset:
    """scikit-learn's 1,797 digits of 8 by 8 pixels, as a table of 64 columns with values 0 ... 16."""
    from sklearn import datasets

    bunch = datasets.load_digits(as_frame=True)
    return Dataset(
        name="digits",
        inputs=bunch.data,
        targets=bunch.target.to_numpy(dtype=np.int64),
        class_names=DIGITS,
        identifiers=np.arange(len(bunch.target)),
        origin="scikit-learn",
    )
