"""What the compiled rungs do to keep their sums in registers.

A sum that stays in a register while its products are added up costs one instruction a product; in memory it would be
loaded and stored each time. For that, the compiled loops know beforehand how many sums there are (a block), and
neighbouring numbers fill whole registers: rows are padded with zeros to whole cache lines, and begin at one.
"""

import math

import numpy as np

from npcnn.kernels.compile import has_avx512

LINE = 64  # bytes of a cache line, and of the largest vector register


def block_size(size: int, dtype: np.dtype, rows: int = 4) -> int:
    """Return how many of `size` neighbouring sums to work on at a time, in a tile of `rows` rows of them.

    A block is a number of whole cache lines, as many as leave all rows in registers. All blocks are of the same size:
    96 float32 are two blocks of 48, not one of 64 and one of 32.
    """
    numbers = LINE // dtype.itemsize
    most = numbers * ((16 if has_avx512() else 4) // rows)
    blocks = -(-size // most)
    return -(-size // (blocks * numbers)) * numbers


def padded(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return `array` with zeros at the end of its rows, up to whole blocks; itself, if it is like that already."""
    *outer, size = array.shape
    block = block_size(size, dtype)
    width = -(-size // block) * block
    if width == size and array.dtype == dtype and array.flags.c_contiguous and array.ctypes.data % LINE == 0:
        return array
    rows = aligned((*outer, width), dtype)
    rows[..., :size], rows[..., size:] = array, 0
    return rows


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """np.empty, but from the start of a cache line: no vector of 64 bytes is then split between two, or two pages."""
    size = math.prod(shape)
    buffer = np.empty(size + LINE // dtype.itemsize, dtype)
    start = -buffer.ctypes.data % LINE // dtype.itemsize
    return buffer[start : start + size].reshape(shape)
