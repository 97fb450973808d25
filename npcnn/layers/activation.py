"""An activation as a layer of its own, and what `activation=` may be."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from npcnn.layers.elementwise import FUNCTIONS, Elementwise
from npcnn.layers.elu import ELU
from npcnn.layers.layer import Layer, Shape
from npcnn.layers.leaky_relu import LeakyReLU
from npcnn.layers.relu import ReLU
from npcnn.layers.sigmoid import Sigmoid
from npcnn.layers.softmax import Softmax
from npcnn.layers.tanh import Tanh

# What a name stands for. Keras' leaky_relu has another slope as a name than as a layer.
ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": ReLU,
    "softmax": Softmax,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu6": lambda: ReLU(6.0),
    "leaky_relu": lambda: LeakyReLU(0.2),
    "elu": ELU,
    **{name: partial(Elementwise, name) for name in FUNCTIONS},
    "swish": partial(Elementwise, "silu"),
}
KINDS = (ReLU, Softmax, Sigmoid, Tanh, LeakyReLU, ELU, Elementwise)


def find_activation(value: Any, owner: Layer) -> Layer | None:
    """Return the layer that `activation=value` means, a new one; None for none.

    Raises:
        ValueError: it is no activation; `owner` is the layer that asks.
    """
    if isinstance(value, KINDS):
        return copy.copy(value)
    # A function of npcnn.activations goes by its name. (To import it here would close a circle: it calls the layers.)
    # So do those of Keras and TensorFlow, tf.nn.relu and the like.
    module = str(getattr(value, "__module__", None)).split(".")[0]
    is_known = callable(value) and module in ("npcnn", "keras", "tensorflow") and hasattr(value, "__name__")
    name = value.__name__.removesuffix("_v2") if is_known else value
    if name is None or name == "linear":
        return None
    if not isinstance(name, str) or name not in ACTIVATIONS:
        wanted = f"None, 'linear', {', '.join(map(repr, ACTIVATIONS))}, or a layer like layers.LeakyReLU(0.1)"
        raise owner.error(f"activation must be {wanted}, got {value!r}")
    return ACTIVATIONS[name]()


def describe_activation(activation: Layer | None, owner: Layer) -> str | Layer:
    """Return the name that `find_activation` makes an equal layer of, else the layer itself.

    Raises:
        ValueError: it is of a class of the user's own.
    """
    if activation is None:
        return "linear"
    if type(activation) not in KINDS:
        raise owner.error(f"activation {activation} is not npcnn's own, so a file cannot name it")
    for name, make in ACTIVATIONS.items():
        same = make()
        if type(same) is type(activation) and {**activation.get_config(), "name": None} == same.get_config():
            return name
    return activation


class Activated(Layer):
    """A layer with an activation, which may be set at any time, as it may when the layer is made."""

    _activation: Layer | None = None

    @property
    def activation(self) -> Layer | None:
        """The activation as a layer; None for none."""
        return self._activation

    @activation.setter
    def activation(self, value: Any) -> None:
        self._activation = find_activation(value, self)
        if self._activation and self.output_shape:
            self._activation.build(self.output_shape)


class Activation(Activated):
    """Apply an activation: `Conv2D(8, 3), Activation("relu")` is `Conv2D(8, 3, activation="relu")`.

    Forward:   y = f(x)
    Backward:  dx = f's own backward

    In training a model puts f itself in the place of this layer, so what it can do with f, such as to fuse a
    convolution, a ReLU and a pool or to join softmax and loss, it does here too.

    Shapes: x and y alike, any.

    Args:
        activation: a name, such as "relu", "softmax", "sigmoid", "tanh", "elu", "selu" or "linear"; a function from
            `npcnn.activations`; or a layer like LeakyReLU(0.1).
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: there is no such activation.
    """

    def __init__(self, activation: Any, **common: Any) -> None:
        super().__init__(**common)
        self.activation = activation

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Take any shape."""
        super().build(input_shape)
        if self.activation:
            self.activation.build(input_shape)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y = f(x)."""
        x = self.check_input(x)
        return self.activation.forward(x, training) if self.activation else (x, len(x))

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dx."""
        return self.activation.backward(dy, cache) if self.activation else (self.check_gradient(dy, cache), {})

    def split_activation(self) -> list[Layer]:
        """f alone; this layer adds nothing to it."""
        return [self.activation or self]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again; the activation by name where it has one."""
        return {**super().get_config(), "activation": describe_activation(self.activation, self)}
