"""How steep is it? What gradient checks measure: the slope of L = sum of dy * y along a direction, and its corners."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcnn.gradient_report import Result, Row

Arrays = dict[str, np.ndarray]
COMPLEX_STEP = 1e-30
EPSILON = float(np.finfo(np.float64).eps)
FINEST = 1e-10  # what a smaller step confirms, it confirms to this share of the slope, or to the tolerance
SMALL = 1e-3  # gradients below this are compared as if they were this
ROUGHLY = 1e-4  # a complex step that does not see everything is wrong by far more


@dataclass
class Subject:
    """What is checked: y = forward(arguments), its backward pass, and the gradients that this promises.

    `arguments` are all arrays that forward reads, `measured` those whose gradients are checked, `batches` those with a
    row for each example. `backward(dy, cache)` returns the gradient of everything measured. `is_composed` says that
    forward is one function behind another, `is_straight` that it is to be made of straight lines.
    """

    title: str
    arguments: Arrays
    measured: list[str]
    batches: list[str]
    forward: Callable[[Arrays], tuple[Any, Any]]
    backward: Callable[[Any, Any], Arrays]
    takes_complex: bool = True
    is_composed: bool = False
    is_straight: bool = False
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
        try:
            y = self.moved(name, 1j * h * u)
        except TypeError as error:
            message = f"{self.title}: forward takes no complex numbers ({error}); use method='central'"
            raise TypeError(message) from error
        if not np.iscomplexobj(y) and not np.array_equal(self.moved(name, u), self.y):
            raise TypeError(f"{self.title}: forward drops the imaginary part of {name}; use method='central'")
        return float(np.sum(self.dy * y.imag)) / h

    def rounding(self, changed: Any, h: float) -> float:
        """Return about how much rounding makes of a slope that is measured over h, if these outputs change."""
        return 4 * EPSILON * float(np.sum(np.abs(self.dy * self.y) * changed)) / h


def directions(shape: tuple[int, ...], method: str, entries: int, rng: np.random.Generator) -> Iterator[tuple]:
    """Yield (where, u): one entry at a time, of many entries a sample; then, or for "adjoint", all at once."""
    size = math.prod(shape)
    if method != "adjoint":
        for number in range(size) if size <= entries else np.sort(rng.choice(size, entries, replace=False)):
            where = tuple(int(i) for i in np.unravel_index(number, shape))
            u = np.zeros(shape)
            u[where] = 1
            yield where, u
    if method == "adjoint" or size > entries:
        yield None, rng.standard_normal(shape)


def compare(
    row: Row, where: Any, u: np.ndarray, gradient: np.ndarray, typical: float, subject: Subject, result: Result
) -> None:
    """Compare the analytic slope along u with the measured one, and note it in `row`."""
    analytic = float((gradient * u).sum() if where is None else gradient[where])
    if result.h == COMPLEX_STEP:
        h = result.h
        numeric = subject.complex_slope(row.argument, u, h)
    else:
        h = result.h * (max(1, rms(subject.arguments[row.argument])) if result.method == "central" else 1)
        numeric = subject.central_slope(row.argument, u, h)
    scale = max(abs(analytic), abs(numeric), typical)
    error = abs(analytic - numeric) / scale if math.isfinite(analytic) and math.isfinite(numeric) else math.inf
    row.checked += 1
    if error > result.tolerance:
        # Where the complex step stands there is no kink; and nothing excuses infinity.
        if h != COMPLEX_STEP and math.isfinite(error):
            excuse = kink(analytic, numeric, scale, row.argument, u, h, result.tolerance, subject)
            if excuse:
                row.kinks += 1
                row.measured += excuse == "near"
                row.unproved |= where is None and excuse == "here"
                return
        row.wrong.append(where)
    row.measured += 1
    if row.checked == row.kinks + 1 or error > row.error:
        row.error, row.where, row.analytic, row.numeric = error, where, analytic, numeric


def kink(
    analytic: float,
    numeric: float,
    scale: float,
    name: str,
    u: np.ndarray,
    first: float,
    tolerance: float,
    subject: Subject,
) -> str:
    """Say what excuses an analytic slope that a step of `first` has not confirmed: "near", "here", or "" for nothing.

    "near": smaller steps, which do not reach so far, confirm it. "here": x stands at a corner of some outputs, and what
    lies between the slopes on both sides can be right. (In a composition anything can be: the function behind may add
    up one side of one corner and the other side of another.)

    A corner is where the right and the left slope of an output differ, and one of them is the same over a step ten
    times as wide. On a smooth curve both change with the step, by more than they differ.
    """
    finest = max(tolerance, FINEST) * scale
    wide: tuple[Any, Any] | None = None
    found = ""
    for h in first / 10.0 ** np.arange(6):
        above, below = subject.moved(name, h * u), subject.moved(name, -h * u)
        right, left = (above - subject.y) / h, (subject.y - below) / h
        rounding = subject.rounding((above != subject.y) | (below != subject.y), h)
        if not rounding <= abs(analytic - numeric) / 4:  # it tells no more than the first step did; or there is NaN
            break
        if wide is not None:
            slope = float(np.sum(subject.dy * (right + left))) / 2
            error = abs(analytic - slope) - tolerance * scale - rounding
            bend = np.abs(right - left)
            is_curve = subject.is_straight and float(np.sum(np.abs(subject.dy) * bend)) > 10 * rounding
            if error <= 0 and rounding <= finest and not is_curve:
                return "near"
            # Of a parabola both sides change by 4.5 times what they differ; of a corner, one does not change.
            corner = np.minimum(np.abs(right - wide[0]), np.abs(left - wide[1])) < bend / 5
            between = float(np.sum(np.abs(subject.dy) * bend * corner)) / 2
            if between > 10 * rounding and (error <= between or subject.is_composed):
                found = "here"
        wide = right, left
    return found


def typical_slope(name: str, gradient: np.ndarray, subject: Subject) -> float:
    """Return the size of slope that errors are compared with at least: the array's root mean square, or near 1e-3."""
    floor = SMALL
    if subject.y.ndim:  # of a small y, less. (A loss may be small because large numbers cancel.)
        natural = rms(subject.dy) * rms(subject.y) / min(rms(subject.arguments[name]) or 1, 1)
        floor *= min(natural or 1, 1)
    return max(rms(gradient[np.isfinite(gradient)]), floor)


def is_analytic(name: str, typical: float, subject: Subject) -> bool:
    """Whether the complex step finds the slope that a difference finds, roughly, where an argument is scaled.

    Scaled, because without biases that changes no winner of a pool and no side of a ReLU.
    """
    u = subject.arguments[name]
    found, difference = subject.complex_slope(name, u, COMPLEX_STEP), subject.central_slope(name, u, h := 1e-5)
    if not (math.isfinite(found) and math.isfinite(difference)):
        return True  # nobody can say; the check itself will not pass
    error = abs(found - difference) - 10 * subject.rounding(True, h)
    scale = max(abs(found), abs(difference), typical)
    return error <= ROUGHLY * scale or kink(found, difference, scale, name, u, h, ROUGHLY, subject) != ""


def rms(array: Any) -> float:
    """Return the root mean square, the typical size of a number in the array."""
    return float(np.sqrt(np.mean(np.square(array)))) if np.size(array) else 0.0
