"""Convolution, once per rung of the ladder, slowest and clearest first. The equations are in `layers/conv2d.py`.

Every rung has the signature

    forward(x, w, b, strides, pads, dilation)  -> y, cache
    backward(dy, cache, need_dx)               -> dx, dw, db        (dx is None where need_dx is False)

with x (N, H, W, C), w (KH, KW, C, F), b (F,), y (N, OH, OW, F); xp is x with its padding, dxp its gradient. The cache
is private to its rung.
"""

from typing import Any

import numpy as np

from npcnn.kernels.compile import cached, jit
from npcnn.kernels.registers import aligned, block_size, padded
from npcnn.kernels.sharing import by_images
from npcnn.kernels.windows import Pads, Pair, check_shape, crop, offsets, output_size, pad

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


def im2col(x: np.ndarray, kernel: Pair, strides: Pair, dilation: Pair) -> np.ndarray:
    """Copy every patch of x (N, H, W, C) out, each offset for all windows at once: patches (N, OH, OW, KH, KW, C)."""
    OH, OW = output_size(x.shape[1:3], kernel, strides, dilation)
    patches = np.empty((len(x), OH, OW, *kernel, x.shape[3]), x.dtype)
    for kh, kw, rows, columns in offsets((OH, OW), kernel, strides, dilation):
        patches[:, :, :, kh, kw] = x[:, rows, columns]
    return patches


def col2im(patches: np.ndarray, size: Pair, strides: Pair, dilation: Pair = (1, 1)) -> np.ndarray:
    """Add every patch back to where `im2col` took it from (im2col's transpose, as a linear map): x (N, *size, C).

    A 3 x 3 image has four 2 x 2 patches. Patches of ones, added back, count how many patches each pixel is in:

        offset (0, 0)    offset (0, 1)    offset (1, 0)    offset (1, 1)    all four
          1 1 .            . 1 1            . . .            . . .           1 2 1
          1 1 .      +     . 1 1      +     1 1 .      +     . 1 1      =    2 4 2
          . . .            . . .            1 1 .            . 1 1           1 2 1

    Overlaps are added (`+=`), not overwritten: the centre pixel took part in four outputs and hears from all four.
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
    """The sums of `loops`, with f innermost, contiguous in w and y: one instruction works on 8 or 16 filters."""
    OH, OW = output_size(x.shape[1:3], w.shape[:2], strides, dilation, pads)
    check_shape("conv2d", "x", x, (*x.shape[:3], w.shape[2]))
    check_shape("conv2d", "b", b, w.shape[3:])
    xp = np.ascontiguousarray(pad(x, pads))
    F, dtype = w.shape[3], np.result_type(x, w, b)
    y, block = np.empty((len(x), OH, OW, F), dtype), block_size(F, dtype)
    _forward(block)(xp, padded(w, dtype), padded(b, dtype), y, *aligned((4, block), dtype), *strides, *dilation)
    return y, (xp, w, strides, pads, dilation)


@cached
def _forward(BLOCK: int) -> Any:
    """The tile of four: four neighbouring positions share every weight that is read, for BLOCK filters at a time."""

    def jit_forward(xp, w, b, y, z0, z1, z2, z3, SH, SW, DH, DW):  # type: ignore[no-untyped-def]
        N, OH, OW, F = y.shape
        KH, KW, C, WIDTH = w.shape
        for n, i in np.ndindex(N, OH):
            for tile in range((OW + 3) // 4):
                j = 4 * tile
                # Past the end of a row the last position is repeated: computed and stored again, with the same result.
                j1, j2, j3 = min(j + 1, OW - 1), min(j + 2, OW - 1), min(j + 3, OW - 1)
                for block in range(WIDTH // BLOCK):
                    first = block * BLOCK
                    for f in range(BLOCK):
                        z0[f] = z1[f] = z2[f] = z3[f] = b[first + f]
                    for kh in range(KH):
                        for kw in range(KW):
                            row, right = xp[n, i * SH + kh * DH], kw * DW
                            p0, p1 = row[j * SW + right], row[j1 * SW + right]
                            p2, p3 = row[j2 * SW + right], row[j3 * SW + right]
                            for c in range(C):
                                for f in range(BLOCK):
                                    z0[f] += p0[c] * w[kh, kw, c, first + f]
                                    z1[f] += p1[c] * w[kh, kw, c, first + f]
                                    z2[f] += p2[c] * w[kh, kw, c, first + f]
                                    z3[f] += p3[c] * w[kh, kw, c, first + f]
                    for f in range(min(BLOCK, F - first)):
                        y[n, i, j, first + f], y[n, i, j1, first + f] = z0[f], z1[f]
                        y[n, i, j2, first + f], y[n, i, j3, first + f] = z2[f], z3[f]

    return jit(jit_forward)


def backward_jit(dy: np.ndarray, cache: Any, need_dx: bool = True) -> Gradients:
    """The sums of `loops` again, in tiles too: dw with f innermost, dx with c."""
    xp, w, strides, pads, dilation = cache
    (KH, KW, C, F), dtype = w.shape, np.result_type(dy, xp, w)
    dy_rows, block = padded(dy, dtype), block_size(F, dtype)
    dw = np.zeros((KH, KW, C, dy_rows.shape[3]), dtype)
    _dw(block)(dy_rows, xp, dw, *aligned((4, block), dtype), *strides, *dilation)
    dw, db = np.ascontiguousarray(dw[..., :F]), dy.sum(axis=(0, 1, 2), dtype=dtype)
    if not need_dx:
        return None, dw, db
    w_by_c, block = padded(w.transpose(0, 1, 3, 2), dtype), block_size(C, dtype)
    dxp = np.zeros((*xp.shape[:3], w_by_c.shape[3]), dtype)
    _dx(block)(np.ascontiguousarray(dy), w_by_c, dxp, *aligned((4, block), dtype), *strides, *dilation)
    return np.ascontiguousarray(crop(dxp, pads)[..., :C]), dw, db


@cached
def _dw(BLOCK: int) -> Any:
    """Four channels share every dy that is read; past the last channel, it is repeated."""

    def jit_dw(dy, xp, dw, z0, z1, z2, z3, SH, SW, DH, DW):  # type: ignore[no-untyped-def]
        N, OH, OW, WIDTH = dy.shape
        KH, KW, C, _ = dw.shape
        for n, kh, kw in np.ndindex(N, KH, KW):
            for tile in range((C + 3) // 4):
                c = 4 * tile
                c1, c2, c3 = min(c + 1, C - 1), min(c + 2, C - 1), min(c + 3, C - 1)
                for block in range(WIDTH // BLOCK):
                    first = block * BLOCK
                    for f in range(BLOCK):
                        z0[f], z1[f] = dw[kh, kw, c, first + f], dw[kh, kw, c1, first + f]
                        z2[f], z3[f] = dw[kh, kw, c2, first + f], dw[kh, kw, c3, first + f]
                    for i in range(OH):
                        for j in range(OW):
                            pixel = xp[n, i * SH + kh * DH, j * SW + kw * DW]
                            for f in range(BLOCK):
                                z0[f] += pixel[c] * dy[n, i, j, first + f]
                                z1[f] += pixel[c1] * dy[n, i, j, first + f]
                                z2[f] += pixel[c2] * dy[n, i, j, first + f]
                                z3[f] += pixel[c3] * dy[n, i, j, first + f]
                    for f in range(BLOCK):
                        dw[kh, kw, c, first + f], dw[kh, kw, c1, first + f] = z0[f], z1[f]
                        dw[kh, kw, c2, first + f], dw[kh, kw, c3, first + f] = z2[f], z3[f]

    return jit(jit_dw)


@cached
def _dx(BLOCK: int) -> Any:
    """Four neighbouring positions share every weight that is read, as in `_forward`."""

    def jit_dx(dy, w_by_c, dxp, z0, z1, z2, z3, SH, SW, DH, DW):  # type: ignore[no-untyped-def]
        N, OH, OW, F = dy.shape
        KH, KW, _, WIDTH = w_by_c.shape
        for n, kh, kw, i in np.ndindex(N, KH, KW, OH):
            for tile in range((OW + 3) // 4):
                j = 4 * tile
                j1, j2, j3 = min(j + 1, OW - 1), min(j + 2, OW - 1), min(j + 3, OW - 1)
                row, right = dxp[n, i * SH + kh * DH], kw * DW
                p0, p1 = row[j * SW + right], row[j1 * SW + right]
                p2, p3 = row[j2 * SW + right], row[j3 * SW + right]
                for block in range(WIDTH // BLOCK):
                    first = block * BLOCK
                    for c in range(BLOCK):
                        z0[c], z1[c] = p0[first + c], p1[first + c]
                        z2[c], z3[c] = p2[first + c], p3[first + c]
                    for f in range(F):
                        for c in range(BLOCK):
                            z0[c] += dy[n, i, j, f] * w_by_c[kh, kw, f, first + c]
                            z1[c] += dy[n, i, j1, f] * w_by_c[kh, kw, f, first + c]
                            z2[c] += dy[n, i, j2, f] * w_by_c[kh, kw, f, first + c]
                            z3[c] += dy[n, i, j3, f] * w_by_c[kh, kw, f, first + c]
                    for c in range(BLOCK):
                        p0[first + c], p1[first + c] = z0[c], z1[c]
                        p2[first + c], p3[first + c] = z2[c], z3[c]

    return jit(jit_dx)


JIT = by_images("conv2d", forward_jit, backward_jit)
RUNGS = {
    "loops": (forward_loops, backward_loops),
    "im2col": by_images("conv2d", forward_im2col, backward_im2col),
    "jit": JIT,
    "fused": JIT,
}
