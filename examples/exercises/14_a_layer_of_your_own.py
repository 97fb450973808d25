"""Exercise 14: a layer of your own, derived and proved.

TODO: choose a function with at least one parameter that is not a straight line, derive dx and the gradients of its
parameters on paper, write them, and let the checker prove them. Some that npcnn does not have:

    bell         y = exp(-(x - m)^2 / s^2)            m and s for each feature
    soft step    y = 1 / (1 + exp(-(x - t) / a))      a threshold t and a width a
    gated        y = (x u) s(x v)                     two matrices u, v; s the sigmoid: a "gated linear unit"
    normalized   y = g (x - mean) / sqrt(var + e)     mean and var of each example: "layer normalization" (hard)

Swish in examples/check_gradients.py is a worked example. Set SHAPE to the shape of one input. If the forward pass uses
nothing but smooth functions (no abs, no max), the checker proves sixteen digits of it by a complex step.

Read first: "A layer of your own" in tests/README.md; npcnn/layers/layer.py.

    python examples/exercises/mark.py 14
    python examples/check_gradients.py examples/exercises/14_a_layer_of_your_own.py:MyLayer --shape 4
"""

import numpy as np

from npcnn.layers import Layer

SHAPE = (4,)


class MyLayer(Layer):
    """TODO: its equation, y = ..."""

    def build(self, input_shape, rng=None):
        """Allocate the parameters."""
        super().build(input_shape)
        self.params = {"a": np.ones(input_shape[-1], self.dtype)}

    def forward(self, x, training=False):
        """Return y, and what `backward` needs."""
        raise NotImplementedError("TODO")

    def backward(self, dy, cache):
        """Return dx = ..., and da = ..."""
        raise NotImplementedError("TODO")
