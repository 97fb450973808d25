"""From scores to probabilities."""

from typing import Any

import numpy as np

from npcnn.complex_step import comparable
from npcnn.layers.layer import Layer, Shape


class Softmax(Layer):
    """Exponentials, divided by their sum: positive numbers that add up to one along the last axis.

    Forward:   y[k] = exp(x[k]) / sum over k' of exp(x[k'])
    Backward:  dx[k] = y[k] (dy[k] - sum over k' of dy[k'] y[k'])

    (The derivative of y[k'] with respect to x[k] is y[k'] ((1 if k' = k else 0) - y[k]); dx sums dy[k'] times it.)

    Adding a constant to x changes nothing, so the row's maximum is subtracted first, and no exponential overflows. Nor
    can the sum of y change: it is always 1. So for a constant dy the backward pass returns zero.

    >>> softmax = Softmax()
    >>> softmax.build((3,))
    >>> y, cache = softmax.forward(np.array([[2.0, 1.0, -1.0]]))
    >>> y.round(3)
    array([[0.705, 0.259, 0.035]])
    >>> dx, _ = softmax.backward(np.array([[0.0, 1.0, 0.0]]), cache)
    >>> dx.round(3)  # what raises y[1]: a higher x[1], and lower others; these sum to zero
    array([[-0.183,  0.192, -0.009]])

    A model that ends in softmax and has cross-entropy as its loss does not use this backward pass in training; the
    two are differentiated together, from the logits (see `npcnn/losses/cross_entropy.py`, and `docs/loss.md`, "Softmax
    with cross-entropy", which derives it).

    Shapes: x and y alike, (N, ..., K).

    Args:
        axis: which axis has the K scores; only the last, -1.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: build: axis is not the last.
    """

    def __init__(self, axis: int = -1, **common: Any) -> None:
        super().__init__(**common)
        self.axis = axis

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Check that axis is the last."""
        super().build(input_shape)
        self.check_last_axis(self.axis, input_shape)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return the probabilities y."""
        x = self.check_input(x)
        exponentials = np.exp(x - comparable(x).max(axis=-1, keepdims=True))
        y = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return y, y

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx."""
        y, dy = cache, self.check_gradient(dy, len(cache))
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True)), {}
