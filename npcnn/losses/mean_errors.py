"""Losses of models that predict numbers: the mean squared and the mean absolute error."""

from typing import Any

import numpy as np

from npcnn.complex_step import comparable
from npcnn.losses.loss import Loss


class MeanSquaredError(Loss):
    """The mean of the squared differences.

        l[n] = mean over k of  (y_pred[n, k] - y_true[n, k])^2
        dy_pred = 2 (y_pred - y_true) / K

    >>> loss = MeanSquaredError()
    >>> L, cache = loss.forward([[1.0, 2.0]], np.array([[1.5, 1.0]]))
    >>> print(L, loss.backward(cache))             # (0.25 + 1) / 2, and the differences 0.5 and -1
    0.625 [[ 0.5 -1. ]]

    Shapes: y_true and y_pred (N, ..., K), for K = 1 y_true (N, ...) too.

    Args: see `Loss`.

    Raises:
        ValueError: the shapes differ.
    """

    name = "mean_squared_error"

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example, and the cache for `backward_each`."""
        error = y_pred - y_true.astype(comparable(y_pred).dtype)
        return (error * error).mean(axis=-1), error

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred."""
        return 2 * cache / cache.shape[-1]


class MeanAbsoluteError(Loss):
    """The mean of the absolute differences.

        l[n] = mean over k of  |y_pred[n, k] - y_true[n, k]|
        dy_pred = sign(y_pred - y_true) / K        sign(0) = 0

    >>> loss = MeanAbsoluteError()
    >>> L, cache = loss.forward([[1.0, 2.0]], np.array([[1.5, 1.0]]))
    >>> print(L, loss.backward(cache))
    0.75 [[ 0.5 -0.5]]

    Shapes, arguments, errors: as for `MeanSquaredError`.
    """

    name = "mean_absolute_error"

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example, and the cache for `backward_each`."""
        error = y_pred - y_true.astype(comparable(y_pred).dtype)
        sign = np.sign(comparable(error))
        return (error * sign).mean(axis=-1), sign

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred."""
        return cache / cache.shape[-1]
