"""Average pooling: of every window, the mean goes on."""

import numpy as np

from npcnn.kernels.windows import crop, offsets, pad
from npcnn.layers.pool import SlidingPool


class AveragePooling2D(SlidingPool):
    """Slide a window of KH x KW over each channel and take the mean at every stop.

    Forward, with count(i, j) the number of pixels under the window:

        y[n, i, j, c] = (sum over kh, kw of  x[n, i SH + kh, j SW + kw, c]) / count(i, j)

    Backward. Each pixel of a window moved the mean alike, so each gets an equal share of the gradient; where windows
    overlap, a pixel collects from each:

        dx[n, i SH + kh, j SW + kw, c]  +=  dy[n, i, j, c] / count(i, j)    for all i, j, kh, kw

    count(i, j) is KH KW, but less where padding="same" lets the window reach over the edge: what is padded is not
    counted, as in Keras on TensorFlow. (LeCun et al., "Gradient-based learning applied to document recognition", 1998,
    whose "subsampling" this is but for a weight and a bias.)

    Shapes: x (N, H, W, C), y (N, OH, OW, C); sizes as for Conv2D, with the window as the kernel.

    Args:
        pool_size: (KH, KW), or one number for both.
        strides: (SH, SW); None means pool_size, windows side by side.
        padding: "valid" (what does not fill a window at the bottom and right is dropped) or "same".
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; build: the window is larger than the image; forward: wrong shape.
        RuntimeError: forward before build.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return y (N, OH, OW, C) for x (N, H, W, C), and N for `backward`."""
        x = self.check_input(x)
        return self._sum(x) / self._count(x), len(x)

    def backward(self, dy: np.ndarray, cache: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx (N, H, W, C), given dy (N, OH, OW, C)."""
        dy = self.check_gradient(dy, cache)
        (H, W, C), (rows_added, columns_added) = self.input_shape, self.pads
        dxp = np.zeros((len(dy), H + sum(rows_added), W + sum(columns_added), C), dy.dtype)
        share = dy / self._count(dy)
        for _, _, rows, columns in offsets(dy.shape[1:3], self.pool_size, self.strides):
            dxp[:, rows, columns] += share
        return crop(dxp, self.pads), {}

    def _count(self, like: np.ndarray) -> np.ndarray:
        """How many pixels are under each window, (1, OH, OW, 1), in the float type of `like`."""
        return self._sum(np.ones((1, *self.input_shape[:2], 1), like.real.dtype))

    def _sum(self, x: np.ndarray) -> np.ndarray:
        """The sum of x under each window: one shifted copy of the image after another."""
        xp, (OH, OW, _) = pad(x, self.pads), self.output_shape
        total = np.zeros((len(x), OH, OW, x.shape[3]), x.dtype)
        for _, _, rows, columns in offsets((OH, OW), self.pool_size, self.strides):
            total += xp[:, rows, columns]
        return total


AvgPool2D = AveragePooling2D
