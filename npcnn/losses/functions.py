"""The losses as functions (y_true, y_pred) -> the loss of each example, under Keras' names."""

import numpy as np

from npcnn.losses.binary_cross_entropy import BinaryCrossentropy
from npcnn.losses.cross_entropy import CategoricalCrossentropy, SparseCategoricalCrossentropy
from npcnn.losses.mean_errors import MeanAbsoluteError, MeanSquaredError


def sparse_categorical_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, ignore_class: None = None, axis: int = -1
) -> np.ndarray:
    """Return l (N,): see `SparseCategoricalCrossentropy`."""
    return SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis).each(y_true, y_pred)


def categorical_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> np.ndarray:
    """Return l (N,): see `CategoricalCrossentropy`."""
    return CategoricalCrossentropy(from_logits, label_smoothing, axis=axis).each(y_true, y_pred)


def binary_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> np.ndarray:
    """Return l (N, ...): see `BinaryCrossentropy`."""
    return BinaryCrossentropy(from_logits, label_smoothing, axis=axis).each(y_true, y_pred)


def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return l (N, ...): see `MeanSquaredError`."""
    return MeanSquaredError().each(y_true, y_pred)


def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return l (N, ...): see `MeanAbsoluteError`."""
    return MeanAbsoluteError().each(y_true, y_pred)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
bce = BCE = binary_crossentropy
