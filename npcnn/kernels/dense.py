"""The dense layer, twice: as loops, and as matrix products. The equations are in `layers/dense.py`.

Both have the signature

    forward(x, w, b)               -> y, cache
    backward(dy, cache, need_dx)   -> dx, dw, db        (dx is None where need_dx is False)

with x (N, C), w (C, U), b (U,), y (N, U).
"""

from typing import Any

import numpy as np

from npcnn.kernels.sharing import blocks, joined, slices
from npcnn.threads import share

Gradients = tuple[np.ndarray | None, np.ndarray, np.ndarray]

EXAMPLES = 64  # of a product, at most: a thread with only a few takes longer to fetch w than to multiply by it


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


# ------------------------------------------------------------------ product: shared by all rungs but `loops`


def forward_product(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """y = x w + b, multiplied by BLAS, which no kernel here beats."""
    y = share(lambda part: x[part] @ w + b, slices(max(len(x), 1), EXAMPLES))
    return joined(y), (x, w)


def backward_product(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """dx = dy w^T, dw = x^T dy, db = the sum of dy's rows."""
    x, w = cache
    dtype = np.result_type(dy, x, w)
    dx, dw = np.empty(x.shape, dtype), np.empty(w.shape, dtype)

    def multiply(rows: slice) -> None:
        np.matmul(x[:, rows].T, dy, out=dw[rows])
        if need_dx:
            np.matmul(dy, w[rows].T, out=dx[:, rows])

    share(multiply, blocks(len(x), w))
    return dx if need_dx else None, dw, dy.sum(axis=0)


PRODUCT = (forward_product, backward_product)
RUNGS = {"loops": (forward_loops, backward_loops), "im2col": PRODUCT, "jit": PRODUCT, "fused": PRODUCT}
