"""Where data enters a model: the shape of one example."""

from typing import Any

import numpy as np

from npcnn.checks import check_optional_count, check_title
from npcnn.layers.layer import Layer, Shape


class Input(Layer):
    """Pass x through unchanged; a model that starts with one knows its shapes, and so its weights, at once.

    Forward: y = x. Backward: dx = dy.

    Args:
        shape: the shape of one example, without the batch axis: (28, 28, 1) for grey images of 28 x 28.
        batch_size: Keras has this argument; here any number of examples is taken.
        batch_shape: instead of shape, the same with the batch axis in front: (None, 28, 28, 1).
        input_shape, batch_input_shape, input_dim: older names of the two, as for any `Layer`.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: shape is not a sequence of positive sizes; build: the data has another shape.
    """

    def __init__(
        self,
        shape: Shape | None = None,
        batch_size: int | None = None,
        *,
        batch_shape: Shape | None = None,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if name is not None:  # Keras takes any, as "Input Layer", for a layer that computes nothing
            self.name = check_title("Input: name", name)
        check_optional_count(f"{self}: batch_size", batch_size)
        if shape is None:
            shape = self.given_shape if batch_shape is None else self.without_batch_axis("batch_shape", batch_shape)
        elif batch_shape is not None:
            raise self.error(f"give shape or batch_shape, got {shape!r} and {batch_shape!r}")
        self.shape = self.check_input_shape(shape, argument="shape")
        self.build(self.shape)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Check that the data has the promised shape."""
        if self.check_input_shape(input_shape) != self.shape:
            raise self.error(f"expects data of shape {self.shape}, got input_shape {input_shape}")
        super().build(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The name and the shape."""
        return {"name": self.name, "shape": self.shape}

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, int]:
        """Return x itself, checked."""
        x = self.check_input(x)
        return x, len(x)

    def backward(self, dy: np.ndarray, cache: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dy itself."""
        return self.check_gradient(dy, cache), {}


InputLayer = Input  # Keras has both names
