"""What Conv2D and Dense share: a kernel, perhaps a bias, perhaps an activation behind them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import initializers
from npcnn.layers.layer import Layer, Shape
from npcnn.layers.relu import ReLU
from npcnn.layers.softmax import Softmax


class WeightedLayer(Layer):
    """A layer with params "kernel" (w in the equations) and "bias" (b), and an activation applied to its output.

    Args:
        activation: None, "linear", "relu", "softmax", or a ReLU or Softmax layer.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: a name from `npcnn.initializers`, or a function (shape, rng) -> array.
        name, dtype, kernels: see `Layer`.
    """

    def __init__(
        self,
        activation: str | Layer | None,
        use_bias: bool,
        kernel_initializer: str | Callable,
        bias_initializer: str | Callable,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.activation = self._find_activation(activation)
        if not isinstance(use_bias, (bool, np.bool_)):
            raise self.error(f"use_bias must be True or False, got {use_bias!r}")
        self.use_bias = bool(use_bias)
        self.kernel_initializer = self._find_initializer("kernel_initializer", kernel_initializer)
        self.bias_initializer = self._find_initializer("bias_initializer", bias_initializer)

    def allocate(self, input_shape: Shape, rng: np.random.Generator | int | None) -> None:
        """Fill `params` with arrays of the shapes in `parameter_shapes`."""
        rng = np.random.default_rng(rng)
        shapes = self.parameter_shapes(input_shape)
        self.params = {key: self._new_parameter(key, shape, rng) for key, shape in shapes.items()}

    def set_shapes(self, input_shape: Shape, output_shape: Shape) -> None:
        """Note what goes in and out, here and at the activation."""
        self.input_shape, self.output_shape = input_shape, output_shape
        if self.activation:
            self.activation.build(output_shape)

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Return w and b; without a bias, b is zero."""
        w = self.params["kernel"]
        return w, self.params["bias"] if self.use_bias else np.zeros(w.shape[-1], w.dtype)

    def name_gradients(self, dw: np.ndarray, db: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gradients under the keys of `params`."""
        return {"kernel": dw, "bias": db} if self.use_bias else {"kernel": dw}

    def activate(self, y: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        """Apply the activation, if there is one."""
        return self.activation.forward(y, training) if self.activation else (y, None)

    def activate_backward(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Take the gradient back through the activation, if there is one."""
        return self.activation.backward(dy, cache)[0] if self.activation else dy

    def get_config(self) -> dict[str, Any]:
        """The arguments these layers share, under Keras' names."""
        activation = {type(None): "linear", ReLU: "relu", Softmax: "softmax"}.get(type(self.activation))
        if activation is None:
            raise self.error(f"activation {self.activation} is not npcnn's own, so a file cannot name it")
        return {
            "name": self.name,
            "activation": activation,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.name_of(self.kernel_initializer),
            "bias_initializer": initializers.name_of(self.bias_initializer),
        }

    def _with_bias(self, kernel_shape: Shape) -> dict[str, Shape]:
        """Return the shapes of a kernel, and of a bias for its last axis if there is one."""
        return {"kernel": kernel_shape} | ({"bias": kernel_shape[-1:]} if self.use_bias else {})

    def _find_activation(self, value: str | Layer | None) -> Layer | None:
        if isinstance(value, (ReLU, Softmax)):
            return copy.copy(value)
        classes = {None: None, "linear": None, "relu": ReLU, "softmax": Softmax}
        if not isinstance(value, str | None) or value not in classes:
            raise self.error(f"activation must be None, 'linear', 'relu', 'softmax' or such a layer, got {value!r}")
        return classes[value]() if classes[value] else None

    def _find_initializer(self, argument: str, value: str | Callable) -> Callable:
        try:
            return initializers.get(value)
        except ValueError as error:
            raise self.error(f"{argument}: {error}") from None

    def _new_parameter(self, key: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        create = self.kernel_initializer if key == "kernel" else self.bias_initializer
        try:
            array = np.array(create(shape, rng), dtype=self.dtype or "float32", order="C")
        except ValueError as error:
            raise self.error(f"{key}_initializer: {error}") from None
        if array.shape != shape:
            raise self.error(f"{key}_initializer returned shape {array.shape} where {shape} is needed")
        return array
