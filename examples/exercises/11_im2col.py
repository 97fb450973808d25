"""Exercise 11: a convolution as one product of matrices.

    y[n, i, j, f] = b[f] + sum over kh, kw, c of  x[n, i + kh, j + kw, c] w[kh, kw, c, f]

TODO: (a) `im2col`: copy every patch of KH x KW x C out of the images. Either loop over the outputs (i, j) and copy one
patch each, or over the places (kh, kw) of a patch, and copy what all patches have there at once: then a 3 x 3 filter
takes nine copies, however large the images are.
(b) `convolve`: with a patch a row and a filter a column, all those sums are one product. No loop is left.

Read first: docs/convolution.md on im2col; `forward_loops` in npcnn/kernels/conv2d.py, the definition.
Afterwards: `forward_im2col` there.

    python examples/exercises/mark.py 11
"""

import numpy as np


def im2col(x, KH, KW):
    """Return the patches (N, OH, OW, KH, KW, C) of x (N, H, W, C), where OH = H - KH + 1 and OW = W - KW + 1."""
    raise NotImplementedError("TODO")


def convolve(x, w, b):
    """Return y (N, OH, OW, F) for filters w (KH, KW, C, F), by `im2col` and one `@`."""
    raise NotImplementedError("TODO")
