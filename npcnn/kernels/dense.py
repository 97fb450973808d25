"""The dense layer, once per rung of the ladder. The equations are in `layers/dense.py`.

Every rung has the signature

    forward(x, w, b)               -> y, cache
    backward(dy, cache, need_dx)   -> dx, dw, db        (dx is None where need_dx is False)

with x (N, C), w (C, U), b (U,), y (N, U).
"""

from typing import Any

import numpy as np

from npcnn.kernels import conv2d
from npcnn.kernels.windows import NO_PADS

Gradients = tuple[np.ndarray | None, np.ndarray, np.ndarray]


# ------------------------------------------------------------------ loops: the definition, index by index


def forward_loops(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """y[n, u] = b[u] + sum over c of x[n, c] * w[c, u]."""
    y = np.empty((len(x), w.shape[1]), np.result_type(x, w, b))
    for n, u in np.ndindex(y.shape):
        total = b[u]
        for c in range(w.shape[0]):
            total = total + x[n, c] * w[c, u]
        y[n, u] = total
    return y, (x, w)


def backward_loops(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """Visit the same products again; each factor's gradient collects dy times the other factor."""
    x, w = cache
    dtype = np.result_type(dy, x, w)
    dx, dw, db = np.zeros(x.shape, dtype), np.zeros(w.shape, dtype), np.zeros(w.shape[1], dtype)
    for n, u in np.ndindex(dy.shape):
        db[u] += dy[n, u]
        for c in range(w.shape[0]):
            dw[c, u] += x[n, c] * dy[n, u]
            dx[n, c] += w[c, u] * dy[n, u]
    return dx if need_dx else None, dw, db


# ------------------------------------------------------------------ im2col: nothing to lay out, just the product


def forward_im2col(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """y = x w + b."""
    return x @ w + b, (x, w)


def backward_im2col(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """dx = dy w^T, dw = x^T dy, db = the sum of dy's rows."""
    x, w = cache
    return dy @ w.T if need_dx else None, x.T @ dy, dy.sum(axis=0)


# ------------------------------------------------------------------ jit: a convolution of 1 x 1


def forward_jit(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """A row of N pixels with C channels, under U filters of one pixel: the compiled loops of `conv2d.py` do it."""
    y, cache = conv2d.forward_jit(x[None, None], w[None, None], b, (1, 1), NO_PADS, (1, 1))
    return y[0, 0], cache


def backward_jit(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """The gradients of that convolution."""
    dx, dw, db = conv2d.backward_jit(dy[None, None], cache, need_dx)
    return None if dx is None else dx[0, 0], dw[0, 0], db


RUNGS = {
    "loops": (forward_loops, backward_loops),
    "im2col": (forward_im2col, backward_im2col),
    "jit": (forward_jit, backward_jit),
    "fused": (forward_im2col, backward_im2col),  # BLAS: nothing is faster for a plain matrix product
}
