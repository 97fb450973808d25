"""Checks of arguments and data. Each returns what it was given, in one form.

What does not fit raises a ValueError (a TypeError where it is no number at all) that says what was got and what would
do. `name` is what the caller calls the value, with the layer in front where there is one: "Conv2D 'c': filters".
"""

import contextlib
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
MOST_THREADS = 1024

# ------------------------------------------------------------------ arguments


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return value as an int of at least `least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def check_optional_count(name: str, value: Any, default: Any = None) -> Any:
    """Return value as an int of at least 1, or `default` for None."""
    return default if value is None else check_count(name, value)


def check_steps(name: str, value: Any) -> int | None:
    """Return a number of batches, or None; a fraction is rounded up: len(x) / 32, as programs for Keras 2 have it."""
    whole = math.ceil(value) if isinstance(value, float) and math.isfinite(value) else value
    return check_optional_count(name, whole)


def check_frequency(name: str, value: Any) -> Callable[[int], bool]:
    """Return a function that says whether it is a number's turn: every so many, or those in a list."""
    if isinstance(value, (list, tuple, range, set)):
        if not value:
            raise ValueError(f"{name} must be an integer, or a list of one or more, got {value!r}")
        numbers = {check_count(f"{name}: each", number) for number in value}
        return lambda number: number in numbers
    every = check_count(name, value)
    return lambda number: number % every == 0


def check_pair(name: str, value: Any) -> tuple[int, int]:
    """Return (down, across) from a positive integer or a pair of them."""
    try:
        pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
        down, across = (check_count(name, size) for size in pair)
    except ValueError:
        raise ValueError(f"{name} must be a positive integer or a pair of them, got {value!r}") from None
    return down, across


def check_threads(name: str, value: Any) -> int | None:
    """Return value as a number of threads; None stays None."""
    if value is not None and check_count(name, value) > MOST_THREADS:
        raise ValueError(f"{name} must be at most {MOST_THREADS}, got {value!r}")
    return value


def check_positive(name: str, value: Any) -> float:
    """Return value as a float above 0."""
    return _number(name, value, "a positive number", lambda value: value > 0)


def check_not_negative(name: str, value: Any) -> float:
    """Return value as a float of at least 0."""
    return _number(name, value, "a number from 0 up", lambda value: value >= 0)


def check_fraction(name: str, value: Any, below: str = "below ") -> float:
    """Return value as a float from 0 to below 1, or from 0 to 1 where `below` is empty."""
    wanted = f"a number from 0 to {below}1"
    return _number(name, value, wanted, lambda value: 0 <= value < 1 or (value == 1 and not below))


def check_number(name: str, value: Any, least: float = -np.inf) -> float:
    """Return value as a finite float, of at least `least`."""
    wanted = f"a number{'' if least == -np.inf else f' of at least {least}'}"
    return _number(name, value, wanted, lambda value: value >= least)


def _number(name: str, value: Any, wanted: str, fits: Callable[[Any], bool]) -> float:
    """Return value as a float that is finite in float32, too, and fits."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not abs(value) < np.inf or not fits(value):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    if abs(value) > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST:.2g}, the largest number of float32; got {value!r}")
    return float(value)


def check_path(name: str, value: Any) -> Path:
    """Return value as a path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, as 'model.keras', got {value!r}")
    return Path(value)


def check_title(name: str, value: Any) -> str:
    """Return what a file is to call an optimizer, a loss or a metric."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{name} must be a text of printable characters, got {value!r}")
    return value


def check_name(owner: str, name: Any) -> str:
    """Return the name of a layer or a model, which Keras (on TensorFlow) and its files must be able to hold."""
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.>-]*", name):
        wanted = "letters, digits, '_', '-', '.', '>' (Keras takes no other, no space and no '/')"
        raise ValueError(f"{owner}: name must be {wanted}, got {name!r}")
    if name == "top_level_model_weights":
        raise ValueError(f"{owner}: name must not be {name!r}, which means something else in Keras' .h5 files")
    return name


def check_flag(name: str, value: Any) -> bool:
    """Return value as a bool; 1 and 0 are as good, as in Keras."""
    if not isinstance(value, (bool, np.bool_, int, np.integer)) or value not in (0, 1):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_padding(name: str, value: Any) -> str:
    """Return "valid" or "same"."""
    if not isinstance(value, str) or value.lower() not in ("valid", "same"):
        raise ValueError(f"{name} must be 'valid' or 'same', got {value!r}")
    return value.lower()


def check_dtype(name: str, dtype: Any) -> str:
    """Return "float32" or "float64"."""
    with contextlib.suppress(TypeError):
        if (found := np.dtype(dtype).name) in ("float32", "float64"):
            return found
    raise ValueError(f"{name} must be 'float32' or 'float64', got {dtype!r}")


def check_seed(name: str, seed: Any) -> np.random.Generator:
    """Return the random numbers that start from `seed`."""
    if seed is not None:
        check_count(name, seed, least=0)
    return np.random.default_rng(seed)


def check_rng(name: str, rng: Any) -> np.random.Generator:
    """Return rng itself, or the random numbers that start from it if it is a seed."""
    return rng if isinstance(rng, np.random.Generator) else check_seed(f"{name} must be a Generator or a seed; it", rng)


# ------------------------------------------------------------------ data


def as_array(name: str, value: Any) -> np.ndarray:
    """Return value as an array."""
    if isinstance(value, dict):
        hint = "the model has one input and one output, so give an array"
        raise TypeError(f"{name} must be an array, got a dictionary with {list(value)}; {hint}")
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise TypeError(f"{name} must have no masked entries, which npcnn cannot leave out; x.filled(0) fills them")
        value = value.data
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must have one shape for all examples, got examples of unequal shapes") from None


def only_array(value: Any, is_one_example: Callable[[np.ndarray], bool] = lambda array: False) -> Any:
    """Return value; of a list of one array, as Keras takes it for a model's only input, that array.

    A list of one example stays a list: a batch of one.
    """
    is_list = isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], np.ndarray)
    return value[0] if is_list and value[0].ndim and not is_one_example(value[0]) else value


def check_images(name: str, x: Any, input_shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray:
    """Return x as an array (N, *input_shape) of numbers finite in `dtype`, a last axis of one added or taken off."""
    one_example = (input_shape, (*input_shape, 1), input_shape[:-1] if input_shape[-1] == 1 else None)
    x = as_array(name, only_array(x, lambda array: array.shape in one_example))
    if x.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got dtype {x.dtype}")
    if (*x.shape, 1)[1:] == input_shape and x.ndim:
        x = x[..., None]
    elif x.shape[1:] == (*input_shape, 1):
        x = x[..., 0]
    if x.shape[1:] != input_shape:
        wanted = f"(N, {', '.join(map(str, input_shape))})"
        raise ValueError(f"{name} must have shape {wanted}, got {x.shape}{_shape_hint(name, x.shape, input_shape)}")
    if len(x) == 0:
        raise ValueError(f"{name} is empty: shape {x.shape}; at least one example is needed")
    # NaN and infinities show in the extremes; an array of flags for all of x is made only to say where.
    if x.dtype.kind == "f" and not max(-float(x.min()), float(x.max())) <= (largest := float(np.finfo(dtype).max)):
        fine = np.isfinite(x)
        if fine.all():
            fine = (x >= -largest) & (x <= largest)
        where = tuple(int(i) for i in np.unravel_index(fine.argmin(), x.shape))
        limit = f" in {dtype}, which ends at {largest:.2g}" if np.isfinite(x[where]) else ""
        raise ValueError(f"{name} must be finite numbers{limit}, got {x[where]} at index {where}")
    return x


def _shape_hint(name: str, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> str:
    """Return what would make `shape` fit, if adding axes would."""
    if shape == input_shape:
        return f"; {name}[None] makes a batch of one"
    if (*shape, 1) == input_shape:
        return f"; {name}[None, ..., None] makes a batch of one, with a channel axis"
    return ""


def check_labels(name: str, y: Any, count: int) -> np.ndarray:
    """Return y as an array with one label, or one row of labels, for each of `count` examples."""
    y = as_array(name, only_array(y, lambda array: len(array) != count))
    if y.ndim == 0 or len(y) != count:
        got = f"{len(y)} labels" if y.ndim else repr(y.item())
        raise ValueError(f"{name} must have one label for each of the {count} examples, got {got}")
    return y


def check_sample_weight(name: str, value: Any, count: int) -> np.ndarray:
    """Return value as an array (N,) of finite numbers, one for each of `count` examples."""
    weights = as_array(name, value)
    fits = weights.dtype.kind in "biuf" and weights.shape in ((count,), (count, 1))
    if not fits or not np.isfinite(weights).all():
        got = f"{weights.dtype} of shape {weights.shape}"
        raise ValueError(f"{name} must be a finite number for each of the {count} examples, got {got}")
    return weights.reshape(count)
