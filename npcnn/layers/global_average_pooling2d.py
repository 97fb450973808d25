"""Global average pooling: of every channel, its mean over the image."""

from typing import Any

import numpy as np

from npcnn.layers.pool import GlobalPool


class GlobalAveragePooling2D(GlobalPool):
    """Take the mean of each channel; it does the work of Flatten with far fewer weights behind it.

    Forward:   y[n, c] = (sum over i, j of  x[n, i, j, c]) / (H W)
    Backward:  dx[n, i, j, c] = dy[n, c] / (H W)

    (Lin, Chen and Yan, "Network in network", 2014.)

    Shapes: x (N, H, W, C), y (N, C), or (N, 1, 1, C) with keepdims.

    Args:
        keepdims: whether y keeps the two axes of the image, each of size 1.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: keepdims is not True or False; build: input_shape is not (H, W, C).
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return y."""
        x = self.check_input(x)
        return x.mean(axis=(1, 2), keepdims=self.keepdims), len(x)

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx (N, H, W, C)."""
        dy, (H, W, C) = self.check_gradient(dy, cache), self.input_shape
        share = (dy / (H * W)).reshape(cache, 1, 1, C)
        return np.repeat(np.repeat(share, H, axis=1), W, axis=2), {}


GlobalAvgPool2D = GlobalAveragePooling2D
