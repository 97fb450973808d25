"""The IDX reader: every way in which a file can be wrong, by name."""

import gzip
import re
import struct
import tracemalloc

import numpy as np
import pytest

from npcnn.datasets.idx import read_idx
from npcnn.errors import FileFormatError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
LABELS = np.array([3, 0, 9, 1, 4], np.uint8)


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


def refusal(path, shape, words):
    """Assert that reading fails with an error that begins with the file's name and has these words."""
    with pytest.raises(FileFormatError, match=words) as caught:
        read_idx(path, shape)
    assert str(caught.value).startswith(f"{path}: ")


def test_images_come_back_as_they_were_written(write):
    images = read_idx(write(idx(IMAGES)), (28, 28))
    np.testing.assert_array_equal(images, IMAGES, strict=True)
    assert images.flags.writeable and images.flags.c_contiguous


def test_labels_come_back_as_they_were_written(write):
    np.testing.assert_array_equal(read_idx(write(idx(LABELS)), ()), LABELS, strict=True)


def test_the_header_has_its_numbers_with_the_most_significant_byte_first(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 1, 2]) + bytes(258))
    assert read_idx(path, ()).shape == (258,)


def test_an_empty_file_is_refused(write):
    refusal(write(b""), (28, 28), "must begin with 00 00 08 03, but begins with nothing")


def test_labels_in_the_place_of_images_are_refused(write):
    refusal(write(idx(LABELS)), (28, 28), "must begin with 00 00 08 03, but begins with 00 00 08 01")


def test_images_in_the_place_of_labels_are_refused(write):
    refusal(write(idx(IMAGES)), (), "in 1 dimensions: it must begin with 00 00 08 01, but begins with 00 00 08 03")


def test_items_that_are_not_unsigned_bytes_are_refused(write):
    refusal(write(idx(IMAGES, magic=bytes([0, 0, 0x0D, 3]))), (28, 28), "begins with 00 00 0d 03")


def test_a_header_that_ends_early_is_refused(write):
    refusal(write(idx(IMAGES)[:10]), (28, 28), "truncated after 10 of the header's 16 bytes")


def test_images_of_another_size_are_refused(write):
    refusal(write(idx(IMAGES[:, :20])), (28, 28), re.escape("items of shape (20, 28), must be (28, 28)"))


def test_a_file_without_items_is_refused(write):
    refusal(write(idx(IMAGES[:0])), (28, 28), "holds no items")


def test_a_file_that_ends_early_is_refused(write):
    refusal(write(idx(IMAGES)[:-1]), (28, 28), "too short for|truncated after 3,919 of the 5 x 28 x 28 bytes")


def test_a_count_that_is_too_large_is_refused(write):
    refusal(write(idx(LABELS, count=6)), (), "too short for|truncated after 5 of the 6 bytes")


def test_a_count_that_is_too_small_is_refused(write):
    refusal(write(idx(LABELS, count=4)), (), "trailing bytes after the 4 promised")


def test_trailing_bytes_are_refused(write):
    refusal(write(idx(IMAGES) + b"x"), (28, 28), "trailing bytes after the 5 x 28 x 28 promised")


def test_a_claim_of_two_billion_images_is_refused_before_memory_is_asked_for(write):
    path = write(idx(IMAGES, count=2_000_000_000))
    refusal(path, (28, 28), "too short for the 2,000,000,000 x 28 x 28 bytes")


def test_a_gzip_bomb_is_read_only_as_far_as_its_header_promises(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx(IMAGES) + bytes(100_000_000)))
    tracemalloc.start()
    refusal(path, (28, 28), "trailing bytes")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # the images are 3,920 bytes; Python's own buffers take a few 100 KB


def test_a_gzip_file_that_ends_early_is_refused(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(idx(IMAGES))[:-20])
    refusal(path, (28, 28), "damaged gzip file: Compressed file ended")


def test_a_gzip_file_with_a_wrong_checksum_is_refused(tmp_path):
    path = tmp_path / "file.gz"
    content = bytearray(gzip.compress(idx(IMAGES)))
    content[-8] ^= 1
    path.write_bytes(content)
    refusal(path, (28, 28), "damaged gzip file: CRC check failed")


def test_a_gzip_file_with_a_changed_byte_is_refused_or_read_as_it_was(tmp_path):
    path = tmp_path / "file.gz"
    good = gzip.compress(idx(LABELS))
    for n in range(len(good)):
        path.write_bytes(good[:n] + bytes([good[n] ^ 0x55]) + good[n + 1 :])
        try:
            labels = read_idx(path, ())
        except FileFormatError:
            continue
        np.testing.assert_array_equal(labels, LABELS)  # the byte was of the time stamp, or the like


def test_bytes_after_the_end_of_a_gzip_stream_are_refused(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(idx(IMAGES)) + b"more")
    refusal(path, (28, 28), "damaged gzip file: Not a gzipped file")


def test_an_unpacked_file_that_is_named_gz_is_refused(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(idx(IMAGES))
    refusal(path, (28, 28), "damaged gzip file: Not a gzipped file")
