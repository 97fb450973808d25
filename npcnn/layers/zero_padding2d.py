"""A frame of zeros around each image."""

from typing import Any

import numpy as np

from npcnn.checks import check_count
from npcnn.kernels.windows import Pads, crop, pad
from npcnn.layers.layer import Layer, Shape


class ZeroPadding2D(Layer):
    """Put rows and columns of zeros around each image.

    Forward:   y = x with zeros around it
    Backward:  dx = dy without its frame: zeros are constants, no gradient goes on to them

    Shapes: x (N, H, W, C), y (N, top + H + bottom, left + W + right, C).

    Args:
        padding: ((top, bottom), (left, right)); or (rows, columns), each on both sides; or one number for all four.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: padding is none of these; build: input_shape is not (H, W, C).
    """

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **common: Any) -> None:
        super().__init__(data_format=data_format, **common)
        self.padding = self._find_pads(padding)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Work out the output shape for images of `input_shape` (H, W, C)."""
        H, W, C = self.input_shape = self.check_input_shape(input_shape, "H, W, C")
        rows, columns = self.padding
        self.output_shape = (H + sum(rows), W + sum(columns), C)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return y."""
        x = self.check_input(x)
        return pad(x, self.padding), len(x)

    def backward(self, dy: np.ndarray, cache: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx (N, H, W, C)."""
        return crop(self.check_gradient(dy, cache), self.padding), {}

    def _find_pads(self, padding: Any) -> Pads:
        try:
            rows, columns = padding if isinstance(padding, (tuple, list)) else (padding, padding)
            pairs = [side if isinstance(side, (tuple, list)) else (side, side) for side in (rows, columns)]
            (top, bottom), (left, right) = [[check_count("", size, least=0) for size in pair] for pair in pairs]
        except ValueError:
            wanted = "a number from 0 up, (rows, columns) or ((top, bottom), (left, right))"
            raise self.error(f"padding must be {wanted}, got {padding!r}") from None
        return (top, bottom), (left, right)
