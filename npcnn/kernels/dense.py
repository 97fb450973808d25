"""The dense layer, once per rung of the ladder. The equations are in `layers/dense.py`.

Every rung has the signature

    forward(x, w, b)               -> y, cache
    backward(dy, cache, need_dx)   -> dx, dw, db        (dx is None where need_dx is False)

with x (N, C), w (C, U), b (U,), y (N, U).
"""

from typing import Any

import numpy as np

from npcnn.kernels.compile import jit

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


# ------------------------------------------------------------------ jit: the loops again, compiled


def forward_jit(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """The sums of `loops` with u, which is contiguous in w and y, innermost."""
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    y = np.empty((len(x), w.shape[1]), np.result_type(x, w, b))
    _forward(x, w, b, y)
    return y, (x, w)


@jit
def _forward(x, w, b, y):  # type: ignore[no-untyped-def]
    N, U = y.shape
    C, U = w.shape
    for n in range(N):
        outputs = y[n]
        outputs[:] = b
        for c in range(C):
            weights, value = w[c], x[n, c]
            for u in range(U):
                outputs[u] += value * weights[u]


def backward_jit(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """The sums of `loops`: dw along u, dx along c, both contiguous."""
    x, w = cache
    dtype = np.result_type(dy, x, w)
    w_by_c = np.ascontiguousarray(w.T)
    dx, dw = np.zeros(x.shape if need_dx else (0, 0), dtype), np.zeros(w.shape, dtype)
    _backward(np.ascontiguousarray(dy), x, w_by_c, dx, dw)
    return dx if need_dx else None, dw, dy.sum(axis=0, dtype=dtype)


@jit
def _backward(dy, x, w_by_c, dx, dw):  # type: ignore[no-untyped-def]
    N, U = dy.shape
    C, U = dw.shape
    for n in range(N):
        gradients = dy[n]
        for c in range(C):
            dweights, value = dw[c], x[n, c]
            for u in range(U):
                dweights[u] += value * gradients[u]
    for n in range(dx.shape[0]):
        dinputs = dx[n]
        for u in range(U):
            weights, gradient = w_by_c[u], dy[n, u]
            for c in range(C):
                dinputs[c] += weights[c] * gradient


RUNGS = {
    "loops": (forward_loops, backward_loops),
    "im2col": (forward_im2col, backward_im2col),
    "jit": (forward_jit, backward_jit),
    "fused": (forward_im2col, backward_im2col),  # BLAS: nothing is faster for a plain matrix product
}
