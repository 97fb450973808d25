"""From images to rows of numbers."""

import math
from typing import Any

import numpy as np

from npcnn.layers.layer import Layer, Shape


class Flatten(Layer):
    """Lay the numbers of each example out in one row, last axis fastest, so that a Dense layer can take them.

    Forward: y[n] = x[n] read in row-major order. Backward: the same numbers in the old shape.

    Shapes: x (N, H, W, C) or any other, y (N, H W C).
    """

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Work out how long the row is."""
        self.input_shape = self.check_input_shape(input_shape)
        self.output_shape = (math.prod(self.input_shape),)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return y (N, H W C)."""
        x = self.check_input(x)
        return x.reshape(len(x), *self.output_shape), len(x)

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx in the shape of x."""
        dy = self.check_gradient(dy, cache)
        return dy.reshape(len(dy), *self.input_shape), {}
