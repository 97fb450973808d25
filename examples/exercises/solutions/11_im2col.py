"""Solution 11.

The patch at (i, j) has x[i + kh, j + kw] at its place (kh, kw). Seen from the place: all patches together have there
the image, shifted by (kh, kw). Every pixel is copied up to KH KW times, nine times the memory for 3 x 3: that is the
price for one product that BLAS does at full speed, where Python's loops need a microsecond for each multiply-add.
"""

import numpy as np


def im2col(x, KH, KW):
    """Return the patches (N, OH, OW, KH, KW, C) of x (N, H, W, C)."""
    N, H, W, C = x.shape
    OH, OW = H - KH + 1, W - KW + 1
    patches = np.zeros((N, OH, OW, KH, KW, C))
    for kh, kw in np.ndindex(KH, KW):
        patches[:, :, :, kh, kw] = x[:, kh : kh + OH, kw : kw + OW]
    return patches


def convolve(x, w, b):
    """Return y (N, OH, OW, F) for filters w (KH, KW, C, F), by `im2col` and one `@`."""
    KH, KW, C, F = w.shape
    patches = im2col(x, KH, KW)
    y = patches.reshape(-1, KH * KW * C) @ w.reshape(-1, F) + b
    return y.reshape(*patches.shape[:3], F)
