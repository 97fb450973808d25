"""What a layer promises besides right numbers: pure functions, fresh arrays, one gradient for every argument.

A wrong number shows up in a gradient check; these mistakes show up much later, when two threads share a layer or a
gradient is added to in place.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.slopes import EPSILON, Arrays, Subject


def broken_promises(subject: Subject, rng: np.random.Generator) -> tuple[Arrays, list[str]]:
    """Set `subject.y` and `subject.dy`; return the gradients, and a sentence for everything that breaks the contract.

    A gradient that cannot be compared with anything is among the sentences only.

    Raises:
        ValueError: forward returns numbers that no check can use.
    """
    arguments, forward, backward = subject.arguments, subject.forward, subject.backward
    before = {name: array.copy() for name, array in arguments.items()}
    problems: list[str] = []

    def attempt(what: str, function: Callable, *given: Any) -> Arrays | None:
        """Return what function(*given) returns, or note that it fails and return None."""
        try:
            return copies(function(*given))
        except Exception as error:
            problems.append(f"{what}: {type(error).__name__}: {error}")
            return None

    y, cache = forward(arguments)
    subject.y = usable_output(subject.title, y)
    subject.dy = rng.standard_normal(subject.y.shape) if subject.y.ndim else np.array(1.0)  # a loss is its own L
    dy = subject.dy.copy()
    returned = backward(dy, cache)
    grads, overwritten = copies(returned), set()

    # What backward returns when it runs again: (what it means if that is not the first result times factor, ...)
    again = attempt("backward fails when it runs a second time on the same cache", backward, dy, cache)
    repeats = [("differs when backward runs a second time on the same cache", 1.0, again)]
    for factor in (2.0**20, 2.0**-20) if dy.ndim else ():  # powers of two round nothing; a loss' gradient has no dy
        again = attempt(f"backward fails for dy * {factor:.0e}", backward, dy * factor, cache)
        repeats.append(("is not proportional to dy", factor, again))
    for more, others in enumerate(("other numbers", "one more example")):
        y_again, cache = forward(arguments)
        if not same_bits(subject.y, y_again):
            problems.append("forward gives two results for the same input")
        attempt(f"forward or backward fails with {others}", pass_of_another_thread, subject, more, rng)
        overwritten |= {f"gradient of {name}" for name in grads if not same_bits(grads[name], returned[name])}
        overwritten |= set() if same_bits(subject.y, y) else {"output"}
        again = attempt("backward fails after another forward pass; keep state in the cache", backward, dy, cache)
        repeats.append(("depends on another forward pass: keep state in the cache", 1.0, again))

    changed = [name for name, array in arguments.items() if not same_bits(array, before[name])]
    changed += [] if same_bits(dy, subject.dy) else ["dy"]
    problems += [f"forward or backward changed its input {name}" for name in changed]
    problems += [f"the {name} is not a fresh array: a later call overwrites it" for name in sorted(overwritten)]
    for name in returned.keys() - subject.measured:
        problems.append(f"backward returns a gradient of {name!r}, which is not a parameter")
        grads.pop(name, None)
    for name in subject.measured:
        wrong = is_no_gradient(returned.get(name), arguments[name])
        if wrong:
            problems.append(f"the gradient of {name} is {wrong}")
            if np.shape(grads.get(name)) != arguments[name].shape:
                grads.pop(name, None)
            continue
        differ = [what for what, factor, again in repeats if differs(name, grads[name], factor, again)]
        problems += [f"the gradient of {name} {what}" for what in differ[:1]]
        if is_ignored(name, grads[name], subject, rng):
            problems.append(f"forward takes no notice of a change of {name}: does it keep {name} somewhere else?")
            grads.pop(name)
    if rounds_coarsely(subject, rng):
        problems.append("the tenth digit of the input does not reach the output: is it computed in float32?")
    return grads, list(dict.fromkeys(problems))


def check_argument(title: str, name: str, array: Any) -> None:
    """Raise a ValueError if no gradient by this array can be checked."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{title}: {name} must be a NumPy array, got {type(array).__name__}")
    if array.dtype in (np.float32, np.float16):
        raise ValueError(
            f"{title}: {name} is {array.dtype}; gradients are checked in float64, because {array.dtype} "
            'cannot tell a wrong gradient from rounding. Use dtype="float64" for layer, model and data'
        )
    if array.dtype != np.float64:
        raise ValueError(f"{title}: {name} is {array.dtype}; gradients are checked in float64")
    if array.size == 0 or not np.isfinite(array).all():
        what = "NaN or infinity" if array.size else f"nothing, shape {array.shape}"
        raise ValueError(f"{title}: {name} holds {what}; there is no gradient to check")


def copies(arrays: Arrays) -> Arrays:
    """Return copies of the gradients that are there."""
    return {name: np.array(g) for name, g in arrays.items() if g is not None}


def usable_output(title: str, y: Any) -> np.ndarray:
    """Return a copy of y as an array, or say why it cannot be checked."""
    y = np.array(y)
    if y.dtype != np.float64:
        raise ValueError(
            f"{title}: forward returns {y.dtype} for arguments of float64; a check needs float64 throughout"
        )
    if not np.isfinite(y).all():
        raise ValueError(f"{title}: forward returns NaN or infinity here, whose slope nobody can measure")
    return y


def pass_of_another_thread(subject: Subject, more: int, rng: np.random.Generator) -> Arrays:
    """Run forward and backward on the examples in another order, with so many more of them, and on other numbers."""
    others = {}
    for name, array in subject.arguments.items():
        other = np.concatenate([array[::-1], array[:more]]) if name in subject.batches else array
        others[name] = 0.75 * other if name in subject.measured else other
    y, cache = subject.forward(others)
    return subject.backward(rng.standard_normal(np.shape(y)), cache)


def is_no_gradient(g: Any, of: np.ndarray) -> str:
    """Say what is there instead of a gradient of the array `of`; "" if it is one."""
    if g is None:
        return "missing: backward does not return it"
    if not hasattr(g, "dtype"):
        return f"a {type(g).__name__}, not an array"
    if g.shape != of.shape or g.dtype != of.dtype:
        return f"{g.dtype} of shape {g.shape}, not {of.dtype} of shape {of.shape}"
    return ""


def differs(name: str, g: np.ndarray, factor: float, again: Arrays | None) -> bool:
    """Whether again[name] is something else than g times `factor`: by a bit, or for other factors than 1 by more."""
    if again is None:
        return False  # it failed, which has been said
    if factor == 1 or np.shape(again.get(name)) != g.shape or not np.isfinite(g).all():
        return not same_bits(g * factor, again.get(name))
    return bool(np.abs(again[name] / factor - g).max() > 1e-12 * np.abs(g).max())


def is_ignored(name: str, g: np.ndarray, subject: Subject, rng: np.random.Generator) -> bool:
    """Whether forward gives the same for another value of an argument that it claims to have a gradient by."""
    array = subject.arguments[name]
    step = rng.uniform(0, 0.1, array.shape) - rng.uniform(0, 0.5, array.shape) * array
    return bool((np.abs(g * step) > 16 * EPSILON).any()) and same_bits(subject.moved(name, step), subject.y)


def rounds_coarsely(subject: Subject, rng: np.random.Generator) -> bool:
    """Whether most outputs that answer to a change in the fourth digit of the arguments ignore one in the tenth.

    Without those that float64 would not let answer to it either.
    """

    def answer(size: float) -> np.ndarray:
        arguments = dict(subject.arguments)
        for name in subject.measured:
            arguments[name] = arguments[name] * (1 + size * rng.uniform(0.5, 1, arguments[name].shape))
        return np.abs(subject.forward(arguments)[0] - subject.y)

    able = answer(1e-4) * 1e-6 > 16 * EPSILON * np.maximum(np.abs(subject.y), 1)
    return bool((able & (answer(1e-10) == 0)).sum() > able.sum() / 2)


def same_bits(a: Any, b: Any) -> bool:
    """Whether a and b are the same numbers to the last bit."""
    return np.shape(a) == np.shape(b) and np.asarray(a).tobytes() == np.asarray(b).tobytes()
