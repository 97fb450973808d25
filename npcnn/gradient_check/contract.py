"""What a layer promises besides right numbers: pure functions, fresh arrays, one gradient for every parameter.

A wrong number shows in a gradient check. These mistakes show much later: when two threads share a layer, or when
gradients are added up in place.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from npcnn.gradient_check.slopes import Arrays, Subject

HINT = "keep state in the cache, and do not change it there"


def broken_promises(subject: Subject, rng: np.random.Generator) -> tuple[Arrays, list[str]]:
    """Set `subject.y` and `subject.dy`; return the gradients to check, and a sentence for each broken promise.

    Raises:
        ValueError: an argument, or what forward returns, is nothing that can be checked.
    """
    for name in subject.measured:
        check_array(f"{subject.title}: {name}", subject.arguments[name])
    before = {name: array.copy() for name, array in subject.arguments.items()}
    y, cache = subject.forward(subject.arguments)
    subject.y = np.array(y)
    check_array(f"{subject.title}: what forward returns", subject.y)
    subject.dy = rng.standard_normal(subject.y.shape) if subject.y.ndim else np.array(1.0)  # a loss is L itself
    given = {**subject.arguments, "dy": subject.dy.copy()}
    returned = subject.backward(given["dy"], cache)

    grads, problems, taken = {}, [], dict(given)
    for name in dict.fromkeys([*subject.measured, *returned]):
        wanted = describe(given[name] if name in subject.measured else None)
        if (found := describe(returned.get(name))) != wanted:
            problems.append(f"backward must return {wanted} as the gradient of {name}, got {found}")
            continue
        grads[name] = np.array(returned[name])
        for what, array in taken.items():
            if name not in subject.batches and np.shares_memory(returned[name], array):  # (dx may be a view of dy)
                problems.append(f"the gradient of {name} shares memory with {what}, and training adds to it in place")
        taken[f"the gradient of {name}"] = returned[name]
    try:
        problems += kept_state(subject, y, cache, returned, grads, rng)
    except Exception as error:
        what = f"when it runs again, or with one more example ({type(error).__name__}: {error})"
        problems.append(f"forward or backward fails {what}; {HINT}")
    for name, was in {**before, "dy": subject.dy}.items():
        if not np.array_equal(given[name], was, equal_nan=True):
            problems.append(f"forward or backward changed its input {name}")
    return grads, problems


def kept_state(
    subject: Subject, y: Any, cache: Any, returned: Mapping[str, Any], grads: Arrays, rng: np.random.Generator
) -> Iterator[str]:
    """Use the layer for other examples in between, as another thread may, and say what that changes for the first."""
    if not same(subject.forward(subject.arguments)[0], subject.y):
        yield "forward gives two results for the same input"
    for more in (0, 1):
        others = dict(subject.arguments)
        for name in subject.batches:
            others[name] = np.concatenate([others[name][::-1], others[name][:more]])
        others[subject.measured[0]] = 0.75 * others[subject.measured[0]]
        other_y, other_cache = subject.forward(others)
        subject.backward(rng.standard_normal(np.shape(other_y)), other_cache)
    held = {"output": (y, subject.y), **{f"gradient of {name}": (returned[name], grads[name]) for name in grads}}
    for what, (now, first) in held.items():
        if not np.array_equal(now, first, equal_nan=True):
            yield f"the {what} is not a fresh array: a later call overwrites it"
    unsaid = [name for name in grads if np.isfinite(grads[name]).all()]
    for factor in (1, 2.0**20, 2.0**-20) if subject.y.ndim else (1,):  # powers of two round nothing; a loss has no dy
        again = subject.backward(subject.dy * factor, cache)
        what = "is not proportional to dy" if factor != 1 else "differs when backward runs again"
        for name in [name for name in unsaid if not same(again.get(name), factor * grads[name])]:
            yield f"the gradient of {name} {what}; {HINT}"
            unsaid.remove(name)


def check_array(what: str, array: Any) -> None:
    """Raise a ValueError if no gradient of, or with respect to, this array can be checked."""
    if getattr(array, "dtype", None) != np.float64:
        hint = "with fewer digits a wrong gradient looks like rounding. Use dtype='float64' for layer, model and data"
        raise ValueError(f"{what} must be an array of float64, got {describe(array)}; {hint}")
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{what} must hold finite numbers, got NaN, infinity or none at all, shape {array.shape}")


def describe(array: Any) -> str:
    """Say what this is, in words that a parameter and its gradient have in common."""
    if hasattr(array, "dtype"):
        return f"{array.dtype} of shape {array.shape}"
    return "nothing" if array is None else f"a {type(array).__name__}"


def same(a: Any, b: np.ndarray) -> bool:
    """Whether a and b are the same numbers but for rounding."""
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max()))
