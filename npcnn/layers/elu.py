"""The exponential linear unit: a ReLU whose corner is rounded off."""

from typing import Any

import numpy as np

from npcnn.checks import check_number
from npcnn.complex_step import comparable
from npcnn.layers.layer import Layer


class ELU(Layer):
    """Keep what is positive; below zero, bend smoothly towards -a.

    Forward:   y = x  where x > 0, else a (exp(x) - 1)
    Backward:  dx = dy where x > 0, else a exp(x) dy = (y + a) dy

    (Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units", 2016.)

    Shapes: x and y alike, any.

    Args:
        alpha: a, from 0 up.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: alpha is negative.
    """

    def __init__(self, alpha: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.alpha = check_number(f"{self}: alpha", alpha, least=0)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y."""
        x = self.check_input(x)
        is_positive = comparable(x) > 0
        # np.expm1(x) is exp(x) - 1 without the loss of digits near 0. Large x, where it is not used, would overflow.
        y = np.where(is_positive, x, self.alpha * np.expm1(np.where(is_positive, 0, x)))
        return y, y

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx; y is positive where x was."""
        y, dy = cache, self.check_gradient(dy, len(cache))
        return np.where(comparable(y) > 0, dy, dy * (y + self.alpha)), {}
