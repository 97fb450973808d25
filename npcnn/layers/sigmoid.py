"""The logistic function: any number becomes one between 0 and 1."""

from typing import Any

import numpy as np

from npcnn.complex_step import comparable
from npcnn.layers.layer import Layer


def logistic(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), for negative x as exp(x) / (exp(x) + 1): so no exponential overflows."""
    is_positive = comparable(x) >= 0
    exponentials = np.exp(np.where(is_positive, -x, x))
    return np.where(is_positive, 1, exponentials) / (1 + exponentials)


class Sigmoid(Layer):
    """Squeeze x into (0, 1); what `activation="sigmoid"` is.

    Forward:   y = 1 / (1 + exp(-x))
    Backward:  dx = dy y (1 - y)

    At both ends y hardly changes, and dx is nearly zero: a network of many such layers learns slowly.

    Shapes: x and y alike, any.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y."""
        y = logistic(self.check_input(x))
        return y, y

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx."""
        y, dy = cache, self.check_gradient(dy, len(cache))
        return dy * y * (1 - y), {}
