"""Max pooling: of every window, only the largest value goes on."""

from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn.layers.pool import SlidingPool


class MaxPool2D(SlidingPool):
    """Slide a window of KH x KW over each channel and keep the largest value at every stop.

    Forward, where the windows lie side by side:

        y[n, i, j, c] = max over kh, kw of  x[n, i KH + kh, j KW + kw, c]

    Backward. Only the winner of a window moved the output, so it alone receives the gradient:

        r, q = winner(n, i, j, c)            row and column of the x that is the maximum
        dx[n, r, q, c] += dy[n, i, j, c]

    One window, of which 5 wins:

    >>> pool = MaxPool2D(2)
    >>> pool.build((2, 2, 1))
    >>> y, cache = pool.forward(np.reshape([1.0, 5.0, 3.0, 2.0], (1, 2, 2, 1)))
    >>> dx, _ = pool.backward(np.full((1, 1, 1, 1), 7.0), cache)
    >>> y[0, :, :, 0], dx[0, :, :, 0]
    (array([[5.]]), array([[0., 7.],
           [0., 0.]]))

    In general the window moves by SH rows and SW columns, and forward reads x[n, i SH + kh, j SW + kw, c]. Where
    windows overlap, one element may win several times; it collects from each, hence the +=.

    A tie goes to the first of the window in row-major order. Ties are not rare: the background of a digit is exactly
    zero, so in most windows there all values tie. A NaN in the window wins, so that it is seen further on.

    Shapes: x (N, H, W, C), y (N, OH, OW, C); sizes as for Conv2D, with the window as the kernel.

    Args:
        pool_size: (KH, KW), or one number for both.
        strides: (SH, SW); None means pool_size, windows side by side.
        padding: "valid" (what does not fill a window at the bottom and right is dropped) or "same" (x is padded
            with minus infinity, which never wins).
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; build: the window is larger than the image; forward: wrong shape.
        RuntimeError: forward before build.
    """

    operation = "max_pool2d"
    default_name = "max_pooling2d"  # Keras' name for the class

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y (N, OH, OW, C) for x (N, H, W, C), and the cache for `backward`."""
        x = self.check_input(x)
        # The function of kernels/max_pool2d.py that compares; which of them, the argument `kernels` says.
        forward, _ = ladder.find(self.operation, self.rung)
        y, cache = forward(x, self.pool_size, self.strides, self.pads)
        return y, (cache, len(x))

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx (N, H, W, C), given dy (N, OH, OW, C)."""
        cache, N = cache
        _, backward = ladder.find(self.operation, self.rung)
        return backward(self.check_gradient(dy, N), cache), {}


MaxPooling2D = MaxPool2D
