"""The numbers a layer starts with: functions (shape, rng) -> array.

Sums of many products must neither vanish nor explode from layer to layer. A sum of fan_in terms has fan_in times the
variance of one, so weights are drawn with a variance near 1 / fan_in. For a dense kernel (C, U), fan_in = C and
fan_out = U; for a convolution kernel (KH, KW, C, F), fan_in = KH KW C and fan_out = KH KW F.

Sources: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010);
He et al., "Delving deep into rectifiers" (2015). The normal variants are truncated at two standard deviations, as
in Keras.
"""

import math
from collections.abc import Callable

import numpy as np

Initializer = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]

# A standard normal cut off at +-2 has this standard deviation; dividing by it restores the one asked for.
_TRUNCATED_STDDEV = 0.87962566103423978


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a kernel: how many inputs one output sums over, and the reverse."""
    if len(shape) < 2:
        raise ValueError(f"a kernel with fan_in and fan_out has at least two axes, got shape {shape}; use 'zeros'")
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Uniform in +-sqrt(6 / (fan_in + fan_out)): a variance of 2 / (fan_in + fan_out)."""
    limit = math.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-limit, limit, shape)


def glorot_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Truncated normal with variance 2 / (fan_in + fan_out)."""
    return _truncated_normal(shape, rng, math.sqrt(2 / sum(fans(shape))))


def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Uniform in +-sqrt(6 / fan_in): a variance of 2 / fan_in, twice 1 / fan_in because ReLU halves the mean square."""
    limit = math.sqrt(6 / fans(shape)[0])
    return rng.uniform(-limit, limit, shape)


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Truncated normal with variance 2 / fan_in."""
    return _truncated_normal(shape, rng, math.sqrt(2 / fans(shape)[0]))


def zeros(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> np.ndarray:
    """All zero: right for biases, useless for kernels (every filter would learn the same)."""
    return np.zeros(shape)


def ones(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> np.ndarray:
    """All one."""
    return np.ones(shape)


def _truncated_normal(shape: tuple[int, ...], rng: np.random.Generator, stddev: float) -> np.ndarray:
    draws = rng.standard_normal(shape)
    while (far := np.abs(draws) > 2).any():
        draws[far] = rng.standard_normal(far.sum())
    return draws * (stddev / _TRUNCATED_STDDEV)


BY_NAME = {f.__name__: f for f in (glorot_uniform, glorot_normal, he_uniform, he_normal, zeros, ones)}


def get(initializer: str | Initializer, argument: str = "initializer") -> Initializer:
    """Return the initializer of that name, or the function itself.

    Raises:
        ValueError: there is none of that name; `argument` is what the caller calls it.
    """
    if callable(initializer):
        return initializer
    if isinstance(initializer, str) and initializer in BY_NAME:
        return BY_NAME[initializer]
    wanted = f"{', '.join(BY_NAME)}, or a function (shape, rng) -> array"
    raise ValueError(f"{argument} must be one of {wanted}, got {initializer!r}")


def name_of(initializer: Initializer) -> str | Initializer:
    """Return the name that `get` knows the initializer by; a function of the user's own is returned as it is."""
    return initializer.__name__ if initializer in BY_NAME.values() else initializer
