"""The IDX reader: every way in which a file can be wrong, by name."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from npcnn.datasets.idx import read_idx
from npcnn.errors import FileFormatError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
LABELS = np.array([3, 0, 9, 1, 4], np.uint8)
IMAGE, LABEL = (28, 28), ()


def idx(array, magic=None, count=None):
    """The bytes of an IDX file, with a magic number and a count that may lie."""
    header = magic or bytes([0, 0, 8, array.ndim])
    sizes = (len(array) if count is None else count, *array.shape[1:])
    return header + struct.pack(f">{len(sizes)}I", *sizes) + array.tobytes()


@pytest.fixture(params=["file", "file.gz"])
def write(request, tmp_path):
    """Write bytes to a file, once as they are and once gzipped; return its path."""

    def write(content):
        path = tmp_path / request.param
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write


def refusal(path, item_shape):
    """Assert that reading fails with an error that begins with the file's name; return the rest of it."""
    with pytest.raises(FileFormatError) as caught:
        read_idx(path, item_shape)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("array", [IMAGES, 0 * IMAGES, LABELS], ids=["images", "blank images", "labels"])
def test_items_come_back_as_they_were_written(write, array):
    items = read_idx(write(idx(array)), array.shape[1:])
    np.testing.assert_array_equal(items, array, strict=True)
    assert items.flags.writeable and items.flags.c_contiguous


def test_the_header_has_its_numbers_with_the_most_significant_byte_first(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 1, 2]) + bytes(258))
    assert read_idx(path, LABEL).shape == (258,)


REFUSED = {
    "an empty file": (b"", IMAGE, "must begin with 00 00 08 03, but begins with nothing"),
    "labels for images": (
        idx(LABELS),
        IMAGE,
        "in 3 dimensions: it must begin with 00 00 08 03, but begins with 00 00 08 01",
    ),
    "images for labels": (idx(IMAGES), LABEL, "must begin with 00 00 08 01, but begins with 00 00 08 03"),
    "items that are not unsigned bytes": (idx(IMAGES, magic=bytes([0, 0, 13, 3])), IMAGE, "begins with 00 00 0d 03"),
    "a header that ends early": (idx(IMAGES)[:10], IMAGE, "truncated after 10 of the header's 16 bytes"),
    "images of another size": (idx(IMAGES[:, :20]), IMAGE, "items of shape (20, 28), must be (28, 28)"),
    "no items": (idx(IMAGES[:0]), IMAGE, "holds no items"),
    "a file that ends early": (idx(IMAGES)[:-1], IMAGE, "truncated after 3,919 of the 5 x 28 x 28 bytes"),
    "a count too large": (idx(LABELS, count=6), LABEL, "truncated after 5 of the 6 bytes"),
    "a count too small": (idx(LABELS, count=4), LABEL, "trailing bytes after the 4 bytes that its header promises"),
    "trailing bytes": (idx(IMAGES) + b"x", IMAGE, "trailing bytes after the 5 x 28 x 28 bytes"),
    "two billion images": (idx(IMAGES, count=2 * 10**9), IMAGE, "too short for the 2,000,000,000 x 28 x 28 bytes"),
}


@pytest.mark.parametrize("content, item_shape, words", REFUSED.values(), ids=REFUSED)
def test_a_wrong_file_is_refused(write, content, item_shape, words):
    assert words in refusal(write(content), item_shape)


GZIPPED = gzip.compress(idx(IMAGES))
DAMAGED = {
    "it ends early": (GZIPPED[:-20], "Compressed file ended"),
    "its checksum is wrong": (GZIPPED[:-8] + bytes([GZIPPED[-8] ^ 1]) + GZIPPED[-7:], "CRC check failed"),
    "bytes follow its end": (GZIPPED + b"more", "Not a gzipped file"),
    "it is not gzipped": (idx(IMAGES), "Not a gzipped file"),
}


@pytest.mark.parametrize("content, words", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_gzip_file_is_refused(tmp_path, content, words):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    assert refusal(path, IMAGE).startswith(f"damaged gzip file: {words}")


def test_a_gzip_bomb_is_read_only_as_far_as_its_header_promises(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(IMAGES) + bytes(100_000_000)))
    tracemalloc.start()
    assert "trailing bytes" in refusal(path, IMAGE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # the images are 3,920 bytes; Python's own buffers take a few 100 KB


def test_a_gzip_file_with_a_changed_byte_is_refused_or_read_as_it_was(tmp_path):
    path = tmp_path / "file.gz"
    good = gzip.compress(idx(LABELS))
    for n in range(len(good)):
        path.write_bytes(good[:n] + bytes([good[n] ^ 0x55]) + good[n + 1 :])
        try:
            labels = read_idx(path, LABEL)
        except FileFormatError:
            continue
        np.testing.assert_array_equal(labels, LABELS)  # the byte was of the time stamp, or the like
