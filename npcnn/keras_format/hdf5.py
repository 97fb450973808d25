"""Reading an HDF5 file that may come from a stranger, with pyfive, which is pure Python.

HDF5's own library is written in C, and nine changed bytes in a good file crash it, and the process with it. So h5py,
which calls it, only writes here. What pyfive raises on a damaged file, a dozen kinds of error, becomes a
FileFormatError in `npcnn.keras_format.read`.

HDF5 can do far more than hold arrays: refer to other files, claim a shape of terabytes, compute one array from others.
So each array must be there itself, uncompressed, with the shape and type expected, and its bytes are taken from where
they lie. The rest, groups and what they are called, must be found by reading ALLOWANCE bytes and half the file's size:
a tree whose branches meet again, or lead back to the root, has no end, but uses its allowance up. pyfive makes about 30
bytes of one; so no file takes more than 60 MB and 15 times its size, nor a second and one more for each 2 MB.
"""

import io
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.errors import FileFormatError

ALLOWANCE = 2 << 20
TEXT_LIMIT = 16 << 20  # bytes that the texts of one attribute may take together
# Types an attribute may have, by HDF5's numbers: integers, floats, texts, and texts of any length.
INTEGER, FLOAT, TEXT, ANY_LENGTH = 0, 1, 3, 9
ATTRIBUTE, ATTRIBUTES_ELSEWHERE = 0x0C, 0x15  # messages in the header of an object
NOWHERE = b"\xff" * 8  # an address


class _Allowance(io.BytesIO):
    """A file in memory of which only so many bytes may be read, counted as often as they are read."""

    def __init__(self, data: bytes, allowance: int) -> None:
        super().__init__(data)
        self.left = allowance

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.left -= len(data)
        if self.left < 0:
            raise FileFormatError("its groups refer to each other in circles, or take far more room than its arrays")
        return data


class Reader:
    """The arrays and texts in an HDF5 file, given its bytes."""

    def __init__(self, data: bytes) -> None:
        import pyfive  # only where a file is read: it takes a fifth of a second

        self.data = data
        self.kinds = {pyfive.Group: "a group", pyfive.Dataset: "an array"}
        self.file = self._read("the HDF5 file", pyfive.File, _Allowance(data, ALLOWANCE + len(data) // 2))
        if (end := self.file._superblock._contents["end_of_file_address"]) > len(data):
            raise FileFormatError(f"the HDF5 file has {len(data):,} bytes, and {end:,} once it was whole")
        self.found: dict[str, Any] = {"": self.file}
        self._check_attributes("the HDF5 file", self.file._dataobjects)

    def __contains__(self, path: str) -> bool:
        """Whether the root group has something of that name."""
        return path in self.file._links

    def names(self, path: str) -> list[str]:
        """Return what is in the group at `path`."""
        return list(self._find(path, "a group"))

    def array(self, path: str, shape: tuple[int, ...], *dtypes: Any) -> np.ndarray:
        """Return the array at `path`, which must have that shape, one of the types, finite numbers, and its bytes here.

        It is returned in the first of the types.
        """
        found = self._find(path, "an array")
        if found.shape != shape or found.dtype not in dtypes:
            wanted = f"{' or '.join(np.dtype(dtype).name for dtype in dtypes)} of shape {shape}"
            raise FileFormatError(f"{path} must be {wanted}, is {found.dtype} of shape {found.shape}")
        size = math.prod(shape) * found.dtype.itemsize
        plain = found.id.layout_class == 1 and found.id.filter_pipeline is None  # 1: all in one piece
        if not plain or found.id.data_offset + size > len(self.data):
            raise FileFormatError(
                f"{path} must be {size:,} plain bytes in this file: not chunked, compressed or elsewhere"
            )
        array = np.frombuffer(self.data, found.dtype, math.prod(shape), found.id.data_offset).reshape(shape)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity
            array = array.astype(dtypes[0])
        if not np.isfinite(array).all():
            raise FileFormatError(f"{path} holds NaN or infinity")
        return array

    def attributes(self, path: str = "") -> Any:
        """Return the names of a group's attributes."""
        return self._find(path, "a group").attrs.keys()

    def texts(self, path: str, attribute: str) -> list[str]:
        """Return the texts in an attribute of a group."""
        value = self._read(
            f"the attribute {attribute}", lambda group: group.attrs[attribute], self._find(path, "a group")
        )
        if getattr(value, "shape", None) == (0,):  # of no type in particular
            return []
        texts = np.atleast_1d(value).tolist() if isinstance(value, bytes | np.ndarray) else [value]
        if not all(isinstance(text, bytes) for text in texts):
            raise FileFormatError(f"the attribute {attribute} must hold text")
        # A thousand of them may be one and the same megabyte, which becomes a thousand once they are decoded.
        if (size := sum(map(len, texts))) > TEXT_LIMIT:
            raise FileFormatError(f"the attribute {attribute} holds {size:,} bytes of text, may hold {TEXT_LIMIT:,}")
        return [text.decode() for text in texts]

    def _find(self, path: str, kind: str) -> Any:
        """Return the group or array at `path`, having followed only links that stay in the file."""
        steps = path.split("/")
        for i in range(len(steps)):
            before, here = "/".join(steps[:i]), "/".join(steps[: i + 1])
            if here in self.found:
                continue
            group = self.found[before]
            address = group._links.get(steps[i]) if self._kind(group) == "a group" else None
            if not isinstance(address, int):  # of a link to another place, the place
                raise FileFormatError(f"{path} is {'missing' if address is None else 'a link to another place'}")
            self._check_attributes(here, self._read(here, self.file._get_dataobjects, address))
            self.found[here] = self._read(here, group.get_lazy_view, steps[i])
        found = self.found[path]
        if self._kind(found) != kind:
            raise FileFormatError(f"{path} must be {kind}, is {self._kind(found)}")
        return found

    def _read(self, path: str, read: Callable, what: Any) -> Any:
        """Return what a function of pyfive reads; whatever it raises becomes an error that names the place."""
        try:
            return read(what)
        except (FileFormatError, MemoryError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise FileFormatError(
                f"{path} is damaged, or has links or types that Keras does not use ({reason})"
            ) from None

    def _kind(self, found: Any) -> str:
        return next((kind for cls, kind in self.kinds.items() if isinstance(found, cls)), "something else")

    def _check_attributes(self, path: str, found: Any) -> None:
        """Refuse attributes that claim more than they hold, before pyfive makes room for what they claim."""
        from pyfive.dataobjects import determine_data_shape

        for message in found.find_msg_type(ATTRIBUTES_ELSEWHERE):
            start = message["offset_to_message"]
            start += 4 if found.msg_data[start + 1] & 1 else 2
            if found.msg_data[start : start + 8] != NOWHERE:
                raise FileFormatError(f"{path} has too many attributes, or too large ones")
        for message in found.find_msg_type(ATTRIBUTE):
            start = message["offset_to_message"]
            version, _, name, kind, _ = struct.unpack_from("<BBHHH", found.msg_data, start)
            multiple, start = (8, start + 8) if version == 1 else (1, start + 9)
            start += -(-name // multiple) * multiple
            number, bits = struct.unpack_from("<BB", found.msg_data, start)
            shape, _ = determine_data_shape(found.msg_data, start + -(-kind // multiple) * multiple)
            known = number & 15 in (INTEGER, FLOAT, TEXT) or (number & 15 == ANY_LENGTH and bits & 15 == 1)
            if not known or math.prod(shape or ()) > len(found.msg_data):
                what = "an attribute that is neither number nor text, or larger than its place"
                raise FileFormatError(f"{path} has {what}")
