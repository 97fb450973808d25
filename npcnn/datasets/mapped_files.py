"""Images and labels in files that are larger than memory.

A file that is *memory-mapped* looks like an array, but it is not read when it is opened. The operating system reads a
page of it, often 4 KB, when something in it is first used, and drops pages when memory is short. So a batch costs
little more than its own images, however large the file is.
"""

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from npcnn import distributed
from npcnn.checks import check_count, check_flag, check_number, check_path
from npcnn.datasets.idx import read_idx_header
from npcnn.errors import FileFormatError
from npcnn.utils import PyDataset

NPY = b"\x93NUMPY"
PACKED = {  # how files begin that cannot be mapped
    b"\x1f\x8b": "is packed by gzip, and must be unpacked to be memory-mapped: gunzip FILE",
    b"PK": "is an .npz archive, which cannot be memory-mapped; save each array in it with np.save",
}
READERS: dict[Any, Any] = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class MappedFiles(PyDataset):
    """The batches of a file of images and a file of labels, read from disk as they are needed.

        model.fit(MappedFiles("images.npy", "labels.npy", batch_size=256), epochs=3)

    With several ranks (`npcnn.distributed`), each opens only its own part of the files. Of N images, rank r of R has the rows from N r / R to N (r + 1) / R. An epoch has N / batch_size steps, rounded up,
    on every rank; over them each rank spreads its rows evenly, so that the batches of an epoch differ by at most one
    row for each rank, and none is a small rest.

    In each epoch, a rank puts its rows in a new order, which depends on the seed, the number of the epoch and the rank,
    and on nothing else; a row stays with its rank. So a training that goes on from a backup sees the same batches. The
    order takes 8 bytes an image. `fit` takes the batches in an order of its own, the same on all ranks.

    Args:
        images: The path of a .npy file (N, H, W), (N, H, W, C) or (N, D) of any number type, or of an IDX file of
            unsigned bytes (N, H, W). The file must not be changed while it is in use.
        labels: The path of a .npy file (N,) or (N, K) of numbers, or of an IDX file of unsigned bytes (N,).
        batch_size: Examples a step, on all ranks together; uneven parts may make it up to R - 1 more.
        rank, ranks: r and R; None takes those of this process.
        scale: By what the images of a batch are multiplied, which become float32; None takes 1/255 for unsigned bytes,
            so that they are from 0 to 1, and 1 for other types. Images (N, H, W) get a channel axis.
        shuffle: False takes the rows as they stand in the file, which should have been shuffled when it was written. A
            batch is then read in one piece: faster where the disk is slow.
        seed: Of the order of the rows.

    Raises:
        FileFormatError: a file is damaged, is no such file, or the two do not fit each other.
        ValueError: an argument is out of range, or there are too few images for the ranks.
    """

    def __init__(
        self,
        images: str | os.PathLike[str],
        labels: str | os.PathLike[str],
        batch_size: int = 32,
        *,
        rank: int | None = None,
        ranks: int | None = None,
        scale: float | None = None,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        batch_size = check_count("MappedFiles: batch_size", batch_size)
        here = distributed.current()
        ranks = check_count("MappedFiles: ranks", here.size if ranks is None else ranks)
        rank = check_count("MappedFiles: rank", here.rank if rank is None else rank, least=0)
        if rank >= ranks:
            raise ValueError(f"MappedFiles: rank must be from 0 to {ranks - 1}, as there are {ranks} ranks; got {rank}")
        self.shuffle, self.seed = check_flag("MappedFiles: shuffle", shuffle), check_count("MappedFiles: seed", seed, 0)
        x, y = MappedFile("images", images, ndim=3), MappedFile("labels", labels, ndim=1)
        N = x.shape[0]
        if y.shape[0] != N:
            raise FileFormatError(f"{y.path}: {y.shape[0]:,} labels for the {N:,} images in {x.path}")
        if N < ranks:
            raise ValueError(f"{x.path}: {N:,} images are too few for {ranks} ranks; there can be {N} of them")
        self.steps = -(-N // batch_size)
        if N // ranks < self.steps:
            least = f"at least {-(-N // (N // ranks))}, so that each of {ranks} ranks has an example in each step"
            raise ValueError(f"MappedFiles: batch_size must be {least}; got {batch_size}")
        self.rank, self.own_part = rank, ranks > 1  # `fit` then leaves it to this class to give each rank its part
        first, end = N * rank // ranks, N * (rank + 1) // ranks
        self.x, self.y = x.rows(first, end), y.rows(first, end)
        default = 1 / 255 if x.dtype == np.uint8 else 1.0
        self.scale = default if scale is None else check_number("MappedFiles: scale", scale)
        self.random_state = 0

    @property
    def random_state(self) -> int:
        """What the order of the rows depends on, besides rank and seed: the number of the epoch."""
        return self.epoch

    @random_state.setter
    def random_state(self, epoch: int) -> None:
        self.epoch = epoch
        if self.shuffle:
            self.order = np.random.default_rng([self.seed, epoch, self.rank]).permutation(len(self.x))

    def on_epoch_end(self) -> None:
        """Put the rows in a new order."""
        self.random_state += 1

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < self.steps:
            raise IndexError(f"MappedFiles: there are {self.steps} batches, so no batch {index}")
        rows: Any = slice(len(self.x) * index // self.steps, len(self.x) * (index + 1) // self.steps)
        rows = np.sort(self.order[rows]) if self.shuffle else rows  # sorted, as disks read faster onwards
        some, labels = self.x[rows], self.y[rows]
        x = np.empty(some.shape, np.float32)
        np.multiply(some, self.scale, out=x, dtype=np.float64, casting="same_kind")  # rounded as some / float32(255) is
        return x[..., None] if x.ndim == 3 else x, labels.astype(labels.dtype.newbyteorder("="))


class MappedFile:
    """A .npy or IDX file, of which the header is read and checked, and nothing else.

    Args:
        name: What the user calls it.
        path: The file.
        ndim: How many dimensions it has if it is an IDX file.
    """

    def __init__(self, name: str, path: str | os.PathLike[str], ndim: int) -> None:
        self.path = check_path(f"MappedFiles: {name}", path)
        with open(self.path, "rb") as file:
            start = file.read(len(NPY))
            file.seek(0)
            for magic, why in PACKED.items():
                if start.startswith(magic):
                    raise FileFormatError(f"{self.path}: {why}")
            if start == NPY or self.path.suffix == ".npy":
                self.shape, self.dtype = read_npy_header(self.path, file)
            else:
                self.shape, self.dtype = read_idx_header(self.path, file, ndim), np.dtype(np.uint8)
            self.offset = file.tell()
            there = file.seek(0, os.SEEK_END) - self.offset
        if len(self.shape) < min(ndim, 2) or min(self.shape) < 1:
            wanted = "(N,) or (N, K)" if ndim == 1 else "(N, H, W), (N, H, W, C) or (N, D)"
            raise FileFormatError(f"{self.path}: {name} must have shape {wanted}, without a 0; got {self.shape}")
        size = math.prod(self.shape) * self.dtype.itemsize
        if there != size:
            what = "truncated" if there < size else "trailing bytes"
            promise = f"its header promises {size:,} bytes, for {self.dtype} of shape {self.shape}"
            raise FileFormatError(f"{self.path}: {what}: {promise}, but {there:,} follow it")

    def rows(self, first: int, end: int) -> np.ndarray:
        """Return some rows, memory-mapped."""
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        shape = (end - first, *self.shape[1:])
        return np.asarray(np.memmap(self.path, self.dtype, "r", self.offset + first * row, shape))


def read_npy_header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and the type of the numbers in a .npy file; nothing is unpickled."""
    try:
        version = np.lib.format.read_magic(file)
        if version not in READERS:
            raise ValueError(f"it is written in version {version} of the format, must be (1, 0) or (2, 0)")
        shape, fortran_order, dtype = READERS[version](file)
    except Exception as error:  # NumPy's header parser raises several kinds on damaged files
        raise FileFormatError(f"{path}: damaged, or not a .npy file: {str(error)[:1000]}") from None
    if dtype.kind not in "biuf":
        raise FileFormatError(f"{path}: must hold an array of numbers, which np.save writes; it holds {dtype}")
    if fortran_order:
        raise FileFormatError(f"{path}: is stored columns first; np.save(file, np.ascontiguousarray(x)) stores rows")
    return shape, dtype
