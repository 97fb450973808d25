"""The same numbers in another shape."""

import math
from typing import Any

import numpy as np

from npcnn.layers.layer import Layer, Shape


class Reshape(Layer):
    """Give each example another shape; its numbers stay in row-major order, last axis fastest.

    Forward: y[n] = x[n] read in row-major order, in the new shape. Backward: the same numbers in the old shape.

    Shapes: x (N, ...), y (N, *target_shape).

    Args:
        target_shape: the shape of one example of y, without the batch axis; one size may be -1, "what is left".
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: target_shape is no shape; build: an example of x has another number of numbers.
    """

    def __init__(self, target_shape: Shape, **common: Any) -> None:
        super().__init__(**common)
        sizes = tuple(target_shape) if isinstance(target_shape, (tuple, list)) else (target_shape,)
        if sizes.count(-1) > 1:
            raise self.error(f"target_shape must have at most one -1, got {target_shape!r}")
        self.check_input_shape(tuple(1 if size == -1 else size for size in sizes), argument="target_shape")
        self.target_shape = sizes

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Put a number in the place of -1."""
        self.input_shape = self.check_input_shape(input_shape)
        count, known = math.prod(self.input_shape), math.prod(size for size in self.target_shape if size != -1)
        shape = tuple(count // known if size == -1 else size for size in self.target_shape)
        if math.prod(shape) != count:
            raise self.error(f"target_shape {self.target_shape} cannot hold the {count} numbers of {self.input_shape}")
        self.output_shape = shape

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return y."""
        x = self.check_input(x)
        return x.reshape(len(x), *self.output_shape), len(x)

    def backward(self, dy: np.ndarray, cache: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx in the shape of x."""
        return self.check_gradient(dy, cache).reshape(cache, *self.input_shape), {}
