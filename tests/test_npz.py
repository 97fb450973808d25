"""The reader of Keras-style .npz files: what it reads, and what it refuses."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npcnn.datasets.npz import read_npz
from npcnn.errors import FileFormatError

SHAPES = {"x": (28, 28), "y": ()}
GOOD = {
    "x": np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8),
    "y": np.arange(5, dtype=np.uint8),
}


def archive(x, method=zipfile.ZIP_DEFLATED):
    """The bytes of a zip file with x.npy."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("x.npy", x)
    return file.getvalue()


def npy(header, data=b""):
    """The bytes of a .npy file whose header may say anything."""
    text = str(header).encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def claiming(N, method=zipfile.ZIP_DEFLATED, data=bytes(5 * 28 * 28)):
    """The bytes of a file that has five images, or other data, and claims to have N."""
    return archive(npy({"descr": "|u1", "fortran_order": False, "shape": (N, 28, 28)}, data), method)


def with_false_sizes(content):
    """The same zip file, but its directory claims two gigabytes, packed and unpacked."""
    entry = content.index(b"PK\x01\x02")
    return content[: entry + 20] + struct.pack("<II", 2**31, 2**31) + content[entry + 28 :]


def saved(save=np.savez, **arrays):
    """The bytes of the file that NumPy makes of the good arrays, or of others in their place."""
    file = io.BytesIO()
    save(file, **(GOOD | arrays))
    return file.getvalue()


def read(path):
    return {name: read_npz(path, name, shape) for name, shape in SHAPES.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mnist.npz"


def refusal(path, content):
    """Assert that reading fails with an error that begins with the file's name, once; return the rest of it."""
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        read(path)
    begin, _, rest = str(caught.value).partition(f"{path}: ")
    assert begin == "" and str(path) not in rest
    return rest


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were_saved(path, save):
    save(path, **GOOD)
    arrays = read(path)
    for name in SHAPES:
        np.testing.assert_array_equal(arrays[name], GOOD[name], strict=True)
        assert arrays[name].flags.writeable


LONG_HEADER = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(1000)
UNREADABLE = "damaged, or not a .npz file: "
REFUSED = {
    "no zip file": (b"not a zip file", f"{UNREADABLE}File is not a zip file"),
    "another type": (saved(x=GOOD["x"].astype(np.float32)), "x is of type float32, must be uint8"),
    "pickled objects": (saved(x=np.array([{}, []], object)), "x is of type object, must be uint8"),
    "columns first": (saved(x=GOOD["x"].T), "x is of type uint8, columns first, must be uint8, rows first"),
    "a number for labels": (saved(y=np.uint8(5)), "y has shape (), must be (N) with N at least 1"),
    "a negative count": (claiming(-5), "x has shape (-5, 28, 28), must be"),
    "more images than claimed": (claiming(4), "x: trailing bytes after the 4 x 28 x 28 bytes"),
    "fewer images than claimed": (claiming(6), "x: truncated after 3,920 of the 6 x 28 x 28 bytes"),
    "two billion": (claiming(2 * 10**9), "x: too short for the 2,000,000,000 x 28 x 28 bytes"),
    "and a directory that agrees": (with_false_sizes(claiming(10**6, zipfile.ZIP_STORED)), "x: too short for the"),
    "a header of two gigabytes": (archive(LONG_HEADER), "x is written in .npy version (2, 0), must be (1, 0)"),
    "packed by bzip2": (claiming(5, zipfile.ZIP_BZIP2), "x has zip method 12, must be stored or deflated"),
    "packed by LZMA": (claiming(5, zipfile.ZIP_LZMA), "x has zip method 14, must be stored or deflated"),
}
for shape in [(5, 28, 28, 1), (5, 784), (5, 20, 28), (0, 28, 28), ()]:
    words = f"x has shape {shape}, must be (N, 28, 28) with N at least 1"
    REFUSED[f"shape {shape}"] = saved(x=np.zeros(shape, np.uint8)), words
for header in ["-" * 9000 + "1", "(" * 9000, "[" * 90 + "]" * 90, "__import__('os')"]:
    REFUSED[f"no dictionary: {header[:9]}"] = archive(npy(header)), UNREADABLE


@pytest.mark.parametrize("content, words", REFUSED.values(), ids=REFUSED)
def test_a_wrong_file_is_refused(path, content, words):
    assert refusal(path, content).startswith(words)


def test_a_missing_array_is_refused_by_name(path):
    np.savez(path, x=GOOD["x"], labels=GOOD["y"])
    assert refusal(path, path.read_bytes()) == "y is missing; the file holds ['x.npy', 'labels.npy']"


def test_another_number_of_images_than_expected_is_refused(path):
    np.savez(path, **GOOD)
    assert len(read_npz(path, "x", (28, 28), 5)) == 5
    with pytest.raises(FileFormatError, match="x: 5 images for 6 labels"):
        read_npz(path, "x", (28, 28), 6)


def test_a_zip_bomb_is_read_only_as_far_as_its_header_promises(path):
    bomb = claiming(5, data=bytes(100_000_000))
    tracemalloc.start()
    assert refusal(path, bomb).startswith("x: trailing bytes")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # the images are 3,920 bytes; Python's own buffers take a few 100 KB


def test_a_truncated_file_is_refused_wherever_it_ends(path):
    good = saved(np.savez_compressed, x=GOOD["x"][:1], y=GOOD["y"][:1])
    for size in range(0, len(good), 7):
        assert refusal(path, good[:size]).startswith(UNREADABLE)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_refused_or_harmless(tmp_path_factory, data):
    content = bytearray(saved(np.savez_compressed))
    for n in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[n] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "mnist.npz"
    path.write_bytes(content)
    try:
        arrays = read(path)
    except FileFormatError:
        return
    for name in SHAPES:  # the bytes were of a time stamp, or the like: the checksums hold
        np.testing.assert_array_equal(arrays[name], GOOD[name])
