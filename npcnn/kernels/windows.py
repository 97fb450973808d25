"""Where a sliding window stands: sizes, padding, and the part of the image that each of its offsets meets.

In this file K is a window's size along one axis, S its stride, D its dilation, and n the size of the image there.
"""

from collections.abc import Iterator

import numpy as np

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # zeros in front of and behind the rows, then the columns


NO_PADS = ((0, 0), (0, 0))


def check_shape(kernel: str, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Compiled loops read wherever their indices point: an array of another shape must not get that far."""
    if array.shape != shape:
        raise ValueError(f"{kernel}: {name} must have shape {shape}, got {array.shape}")


def output_size(size: Pair, kernel: Pair, strides: Pair, dilation: Pair = (1, 1), pads: Pads = NO_PADS) -> Pair:
    """Return (OH, OW), how many windows fit: floor((n - (D (K - 1) + 1)) / S) + 1 along each axis, n padded."""
    OH, OW = (
        (n + sum(pad) - (D * (K - 1) + 1)) // S + 1
        for n, K, S, D, pad in zip(size, kernel, strides, dilation, pads, strict=True)
    )
    return OH, OW


def same_padding(size: Pair, kernel: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Pads:
    """Return the padding that makes ceil(n / S) windows fit; an odd one out goes behind, as in Keras on TensorFlow."""
    totals = [
        max((-(-n // S) - 1) * S + D * (K - 1) + 1 - n, 0)
        for n, K, S, D in zip(size, kernel, strides, dilation, strict=True)
    ]
    rows, columns = ((total // 2, total - total // 2) for total in totals)
    return rows, columns


def pad(x: np.ndarray, pads: Pads, value: float = 0.0) -> np.ndarray:
    """Return x (N, H, W, C) with `value` around its images."""
    if pads == NO_PADS:
        return x
    return np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def crop(dx: np.ndarray, pads: Pads) -> np.ndarray:
    """Return dx without the padding: the adjoint of `pad`, as what was padded in is a constant."""
    (top, bottom), (left, right) = pads
    return dx[:, top : dx.shape[1] - bottom, left : dx.shape[2] - right]


def offsets(
    output: Pair, kernel: Pair, strides: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, slice, slice]]:
    """For each place (kh, kw) in the window, yield the rows and columns of the image it visits as the window slides.

    Place kh of the window meets rows kh DH, kh DH + SH, kh DH + 2 SH, ..., one for each of the OH outputs.
    """
    (OH, OW), (KH, KW), (SH, SW), (DH, DW) = output, kernel, strides, dilation
    for kh in range(KH):
        for kw in range(KW):
            rows = slice(kh * DH, kh * DH + (OH - 1) * SH + 1, SH)
            columns = slice(kw * DW, kw * DW + (OW - 1) * SW + 1, SW)
            yield kh, kw, rows, columns
