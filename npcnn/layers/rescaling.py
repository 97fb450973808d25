"""A first layer that brings pixels to where weights expect them."""

from typing import Any

import numpy as np

from npcnn.checks import check_number
from npcnn.layers.layer import Layer


class Rescaling(Layer):
    """Multiply by one number and add another: Rescaling(1 / 255) takes pixels from 0 to 255 to numbers from 0 to 1.

    Forward:   y = scale x + offset
    Backward:  dx = scale dy

    Shapes: x and y alike, any.

    Args:
        scale, offset: the two numbers.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: scale or offset is not a number.
    """

    def __init__(self, scale: float, offset: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.scale = check_number(f"{self}: scale", scale)
        self.offset = check_number(f"{self}: offset", offset)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return y."""
        x = self.check_input(x)
        return self.scale * x + self.offset, len(x)

    def backward(self, dy: np.ndarray, cache: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx."""
        return self.scale * self.check_gradient(dy, cache), {}
