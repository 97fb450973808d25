"""Exercise 4: the three gradients of a dense layer.

    y[n, u] = b[u] + sum over c of  x[n, c] w[c, u]

TODO: write `backward`. Take one product x[n, c] w[c, u] first. It is part of y[n, u] alone, so w[c, u] gets from it
x[n, c] dy[n, u], and x[n, c] gets w[c, u] dy[n, u]. Then add up: over all n that used w[c, u], over all u that used
x[n, c], over all n that used b[u]. Loops are fine; each of the three is also one line of NumPy. The shapes tell which:
dw is like w, dx like x.

Read first: docs/backward.md, "A dense layer": try before you read it to its end.

    python examples/exercises/mark.py 4
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
        """Return dx, {"w": dw, "b": db}; `cache` is what forward returned beside y."""
        raise NotImplementedError("TODO")
