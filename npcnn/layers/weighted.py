"""What Conv2D and Dense do alike: a kernel, perhaps a bias, perhaps an activation behind them."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import initializers, regularizers
from npcnn import kernels as ladder
from npcnn.checks import check_flag
from npcnn.layers.activation import Activated, describe_activation
from npcnn.layers.layer import Layer, Shape


class WeightedLayer(Activated):
    """A layer with params "kernel" (w in the equations) and "bias" (b), and an activation applied to its output.

    A subclass states its equations in its docstring, and explains the arguments; `operation` names the functions in
    `npcnn.kernels` that compute them.
    """

    operation: str  # as `npcnn.kernels` calls it
    geometry: tuple = ()  # what its kernels are told beside x, w and b

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

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return the activation of y = f(x; w, b), and the cache for `backward`."""
        x = self.check_input(x)
        forward, _ = ladder.find(self.operation, self.rung)
        y, cache = forward(self.rows(x), *self.kernel_and_bias(), *self.geometry)
        y = y.reshape(len(x), *self.output_shape)
        y, activation_cache = self.activation.forward(y, training) if self.activation else (y, None)
        return y, (cache, activation_cache, len(x))

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dx and {"kernel": dw, "bias": db}, given dy: back through the activation, then through f."""
        cache, activation_cache, N = cache
        dy = self.check_gradient(dy, N)
        if self.activation:
            dy, _ = self.activation.backward(dy, activation_cache)
        _, backward = ladder.find(self.operation, self.rung)
        dx, dw, db = backward(self.rows(dy), cache, self.needs_dx)
        return None if dx is None else dx.reshape(N, *self.input_shape), self.name_gradients(dw, db)

    def rows(self, array: np.ndarray) -> np.ndarray:
        """x or dy, in the shape that the kernels take."""
        return array

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
        rng = np.random.default_rng(rng)
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
