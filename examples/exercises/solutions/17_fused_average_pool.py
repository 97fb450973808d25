"""Solution 17.

dL/dz_p is dy / 4 where z_p passed the ReLU, else 0: the average shares dy out, the ReLU lets it through or not. From
there on it is the convolution's backward pass, for one position at a time. Compared with three layers, z and its
gradient, four times as large as y, are neither written nor read. But unlike under a max pool, where three of four
positions drop out, every position that passed has to be visited: less is gained.
"""

import numpy as np
from numba import njit

from npcnn.layers import Layer


@njit
def forward_kernel(x, w, b, y, passed):
    """Fill y (N, OH, OW, F), and passed (N, OH, OW, F, 4): whether z_p > 0."""
    N, OH, OW, F = y.shape
    KH, KW, C, _ = w.shape
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        for p in range(4):
            r, q = 2 * i + p // 2, 2 * j + p % 2
            z = b[f]
            for kh, kw, c in np.ndindex(KH, KW, C):
                z += x[n, r + kh, q + kw, c] * w[kh, kw, c, f]
            if z > 0:
                passed[n, i, j, f, p] = True
                y[n, i, j, f] += z / 4


@njit
def backward_kernel(dy, x, w, passed, dx, dw, db):
    """Add to dx, dw and db, which are zeros."""
    N, OH, OW, F = dy.shape
    KH, KW, C, _ = w.shape
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        g = dy[n, i, j, f] / 4
        for p in range(4):
            if passed[n, i, j, f, p]:
                r, q = 2 * i + p // 2, 2 * j + p % 2
                db[f] += g
                for kh, kw, c in np.ndindex(KH, KW, C):
                    dw[kh, kw, c, f] += g * x[n, r + kh, q + kw, c]
                    dx[n, r + kh, q + kw, c] += g * w[kh, kw, c, f]


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
