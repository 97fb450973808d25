"""Solution 12.

y^2 = (sum of x^2) / (KH KW). Differentiate both sides with respect to one x: 2 y dy/dx = 2 x / (KH KW), so

    dx[n, i SH + kh, j SW + kw, c]  +=  dy[n, i, j, c] x[n, i SH + kh, j SW + kw, c] / (KH KW y[n, i, j, c])

+= since windows may overlap. The larger a pixel, the more of the gradient it gets: average pooling gives each the same,
max pooling all to one. Where y is 0, so is every x of the window, and dy / y is replaced by 0.
"""

import numpy as np

from npcnn.kernels.windows import offsets
from npcnn.layers.pool import SlidingPool


class MyRMSPool(SlidingPool):
    """The root mean square of each window; only padding="valid"."""

    def forward(self, x, training=False):
        """Return y (N, OH, OW, C) for x (N, H, W, C), and what `backward` needs."""
        (OH, OW, C), (KH, KW) = self.output_shape, self.pool_size
        total = np.zeros((len(x), OH, OW, C), x.dtype)
        for _, _, rows, columns in offsets((OH, OW), self.pool_size, self.strides):
            total += x[:, rows, columns] ** 2
        y = np.sqrt(total / (KH * KW))
        return y, (x, y)

    def backward(self, dy, cache):
        """Return dx (N, H, W, C)."""
        x, y = cache
        (OH, OW, _), (KH, KW) = self.output_shape, self.pool_size
        share = dy / np.where(y == 0, 1, KH * KW * y)
        dx = np.zeros(x.shape)
        for _, _, rows, columns in offsets((OH, OW), self.pool_size, self.strides):
            dx[:, rows, columns] += share * x[:, rows, columns]
        return dx, {}
