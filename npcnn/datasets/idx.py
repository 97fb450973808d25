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


def read_idx(path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    """Return the N items of a file as an array of unsigned bytes (N, *item_shape).

    Args:
        path: The file; one named *.gz is unpacked.
        item_shape: (H, W) for images, () for labels.

    Raises:
        FileFormatError: The file is damaged, is not an IDX file, or holds other items.
    """
    zipped = path.suffix == ".gz"
    most = path.stat().st_size * (DEFLATE_RATIO if zipped else 1)
    with gzip.open(path) if zipped else open(path, "rb") as file:
        try:
            return read_items(file, str(path), _read_shape(path, file, item_shape), most)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileFormatError(f"{path}: damaged gzip file: {error}") from error


def read_items(file: IO[bytes] | io.BufferedIOBase, where: str, shape: tuple[int, ...], most: int) -> np.ndarray:
    """Return the unsigned bytes (N, ...) that follow a header which promised that shape.

    No more is read than the header promises, and one byte to see that nothing follows; and nothing at all when
    that is more than the `most` bytes that the file can hold.
    """
    size = math.prod(shape)
    promise = f"the {' x '.join(f'{n:,}' for n in shape)} bytes that its header promises"
    if size > most:
        raise FileFormatError(f"{where}: too short for {promise}")
    data = file.read(size + 1)
    if len(data) < size:
        raise FileFormatError(f"{where}: truncated after {len(data):,} of {promise}")
    if len(data) > size:
        raise FileFormatError(f"{where}: trailing bytes after {promise}")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()  # a copy, since bytes cannot be written to


def _read_shape(path: Path, file: IO[bytes] | io.BufferedIOBase, item_shape: tuple[int, ...]) -> tuple[int, ...]:
    ndim = 1 + len(item_shape)
    header = file.read(4 + 4 * ndim)
    magic = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if header[:4] != magic:
        begin = f"it must begin with {magic.hex(' ')}, but begins with {header[:4].hex(' ') or 'nothing'}"
        raise FileFormatError(f"{path}: not an IDX file of unsigned bytes in {ndim} dimensions: {begin}")
    if len(header) < 4 + 4 * ndim:
        raise FileFormatError(f"{path}: truncated after {len(header)} of the header's {4 + 4 * ndim} bytes")
    count, *sizes = struct.unpack(f">{ndim}I", header[4:])
    if tuple(sizes) != item_shape:
        raise FileFormatError(f"{path}: holds items of shape {tuple(sizes)}, must be {item_shape}")
    if count == 0:
        raise FileFormatError(f"{path}: holds no items")
    return (count, *item_shape)
