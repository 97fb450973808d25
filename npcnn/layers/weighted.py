"""What Conv2D and Dense share beside their arithmetic: arguments, the making of weights, an activation behind them."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import initializers, regularizers
from npcnn.checks import check_flag, check_rng
from npcnn.layers.activation import Activated, describe_activation
from npcnn.layers.layer import Layer, Shape


class WeightedLayer(Activated):
    """A layer with params "kernel" (w in the equations) and "bias" (b), and an activation applied to its output.

    A subclass states its equations, explains the arguments, and has forward and backward.
    """

    operation: str  # as `npcnn.kernels` calls it

    def __init__(
        self,
        activation: Any,
        use_bias: bool,
        kernel_initializer: str | Callable,
        bias_initializer: str | Callable,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.activation = activation
        self.use_bias = check_flag(f"{self}: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, f"{self}: kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{self}: bias_initializer")
        self.kernel_regularizer = regularizers.get(kernel_regularizer, f"{self}: kernel_regularizer")
        self.bias_regularizer = regularizers.get(bias_regularizer, f"{self}: bias_regularizer")

    def activate(self, y: np.ndarray, training: bool) -> tuple[np.ndarray, Any]:
        """Return the activation of y, if there is one, and its cache."""
        return self.activation.forward(y, training) if self.activation else (y, None)

    def backward_of_activation(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Return the gradient with respect to what went into the activation."""
        if self.activation:
            dy, _ = self.activation.backward(dy, cache)
        return dy

    @property
    def multiply_adds(self) -> int:
        """Every weight, at every place (i, j) of the output; a dense layer has one place."""
        return self.params["kernel"].size * math.prod(self.output_shape[:-1])

    def kernel_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        """Return w and b; without a bias, b is zero."""
        w = self.params["kernel"]
        return w, self.params["bias"] if self.use_bias else np.zeros(w.shape[-1], w.dtype)

    def name_gradients(self, dw: np.ndarray, db: np.ndarray) -> dict[str, np.ndarray]:
        """Return the gradients under the keys of `params`."""
        return {"kernel": dw, "bias": db} if self.use_bias else {"kernel": dw}

    def allocate(self, input_shape: Shape, output_shape: Shape, rng: np.random.Generator | int | None) -> None:
        """Fill `params`, and note what goes in and out, here and at the activation."""
        rng = check_rng(f"{self}: rng", rng)
        shapes = self.parameter_shapes(input_shape)
        create = {"kernel": self.kernel_initializer, "bias": self.bias_initializer}
        self.params = {key: self.new_array(key, shape, create[key], rng) for key, shape in shapes.items()}
        self.input_shape, self.output_shape = input_shape, output_shape
        if self.activation:
            self.activation.build(output_shape)

    def split_activation(self) -> list[Layer]:
        """This layer without its activation, and the activation; `params` are shared, so training one trains both."""
        if not self.activation:
            return [self]
        linear = copy.copy(self)
        linear.activation = None
        return [linear, self.activation]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again, under Keras' names; activation and initializers by name, too."""
        kernel, bias = (initializers.name_of(f) for f in (self.kernel_initializer, self.bias_initializer))
        activation = describe_activation(self.activation, self)
        by_name = {"activation": activation, "kernel_initializer": kernel, "bias_initializer": bias}
        return {**super().get_config(), **by_name}

    def _with_bias(self, kernel_shape: Shape) -> dict[str, Shape]:
        """Return the shapes of a kernel, and of a bias for its last axis if there is one."""
        return {"kernel": kernel_shape} | ({"bias": kernel_shape[-1:]} if self.use_bias else {})
