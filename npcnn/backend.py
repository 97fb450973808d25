"""The handful of functions that scripts take from Keras' backend. Arrays are NumPy's; there is no graph to manage."""

from typing import Any

import numpy as np

from npcnn import defaults
from npcnn.checks import check_dtype, check_positive


def backend() -> str:
    """Return what computes: "numpy"."""
    return "numpy"


def image_data_format() -> str:
    """Return the order of an image's axes: "channels_last", (H, W, C), everywhere."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accept "channels_last".

    Raises:
        ValueError: it is anything else.
    """
    if data_format != "channels_last":
        hint = "npcnn has channels last only; x.transpose(0, 2, 3, 1) makes (N, H, W, C) of (N, C, H, W)"
        raise ValueError(f"set_image_data_format: must be 'channels_last', got {data_format!r}; {hint}")


def image_dim_ordering() -> str:
    """Return how Keras 1 called channels last: "tf"."""
    return "tf"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Accept "tf", channels last.

    Raises:
        ValueError: it is anything else.
    """
    set_image_data_format("channels_last" if dim_ordering == "tf" else dim_ordering)


def floatx() -> str:
    """Return the float type of models that are told none."""
    return defaults.floatx


def set_floatx(value: str) -> None:
    """Set the float type of models that are told none, "float32" or "float64"."""
    defaults.floatx = check_dtype("set_floatx: value", value)


def cast_to_floatx(x: Any) -> np.ndarray:
    """Return x as an array of the type `floatx()`."""
    return np.asarray(x, dtype=defaults.floatx)


def epsilon() -> float:
    """Return the small number that keeps quotients finite in a program's own code; npcnn's parts have their own."""
    return defaults.epsilon


def set_epsilon(value: float) -> None:
    """Set what `epsilon()` returns."""
    defaults.epsilon = check_positive("set_epsilon: value", value)


def get_value(x: Any) -> Any:
    """Return x itself, which is a plain number or an array already: `get_value(model.optimizer.learning_rate)`."""
    return x


def set_value(x: Any, value: Any) -> None:
    """Copy a value into an array, or set the learning rate: `set_value(model.optimizer.learning_rate, 0.01)`.

    Raises:
        TypeError: x is a plain number.
    """
    if isinstance(x, np.ndarray):
        x[...] = value
    elif hasattr(x, "assign"):
        x.assign(value)
    else:
        raise TypeError(f"set_value: x must be an array or an optimizer's learning_rate, got {x!r}")


def clear_session() -> None:
    """Do nothing: Keras drops its graph of all models here, and npcnn has none."""
