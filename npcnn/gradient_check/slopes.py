"""How slopes are measured: move one argument of the forward pass, and see how L = sum of dy * y changes."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]

# (h, tolerance) of each method. A right gradient is far below the tolerance, a wrong one far above it.
METHODS = {"central": (1e-5, 1e-7), "exact": (1.0, 1e-12), "complex": (1e-30, 1e-12), "adjoint": (1e-30, 1e-12)}
COMPLEX_STEP = METHODS["complex"][0]


@dataclass
class Subject:
    """What is checked: y = forward(arguments), and the gradients that backward(dy, cache) returns by name.

    `arguments` are all arrays that forward reads, `measured` those whose gradients are checked, `batches` those with a
    row for each example.
    """

    title: str
    arguments: Arrays
    measured: list[str]
    batches: list[str]
    forward: Callable[[Arrays], tuple[Any, Any]]
    backward: Callable[[Any, Any], Mapping[str, Any]]
    takes_complex: bool = True
    y: Any = None
    dy: Any = None

    def moved(self, name: str, step: np.ndarray) -> np.ndarray:
        """Return y after the argument `name` has been moved by `step`."""
        try:
            return np.array(self.forward({**self.arguments, name: self.arguments[name] + step})[0])
        except TypeError as error:  # real numbers it has taken before
            hint = f"forward takes no complex numbers ({error}); use method='central'"
            raise TypeError(f"{self.title}: {hint}") from error

    def slope(self, name: str, u: np.ndarray, h: float) -> tuple[float, float, float]:
        """Return the slope along u, by how much the slopes on both sides differ, and about how much may be rounding."""
        if h <= COMPLEX_STEP:
            return float(np.sum(self.dy * self.moved(name, 1j * h * u).imag)) / h, 0.0, 0.0
        above, below = self.moved(name, h * u), self.moved(name, -h * u)
        slope = np.sum(self.dy * (above - below)) / (2 * h)
        bend = np.sum(np.abs(self.dy * (above - 2 * self.y + below))) / h
        return float(slope), float(bend), self.rounding(above != below) / h

    def is_analytic(self, name: str, u: np.ndarray) -> bool:
        """Whether y moves along the imaginary axis as it does along the real one (Cauchy and Riemann), roughly.

        Both are done in one step of h (1 + i), so that both meet the same side of a ReLU and the same winner of a pool.
        It is in proportion to what it moves: no number changes its sign.
        """
        y = self.moved(name, 1e-8 * (1 + 1j) * u * self.arguments[name])
        change = np.sum(self.dy * (y - self.y))
        return abs(change.real - change.imag) <= 1e-4 * abs(change) + self.rounding(...)

    def rounding(self, moved: Any) -> float:
        """Return how much of a change of L may be rounding, if these outputs move: of 16 digits, 14 are trusted."""
        return 1e-14 * float(np.linalg.norm((self.dy * np.maximum(np.abs(self.y), 1))[moved]))


def compare(
    measure: Callable[[float], tuple[float, float, float]], h: float, analytic: float, least: float, tolerance: float
) -> tuple[str, float, float, float]:
    """Compare an analytic slope with the measured one; return "ok", "wrong" or "kink", the error, and both slopes.

    A difference across a kink is no derivative. So where the two disagree, h is divided by ten, up to four times:

    - They agree now: the smaller step does not reach the kink any more. (If h was 1, y must be straight, too.)
    - The slopes on both sides of x are the same: y is straight, there is no kink, and the analytic slope is wrong.
    - They differ, by a tenth as much each time: y is curved, which excuses nothing.
    - They go on to differ by as much: x stands on a kink, where y has no derivative.
    """
    numeric, bend, _ = measure(h)
    scale = max(abs(analytic), abs(numeric), least)
    error, verdict = abs(analytic - numeric) / scale, "wrong"
    if not math.isfinite(error):
        return "wrong", math.inf, analytic, numeric
    if error <= tolerance:
        return "ok", error, analytic, numeric
    for smaller in h / 10.0 ** np.arange(1, 5):
        wider = bend
        slope, bend, rounding = measure(smaller)
        if rounding > error * scale / 2:  # so small a step tells nothing
            break
        left = max(abs(analytic - slope) - rounding, 0) / scale
        is_straight = bend <= tolerance * scale + rounding
        if left <= tolerance and (is_straight or h < 1):
            return "ok", left, analytic, slope
        if is_straight:
            return "wrong", error, analytic, numeric
        if bend > wider / 2:
            verdict = "kink"
    return verdict, error, analytic, numeric


def directions(shape: tuple[int, ...], method: str, entries: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Yield (where, u): one entry at a time, of many entries a sample; then, or for "adjoint", all at once."""
    size = math.prod(shape)
    if method != "adjoint":
        for number in sorted(rng.permutation(size)[:entries]):
            where = tuple(int(i) for i in np.unravel_index(number, shape))
            u = np.zeros(shape)
            u[where] = 1
            yield where, u
    if method == "adjoint" or size > entries:
        yield None, rng.standard_normal(shape)


def rms(array: np.ndarray) -> float:
    """Return the root mean square, the typical size of a number in the array."""
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
