"""Solution 6.

(b) += for =. A pixel that takes part in several outputs hears from each, and what it hears is added (exercise 1: what
is used twice). With = only the last of them is left. So just the pixels with a count of 1, the corners, were right.
In dw the = is right: there, the sum over all outputs is np.sum, and each weight is visited once.

(a) One more output for each place of the filter at which it covers the pixel: a convolution's dx, if dy and w are ones.
"""

import numpy as np

from npcnn.layers import Layer


def outputs_that_saw(H, W, KH, KW):
    """Return an integer array (H, W): in how many outputs each pixel takes part."""
    counts = np.zeros((H, W), int)
    for kh, kw in np.ndindex(KH, KW):
        counts[kh : H - KH + 1 + kh, kw : W - KW + 1 + kw] += 1
    return counts


class MyConv2D(Layer):
    """y[n, i, j] = sum over kh, kw of x[n, i + kh, j + kw, 0] w[kh, kw]: one channel, one filter of 3 x 3."""

    def build(self, input_shape, rng=None):
        """Allocate w (3, 3)."""
        super().build(input_shape)
        H, W, _ = input_shape
        self.params = {"w": np.random.default_rng(rng).standard_normal((3, 3))}
        self.output_shape = (H - 2, W - 2)

    def forward(self, x, training=False):
        """Return y, and what `backward` needs."""
        w, (OH, OW) = self.params["w"], self.output_shape
        y = sum(x[:, kh : kh + OH, kw : kw + OW, 0] * w[kh, kw] for kh, kw in np.ndindex(3, 3))
        return y, (x, w)

    def backward(self, dy, cache):
        """Return dx and dw."""
        x, w = cache
        OH, OW = self.output_shape
        dx, dw = np.zeros(x.shape), np.zeros(w.shape)
        for kh, kw in np.ndindex(3, 3):
            dx[:, kh : kh + OH, kw : kw + OW, 0] += dy * w[kh, kw]
            dw[kh, kw] = np.sum(dy * x[:, kh : kh + OH, kw : kw + OW, 0])
        return dx, {"w": dw}
