"""Exercise 6: a convolution that trains, but a little worse than it should. Why?

    python examples/check_gradients.py examples/exercises/06_overlapping_patches.py:MyConv2D --shape 6,7,1

draws where its dx is wrong.

TODO: (a) `outputs_that_saw`: under a filter of KH x KW that slides over an H x W image one pixel at a time, in how many
outputs does each pixel take part? Compare with the drawing: which pixels are right, which are wrong?
(b) Mend `MyConv2D.backward`. Very little is missing.

Read first: docs/convolution.md on scatter and gather. `col2im` in npcnn/kernels/conv2d.py draws the same for a 3 x 3
image; so look there last.

    python examples/exercises/mark.py 6
"""

import numpy as np

from npcnn.layers import Layer


def outputs_that_saw(H, W, KH, KW):
    """Return an integer array (H, W): in how many outputs each pixel takes part."""
    raise NotImplementedError("TODO")


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
            dx[:, kh : kh + OH, kw : kw + OW, 0] = dy * w[kh, kw]
            dw[kh, kw] = np.sum(dy * x[:, kh : kh + OH, kw : kw + OW, 0])
        return dx, {"w": dw}
