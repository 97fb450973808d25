"""What a layer promises besides right numbers: pure functions, fresh arrays, one gradient for every argument.

A wrong number shows up in a gradient check; these mistakes show up much later, when two threads share a layer or a
gradient is added to in place.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Forward = Callable[[Arrays], tuple[Any, Any]]  # arguments -> y, cache
Backward = Callable[[Any, Any], Arrays]  # dy, cache -> the gradient of every argument


def broken_promises(forward: Forward, backward: Backward, arguments: Arrays, dy: Any) -> tuple[Arrays, list[str]]:
    """Return the gradients of `arguments`, and a sentence for everything that is not as the contract says."""
    before = {name: array.copy() for name, array in arguments.items()}
    dy_before = np.copy(dy)

    y, cache = forward(arguments)
    y = np.copy(y)
    forward({name: np.ascontiguousarray(np.flip(array)) for name, array in before.items()})  # as another thread would
    returned = backward(dy, cache)
    grads = {name: None if g is None else np.copy(g) for name, g in returned.items()}
    again = backward(dy, cache)
    y_alone, cache = forward(arguments)
    alone = backward(dy, cache)

    changed = [name for name, array in arguments.items() if not same_bits(array, before[name])]
    changed += [] if same_bits(dy, dy_before) else ["dy"]
    problems = [f"forward or backward changed its input {name}" for name in changed]
    if not same_bits(y, y_alone):
        problems.append("forward gives two results for the same input")
    for name in arguments.keys() | grads.keys():
        g = grads.get(name)
        if name not in arguments:
            problems.append(f"backward returns a gradient of {name!r}, which is not a parameter")
        elif g is None:
            problems.append(f"backward returns no gradient of {name}")
        elif g.shape != arguments[name].shape or g.dtype != arguments[name].dtype:
            shape = arguments[name].shape
            problems.append(f"the gradient of {name} is {g.dtype} of shape {g.shape}; {name} has shape {shape}")
        elif not same_bits(g, again[name]):
            problems.append(f"the gradient of {name} differs when backward runs a second time on the same cache")
        elif not same_bits(g, alone[name]):
            problems.append(f"the gradient of {name} depends on a forward pass in between: keep state in the cache")
        elif name != "x" and np.shares_memory(returned[name], alone[name]):
            problems.append(f"the gradient of {name} is not a fresh array: the next call overwrites it")
    return grads, problems


def same_bits(a: Any, b: Any) -> bool:
    """Whether a and b are the same numbers to the last bit."""
    return np.shape(a) == np.shape(b) and np.asarray(a).tobytes() == np.asarray(b).tobytes()
