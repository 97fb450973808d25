"""The ladder: the same arithmetic written several times, each faster than the last, each equal to the one before.

    loops    nested Python loops that spell the equation out, index by index: the definition
    im2col   patches laid out as rows of a matrix, then one matrix product: what NumPy is good at

One file an operation, slowest rung first. Kernels know nothing of layers; they get arrays and pairs of numbers.
"""

from typing import Any

from npcnn.kernels import adam, conv2d, dense, max_pool2d

RUNGS = ("loops", "im2col")
DEFAULT = "im2col"  # of a model

_OPERATIONS: dict[str, dict[str, Any]] = {
    "conv2d": conv2d.RUNGS,
    "max_pool2d": max_pool2d.RUNGS,
    "dense": dense.RUNGS,
    "adam": adam.RUNGS,
}


def check_rung(rung: str, owner: str) -> str:
    """Return `rung` if there is one of that name; `owner` is who asks, for the error."""
    if rung not in RUNGS:
        raise ValueError(f"{owner}: kernels must be one of {', '.join(map(repr, RUNGS))}, got {rung!r}")
    return rung


def find(operation: str, rung: str | None) -> Any:
    """Return (forward, backward) of a layer's operation, or the update of "adam", on a rung.

    None, a layer on its own that names no rung, means "im2col", which needs no compiler.
    """
    return _OPERATIONS[operation][rung or "im2col"]
