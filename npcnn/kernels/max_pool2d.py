"""Max pooling, once per rung of the ladder. The equations are in `layers/max_pool2d.py`.

Every rung has the signature

    forward(x, pool_size, strides, pads)  -> y, cache
    backward(dy, cache)                   -> dx

with x (N, H, W, C), y (N, OH, OW, C). What backward needs is which element won each window: its number in row-major
order, kh KW + kw.
"""

from typing import Any

import numpy as np

from npcnn.complex_step import comparable
from npcnn.kernels.compile import jit
from npcnn.kernels.sharing import by_images
from npcnn.kernels.windows import Pads, Pair, crop, offsets, output_size, pad


def beats(value: Any, best: Any) -> Any:
    """Whether value takes the place of best: it is larger (a tie keeps the first), or it is the first NaN seen.

    For numbers and for arrays alike.
    """
    return (comparable(value) > comparable(best)) | ((value != value) & (best == best))


# ------------------------------------------------------------------ loops: the definition, index by index


def forward_loops(x: np.ndarray, pool_size: Pair, strides: Pair, pads: Pads) -> tuple[np.ndarray, Any]:
    """y[n, i, j, c] = max over kh, kw of x[n, i SH + kh, j SW + kw, c]."""
    (KH, KW), (SH, SW) = pool_size, strides
    OH, OW = output_size(x.shape[1:3], pool_size, strides, pads=pads)
    xp = pad(x, pads, -np.inf)
    y = np.empty((len(x), OH, OW, x.shape[3]), x.dtype)
    winner = np.zeros(y.shape, int)
    for n, i, j, c in np.ndindex(y.shape):
        best = xp[n, i * SH, j * SW, c]
        for kh in range(KH):
            for kw in range(KW):
                value = xp[n, i * SH + kh, j * SW + kw, c]
                if beats(value, best):
                    best, winner[n, i, j, c] = value, kh * KW + kw
        y[n, i, j, c] = best
    return y, (winner, xp.shape, pool_size, strides, pads)


def backward_loops(dy: np.ndarray, cache: Any) -> np.ndarray:
    """dx[n, r, q, c] += dy[n, i, j, c], where r and q are the row and column of the winner."""
    winner, padded_shape, (_, KW), (SH, SW), pads = cache
    dxp = np.zeros(padded_shape, dy.dtype)
    for n, i, j, c in np.ndindex(dy.shape):
        kh, kw = divmod(winner[n, i, j, c], KW)
        dxp[n, i * SH + kh, j * SW + kw, c] += dy[n, i, j, c]
    return crop(dxp, pads)


# ------------------------------------------------------------------ im2col: all windows at once, one offset at a time


def forward_im2col(x: np.ndarray, pool_size: Pair, strides: Pair, pads: Pads) -> tuple[np.ndarray, Any]:
    """Compare what the offsets (kh, kw) meet, for all windows at once; no patch needs to be laid out for a maximum."""
    OH, OW = output_size(x.shape[1:3], pool_size, strides, pads=pads)
    xp = pad(x, pads, -np.inf)
    windows = offsets((OH, OW), pool_size, strides)
    _, _, rows, columns = next(windows)
    y = xp[:, rows, columns].copy()
    winner = np.zeros(y.shape, np.int32)
    for kh, kw, rows, columns in windows:
        value = xp[:, rows, columns]
        better = beats(value, y)
        np.copyto(y, value, where=better)
        np.copyto(winner, kh * pool_size[1] + kw, where=better)
    return y, (winner, xp.shape, pool_size, strides, pads)


def backward_im2col(dy: np.ndarray, cache: Any) -> np.ndarray:
    """Give each offset the gradients of the windows that it won; added, because windows may overlap."""
    winner, padded_shape, pool_size, strides, pads = cache
    dxp = np.zeros(padded_shape, dy.dtype)
    for kh, kw, rows, columns in offsets(dy.shape[1:3], pool_size, strides):
        dxp[:, rows, columns] += np.where(winner == kh * pool_size[1] + kw, dy, 0)
    return crop(dxp, pads)


# ------------------------------------------------------------------ jit: the loops again, compiled


def forward_jit(x: np.ndarray, pool_size: Pair, strides: Pair, pads: Pads) -> tuple[np.ndarray, Any]:
    """The comparisons of `loops`, one window after the other, with c, which is contiguous, innermost."""
    OH, OW = output_size(x.shape[1:3], pool_size, strides, pads=pads)
    xp = np.ascontiguousarray(pad(x, pads, -np.inf))
    y = np.empty((len(x), OH, OW, x.shape[3]), x.dtype)
    winner = np.empty(y.shape, np.int32)
    _forward(xp, y, winner, *pool_size, *strides)
    return y, (winner, xp.shape, pool_size, strides, pads)


@jit
def _forward(xp, y, winner, KH, KW, SH, SW):  # type: ignore[no-untyped-def]
    N, OH, OW, C = y.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                best, winners = y[n, i, j], winner[n, i, j]
                best[:] = xp[n, i * SH, j * SW]
                winners[:] = 0
                for kh in range(KH):
                    for kw in range(KW):
                        values = xp[n, i * SH + kh, j * SW + kw]
                        for c in range(C):
                            # As in `beats`: larger, or the first NaN.
                            if values[c].real > best[c].real or (np.isnan(values[c]) and not np.isnan(best[c])):
                                best[c] = values[c]
                                winners[c] = kh * KW + kw


def backward_jit(dy: np.ndarray, cache: Any) -> np.ndarray:
    """dx[n, r, q, c] += dy[n, i, j, c], where r and q are the row and column of the winner."""
    winner, padded_shape, (_, KW), strides, pads = cache
    dxp = np.zeros(padded_shape, dy.dtype)
    _backward(np.ascontiguousarray(dy), winner, dxp, KW, *strides)
    return crop(dxp, pads)


@jit
def _backward(dy, winner, dxp, KW, SH, SW):  # type: ignore[no-untyped-def]
    N, OH, OW, C = dy.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    kh, kw = divmod(winner[n, i, j, c], KW)
                    dxp[n, i * SH + kh, j * SW + kw, c] += dy[n, i, j, c]


JIT = by_images("max_pool2d", forward_jit, backward_jit)
RUNGS = {
    "loops": (forward_loops, backward_loops),
    "im2col": by_images("max_pool2d", forward_im2col, backward_im2col),
    "jit": JIT,
    "fused": JIT,
}
