"""The last rung: a convolution of stride 1, ReLU and a 2 x 2 max pool, three layers in one pass.

Forward. A pooling window covers four positions of the convolution, p = 0, 1, 2, 3 at (2i, 2j), (2i, 2j + 1),
(2i + 1, 2j), (2i + 1, 2j + 1). With (r, q) the row and column of position p,

    z_p[f]        = b[f] + sum over kh, kw, c of x[n, r + kh, q + kw, c] * w[kh, kw, c, f]
    y[n, i, j, f] = max(0, z_0[f], z_1[f], z_2[f], z_3[f])

The four sums share every weight that is read, and the maximum is taken before they ever reach memory. What is kept
for the backward pass is one byte an output: which position won (of equals, the first), or NO_WINNER if none is above 0.

Backward. A maximum passes its gradient on to the winner alone, so of the four gradients of z three are zero;
ReLU makes the fourth zero where the winner is not above 0. For every other output, with g = dy[n, i, j, f] and (r, q)
the winner's row and column,

    db[f]                    += g
    dw[kh, kw, c, f]         += g * x[n, r + kh, q + kw, c]
    dx[n, r + kh, q + kw, c] += g * w[kh, kw, c, f]

Three layers one after the other compute the same (a test says so, bit for bit). But they write z and dz to
memory and read them back, multiply by all those zeros, and compute the last row and column even if the pool drops them.
"""

from typing import Any

import numpy as np

from npcnn.kernels.compile import cached, jit
from npcnn.kernels.registers import aligned, block_size, padded
from npcnn.kernels.sharing import part_count, part_size, runs
from npcnn.kernels.windows import Pads, check_shape, crop, output_size, pad
from npcnn.threads import share

FLOATS = np.dtype("float32"), np.dtype("float64")
NO_WINNER = 4  # the winner of a window in which no position is above zero


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray, pads: Pads) -> tuple[np.ndarray, Any]:
    """Return y (N, OH, OW, F) for x (N, H, W, C) with zeros around it, w (KH, KW, C, F) and b (F,); and the cache.

    Raises:
        TypeError: x, w or b is not of float32 or float64.
        ValueError: their shapes do not fit together, or x is too small for one window.
    """
    _check_float(x=x, w=w, b=b)
    if x.ndim != 4 or w.ndim != 4 or x.shape[3] != w.shape[2] or b.shape != w.shape[3:]:
        wanted = "(N, H, W, C), (KH, KW, C, F), (F,)"
        got = f"{x.shape}, {w.shape}, {b.shape}"
        raise ValueError(f"conv_relu_max_pool: x, w, b must have shapes {wanted}, got {got}")
    (C, F), (rows, columns) = w.shape[2:], output_size(x.shape[1:3], w.shape[:2], (1, 1), pads=pads)
    if min(rows, columns) < 2:
        raise ValueError(f"conv_relu_max_pool: the convolution gives {rows} x {columns}, the pool needs 2 x 2")
    dtype = np.result_type(x, w, b)
    x, w, b = np.ascontiguousarray(pad(x, pads), dtype), np.ascontiguousarray(w, dtype), b.astype(dtype, copy=False)
    y = aligned((len(x), rows // 2, columns // 2, F), dtype)
    winner, filters, kernel = np.empty(y.shape, np.uint8), padded(w, dtype), _forward_kernel(C, block_size(F, dtype))

    def work(run: tuple[slice, slice]) -> None:
        _, images = run
        sums = padded(np.zeros((4, F), dtype), dtype)  # zeros past F, too: denormal leftovers would be slow to add to
        kernel(x[images], filters, b, y[images], winner[images], *sums)

    share(work, runs(len(x)))
    return y, (x, w, winner, pads)


def backward(dy: np.ndarray, cache: Any, need_dx: bool = True) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return dx, dw, db, each like its x, w, b; dx is None where need_dx is False.

    Raises:
        TypeError: dy is not of float32 or float64.
        ValueError: dy does not have the shape of y.
    """
    x, w, winner, pads = cache
    _check_float(dy=dy)
    check_shape("conv_relu_max_pool", "dy", dy, winner.shape)
    dy, dtype = np.ascontiguousarray(dy, x.dtype), x.dtype
    (N, H, W, C), (KH, KW, _, F), (_, OH, OW, _) = x.shape, w.shape, dy.shape
    per_part, count = part_size(N), part_count(N)
    db = aligned((count, F), dtype)  # each part of the batch has its own dw and db, which are added up
    if not need_dx and KW * C < 16:
        dw, few_channels = aligned((count, *w.shape), dtype), _backward_kernel_for_few_channels(C, F)

        def work(run: tuple[slice, slice]) -> None:
            part, images = run
            few_channels(per_part, x[images], dy[images], winner[images], dw[part], db[part], *aligned((4, F), dtype))

        share(work, runs(N))
        return None, dw.sum(axis=0), db.sum(axis=0)

    # From here on a row of the image, or of a filter, is one run of W C, or KW C, numbers; and filters come first, so
    # that a row of a filter lies in memory like a row of a patch.
    flat_x, flat_winner, flat_dy = x.reshape(N, H * W * C), winner.reshape(N, OH * OW, F), dy.reshape(N, OH * OW, F)
    w_by_f = np.ascontiguousarray(w.transpose(3, 0, 1, 2)).reshape(F, KH, KW * C)
    dw_by_f, dx = aligned((count, F, KH, KW * C), dtype), aligned((N, H * W * C if need_dx else 0), dtype)
    block = block_size(KW * C, dtype, rows=2)  # whole blocks only: a shorter last one would need a loop of its own
    kernel = _backward_kernel(KW * C, block if KW * C % block == 0 else KW * C, need_dx)

    def work_by_filters(run: tuple[slice, slice]) -> None:
        part, images = run
        space = np.empty(OH * OW, np.int64), np.empty(OH * OW, dtype)
        arrays = flat_x[images], w_by_f, flat_dy[images], flat_winner[images]
        kernel((per_part, OH, OW, W * C, C), *arrays, dx[images], dw_by_f[part], db[part], *space)

    share(work_by_filters, runs(N))
    dw = np.ascontiguousarray(dw_by_f.sum(axis=0).transpose(1, 2, 0)).reshape(w.shape)
    return crop(dx.reshape(x.shape), pads) if need_dx else None, dw, db.sum(axis=0)


@cached
def _forward_kernel(C: int, BLOCK: int) -> Any:
    """For C channels, BLOCK filters at a time: their sums stay in registers while kh, kw and c go round."""

    def fused_forward(x, w, b, y, winner, z0, z1, z2, z3):  # type: ignore[no-untyped-def]
        N, OH, OW, F = y.shape
        KH, KW = w.shape[:2]
        zero = b.dtype.type(0)
        for n in range(N):
            for i in range(OH):
                for j in range(OW):
                    for f in range(F):
                        z0[f] = z1[f] = z2[f] = z3[f] = b[f]
                    for block in range(len(z0) // BLOCK):
                        first = block * BLOCK
                        for kh in range(KH):
                            for kw in range(KW):
                                r, q = 2 * i + kh, 2 * j + kw
                                for c in range(C):
                                    for f in range(first, first + BLOCK):
                                        z0[f] += x[n, r, q, c] * w[kh, kw, c, f]
                                        z1[f] += x[n, r, q + 1, c] * w[kh, kw, c, f]
                                        z2[f] += x[n, r + 1, q, c] * w[kh, kw, c, f]
                                        z3[f] += x[n, r + 1, q + 1, c] * w[kh, kw, c, f]
                    for f in range(F):
                        # NaN, the only value with z != z, wins, and nothing but another NaN replaces it.
                        top, p = z0[f], 0
                        if z1[f] > top or z1[f] != z1[f]:
                            top, p = z1[f], 1
                        if z2[f] > top or z2[f] != z2[f]:
                            top, p = z2[f], 2
                        if z3[f] > top or z3[f] != z3[f]:
                            top, p = z3[f], 3
                        y[n, i, j, f] = zero if top <= 0 else top
                        winner[n, i, j, f] = p if top > 0 else NO_WINNER

    return jit(fused_forward)


@cached
def _backward_kernel(SIZE: int, BLOCK: int, need_dx: bool) -> Any:
    """For patches whose rows have SIZE = KW C numbers: BLOCK of dw's and of w's stay in registers for all winners."""
    unsigned = np.uint64  # numba wraps negative indices, as in x[-1]; an unsigned index needs no such code
    UNSIGNED_BLOCK = unsigned(BLOCK)

    def fused_backward(sizes, x, w, dy, winner, dx, dw, db, at, g):  # type: ignore[no-untyped-def]
        N, _, F = dy.shape
        KH = w.shape[1]
        per_part, OH, OW, image_row, pixel = sizes
        dw[:] = 0
        db[:] = 0
        for n in range(N):
            part, image, dimage = n // per_part, x[n], dx[n]
            if need_dx:
                dimage[:] = 0
            for f in range(F):
                # List this filter's winners: where their patch starts, and g. Every window is written down, and one
                # without a winner is overwritten by the next: a branch would be mispredicted half the time.
                size = 0
                for i in range(OH):
                    for j in range(OW):
                        window = i * OW + j
                        p = np.int64(winner[n, window, f])
                        at[size] = (2 * i + (p >> 1)) * image_row + (2 * j + (p & 1)) * pixel
                        g[size] = dy[n, window, f]
                        size += p != NO_WINNER
                for e in range(size):
                    db[part, f] += g[e]
                for kh in range(KH):
                    for block in range(SIZE // BLOCK):
                        first = block * BLOCK
                        for e in range(size):
                            start = unsigned(at[e] + kh * image_row + first)
                            for m in range(UNSIGNED_BLOCK):
                                dw[part, f, kh, first + m] += g[e] * image[start + m]
                                if need_dx:
                                    dimage[start + m] += g[e] * w[f, kh, first + m]

    return jit(fused_backward)


@cached
def _backward_kernel_for_few_channels(C: int, F: int) -> Any:
    """For a first layer: KW C numbers would not fill a register, so an instruction works on filters, zeros included."""

    def fused_backward(per_part, x, dy, winner, dw, db, g0, g1, g2, g3):  # type: ignore[no-untyped-def]
        N, OH, OW, _ = dy.shape
        KH, KW = dw.shape[1:3]
        zero = dy.dtype.type(0)
        dw[:] = 0
        db[:] = 0
        for n in range(N):
            part = n // per_part
            for i in range(OH):
                for j in range(OW):
                    for f in range(F):
                        g, p = dy[n, i, j, f], winner[n, i, j, f]
                        db[part, f] += zero if p == NO_WINNER else g
                        g0[f] = g if p == 0 else zero
                        g1[f] = g if p == 1 else zero
                        g2[f] = g if p == 2 else zero
                        g3[f] = g if p == 3 else zero
                    for kh in range(KH):
                        for kw in range(KW):
                            r, q = 2 * i + kh, 2 * j + kw
                            for c in range(C):
                                for f in range(F):
                                    total = dw[part, kh, kw, c, f]
                                    total += g0[f] * x[n, r, q, c]
                                    total += g1[f] * x[n, r, q + 1, c]
                                    total += g2[f] * x[n, r + 1, q, c]
                                    total += g3[f] * x[n, r + 1, q + 1, c]
                                    dw[part, kh, kw, c, f] = total

    return jit(fused_backward)


def _check_float(**arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        if array.dtype not in FLOATS:
            raise TypeError(f"conv_relu_max_pool: {name} must be float32 or float64, got {array.dtype}")
