"""Exercise 12: a pooling layer that npcnn does not have.

    y[n, i, j, c] = sqrt( (sum over kh, kw of  x[n, i SH + kh, j SW + kw, c]^2) / (KH KW) )

the root mean square of what is under the window: between the average and the maximum.

TODO: derive dx on paper, then write `forward` and `backward`. From `SlidingPool` come self.pool_size = (KH, KW),
self.strides = (SH, SW) and self.output_shape = (OH, OW, C); windows may overlap. `offsets` yields, for each place of
the window, the rows and columns of x that it meets, so that x[:, rows, columns] is (N, OH, OW, C):

    for kh, kw, rows, columns in offsets((OH, OW), self.pool_size, self.strides): ...

Where a window is zero all over, so is y, and there is no derivative; return 0 there, not 0 / 0. If you add up in an
array of the type of x, np.zeros(..., x.dtype), the checker can do its complex step, too.

Read first: npcnn/layers/average_pooling2d.py, which is much alike; exercise 6.

    python examples/exercises/mark.py 12
    python examples/check_gradients.py examples/exercises/12_rms_pool.py:MyRMSPool
"""

import numpy as np

from npcnn.kernels.windows import offsets
from npcnn.layers.pool import SlidingPool


class MyRMSPool(SlidingPool):
    """The root mean square of each window; only padding="valid"."""

    def forward(self, x, training=False):
        """Return y (N, OH, OW, C) for x (N, H, W, C), and what `backward` needs."""
        raise NotImplementedError("TODO")

    def backward(self, dy, cache):
        """Return dx, {}; dx is (N, H, W, C)."""
        raise NotImplementedError("TODO")
