"""Solution 13.

Loops: j * SH for j * SW. dx is wrong and dw too, db right: so it is neither dy nor the products, but where x is read.
In the drawing only the first column is right, the one that j = 0 alone meets, where a stride makes no difference.
With equal strides nobody would ever notice.

Im2col: dy^T x for x^T dy. Only dw is wrong, and nearly everywhere. Its shape, (F, KH KW C), was wrong as well; but
reshape takes anything of the right size. With one filter the two are the same.

Jit: F // 2 pairs of filters, and F = 3: the last filter is never visited. dw is wrong only at f = 2, there it is 0; dx
lacks that filter everywhere. With an even number of filters, as most models have, nothing is wrong: so choose odd
sizes to check with. (npcnn's kernels repeat the last position instead; here the last pair may be of one.)
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
                row, column = i * SH + kh, j * SW + kw
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
        dw = (patches.reshape(len(rows), -1).T @ rows).reshape(w.shape)
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
            for pair in range((F + 1) // 2):
                for f in range(2 * pair, min(2 * pair + 2, F)):
                    dw[kh, kw, c, f] += x[n, row, column, c] * dy[n, i, j, f]
                    dx[n, row, column, c] += w[kh, kw, c, f] * dy[n, i, j, f]
