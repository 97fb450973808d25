"""The hyperbolic tangent: any number becomes one between -1 and 1."""

from typing import Any

import numpy as np

from npcnn.layers.layer import Layer


class Tanh(Layer):
    """Squeeze x into (-1, 1), with slope 1 in the middle; what `activation="tanh"` is.

    Forward:   y = tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))
    Backward:  dx = dy (1 - y^2)

    Shapes: x and y alike, any.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y."""
        y = np.tanh(self.check_input(x))
        return y, y

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx."""
        y, dy = cache, self.check_gradient(dy, len(cache))
        return dy * (1 - y * y), {}
