"""Exercise 3: your first backward pass.

    y = max(x, 0)

TODO: write `backward`. It is given dy = dL/dy, how much the loss L changes with each number of y, and returns
dx = dL/dx. How much does y change with x where x is positive? Where it is negative? At x = 0 there is no derivative;
take 0 there, as all frameworks do.

dy belongs to whoever called: do not change it, return a new array.

Read first: docs/backward.md, "What dy and dx mean"; npcnn/layers/layer.py for what forward and backward promise.

    python examples/exercises/mark.py 3
    python examples/check_gradients.py examples/exercises/03_relu.py:MyReLU       prints the checker's table
"""

import numpy as np

from npcnn.layers import Layer


class MyReLU(Layer):
    """y = max(x, 0)."""

    def forward(self, x, training=False):
        """Return y, and x for `backward`."""
        return np.maximum(x, 0), x

    def backward(self, dy, cache):
        """Return dx, {}: an empty dictionary, as ReLU has no parameters; `cache` is what forward returned beside y."""
        raise NotImplementedError("TODO")
