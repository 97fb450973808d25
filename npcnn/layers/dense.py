"""The fully connected layer: every output is a weighted sum of every input."""

from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn.checks import check_count
from npcnn.layers.layer import Shape
from npcnn.layers.weighted import WeightedLayer


class Dense(WeightedLayer):
    """Multiply by a matrix and add a vector.

    Forward:

        y = x w + b            y[n, u] = b[u] + sum over c of  x[n, c] * w[c, u]

    Backward:

        dw = x^T dy            dw[c, u] = sum over n of  x[n, c] * dy[n, u]
        dx = dy w^T            dx[n, c] = sum over u of  dy[n, u] * w[c, u]
        db = rows of dy, summed    db[u] = sum over n of  dy[n, u]

    One example with two numbers, and two units:

    >>> dense = Dense(2)
    >>> dense.build((2,))
    >>> dense.set_weights([np.array([[2.0, 0.0], [-1.0, 1.0]]), np.array([1.0, 0.0])])
    >>> y, cache = dense.forward(np.array([[3.0, 4.0]]))
    >>> y                                          # 3 * 2 + 4 * -1 + 1  and  3 * 0 + 4 * 1 + 0
    array([[3., 4.]])
    >>> dx, grads = dense.backward(np.array([[1.0, 10.0]]), cache)
    >>> dx                                         # 1 * 2 + 10 * 0  and  1 * -1 + 10 * 1
    array([[2., 9.]])
    >>> grads["kernel"]                            # each x[c] times each dy[u]
    array([[ 3., 30.],
           [ 4., 40.]])

    The products are in `npcnn/kernels/dense.py`.

    Shapes: x (N, C), w (C, U), b (U,), y (N, U). Of an x with more axes, (N, ..., C), each row along the last one is an
    example of its own, and y is (N, ..., U); to take images as a whole, put a Flatten in front.

    Args:
        units: U, how many outputs.
        activation: None, or what `Activation` takes: a name like "relu", a layer like LeakyReLU(0.1); applied to y.
        use_bias: whether b is added.
        kernel_initializer, bias_initializer: a name from `npcnn.initializers`, or a function (shape, rng) -> array.
        kernel_regularizer, bias_regularizer: a penalty on large weights, as "l2" or L2(0.001) from
            `npcnn.regularizers`; None is none.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; forward: wrong shape.
        RuntimeError: forward before build.
    """

    operation = "dense"

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: str | Callable = "glorot_uniform",
        bias_initializer: str | Callable = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **common: Any,
    ) -> None:
        regularizers = kernel_regularizer, bias_regularizer
        super().__init__(activation, use_bias, kernel_initializer, bias_initializer, *regularizers, **common)
        self.units = check_count(f"{self}: units", units)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Allocate kernel (C, U) and bias (U,) for inputs of `input_shape` (..., C)."""
        shape = self.check_input_shape(input_shape)
        self.allocate(shape, (*shape[:-1], self.units), rng)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y = x w + b, or its activation if there is one, and the cache for `backward`."""
        x = self.check_input(x)
        # The function of kernels/dense.py that does the sums; which of them, the argument `kernels` says.
        forward, _ = ladder.find(self.operation, self.rung)
        y, cache = forward(rows(x), *self.kernel_and_bias())
        y, activation_cache = self.activate(y.reshape(len(x), *self.output_shape), training)
        return y, (cache, activation_cache, len(x))

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dx and {"kernel": dw, "bias": db}, given dy; what came last, the activation, goes back first."""
        cache, activation_cache, N = cache
        dy = self.backward_of_activation(self.check_gradient(dy, N), activation_cache)
        _, backward = ladder.find(self.operation, self.rung)
        # needs_dx is False for the first layer with weights in a model: before it there is nothing to train, so no dx.
        dx, dw, db = backward(rows(dy), cache, self.needs_dx)
        return None if dx is None else dx.reshape(N, *self.input_shape), self.name_gradients(dw, db)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The kernel (C, U) and the bias (U,), for inputs of `input_shape` (..., C)."""
        return self._with_bias((self.check_input_shape(input_shape)[-1], self.units))


def rows(array: np.ndarray) -> np.ndarray:
    """Return x or dy as rows of its last axis: the product does not know what the axes before it mean."""
    return array.reshape(-1, array.shape[-1])
