"""Activations that are a function of each number on its own: the function and its derivative are all there is to say.

(ReLU, ELU, sigmoid and tanh, which are used most, have files of their own.)
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.complex_step import comparable
from npcnn.layers.layer import Layer
from npcnn.layers.sigmoid import logistic

# So that with weights of variance 1 / C, outputs of mean 0 and variance 1 stay so from layer to layer.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def is_positive(x: np.ndarray) -> np.ndarray:
    """Return where x > 0."""
    return comparable(x) > 0


def magnitude(x: np.ndarray) -> np.ndarray:
    """Return |x|."""
    return np.where(is_positive(x), x, -x)


def selu(x: np.ndarray) -> np.ndarray:
    """Return s x where x > 0, else s a (exp(x) - 1); large x, where it is not used, would overflow."""
    return SELU_SCALE * np.where(is_positive(x), x, SELU_ALPHA * np.expm1(np.where(is_positive(x), 0, x)))


def selu_slope(x: np.ndarray) -> np.ndarray:
    """Return s where x > 0, else s a exp(x)."""
    return SELU_SCALE * np.where(is_positive(x), 1, SELU_ALPHA * np.exp(np.where(is_positive(x), 0, x)))


def softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(x)), which is x + log(1 + exp(-x)); of the two, the one that cannot overflow."""
    return np.where(is_positive(x), x, 0) + np.log1p(np.exp(-magnitude(x)))


def silu(x: np.ndarray) -> np.ndarray:
    """Return x s(x), where s is the sigmoid."""
    return x * logistic(x)


def silu_slope(x: np.ndarray) -> np.ndarray:
    """Return s + x s (1 - s)."""
    s = logistic(x)
    return s + x * s * (1 - s)


def softsign(x: np.ndarray) -> np.ndarray:
    """Return x / (1 + |x|)."""
    return x / (1 + magnitude(x))


def softsign_slope(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + |x|)^2."""
    return 1 / (1 + magnitude(x)) ** 2


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """Return x / 6 + 1 / 2, but 0 from -3 down and 1 from 3 up."""
    return np.where(comparable(x) <= -3, 0, np.where(comparable(x) >= 3, 1, x / 6 + 0.5))


def hard_sigmoid_slope(x: np.ndarray) -> np.ndarray:
    """Return 1 / 6 between -3 and 3, else 0."""
    return (abs(x) < 3).astype(x.dtype) / 6


def gelu(x: np.ndarray) -> np.ndarray:
    """Return x P(x), where P is the share of a standard normal distribution that is below x."""
    return x * normal_share(x)


def gelu_slope(x: np.ndarray) -> np.ndarray:
    """Return P + x P'."""
    return normal_share(x) + x * normal_density(x)


def normal_share(x: np.ndarray) -> np.ndarray:
    """Return P = (1 + erf(x / sqrt(2))) / 2. NumPy has no erf: Python's takes its time."""
    real = comparable(x)
    share = (1 + np.asarray(np.frompyfunc(math.erf, 1, 1)(real / math.sqrt(2)), real.dtype)) / 2
    return share + 1j * x.imag * normal_density(real) if np.iscomplexobj(x) else share


def normal_density(x: np.ndarray) -> np.ndarray:
    """Return P' = exp(-x^2 / 2) / sqrt(2 pi)."""
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def mish(x: np.ndarray) -> np.ndarray:
    """Return x tanh(softplus(x))."""
    return x * np.tanh(softplus(x))


def mish_slope(x: np.ndarray) -> np.ndarray:
    """Return t + x (1 - t^2) s, with t = tanh(softplus(x)) and s the sigmoid, softplus' slope."""
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * logistic(x)


# f and its derivative, under Keras' name.
FUNCTIONS: dict[str, tuple[Callable, Callable]] = {
    "selu": (selu, selu_slope),  # Klambauer et al., "Self-normalizing neural networks", 2017
    "softplus": (softplus, logistic),  # Dugas et al., "Incorporating second-order functional knowledge", 2001
    "silu": (silu, silu_slope),  # Ramachandran, Zoph and Le, "Searching for activation functions", 2017: "swish"
    "softsign": (softsign, softsign_slope),  # Bergstra et al., "Quadratic polynomials learn better features", 2009
    "hard_sigmoid": (hard_sigmoid, hard_sigmoid_slope),  # three straight lines in place of the sigmoid
    "exponential": (np.exp, np.exp),
    "gelu": (gelu, gelu_slope),  # Hendrycks and Gimpel, "Gaussian error linear units", 2016
    "mish": (mish, mish_slope),  # Misra, "Mish: a self regularized non-monotonic activation function", 2019
}


class Elementwise(Layer):
    """Apply a function to each number; what `activation="selu"` and other names in `FUNCTIONS` are.

    Forward:   y = f(x)
    Backward:  dx = dy f'(x)

    Shapes: x and y alike, any.

    Args:
        function: the name of f.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.
    """

    def __init__(self, function: str, **common: Any) -> None:
        super().__init__(**common)
        self.function = function

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y."""
        f, _ = FUNCTIONS[self.function]
        x = self.check_input(x)
        return f(x), x

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx."""
        x, dy = cache, self.check_gradient(dy, len(cache))
        _, slope = FUNCTIONS[self.function]
        return dy * slope(x), {}
