"""Solution 4.

The sum over n of x[n, c] dy[n, u] is a product of matrices, x^T dy; the sum over u of dy[n, u] w[c, u] is dy w^T. No
transpose has to be learned by heart: (C, N) times (N, U) is the only way to get a (C, U) from x and dy, and
(N, U) times (U, C) the only way to get an (N, C) from dy and w. There is no division by N here: that is in the loss.
"""

import numpy as np

from npcnn.layers import Layer


class MyDense(Layer):
    """y = x w + b."""

    def build(self, input_shape, rng=None):
        """Allocate w (C, 3) and b (3,)."""
        super().build(input_shape)
        C, U = input_shape[0], 3
        rng = np.random.default_rng(rng)
        self.params = {"w": rng.standard_normal((C, U)), "b": rng.standard_normal(U)}
        self.output_shape = (U,)

    def forward(self, x, training=False):
        """Return y, and what `backward` needs."""
        w, b = self.params["w"], self.params["b"]
        return x @ w + b, (x, w)

    def backward(self, dy, cache):
        """Return dx, and the gradients of the parameters."""
        x, w = cache
        dx, dw, db = dy @ w.T, x.T @ dy, dy.sum(axis=0)
        return dx, {"w": dw, "b": db}
