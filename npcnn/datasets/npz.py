"""NumPy's .npz format, that of Keras' mnist.npz: a zip file with a .npy file (header, then bytes) an array.

`np.load` believes what a header claims and allocates it. Here the claim is checked first.
"""

import zipfile
from pathlib import Path

import numpy as np

from npcnn.datasets.idx import DEFLATE_RATIO, read_items
from npcnn.errors import FileFormatError


def read_npz(path: Path, name: str, item_shape: tuple[int, ...], count: int | None = None) -> np.ndarray:
    """Return the array of unsigned bytes (N, *item_shape) of that name in a file.

    Others in it are left alone, and nothing is unpickled. It takes no more than 48 MB and 20 times the file's size.

    Args:
        path: The file.
        name: What the array is called.
        item_shape: (H, W) for images, () for labels.
        count: N, if it is known.

    Raises:
        FileFormatError: The file is damaged, is not a .npz file, or the array is missing or of another kind.
    """
    where = f"{path}: {name}"
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read_array(archive, where, f"{name}.npy", item_shape, count, path.stat().st_size)
        except FileFormatError:
            raise
        except Exception as error:  # zipfile and NumPy's header parser raise a dozen kinds on damaged files
            reason = str(error)[:1000] or type(error).__name__
            raise FileFormatError(f"{path}: damaged, or not a .npz file: {reason}") from None


def _read_array(
    archive: zipfile.ZipFile, where: str, name: str, item_shape: tuple[int, ...], count: int | None, length: int
) -> np.ndarray:
    if name not in archive.namelist():
        raise FileFormatError(f"{where} is missing; the file holds {archive.namelist()[:10]}")
    member = archive.getinfo(name)
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
        return read_items(file, where, shape, count, min(member.compress_size, length), DEFLATE_RATIO)
