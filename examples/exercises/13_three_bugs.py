"""Exercise 13: three bugs, one in each of three backward passes.

One convolution (3 filters of 2 x 3, strides 1 down and 2 across, no padding) with one forward pass, which is right, and
three backward passes, as on three rungs of npcnn's ladder of kernels. Each of them has one bug.

TODO: find and mend them. Let the checker say which gradient is wrong, where, and by how much, before you read the code:

    python examples/check_gradients.py examples/exercises/13_three_bugs.py:Loops --shape 4,7,2
    python examples/check_gradients.py examples/exercises/13_three_bugs.py:Im2col --shape 4,7,2
    python examples/check_gradients.py examples/exercises/13_three_bugs.py:Jit --shape 4,7,2

Read first: "How to read a failure" in tests/README.md; npcnn/layers/conv2d.py for the equations. `im2col` and `col2im`
come from npcnn and are right.

    python examples/exercises/mark.py 13
"""

import numpy as np
from numba import njit

from npcnn.kernels.conv2d import col2im, im2col
from npcnn.layers import Layer

KH, KW, F, SH, SW = 2, 3, 3, 1, 2


class Convolution(Layer):
    """What the three have in common: the weights and the forward pass, which is right."""

    def build(self, input_shape, rng=None):
        """Allocate w (KH, KW, C, F) and b (F,)."""
        super().build(input_shape)
        (H, W, C), rng = input_shape, np.random.default_rng(rng)
        self.params = {"w": rng.standard_normal((KH, KW, C, F)), "b": rng.standard_normal(F)}
        self.output_shape = ((H - KH) // SH + 1, (W - KW) // SW + 1, F)

    def forward(self, x, training=False):
        """Return y, and what `backward` needs."""
        w, b = self.params["w"], self.params["b"]
        return np.einsum("nijhwc,hwcf->nijf", im2col(x, (KH, KW), (SH, SW), (1, 1)), w) + b, (x, w)


class Loops(Convolution):
    """Index by index."""

    def backward(self, dy, cache):
        """Return dx, dw and db."""
        x, w = cache
        dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(F)
        for n, i, j, f in np.ndindex(dy.shape):
            db[f] += dy[n, i, j, f]
            for kh, kw, c in np.ndindex(w.shape[:3]):
                row, column = i * SH + kh, j * SH + kw
                dw[kh, kw, c, f] += x[n, row, column, c] * dy[n, i, j, f]
                dx[n, row, column, c] += w[kh, kw, c, f] * dy[n, i, j, f]
        return dx, {"w": dw, "b": db}


class Im2col(Convolution):
    """By products of matrices."""

    def backward(self, dy, cache):
        """Return dx, dw and db."""
        x, w = cache
        patches = im2col(x, (KH, KW), (SH, SW), (1, 1))
        rows = dy.reshape(-1, F)
        dw = (rows.T @ patches.reshape(len(rows), -1)).reshape(w.shape)
        dpatches = (rows @ w.reshape(-1, F).T).reshape(patches.shape)
        dx = col2im(dpatches, x.shape[1:3], (SH, SW))
        return dx, {"w": dw, "b": rows.sum(axis=0)}


class Jit(Convolution):
    """The loops, compiled, with two filters at a time that share every x that is read."""

    def backward(self, dy, cache):
        """Return dx, dw and db."""
        x, w = cache
        dx, dw = np.zeros(x.shape), np.zeros(w.shape)
        add_up(dy, x, w, dx, dw)
        return dx, {"w": dw, "b": dy.sum(axis=(0, 1, 2))}


@njit
def add_up(dy, x, w, dx, dw):
    """Add to dx and dw what each output gives them."""
    N, OH, OW, F = dy.shape
    KH, KW, C, _ = w.shape
    for n, i, j in np.ndindex(N, OH, OW):
        for kh, kw, c in np.ndindex(KH, KW, C):
            row, column = i * SH + kh, j * SW + kw
            for pair in range(F // 2):
                for f in range(2 * pair, 2 * pair + 2):
                    dw[kh, kw, c, f] += x[n, row, column, c] * dy[n, i, j, f]
                    dx[n, row, column, c] += w[kh, kw, c, f] * dy[n, i, j, f]
