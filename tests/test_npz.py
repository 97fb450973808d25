"""The reader of Keras-style .npz files: what it reads, and what it refuses."""

import io
import re
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


def npy(header, data):
    """The bytes of a .npy file whose header may say anything."""
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def header(shape, descr="|u1", fortran_order=False):
    return str({"descr": descr, "fortran_order": fortran_order, "shape": shape})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mnist.npz"


def write(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def refusal(path, words):
    with pytest.raises(FileFormatError, match=words) as caught:
        read_npz(path, SHAPES)
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were_saved(path, save):
    save(path, **GOOD)
    arrays = read_npz(path, SHAPES)
    for name in SHAPES:
        np.testing.assert_array_equal(arrays[name], GOOD[name], strict=True)
        assert arrays[name].flags.writeable


def test_a_file_that_is_no_zip_file_is_refused(path):
    path.write_bytes(b"not a zip file")
    refusal(path, "damaged, or not a .npz file: File is not a zip file")


def test_a_missing_array_is_refused_by_name(path):
    np.savez(path, x=GOOD["x"], labels=GOOD["y"])
    refusal(path, re.escape("y is missing; the file holds ['x.npy', 'labels.npy']"))


def test_another_type_is_refused(path):
    np.savez(path, x=GOOD["x"].astype(np.float32), y=GOOD["y"])
    refusal(path, "x is of type float32, must be uint8")


def test_pickled_objects_are_refused(path):
    np.savez(path, x=np.array([{}, []], object), y=GOOD["y"])
    refusal(path, "x is of type object, must be uint8")


def test_an_array_with_its_columns_first_is_refused(path):
    np.savez(path, x=np.asfortranarray(GOOD["x"]), y=GOOD["y"])
    refusal(path, "x is of type uint8, columns first, must be uint8, rows first")


@pytest.mark.parametrize("shape", [(5, 28, 28, 1), (5, 784), (5, 20, 28), (0, 28, 28), ()])
def test_another_shape_is_refused(path, shape):
    np.savez(path, x=np.zeros(shape, np.uint8), y=GOOD["y"])
    refusal(path, re.escape(f"x has shape {shape}, must be (N, 28, 28) with N at least 1"))


def test_a_single_number_in_the_place_of_labels_is_refused(path):
    np.savez(path, x=GOOD["x"], y=np.uint8(5))
    refusal(path, re.escape("y has shape (), must be (N) with N at least 1"))


def test_a_header_with_a_negative_count_is_refused(path):
    write(path, {"x.npy": npy(header((-5, 28, 28)), bytes(3920)), "y.npy": b""})
    refusal(path, re.escape("x has shape (-5, 28, 28), must be"))


def test_a_claim_of_two_billion_images_is_refused_before_memory_is_asked_for(path):
    write(path, {"x.npy": npy(header((2_000_000_000, 28, 28)), bytes(3920))})
    refusal(path, re.escape("x is too short for the shape (2000000000, 28, 28) that its header promises"))


def test_a_zip_directory_that_lies_about_its_sizes_does_not_help_the_claim(path):
    write(path, {"x.npy": npy(header((1_000_000, 28, 28)), bytes(3920))}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    struct.pack_into("<II", content, entry + 20, 2**31, 2**31)  # compressed and unpacked size
    path.write_bytes(content)
    refusal(path, "x is too short for the shape")


@pytest.mark.parametrize("images", [4, 6])
def test_a_header_that_promises_less_or_more_than_follows_is_refused(path, images):
    write(path, {"x.npy": npy(header((images, 28, 28)), bytes(3920))})
    refusal(path, "x is followed by trailing bytes" if images < 5 else "x is truncated")


def test_a_zip_bomb_is_read_only_as_far_as_its_header_promises(path):
    write(path, {"x.npy": npy(header((5, 28, 28)), bytes(100_000_000))})
    tracemalloc.start()
    refusal(path, "x is followed by trailing bytes")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # the images are 3,920 bytes; Python's own buffers take a few 100 KB


def test_a_long_header_is_refused(path):
    write(path, {"x.npy": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 1000})
    refusal(path, re.escape("x is written in .npy version (2, 0), must be (1, 0)"))


@pytest.mark.parametrize("nested", ["-" * 9000 + "1", "(" * 9000, "[" * 90 + "]" * 90, "__import__('os')"])
def test_a_header_that_is_no_plain_dictionary_is_refused(path, nested):
    write(path, {"x.npy": npy(nested, b"")})
    refusal(path, "damaged, or not a .npz file")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_whose_size_tells_nothing_is_refused(path, method):
    write(path, {"x.npy": npy(header((5, 28, 28)), bytes(3920))}, method)
    refusal(path, "x has zip method .*, must be stored or deflated")


def test_a_truncated_file_is_refused_wherever_it_ends(path):
    np.savez_compressed(path, x=GOOD["x"][:1], y=GOOD["y"][:1])
    good = path.read_bytes()
    for size in range(0, len(good), 7):
        path.write_bytes(good[:size])
        refusal(path, "damaged, or not a .npz file")


@settings(max_examples=200, derandomize=True, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_refused_or_harmless(tmp_path_factory, data):
    file = io.BytesIO()
    np.savez_compressed(file, **GOOD)
    content = bytearray(file.getvalue())
    for n in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[n] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "mnist.npz"
    path.write_bytes(content)
    try:
        arrays = read_npz(path, SHAPES)
    except FileFormatError:
        return
    for name in SHAPES:  # the bytes were of a time stamp, or the like: the checksums hold
        np.testing.assert_array_equal(arrays[name], GOOD[name])
