"""The IDX format, in which MNIST was published: a few whole numbers, then nothing but pixels or labels.

    bytes 0-3            0, 0, the type of the items (8: unsigned byte), the number of dimensions D
    4 bytes, D times     the size of each dimension, most significant byte first
    the rest             the items, the last dimension fastest

The format's own description stood on MNIST's page, http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from npcnn.errors import FileFormatError

UNSIGNED_BYTE = 8
DEFLATE_RATIO = 1032  # 2 bits stand for 258 bytes at most: https://zlib.net/zlib_tech.html
# Blank images are deflated by that much; MNIST's 60,000, which are 47 MB, by 4.7.
ALLOWANCE, RATIO = 48 * 10**6, 20
PIECE = 1 << 20  # bytes that are read at once


def read_idx(path: Path, item_shape: tuple[int, ...], count: int | None = None) -> np.ndarray:
    """Return the N items of a file as an array of unsigned bytes (N, *item_shape).

    It takes no more than 48 MB and 20 times the file's size.

    Args:
        path: The file; one named *.gz is unpacked.
        item_shape: (H, W) for images, () for labels.
        count: N, if it is known.

    Raises:
        FileFormatError: The file is damaged, is not an IDX file, or holds other items.
    """
    zipped = path.suffix == ".gz"
    with gzip.open(path) if zipped else open(path, "rb") as file:
        try:
            shape = read_idx_header(path, file, 1 + len(item_shape))
            if shape[1:] != item_shape:
                raise FileFormatError(f"{path}: holds items of shape {shape[1:]}, must be {item_shape}")
            return read_items(file, str(path), shape, count, path.stat().st_size, DEFLATE_RATIO if zipped else 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileFormatError(f"{path}: damaged gzip file: {error}") from None


def read_items(
    file: IO[bytes] | io.BufferedIOBase, where: str, shape: tuple[int, ...], count: int | None, packed: int, ratio: int
) -> np.ndarray:
    """Return the unsigned bytes (N, ...) that follow a header which promised that shape.

    No more is read than the header promises, and one byte to see that nothing follows; and nothing at all if N is
    not `count`, or if it is more than the file's `packed` bytes can hold, each `ratio` at most, or than they may.
    """
    size = math.prod(shape)
    promise = f"the {' x '.join(f'{n:,}' for n in shape)} bytes that its header promises"
    if size > packed * ratio:
        raise FileFormatError(f"{where}: too short for {promise}")
    if count not in (None, shape[0]):
        raise FileFormatError(f"{where}: {shape[0]:,} images for {count:,} labels")
    if size > (most := ALLOWANCE + RATIO * packed):
        raise FileFormatError(f"{where}: {packed:,} bytes may hold {most:,}, not {promise}")
    items, place = np.empty(size + 1, np.uint8), 0
    while piece := file.read(min(PIECE, size + 1 - place)):  # at once, they would be in memory twice
        items[place : place + len(piece)] = np.frombuffer(piece, np.uint8)
        place += len(piece)
    if place < size:
        raise FileFormatError(f"{where}: truncated after {place:,} of {promise}")
    if place > size:
        raise FileFormatError(f"{where}: trailing bytes after {promise}")
    return items[:size].reshape(shape)


def read_idx_header(path: Path, file: IO[bytes] | io.BufferedIOBase, ndim: int) -> tuple[int, ...]:
    """Return the shape (N, ...) that the file's header promises, of unsigned bytes in so many dimensions."""
    header = file.read(4 + 4 * ndim)
    magic = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if header[:4] != magic:
        begin = f"it must begin with {magic.hex(' ')}, but begins with {header[:4].hex(' ') or 'nothing'}"
        raise FileFormatError(f"{path}: not an IDX file of unsigned bytes in {ndim} dimensions: {begin}")
    if len(header) < 4 + 4 * ndim:
        raise FileFormatError(f"{path}: truncated after {len(header)} of the header's {4 + 4 * ndim} bytes")
    shape = struct.unpack(f">{ndim}I", header[4:])
    if shape[0] == 0:
        raise FileFormatError(f"{path}: holds no items")
    return shape
