"""Where data enters a model: the shape of one example."""

import numpy as np

from npcnn.layers.layer import Layer, Shape


class Input(Layer):
    """Pass x through unchanged; a model that starts with one knows its shapes, and so its weights, at once.

    Forward: y = x. Backward: dx = dy.

    Args:
        shape: the shape of one example, without the batch axis: (28, 28, 1) for grey images of 28 x 28.
        name, dtype, kernels: see `Layer`.

    Raises:
        ValueError: shape is not a sequence of positive sizes; build: the data has another shape.
    """

    def __init__(
        self, shape: Shape, *, name: str | None = None, dtype: str | None = None, kernels: str | None = None
    ) -> None:
        super().__init__(name=name, dtype=dtype, kernels=kernels)
        self.shape = self.check_input_shape(shape, argument="shape")
        self.build(self.shape)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Check that the data has the promised shape."""
        if self.check_input_shape(input_shape) != self.shape:
            raise self.error(f"expects data of shape {self.shape}, got input_shape {input_shape}")
        super().build(input_shape)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return x itself, checked."""
        x = self.check_input(x)
        return x, len(x)

    def backward(self, dy: np.ndarray, cache: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dy itself."""
        return self.check_gradient(dy, cache), {}
