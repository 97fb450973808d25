"""Global max pooling: of every channel, its largest value."""

from typing import Any

import numpy as np

from npcnn.complex_step import comparable
from npcnn.layers.pool import GlobalPool


class GlobalMaxPooling2D(GlobalPool):
    """Take the largest value of each channel: whether its feature is anywhere in the image.

    Forward:   y[n, c] = max over i, j of  x[n, i, j, c]
    Backward:  dx[n, i, j, c] = dy[n, c] / winners where x[n, i, j, c] = y[n, c], else 0

    `winners` is how many pixels tie for the largest: they share the gradient, as in Keras on TensorFlow. (A MaxPool2D
    gives it all to the first.)

    Shapes: x (N, H, W, C), y (N, C), or (N, 1, 1, C) with keepdims.

    Args:
        keepdims: whether y keeps the two axes of the image, each of size 1.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: keepdims is not True or False; build: input_shape is not (H, W, C).
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y, and where x is as large as y."""
        x = self.check_input(x)
        pixels = x.reshape(len(x), -1, x.shape[-1])  # (N, H W, C)
        first = comparable(pixels).argmax(axis=1)[:, None]
        y = np.take_along_axis(pixels, first, axis=1)
        return y.reshape(len(x), *self.output_shape), comparable(pixels) == comparable(y)

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx (N, H, W, C)."""
        dy, wins = self.check_gradient(dy, len(cache)), cache
        share = dy.reshape(len(dy), 1, -1) / wins.sum(axis=1, keepdims=True, dtype=dy.real.dtype)
        return np.where(wins, share, 0).reshape(len(dy), *self.input_shape), {}


GlobalMaxPool2D = GlobalMaxPooling2D
