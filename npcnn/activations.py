"""Activations as functions of an array, under Keras' names; `activation=activations.relu` is `activation="relu"`.

Each calls the layer of its name; its equation and its derivative are in that layer's file in `npcnn/layers/`, or in
`npcnn/layers/elementwise.py`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.layers.activation import ACTIVATIONS
from npcnn.layers.elementwise import Elementwise
from npcnn.layers.elu import ELU
from npcnn.layers.layer import Layer
from npcnn.layers.leaky_relu import LeakyReLU
from npcnn.layers.relu import ReLU
from npcnn.layers.sigmoid import Sigmoid
from npcnn.layers.softmax import Softmax
from npcnn.layers.tanh import Tanh


def linear(x: Any) -> np.ndarray:
    """Return x."""
    return np.asarray(x)


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> np.ndarray:
    """Return x where it is positive, else 0: see `layers.ReLU`, and there for the other arguments."""
    return _apply(ReLU(max_value, negative_slope, threshold), x)


def softmax(x: Any, axis: int = -1) -> np.ndarray:
    """Return exp(x), divided by its sum along the last axis: see `layers.Softmax`."""
    return _apply(Softmax(-1 if axis == np.ndim(x) - 1 else axis), x)


def sigmoid(x: Any) -> np.ndarray:
    """Return 1 / (1 + exp(-x))."""
    return _apply(Sigmoid(), x)


def tanh(x: Any) -> np.ndarray:
    """Return the hyperbolic tangent of x."""
    return _apply(Tanh(), x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> np.ndarray:
    """Return x where it is positive, else negative_slope x: see `layers.LeakyReLU`."""
    return _apply(LeakyReLU(negative_slope), x)


def elu(x: Any, alpha: float = 1.0) -> np.ndarray:
    """Return x where it is positive, else alpha (exp(x) - 1): see `layers.ELU`."""
    return _apply(ELU(alpha), x)


def selu(x: Any) -> np.ndarray:
    """Return s x where x is positive, else s a (exp(x) - 1), with s = 1.0507... and a = 1.6732..."""
    return _apply(Elementwise("selu"), x)


def softplus(x: Any) -> np.ndarray:
    """Return log(1 + exp(x))."""
    return _apply(Elementwise("softplus"), x)


def silu(x: Any) -> np.ndarray:
    """Return x / (1 + exp(-x))."""
    return _apply(Elementwise("silu"), x)


swish = silu  # its older name


def softsign(x: Any) -> np.ndarray:
    """Return x / (1 + |x|)."""
    return _apply(Elementwise("softsign"), x)


def hard_sigmoid(x: Any) -> np.ndarray:
    """Return x / 6 + 1 / 2, but 0 from -3 down and 1 from 3 up."""
    return _apply(Elementwise("hard_sigmoid"), x)


def exponential(x: Any) -> np.ndarray:
    """Return exp(x)."""
    return _apply(Elementwise("exponential"), x)


def relu6(x: Any) -> np.ndarray:
    """Return x where it is from 0 to 6, else the nearer of the two."""
    return _apply(ReLU(6.0), x)


def gelu(x: Any, approximate: bool = False) -> np.ndarray:
    """Return x times the share of a standard normal distribution below x; approximate must be False."""
    if approximate:
        raise ValueError("gelu: npcnn has the exact one only; leave approximate out")
    return _apply(Elementwise("gelu"), x)


def mish(x: Any) -> np.ndarray:
    """Return x tanh(log(1 + exp(x)))."""
    return _apply(Elementwise("mish"), x)


def get(identifier: Any) -> Callable:
    """Return the function of that name; None is linear, and a function or a layer is itself.

    Raises:
        ValueError: there is none of that name.
    """
    names = ("linear", *ACTIVATIONS)
    if identifier is None or isinstance(identifier, str) and identifier in names:
        return globals()[identifier or "linear"]
    if callable(identifier) or isinstance(identifier, Layer):
        return identifier
    raise ValueError(f"activation must be None or one of {', '.join(map(repr, names))}, got {identifier!r}")


def _apply(layer: Layer, x: Any) -> np.ndarray:
    example = np.atleast_1d(x)
    layer.build(example.shape)
    return layer.forward(example[None])[0].reshape(np.shape(x))
