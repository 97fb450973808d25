"""NumPy's .npz format, that of Keras' mnist.npz: a zip file with a .npy file (header, then bytes) an array.

`np.load` believes what a header claims and allocates it. Here the claim is checked first.
"""

import zipfile
from pathlib import Path

import numpy as np

from npcnn.datasets.idx import DEFLATE_RATIO, read_items
from npcnn.errors import FileFormatError


def read_npz(path: Path, item_shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return the arrays of unsigned bytes named in item_shapes, each (N, *item_shape), each with its own N.

    Other arrays of the file are left alone. Nothing is unpickled.

    Args:
        path: The file.
        item_shapes: The name of each array, and the shape of one item.

    Raises:
        FileFormatError: The file is damaged, is not a .npz file, or an array is missing or of another kind.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return {name: _read_array(path, archive, name, shape) for name, shape in item_shapes.items()}
        except FileFormatError:
            raise
        except Exception as error:  # zipfile and NumPy's header parser raise a dozen kinds on damaged files
            raise FileFormatError(f"{path}: damaged, or not a .npz file: {error}") from error


def _read_array(path: Path, archive: zipfile.ZipFile, name: str, item_shape: tuple[int, ...]) -> np.ndarray:
    where = f"{path}: {name}"
    if f"{name}.npy" not in archive.namelist():
        raise FileFormatError(f"{where} is missing; the file holds {archive.namelist()[:10]}")
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileFormatError(f"{where} has zip method {member.compress_type}, must be stored or deflated")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):  # later versions are for headers of more than 64 KB
            raise FileFormatError(f"{where} is written in .npy version {version}, must be (1, 0)")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.uint8 or fortran_order:
            order = ", columns first" if fortran_order else ""
            raise FileFormatError(f"{where} is of type {dtype}{order}, must be uint8, rows first")
        if len(shape) != 1 + len(item_shape) or shape[1:] != item_shape or shape[0] < 1:
            wanted = ", ".join(["N", *map(str, item_shape)])
            raise FileFormatError(f"{where} has shape {shape}, must be ({wanted}) with N at least 1")
        return read_items(file, where, shape, min(member.compress_size, path.stat().st_size) * DEFLATE_RATIO)
