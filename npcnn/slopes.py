"""How steep is it? What gradient checks measure: the slope of L = sum of dy * y along a direction, and its corners."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcnn.gradient_report import Result

Arrays = dict[str, np.ndarray]
EPSILON = float(np.finfo(np.float64).eps)
FINEST = 1e-10  # steps become smaller until rounding takes more of the slope than this, or than the tolerance


@dataclass
class Subject:
    """What is checked: y = forward(arguments), its backward pass, and the gradients that this promises.

    `arguments` are all arrays that forward reads, `measured` those whose gradients are checked, `batches` those with a
    row for each example. `backward(dy, cache)` returns the gradient of everything measured.
    """

    title: str
    arguments: Arrays
    measured: list[str]
    batches: list[str]
    forward: Callable[[Arrays], tuple[Any, Any]]
    backward: Callable[[Any, Any], Arrays]
    takes_complex: bool = True
    y: Any = None
    dy: Any = None

    def moved(self, name: str, step: np.ndarray) -> np.ndarray:
        """Return y after the argument `name` has been moved by `step`."""
        return np.array(self.forward({**self.arguments, name: self.arguments[name] + step})[0])

    def central_slope(self, name: str, u: np.ndarray, h: float) -> float:
        """Return (L(x + h u) - L(x - h u)) / 2h."""
        return float(np.sum(self.dy * (self.moved(name, h * u) - self.moved(name, -h * u)))) / (2 * h)

    def complex_slope(self, name: str, u: np.ndarray, h: float) -> float:
        """Return Im L(x + i h u) / h."""
        y = self.moved(name, 1j * h * u)
        if not np.iscomplexobj(y):
            raise TypeError(f"{self.title}: forward drops the imaginary part of {name}; use method='central'")
        return float(np.sum(self.dy * y.imag)) / h


def kink(analytic: float, scale: float, name: str, u: np.ndarray, subject: Subject, result: Result) -> str:
    """Say what excuses a slope that a step of `result.h` does not confirm: "near", "here", or "" for nothing.

    "near": smaller steps, which do not reach so far, confirm it. "here": x stands at a corner of some outputs, and what
    lies between the slopes on both sides can be right.

    A corner is where the right and the left slope of an output differ, and one of them is the same over a step ten
    times as wide. On a smooth curve both change with the step, by more than they differ.
    """
    tolerance = max(result.tolerance, FINEST) * scale
    wide: tuple[Any, Any] | None = None
    found = ""
    for h in result.h / 10.0 ** np.arange(6):
        above, below = subject.moved(name, h * u), subject.moved(name, -h * u)
        right, left = (above - subject.y) / h, (subject.y - below) / h
        changed = np.abs(subject.y) * ((above != subject.y) | (below != subject.y))
        rounding = 4 * EPSILON * float(np.sum(np.abs(subject.dy) * changed)) / h
        if rounding > tolerance:
            break
        if wide is not None:
            slope = float(np.sum(subject.dy * (right + left))) / 2
            error = abs(analytic - slope) - result.tolerance * scale - rounding
            if error <= 0:
                return "near"
            bend = np.abs(right - left)
            corner = np.minimum(np.abs(right - wide[0]), np.abs(left - wide[1])) < bend / 5
            if error <= float(np.sum(np.abs(subject.dy) * bend * corner)) / 2:
                found = "here"
        wide = right, left
    return found
