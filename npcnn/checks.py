"""What a model asks of the data it is given, before it does anything with it."""

from typing import Any

import numpy as np


def check_images(name: str, x: Any, input_shape: tuple[int, ...]) -> np.ndarray:
    """Return x as an array (N, *input_shape) of finite numbers; `name` is what the caller calls it.

    Raises:
        TypeError: x does not hold numbers.
        ValueError: x is empty, has another shape, or holds NaN or infinity.
    """
    x = as_array(name, x)
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got dtype {x.dtype}")
    wanted = f"(N, {', '.join(map(str, input_shape))})"
    if x.shape[1:] != input_shape:
        hint = ""
        if (*x.shape, 1)[1:] == input_shape:
            hint = f"; {name}[..., None] adds the channel axis"
        elif x.shape == input_shape:
            hint = f"; {name}[None] makes a batch of one"
        raise ValueError(f"{name} must have shape {wanted}, got {x.shape}{hint}")
    if len(x) == 0:
        raise ValueError(f"{name} is empty: shape {x.shape}; at least one example is needed")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(f"{name} must be finite numbers, got {x[where]} at index {where}")
    return x


def check_labels(name: str, y: Any, count: int) -> np.ndarray:
    """Return y as an array with one label, or one row of labels, for each of `count` examples.

    Raises:
        ValueError: there are more or fewer.
    """
    y = as_array(name, y)
    if y.ndim == 0 or len(y) != count:
        got = f"{len(y)} labels" if y.ndim else repr(y.item())
        raise ValueError(f"{name} must have one label for each of the {count} examples, got {got}")
    return y


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return value as an int of at least `least`.

    Raises:
        ValueError: it is not one.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def check_seed(name: str, seed: Any) -> np.random.Generator:
    """Return the random numbers that start from `seed`.

    Raises:
        ValueError: it is neither None nor an integer of at least 0.
    """
    if seed is not None:
        check_count(name, seed, least=0)
    return np.random.default_rng(seed)


def as_examples(name: str, value: Any) -> np.ndarray:
    """Return value as an array of two axes or more: examples, and what each of them holds.

    Raises:
        ValueError: it has fewer, or its rows differ in shape.
    """
    x = as_array(name, value)
    if x.ndim < 2:
        raise ValueError(f"{name} must have at least two axes, (N, ...), got shape {x.shape}")
    return x


def as_array(name: str, value: Any) -> np.ndarray:
    """Return value as an array.

    Raises:
        ValueError: its rows differ in shape.
    """
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must have one shape for all examples, got examples of unequal shapes") from None
