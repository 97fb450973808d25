"""The fully connected layer: every output is a weighted sum of every input."""

from collections.abc import Callable

import numpy as np

from npcnn.checks import check_count
from npcnn.layers.layer import Layer, Shape
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

    Shapes: x (N, C), w (C, U), b (U,), y (N, U). For images, put a Flatten in front.

    Args:
        units: U, how many outputs.
        activation: None, "linear", "relu", "softmax", or a ReLU or Softmax layer; applied to y.
        use_bias: whether b is added.
        kernel_initializer, bias_initializer: a name from `npcnn.initializers`, or a function (shape, rng) -> array.
        name, dtype, kernels: see `Layer`.

    Raises:
        ValueError: an argument is out of range; build: the input is not flat; forward: wrong shape.
        RuntimeError: forward before build.
    """

    operation = "dense"

    def __init__(
        self,
        units: int,
        activation: str | Layer | None = None,
        *,
        use_bias: bool = True,
        kernel_initializer: str | Callable = "glorot_uniform",
        bias_initializer: str | Callable = "zeros",
        name: str | None = None,
        dtype: str | None = None,
        kernels: str | None = None,
    ) -> None:
        common = {"name": name, "dtype": dtype, "kernels": kernels}
        super().__init__(activation, use_bias, kernel_initializer, bias_initializer, **common)
        self.units = check_count(f"{self}: units", units)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Allocate kernel (C, U) and bias (U,) for inputs of `input_shape` (C,)."""
        shape = self.check_input_shape(input_shape)
        if len(shape) != 1:
            raise self.error(f"input_shape must be (C,), got {shape}; put layers.Flatten() in front")
        self.allocate(shape, (self.units,), rng)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The kernel (C, U) and the bias (U,), for inputs of `input_shape` (C,)."""
        return self._with_bias((*self.check_input_shape(input_shape), self.units))
