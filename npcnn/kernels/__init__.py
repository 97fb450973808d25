"""The ladder: the same arithmetic written several times; every rung gives what the one before gives.

Over a whole training step each rung is faster than the one before.

    loops    nested Python loops that spell the equation out, index by index: the definition
    im2col   patches laid out as rows of a matrix, then one matrix product, which BLAS does fast
    jit      the loops again, compiled by numba: no patch matrix, contiguous inner loops
    fused    convolution, ReLU and max pooling in one pass, and a backward pass that follows only the winners

One file an operation, slowest rung first; `conv_relu_max_pool.py` is the last rung. An operation need not have kernels
of its own on every rung: on `fused`, a convolution that is not one of three fused layers runs `jit`; a dense layer is
a plain matrix product on all rungs but `loops`. Kernels know nothing of layers: they are given arrays and pairs. How
threads share their work is in `sharing.py`.
"""

from typing import Any

from npcnn.kernels import adam, conv2d, dense, max_pool2d

RUNGS = ("loops", "im2col", "jit", "fused")
DEFAULT = "fused"  # of a model; a layer on its own takes "im2col"

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


def rung_of(operation: str, rung: str | None) -> str:
    """Return the name of the kernels that `find` really returns: "jit" for a lone convolution on "fused", say."""
    forward, _ = find(operation, rung)
    return forward.__name__.removeprefix("forward_")
