"""The rectified linear unit: what is below zero becomes zero."""

from typing import Any

import numpy as np

from npcnn.complex_step import comparable
from npcnn.layers.layer import Layer


class ReLU(Layer):
    """Keep what is positive.

    Forward:   y = max(x, 0)
    Backward:  dx = dy where x > 0, else 0

    The derivative at exactly 0, where there is none, is taken as 0. NaN stays NaN.

    Shapes: x and y alike, any.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y = max(x, 0)."""
        x = self.check_input(x)
        # comparable(x) is x itself, except in the complex-step gradient check. Asked as "x <= 0", not "x > 0", so that
        # NaN, for which neither is true, passes.
        y = np.where(comparable(x) <= 0, 0, x)
        return y, y

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx = dy where x was positive, which is where y is."""
        y, dy = cache, self.check_gradient(dy, len(cache))
        return np.where(comparable(y) > 0, dy, 0), {}
