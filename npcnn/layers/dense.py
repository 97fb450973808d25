"""The fully connected layer: every output is a weighted sum of every input."""

from collections.abc import Callable
from typing import Any

import numpy as np

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

    `forward` and `backward` are in `npcnn/layers/weighted.py`: they call the products in `npcnn/kernels/dense.py`, and
    the activation if there is one.

    Shapes: x (N, C), w (C, U), b (U,), y (N, U). Of an x with more axes, (N, ..., C), each row along the last one is an
    example of its own, and y is (N, ..., U); to take images as a whole, put a Flatten in front.

    Args:
        units: U, how many outputs.
        activation: None, or what `Activation` takes: a name like "relu", a layer like LeakyReLU(0.1); applied to y.
        use_bias: whether b is added.
        kernel_initializer, bias_initializer: a name from `npcnn.initializers`, or a function (shape, rng) -> array.
        kernel_regularizer, bias_regularizer: a penalty on large weights, as "l2" or L2(0.001) from
            `npcnn.regularizers`; None is none.
        name, dtype, kernels: see `Layer`.

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

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The kernel (C, U) and the bias (U,), for inputs of `input_shape` (..., C)."""
        return self._with_bias((self.check_input_shape(input_shape)[-1], self.units))

    def rows(self, array: np.ndarray) -> np.ndarray:
        """x or dy as rows of its last axis: the product does not know what the axes before it mean."""
        return array.reshape(-1, array.shape[-1])
