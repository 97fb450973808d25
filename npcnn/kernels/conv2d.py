"""Convolution, once per rung of the ladder, slowest and clearest first. The equations are in `layers/conv2d.py`.

Every rung has the signature

    forward(x, w, b, strides, pads, dilation)  -> y, cache
    backward(dy, cache, need_dx)               -> dx, dw, db        (dx is None where need_dx is False)

with x (N, H, W, C), w (KH, KW, C, F), b (F,), y (N, OH, OW, F). The cache is private to its rung.
"""

from typing import Any

import numpy as np

from npcnn.kernels.compile import jit
from npcnn.kernels.windows import Pads, Pair, crop, offsets, output_size, pad

Gradients = tuple[np.ndarray | None, np.ndarray, np.ndarray]


# ------------------------------------------------------------------ loops: the definition, index by index


def forward_loops(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, strides: Pair, pads: Pads, dilation: Pair
) -> tuple[np.ndarray, Any]:
    """y[n, i, j, f] = b[f] + sum over kh, kw, c of x[n, i SH + kh DH, j SW + kw DW, c] * w[kh, kw, c, f]."""
    (KH, KW, C, F), (SH, SW), (DH, DW) = w.shape, strides, dilation
    OH, OW = output_size(x.shape[1:3], (KH, KW), strides, dilation, pads)
    xp = pad(x, pads)
    y = np.empty((len(x), OH, OW, F), np.result_type(x, w, b))
    for n, i, j, f in np.ndindex(y.shape):
        total = b[f]
        for kh in range(KH):
            for kw in range(KW):
                for c in range(C):
                    total = total + xp[n, i * SH + kh * DH, j * SW + kw * DW, c] * w[kh, kw, c, f]
        y[n, i, j, f] = total
    return y, (xp, w, strides, pads, dilation)


def backward_loops(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """Visit the same products again; each factor's gradient collects dy times the other factor."""
    xp, w, (SH, SW), pads, (DH, DW) = cache
    KH, KW, C, F = w.shape
    dtype = np.result_type(dy, xp, w)
    dxp, dw, db = np.zeros(xp.shape, dtype), np.zeros(w.shape, dtype), np.zeros(F, dtype)
    for n, i, j, f in np.ndindex(dy.shape):
        db[f] += dy[n, i, j, f]
        for kh in range(KH):
            for kw in range(KW):
                for c in range(C):
                    row, column = i * SH + kh * DH, j * SW + kw * DW
                    dw[kh, kw, c, f] += xp[n, row, column, c] * dy[n, i, j, f]
                    dxp[n, row, column, c] += w[kh, kw, c, f] * dy[n, i, j, f]
    return crop(dxp, pads) if need_dx else None, dw, db


# ------------------------------------------------------------------ im2col: one matrix product


def im2col(x: np.ndarray, kernel: Pair, strides: Pair, dilation: Pair = (1, 1)) -> np.ndarray:
    """Copy every patch of x (N, H, W, C) out: patches (N, OH, OW, KH, KW, C).

    Each offset (kh, kw) of the window is copied for all windows at once, which leaves NumPy long runs to copy and
    Python only KH x KW steps to loop over.
    """
    OH, OW = output_size(x.shape[1:3], kernel, strides, dilation)
    patches = np.empty((len(x), OH, OW, *kernel, x.shape[3]), x.dtype)
    for kh, kw, rows, columns in offsets((OH, OW), kernel, strides, dilation):
        patches[:, :, :, kh, kw] = x[:, rows, columns]
    return patches


def col2im(patches: np.ndarray, size: Pair, strides: Pair, dilation: Pair = (1, 1)) -> np.ndarray:
    """Add every patch back to where `im2col` took it from: the adjoint of im2col, x (N, H, W, C) of `size` (H, W).

    A 3 x 3 image has four 2 x 2 patches. Patches of ones, added back, count how many patches each pixel is in:

        offset (0, 0)    offset (0, 1)    offset (1, 0)    offset (1, 1)    all four
          1 1 .            . 1 1            . . .            . . .           1 2 1
          1 1 .      +     . 1 1      +     1 1 .      +     . 1 1      =    2 4 2
          . . .            . . .            1 1 .            . 1 1           1 2 1

    Overlaps are added (`+=`), never overwritten: the centre pixel took part in four outputs and hears from all four.
    """
    N, OH, OW, KH, KW, C = patches.shape
    x = np.zeros((N, *size, C), patches.dtype)
    for kh, kw, rows, columns in offsets((OH, OW), (KH, KW), strides, dilation):
        x[:, rows, columns] += patches[:, :, :, kh, kw]
    return x


def forward_im2col(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, strides: Pair, pads: Pads, dilation: Pair
) -> tuple[np.ndarray, Any]:
    """With a patch a row and a filter a column, all the dot products are one matrix product."""
    KH, KW, C, F = w.shape
    xp = pad(x, pads)
    patches = im2col(xp, (KH, KW), strides, dilation)
    y = patches.reshape(-1, KH * KW * C) @ w.reshape(-1, F) + b
    return y.reshape(*patches.shape[:3], F), (patches, w, xp.shape[1:3], strides, pads, dilation)


def backward_im2col(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """As for a dense layer whose examples are patches: dw = x^T dy, dx = dy w^T; then col2im sums the overlaps."""
    patches, w, size, strides, pads, dilation = cache
    KH, KW, C, F = w.shape
    dy = dy.reshape(-1, F)
    dw = (patches.reshape(-1, KH * KW * C).T @ dy).reshape(w.shape)
    db = dy.sum(axis=0)
    if not need_dx:
        return None, dw, db
    dpatches = (dy @ w.reshape(-1, F).T).reshape(patches.shape)
    return crop(col2im(dpatches, size, strides, dilation), pads), dw, db


# ------------------------------------------------------------------ jit: the loops again, compiled


def forward_jit(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, strides: Pair, pads: Pads, dilation: Pair
) -> tuple[np.ndarray, Any]:
    """The sums of `loops` in an order the CPU likes: no patches, and f, which is contiguous in w and y, innermost."""
    OH, OW = output_size(x.shape[1:3], w.shape[:2], strides, dilation, pads)
    xp, w = np.ascontiguousarray(pad(x, pads)), np.ascontiguousarray(w)
    y = np.empty((len(x), OH, OW, w.shape[3]), np.result_type(x, w, b))
    _forward(xp, w, b, y, *strides, *dilation)
    return y, (xp, w, strides, pads, dilation)


@jit
def _forward(xp, w, b, y, SH, SW, DH, DW):  # type: ignore[no-untyped-def]
    N, OH, OW, F = y.shape
    KH, KW, C, F = w.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                # Rows are sliced before the loop over f, so that the compiler sees plain runs of memory and uses
                # vector instructions: eight or sixteen filters at once.
                outputs = y[n, i, j]
                outputs[:] = b
                for kh in range(KH):
                    for kw in range(KW):
                        pixel = xp[n, i * SH + kh * DH, j * SW + kw * DW]
                        for c in range(C):
                            weights, value = w[kh, kw, c], pixel[c]
                            for f in range(F):
                                outputs[f] += value * weights[f]


def backward_jit(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """The sums of `loops` again, dw along f and dx along c, so that both have a contiguous inner loop."""
    xp, w, strides, pads, dilation = cache
    dtype = np.result_type(dy, xp, w)
    # A transposed copy of w, small beside the work, has c innermost.
    w_by_c = np.ascontiguousarray(w.transpose(0, 1, 3, 2))
    dxp, dw = np.zeros(xp.shape if need_dx else (0, 0, 0, 0), dtype), np.zeros(w.shape, dtype)
    _backward(np.ascontiguousarray(dy), xp, w_by_c, dxp, dw, *strides, *dilation)
    return crop(dxp, pads) if need_dx else None, dw, dy.sum(axis=(0, 1, 2), dtype=dtype)


@jit
def _backward(dy, xp, w_by_c, dxp, dw, SH, SW, DH, DW):  # type: ignore[no-untyped-def]
    N, OH, OW, F = dy.shape
    KH, KW, C, F = dw.shape
    need_dx = dxp.size > 0
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                gradients = dy[n, i, j]
                for kh in range(KH):
                    for kw in range(KW):
                        row, column = i * SH + kh * DH, j * SW + kw * DW
                        pixel = xp[n, row, column]
                        for c in range(C):
                            dweights, value = dw[kh, kw, c], pixel[c]
                            for f in range(F):
                                dweights[f] += value * gradients[f]
                        if need_dx:
                            dpixel = dxp[n, row, column]
                            for f in range(F):
                                weights, gradient = w_by_c[kh, kw, f], gradients[f]
                                for c in range(C):
                                    dpixel[c] += weights[c] * gradient


RUNGS = {
    "loops": (forward_loops, backward_loops),
    "im2col": (forward_im2col, backward_im2col),
    "jit": (forward_jit, backward_jit),
    "fused": (forward_jit, backward_jit),
}
