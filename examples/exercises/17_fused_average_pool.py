"""Exercise 17: a fused kernel: convolution, ReLU and average pooling in one pass.

A pooling window covers four positions of the convolution, p = 0, 1, 2, 3 at row r = 2i + p // 2, column q = 2j + p % 2:

    z_p[f]        = b[f] + sum over kh, kw, c of  x[n, r + kh, q + kw, c] w[kh, kw, c, f]
    y[n, i, j, f] = (max(z_0[f], 0) + max(z_1[f], 0) + max(z_2[f], 0) + max(z_3[f], 0)) / 4

npcnn fuses the max pool in this way (npcnn/kernels/conv_relu_max_pool.py): z never reaches memory; what is kept for the
backward pass is which position won. Here several may pass the ReLU, so `passed` keeps one truth value for each of four.

TODO: write both kernels as plain loops, with a z that is one number, not an array. When the marker has no more
objections to the numbers, put @njit in front of each: it asks for that in the end. (Compiled code does not check
indices; so get them right in plain Python first.)

Read first: the top of npcnn/kernels/conv_relu_max_pool.py; npcnn/layers/average_pooling2d.py.

    python examples/exercises/mark.py 17
    python examples/check_gradients.py examples/exercises/17_fused_average_pool.py:FusedAveragePool --shape 6,7,2
"""

import numpy as np
from numba import njit

from npcnn.layers import Layer


def forward_kernel(x, w, b, y, passed):
    """Fill y (N, OH, OW, F), and passed (N, OH, OW, F, 4): whether z_p > 0."""
    raise NotImplementedError("TODO")


def backward_kernel(dy, x, w, passed, dx, dw, db):
    """Add to dx, dw and db, which are zeros."""
    raise NotImplementedError("TODO")


class FusedAveragePool(Layer):
    """Three filters of 3 x 2 at stride 1, ReLU, and the average of 2 x 2 windows side by side."""

    def build(self, input_shape, rng=None):
        """Allocate w (3, 2, C, 3) and b (3,)."""
        super().build(input_shape)
        (H, W, C), rng = input_shape, np.random.default_rng(rng)
        self.params = {"w": rng.standard_normal((3, 2, C, 3)), "b": rng.standard_normal(3)}
        self.output_shape = ((H - 2) // 2, (W - 1) // 2, 3)

    def forward(self, x, training=False):
        """Return y, and what `backward` needs."""
        w, b = self.params["w"], self.params["b"]
        y = np.zeros((len(x), *self.output_shape))
        passed = np.zeros((*y.shape, 4), bool)
        forward_kernel(x, w, b, y, passed)
        return y, (x, w, passed)

    def backward(self, dy, cache):
        """Return dx, dw and db."""
        x, w, passed = cache
        dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(w.shape[3])
        backward_kernel(dy, x, w, passed, dx, dw, db)
        return dx, {"w": dw, "b": db}
