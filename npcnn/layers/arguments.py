"""Checks of arguments that Conv2D and MaxPool2D share; every error names the layer, the argument, and what would do."""

from typing import Any

import numpy as np

from npcnn.layers.layer import Layer


def positive_int(layer: Layer, argument: str, value: Any) -> int:
    """Return value as an int of at least 1."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise layer.error(f"{argument} must be a positive integer, got {value!r}")
    return int(value)


def positive_pair(layer: Layer, argument: str, value: Any) -> tuple[int, int]:
    """Return (rows, columns) from one positive integer or a pair of them."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 and n is not True for n in pair):
        raise layer.error(f"{argument} must be a positive integer or a pair of them, got {value!r}")
    return int(pair[0]), int(pair[1])


def padding(layer: Layer, value: Any) -> str:
    """Return "valid" or "same"."""
    if not isinstance(value, str) or value.lower() not in ("valid", "same"):
        raise layer.error(f"padding must be 'valid' or 'same', got {value!r}")
    return value.lower()
