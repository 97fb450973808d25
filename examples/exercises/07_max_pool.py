"""Exercise 7: the backward pass of a max pool.

    y[n, i, j, c] = the largest of  x[n, 2i, 2j, c]  x[n, 2i, 2j + 1, c]  x[n, 2i + 1, 2j, c]  x[n, 2i + 1, 2j + 1, c]

TODO: write `backward`. If the second of the four is the largest, y moves with it, and not at all with the others. Where
several are the largest (the background of a digit is zero everywhere), the first of them, in reading order, wins. Loops
are fine; np.argmax gives the first.

Read first: docs/backward.md, "ReLU and the maximum".

    python examples/exercises/mark.py 7
    python examples/check_gradients.py examples/exercises/07_max_pool.py:MyMaxPool --shape 4,6,2
"""

import numpy as np

from npcnn.layers import Layer


class MyMaxPool(Layer):
    """The largest of each 2 x 2 window; the height and width of x are even."""

    def build(self, input_shape, rng=None):
        """Work out the output shape."""
        super().build(input_shape)
        H, W, C = input_shape
        self.output_shape = (H // 2, W // 2, C)

    def forward(self, x, training=False):
        """Return y, and x for `backward`."""
        N, H, W, C = x.shape
        return x.reshape(N, H // 2, 2, W // 2, 2, C).max(axis=(2, 4)), x

    def backward(self, dy, cache):
        """Return dx, {}; `cache` is what forward returned beside y."""
        raise NotImplementedError("TODO")
