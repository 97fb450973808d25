"""The numbers a layer starts with: objects called with (shape, rng) that return an array.

Sums of many products must neither vanish nor explode from layer to layer. A sum of fan_in terms has fan_in times the
variance of one, so weights are drawn with a variance near 1 / fan_in. For a dense kernel (C, U), fan_in = C and
fan_out = U; for a convolution kernel (KH, KW, C, F), fan_in = KH KW C and fan_out = KH KW F.

Sources: LeCun et al., "Efficient BackProp" (1998); Glorot and Bengio, "Understanding the difficulty of training deep
feedforward neural networks" (2010); He et al., "Delving deep into rectifiers" (2015). The normal variants are truncated
at two standard deviations, as in Keras.

Names and arguments are Keras': each class has its name in snake case too, `he_normal` for HeNormal. An initializer with
a `seed` draws the same numbers each time it is called; without one it draws from the model's random numbers.
"""

import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.checks import check_number, check_positive, check_seed

# A standard normal cut off at +-2 has this standard deviation; dividing by it restores the one asked for.
_TRUNCATED_STDDEV = 0.87962566103423978


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a kernel: how many inputs one output sums over, and the reverse."""
    if len(shape) < 2:
        raise ValueError(f"a kernel with fan_in and fan_out has at least two axes, got shape {shape}; use 'zeros'")
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


class Initializer:
    """What all initializers share: an optional seed. A subclass writes `draw(shape, rng)`."""

    def __init__(self, seed: int | None = None) -> None:
        check_seed(f"{type(self).__name__}: seed", seed)
        self.seed = seed

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator | None = None) -> np.ndarray:
        """Return an array of that shape, drawn from this initializer's own seed if it has one, else from `rng`."""
        return self.draw(shape, np.random.default_rng(self.seed) if rng is None or self.seed is not None else rng)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return an array of that shape."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this initializer again."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


class Zeros(Initializer):
    """All zero: right for biases, useless for kernels (every filter would learn the same)."""

    def __init__(self) -> None:
        super().__init__()

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return zeros."""
        return np.zeros(shape)


class Ones(Initializer):
    """All one."""

    def __init__(self) -> None:
        super().__init__()

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return ones."""
        return np.ones(shape)


class Constant(Initializer):
    """All `value`."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = check_number("Constant: value", value)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return an array full of the value."""
        return np.full(shape, self.value)


class RandomUniform(Initializer):
    """Uniform from minval to maxval."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = check_number("RandomUniform: minval", minval)
        self.maxval = check_number("RandomUniform: maxval", maxval, least=self.minval)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return uniform draws."""
        return rng.uniform(self.minval, self.maxval, shape)


class RandomNormal(Initializer):
    """Normal, with that mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = check_number(f"{type(self).__name__}: mean", mean)
        self.stddev = check_positive(f"{type(self).__name__}: stddev", stddev)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return normal draws."""
        return self.mean + self.stddev * rng.standard_normal(shape)


class TruncatedNormal(RandomNormal):
    """Normal, with draws further than two standard deviations from the mean drawn again."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return normal draws, cut off at two standard deviations."""
        return self.mean + self.stddev * _standard_normal_within_2(shape, rng)


class VarianceScaling(Initializer):
    """Mean 0 and variance scale / n, where n is fan_in, fan_out, or their mean: the six below are special cases of it.

        uniform                in +-sqrt(3 scale / n)
        truncated_normal       cut off at two standard deviations, and widened to keep the variance
        untruncated_normal     standard deviation sqrt(scale / n)

    Args:
        scale: a positive number.
        mode: what n is: "fan_in", "fan_out", "fan_avg".
        distribution: one of the three above; "normal" is "truncated_normal".
        seed: see above.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.scale = check_positive("VarianceScaling: scale", scale)
        distribution = "truncated_normal" if distribution == "normal" else distribution
        for name, value, choices in (
            ("mode", mode, ("fan_in", "fan_out", "fan_avg")),
            ("distribution", distribution, ("uniform", "truncated_normal", "untruncated_normal")),
        ):
            if value not in choices:
                raise ValueError(f"VarianceScaling: {name} must be one of {', '.join(choices)}, got {value!r}")
        self.mode, self.distribution = mode, distribution

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return draws of that variance."""
        fan_in, fan_out = fans(shape)
        variance = self.scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return rng.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return math.sqrt(variance) * rng.standard_normal(shape)
        return _standard_normal_within_2(shape, rng) * (math.sqrt(variance) / _TRUNCATED_STDDEV)


class Orthogonal(Initializer):
    """A random rotation, `gain` times: the columns of the kernel, as a matrix, are at right angles to each other.

    (Rows, if there are fewer of them. Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", 2014.)
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = check_number("Orthogonal: gain", gain)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return the Q of a random matrix; Q R = A determines Q once the signs of R's diagonal are fixed."""
        fans(shape)  # refuses a shape that is no matrix
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


def _standard_normal_within_2(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    draws = rng.standard_normal(shape)
    while (far := np.abs(draws) > 2).any():
        draws[far] = rng.standard_normal(far.sum())
    return draws


class _Scaled(VarianceScaling):
    """A VarianceScaling with the three arguments fixed."""

    how: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.how, seed)


class GlorotUniform(_Scaled):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)): a variance of 2 / (fan_in + fan_out)."""

    how = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal with variance 2 / (fan_in + fan_out)."""

    how = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform in +-sqrt(6 / fan_in): a variance of 2 / fan_in, twice 1 / fan_in because ReLU halves the mean square."""

    how = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal with variance 2 / fan_in."""

    how = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform in +-sqrt(3 / fan_in): a variance of 1 / fan_in."""

    how = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal with variance 1 / fan_in."""

    how = (1.0, "fan_in", "truncated_normal")


CLASSES: dict[str, type[Initializer]] = {
    cls.__name__: cls
    for cls in (GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Zeros, Ones)
    + (Constant, RandomUniform, RandomNormal, TruncatedNormal, VarianceScaling, Orthogonal)
}
glorot_uniform, glorot_normal, he_uniform, he_normal = GlorotUniform, GlorotNormal, HeUniform, HeNormal
lecun_uniform, lecun_normal, zeros, ones, constant = LecunUniform, LecunNormal, Zeros, Ones, Constant
random_uniform, random_normal, truncated_normal = RandomUniform, RandomNormal, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal

BY_NAME = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): cls for name, cls in CLASSES.items()}
_SHORT = {"uniform": RandomUniform, "normal": RandomNormal, "zero": Zeros, "one": Ones}


def get(
    initializer: Any, argument: str = "initializer"
) -> Callable[[tuple[int, ...], np.random.Generator], np.ndarray]:
    """Return the initializer of that name or class, or the object or function itself if it is one.

    Raises:
        ValueError: there is none of that name; `argument` is what the caller calls it.
    """
    if isinstance(initializer, type) and issubclass(initializer, Initializer):
        return initializer()
    if callable(initializer):
        return initializer
    if isinstance(initializer, str) and (cls := {**CLASSES, **BY_NAME, **_SHORT}.get(initializer)):
        return cls()
    wanted = f"{', '.join(BY_NAME)}, or a function (shape, rng) -> array"
    raise ValueError(f"{argument} must be one of {wanted}, got {initializer!r}")


def name_of(initializer: Any) -> Any:
    """Return the name that `get` makes this initializer from; one with arguments is returned as it is."""
    names = {cls: name for name, cls in BY_NAME.items()}
    plain = type(initializer) in names and initializer.get_config() in ({}, {"seed": None})
    return names[type(initializer)] if plain else initializer
