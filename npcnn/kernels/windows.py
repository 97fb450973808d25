"""Where a sliding window stands: sizes, padding, and the part of the image that each of its offsets meets.

The window is a filter or a pool. Sizes, strides and dilations are pairs: down, across.
"""

from collections.abc import Iterator

import numpy as np

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]  # rows added above and below, columns added left and right

NO_PADS = ((0, 0), (0, 0))


def check_shape(kernel: str, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Compiled loops read wherever their indices point: an array of another shape must not get that far."""
    if array.shape != shape:
        raise ValueError(f"{kernel}: {name} must have shape {shape}, got {array.shape}")


def output_size(size: Pair, window: Pair, strides: Pair, dilation: Pair = (1, 1), pads: Pads = NO_PADS) -> Pair:
    """Return (OH, OW), how many windows fit into an image of `size` (H, W).

    For the height, with H padded:  OH = floor((H - (DH (KH - 1) + 1)) / SH) + 1; for the width alike.
    """
    (H, W), (KH, KW), (SH, SW), (DH, DW), (rows, columns) = size, window, strides, dilation, pads
    OH = (H + sum(rows) - (DH * (KH - 1) + 1)) // SH + 1
    OW = (W + sum(columns) - (DW * (KW - 1) + 1)) // SW + 1
    return OH, OW


def find_pads(padding: str, size: Pair, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Pads:
    """Return no padding for "valid"; for "same" that with which ceil(H / SH) x ceil(W / SW) windows fit.

    If its total is odd, the extra one goes below or on the right, as in Keras on TensorFlow.
    """
    if padding == "valid":
        return NO_PADS
    (H, W), (KH, KW), (SH, SW), (DH, DW) = size, window, strides, dilation
    rows = max((-(-H // SH) - 1) * SH + DH * (KH - 1) + 1 - H, 0)
    columns = max((-(-W // SW) - 1) * SW + DW * (KW - 1) + 1 - W, 0)
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


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
    output: Pair, window: Pair, strides: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, slice, slice]]:
    """For each place (kh, kw) in the window, yield the rows and columns of the image it visits as the window slides.

    Place kh of the window meets rows kh DH, kh DH + SH, kh DH + 2 SH, ..., one for each of the OH outputs.
    """
    (OH, OW), (KH, KW), (SH, SW), (DH, DW) = output, window, strides, dilation
    for kh in range(KH):
        for kw in range(KW):
            rows = slice(kh * DH, kh * DH + (OH - 1) * SH + 1, SH)
            columns = slice(kw * DW, kw * DW + (OW - 1) * SW + 1, SW)
            yield kh, kw, rows, columns
