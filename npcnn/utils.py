"""Keras' utilities for labels, rows and random numbers."""

import random
from typing import Any

import numpy as np

from npcnn import defaults
from npcnn.backend import clear_session
from npcnn.checks import as_array, check_count

__all__ = ["PyDataset", "Sequence", "clear_session", "normalize", "set_random_seed", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Return one-hot rows of class numbers: y[..., k] is 1 where x is k, else 0.

    Args:
        x: whole numbers from 0, of any shape (...); a last axis of length 1 is dropped first.
        num_classes: K; None takes the largest number + 1.

    Returns:
        A float64 array (..., K).

    Raises:
        ValueError: a number is no class: negative, a fraction, or K and more.
    """
    given = as_array("to_categorical: x", x)
    try:
        labels = given.real.astype(np.int64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"to_categorical: x must be whole numbers, got dtype {given.dtype}") from None
    if given.dtype.kind in "fc" and (labels != given).any():
        raise ValueError(f"to_categorical: x must be whole numbers, got {given[labels != given][0]}")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.size and labels.min() < 0:
        raise ValueError(f"to_categorical: x must be from 0 up, got {labels.min()}")
    if not num_classes:
        if labels.size == 0:
            raise ValueError("to_categorical: x is empty; give num_classes")
        num_classes = int(labels.max()) + 1
    check_count("to_categorical: num_classes", num_classes)
    if labels.size and labels.max() >= num_classes:
        wanted = f"from 0 to {num_classes - 1} for {num_classes} classes"
        raise ValueError(f"to_categorical: x must be {wanted}, got {labels.max()}")
    try:
        return (labels[..., None] == np.arange(num_classes)).astype(np.float64)
    except MemoryError:
        raise ValueError(f"to_categorical: {num_classes:,} classes need more memory than there is") from None


def normalize(x: Any, axis: int = -1, order: int | float = 2) -> np.ndarray:
    """Return x divided by its norms along an axis: the root of the sum of squares, where order is 2.

    Where a norm is 0, x is left as it is.
    """
    x = as_array("normalize: x", x)
    if x.dtype.kind not in "biuf" or not -x.ndim <= axis < x.ndim:
        raise ValueError(f"normalize: x must be numbers with an axis {axis}, got {x.dtype} of shape {x.shape}")
    try:
        norms = np.linalg.norm(x, order, axis, keepdims=True)
    except ValueError:
        raise ValueError(f"normalize: order must be a number, got {order!r}") from None
    return x / np.where(norms == 0, 1, norms)


class PyDataset:
    """Batches by number, for `fit`: a subclass writes `__len__`, how many there are, and `__getitem__`, (x, y) of one.

    Keras' arguments say how many threads call `__getitem__`. Here the training thread does, and they change nothing.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must have __len__, the number of its batches")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must have __getitem__(index), which returns a batch (x, y)")

    def on_epoch_begin(self) -> None:
        """Do nothing; a subclass may."""

    def on_epoch_end(self) -> None:
        """Do nothing; a subclass may shuffle its examples."""


Sequence = PyDataset  # its older name


def set_random_seed(seed: int) -> None:
    """Seed models made from now on that are told no seed of their own, and Python's and NumPy's random numbers."""
    if check_count("set_random_seed: seed", seed, least=0) >= 2**32:
        raise ValueError(f"set_random_seed: seed must be below 2**32, as NumPy's, got {seed}")
    defaults.seed = seed
    random.seed(seed)
    np.random.seed(seed)
