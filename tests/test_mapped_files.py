"""Training from files larger than memory: what is read, by which rank, in which order, and what is refused."""

import gzip
import os
import re
import struct
import sys
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal, assert_equal

from npcnn.callbacks import BackupAndRestore, Callback
from npcnn.datasets import MappedFiles
from npcnn.errors import FileFormatError
from npcnn.optimizers import Adam

N = 23
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 5, 4), np.uint8)
LABELS = np.arange(N, dtype=np.uint8)  # each tells which row it is of


def idx(array, count=None):
    """The bytes of an IDX file, whose count may lie."""
    sizes = (len(array) if count is None else count, *array.shape[1:])
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *sizes) + array.tobytes()


def write(path, array):
    """Write an array to a .npy or an IDX file, or bytes as they are; return the path."""
    if isinstance(array, bytes):
        path.write_bytes(array)
    elif path.suffix == ".npy":
        np.save(path, array)
    else:
        path.write_bytes(idx(array))
    return path


@pytest.fixture(params=["npy", "idx"])
def files(request, tmp_path):
    """The images and the labels, in either format."""
    return write(tmp_path / f"images.{request.param}", IMAGES), write(tmp_path / f"labels.{request.param}", LABELS)


def rows_of(batches):
    """Which rows the batches of an epoch hold, in order."""
    return [y.tolist() for _, y in batches]


# ------------------------------------------------------------------ what a batch is


def test_the_batches_of_an_epoch_hold_each_image_once_with_its_label(files):
    batches = list(MappedFiles(*files, batch_size=5))
    assert [len(x) for x, _ in batches] == [4, 5, 4, 5, 5]
    x, y = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    assert sorted(y) == list(range(N))
    assert_array_equal(x, IMAGES[y][..., None] / np.float32(255), strict=True)
    assert y.dtype == np.uint8


def test_all_grey_levels_are_scaled_to_the_same_bits_as_in_memory(tmp_path):
    levels = np.arange(256, dtype=np.uint8).reshape(256, 1, 1)
    files = write(tmp_path / "x.npy", levels), write(tmp_path / "y.npy", levels[:, 0, 0])
    assert_array_equal(MappedFiles(*files, 256)[0][0], levels[..., None] / np.float32(255), strict=True)


SCALES = [
    (IMAGES, {"scale": 2}, IMAGES[..., None] * np.float32(2)),
    (IMAGES, {"scale": 1}, IMAGES[..., None].astype(np.float32)),
    (IMAGES / 255, {}, (IMAGES / 255)[..., None].astype(np.float32)),
    (IMAGES.astype(">i4"), {}, IMAGES[..., None].astype(np.float32)),
    (IMAGES[..., None] * np.ones(3, np.uint8), {"scale": 1}, IMAGES[..., None] * np.ones(3, np.float32)),
    (IMAGES.reshape(N, 20), {"scale": 1}, IMAGES.reshape(N, 20).astype(np.float32)),
]


@pytest.mark.parametrize("images, options, expected", SCALES, ids="doubled plain floats big-endian colour rows".split())
def test_images_become_float32_times_the_scale_and_get_a_channel_axis_if_they_have_none(
    tmp_path, images, options, expected
):
    files = write(tmp_path / "x.npy", images), write(tmp_path / "y.npy", LABELS.astype(">i8"))
    x, y = MappedFiles(*files, N, shuffle=False, **options)[0]
    assert_array_equal(x, expected, strict=True)
    assert_array_equal(y, LABELS.astype(int), strict=True)


def test_one_hot_labels_come_as_rows(tmp_path):
    files = write(tmp_path / "x.npy", IMAGES), write(tmp_path / "y.npy", np.eye(N))
    assert_array_equal(MappedFiles(*files, N, shuffle=False)[0][1], np.eye(N))


def test_a_npy_file_is_known_by_how_it_begins_whatever_its_name(files, tmp_path):
    renamed = [write(tmp_path / f"{i}.bin", file.read_bytes()) for i, file in enumerate(files)]
    assert_equal(MappedFiles(*renamed)[0], MappedFiles(*files)[0])


# ------------------------------------------------------------------ order


def test_each_epoch_has_another_order_and_the_same_seed_the_same_ones(files):
    def epochs(**options):
        batches = MappedFiles(*files, batch_size=8, **options)
        for _ in range(3):
            yield rows_of(batches)
            batches.on_epoch_end()

    first, again, other = list(epochs()), list(epochs(seed=0)), list(epochs(seed=1))
    assert first == again
    different = [str(rows) for rows in first + other]
    assert len(set(different)) == 6
    assert list(epochs(shuffle=False)) == [[list(range(7)), list(range(7, 15)), list(range(15, 23))]] * 3


def test_a_batch_is_read_in_the_order_of_the_file(files):
    assert all(rows == sorted(rows) for rows in rows_of(MappedFiles(*files, batch_size=8)))


def test_past_the_last_batch_there_is_none(files):
    batches = MappedFiles(*files, batch_size=8)
    assert len(batches) == 3
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"there are 3 batches, so no batch {index}"):
            batches[index]


# ------------------------------------------------------------------ ranks


@pytest.mark.parametrize("ranks, batch_size", [(1, 1), (1, 5), (2, 7), (3, 6), (4, 23), (5, 9), (23, 23), (3, 100)])
def test_ranks_take_the_same_number_of_steps_on_disjoint_stretches_of_the_files(files, ranks, batch_size):
    parts = [MappedFiles(*files, batch_size, rank=rank, ranks=ranks) for rank in range(ranks)]
    found = [rows_of(part) for part in parts]
    for rank, part in enumerate(found):
        assert len(part) == -(-N // batch_size)
        stretch = range(N * rank // ranks, N * (rank + 1) // ranks)  # as distributed.Ranks.rows cuts
        assert sorted(sum(part, [])) == list(stretch)
        sizes = [len(rows) for rows in part]
        assert max(sizes) - min(sizes) <= 1 <= min(sizes)
    together = [sum(map(len, step)) for step in zip(*found, strict=True)]
    assert max(together) <= batch_size + ranks - 1
    assert [part.own_part for part in parts] == [ranks > 1] * ranks


def test_ranks_with_as_many_rows_do_not_draw_the_same_order(tmp_path):
    files = write(tmp_path / "x.npy", IMAGES[:20]), write(tmp_path / "y.npy", LABELS[:20])
    first, second = (MappedFiles(*files, 4, rank=rank, ranks=2) for rank in (0, 1))
    assert sorted(first.order) == sorted(second.order)
    assert list(first.order) != list(second.order)


def test_what_is_kept_of_the_order_is_the_same_on_all_ranks_and_brings_it_back(files):
    one, other = MappedFiles(*files, 8), MappedFiles(*files, 4, rank=1, ranks=2)
    for batches in (one, other):
        batches.on_epoch_end()
        batches.on_epoch_end()
    assert one.random_state == other.random_state
    for batches, new in ((one, MappedFiles(*files, 8)), (other, MappedFiles(*files, 4, rank=1, ranks=2))):
        assert rows_of(new) != rows_of(batches)
        new.random_state = batches.random_state
        assert rows_of(new) == rows_of(batches)


# ------------------------------------------------------------------ memory


@pytest.mark.skipif(sys.platform == "win32", reason="files there are not sparse")
@pytest.mark.parametrize("kind", ["npy", "idx"])
def test_of_a_file_of_four_gigabytes_no_more_than_a_batch_is_in_memory(tmp_path, kind):
    count, shape = 4096, (1024, 1024)
    images, labels = tmp_path / f"x.{kind}", write(tmp_path / "y.npy", np.arange(count))
    if kind == "npy":
        np.lib.format.open_memmap(images, "w+", np.uint8, (count, *shape))
    else:
        write(images, idx(np.empty((0, *shape), np.uint8), count))
        os.truncate(images, 16 + 2**32)
    with open(images, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    assert images.stat().st_blocks * 512 < 2**20 < 2**32 < images.stat().st_size  # so it takes no space on the disk
    batch = 2 * 4 * 2**20  # bytes of two images as float32, the most that a rank has here of four
    tracemalloc.start()
    batches = MappedFiles(images, labels, 4, shuffle=False, rank=2, ranks=3)
    (first, _), (last, y) = batches[0], batches[len(batches) - 1]
    MappedFiles(images, labels, 4, rank=2, ranks=3)[7]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(last) == 2 and y[-1] == count - 1
    assert first.max() == 0 and last[-1, -1, -1, 0] == 1
    assert batch < peak < 3.5 * batch  # first and last, and one more and its bytes


# ------------------------------------------------------------------ training


@pytest.fixture
def trained_on(tmp_path, make_images, make_model):
    """Images and labels for the small model, and their files."""
    x, y = make_images(30)
    return x, y, (write(tmp_path / "x.npy", x), write(tmp_path / "y.npy", y))


def test_a_training_in_one_batch_has_the_bits_of_one_on_arrays(trained_on, make_model):
    x, y, files = trained_on
    expected, model = make_model(), make_model()
    expected.fit(x, y, batch_size=30, epochs=3, shuffle=False, verbose=0)
    model.fit(MappedFiles(*files, batch_size=30), epochs=3, verbose=0)
    assert_equal(model.get_weights(), expected.get_weights())
    in_order = MappedFiles(*files, batch_size=7, shuffle=False)
    assert_array_equal(model.predict(in_order, verbose=0), expected.predict(x, verbose=0))
    assert model.evaluate(in_order, verbose=0) == pytest.approx(expected.evaluate(x, y, verbose=0), rel=1e-6)


def test_a_training_learns_from_files_and_each_epoch_sees_the_rows_in_other_batches(tmp_path, make_images, make_model):
    x, y = make_images(300)
    files = write(tmp_path / "x.npy", x), write(tmp_path / "y.npy", y)
    seen = []

    class Noting(MappedFiles):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            seen.append(batch[0].sum())
            return batch

    model = make_model(Adam(0.01))
    source = Noting(*files, 16)
    history = model.fit(source, epochs=5, validation_data=MappedFiles(*files, 100), verbose=0).history
    assert history["val_accuracy"][-1] > 0.9
    assert source.epoch == 5 and len(set(seen[1:])) == 5 * 19  # the first batch is looked at before training begins


class CrashError(Exception):
    """What ends a training here."""


@pytest.mark.parametrize("steps", [None, 3])
def test_a_training_that_goes_on_from_a_backup_ends_with_the_bits_of_one_without_a_break(
    tmp_path, trained_on, make_model, steps
):
    *_, files = trained_on

    class Crash(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.optimizer.iterations == 8:
                raise CrashError

    def train(*callbacks):
        model = make_model()
        model.fit(MappedFiles(*files, 5), epochs=3, steps_per_epoch=steps, callbacks=callbacks, verbose=0)
        return model.get_weights()

    expected = train()
    with pytest.raises(CrashError):
        train(BackupAndRestore(tmp_path / "backup", save_freq=1), Crash())
    assert_equal(train(BackupAndRestore(tmp_path / "backup")), expected)


# ------------------------------------------------------------------ what is refused


def npy(descr, shape, data=b"", version=1, fortran_order=False):
    """The bytes of a .npy file whose header may say anything."""
    text = repr({"descr": descr, "fortran_order": fortran_order, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text + data


PLAIN = np.lib.format.header_data_from_array_1_0(IMAGES)["descr"]
PIXELS = IMAGES.tobytes()
BAD_IMAGES = {  # what is in which file, and a part of the error
    "nothing in an IDX file": ("x", b"", "not an IDX file of unsigned bytes in 3 dimensions: .* begins with nothing"),
    "nothing in a .npy file": ("x.npy", b"", "damaged, or not a .npy file"),
    "no .npy file": ("x.npy", idx(IMAGES), "damaged, or not a .npy file: .*magic string"),
    "labels for images in IDX": ("x", LABELS, "must begin with 00 00 08 03, but begins with 00 00 08 01"),
    "labels for images in .npy": ("x.npy", LABELS, r"images must have shape .* or \(N, D\), without a 0; got \(23,\)"),
    "a gzipped file": ("x.gz", gzip.compress(idx(IMAGES)), "is packed by gzip, .* gunzip"),
    "a gzipped file of another name": ("x", gzip.compress(idx(IMAGES)), "is packed by gzip, .* gunzip"),
    "a zip file": ("x.npz", b"PK\x03\x04", "is an .npz archive, .* np.save"),
    "an IDX file that ends early": (
        "x",
        idx(IMAGES)[:-1],
        "truncated: its header promises 460 bytes, .* but 459 follow",
    ),
    "an IDX file that goes on": ("x", idx(IMAGES) + b"x", "trailing bytes: its header promises 460 bytes, .* but 461"),
    "an IDX header that ends early": ("x", idx(IMAGES)[:9], "truncated after 9 of the header's 16 bytes"),
    "an IDX file of no images": ("x", idx(IMAGES[:0]), "holds no items"),
    "an IDX file of images of no pixels": ("x", idx(IMAGES[:, :0]), r"without a 0; got \(23, 0, 4\)"),
    "a .npy file that ends early": (
        "x.npy",
        npy(PLAIN, IMAGES.shape, PIXELS[1:]),
        "truncated: its header promises 460",
    ),
    "a .npy file that goes on": ("x.npy", npy(PLAIN, IMAGES.shape, PIXELS + b"x"), "trailing bytes: .* but 461 follow"),
    "a .npy header that ends early": ("x.npy", npy(PLAIN, IMAGES.shape)[:20], "damaged, or not a .npy file"),
    "a .npy header that is no dictionary": ("x.npy", b"\x93NUMPY\1\0\4\0[1]\n", "damaged, or not a .npy file"),
    "more images than any disk holds": ("x.npy", npy(PLAIN, (10**30, 5, 4), PIXELS), "truncated: its header promises"),
    "a negative number of images": ("x.npy", npy(PLAIN, (-1, 5, 4), PIXELS), "without a 0"),
    "a .npy file of a version to come": ("x.npy", npy(PLAIN, IMAGES.shape, PIXELS, 3), "in version .*, must be"),
    "Python objects": ("x.npy", np.array([[None]]), "must hold an array of numbers, .* it holds object"),
    "complex numbers": ("x.npy", IMAGES * 1j, "must hold an array of numbers, .* it holds complex128"),
    "texts": ("x.npy", np.array([["a"]]), "must hold an array of numbers, .* it holds <U1"),
    "columns first": ("x.npy", np.asfortranarray(IMAGES), "columns first; np.save.*ascontiguousarray"),
}


@pytest.mark.parametrize("name, content, words", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_file_of_images_is_refused_by_name(tmp_path, name, content, words):
    images, labels = write(tmp_path / name, content), write(tmp_path / "labels", LABELS)
    with pytest.raises(FileFormatError, match=f"^{re.escape(str(images))}: .*{words}"):
        MappedFiles(images, labels)


@pytest.mark.parametrize(
    "labels, words",
    [
        (LABELS[1:], "22 labels for the 23 images in .*images.npy"),
        (np.array(7), r"labels must have shape \(N,\) or \(N, K\), without a 0; got \(\)"),
        (np.array(["a"] * N), "must hold an array of numbers"),
    ],
    ids=["too few", "a number", "texts"],
)
def test_a_bad_file_of_labels_is_refused_by_name(tmp_path, labels, words):
    files = write(tmp_path / "images.npy", IMAGES), write(tmp_path / "labels.npy", labels)
    with pytest.raises(FileFormatError, match=f"^{re.escape(str(files[1]))}: .*{words}"):
        MappedFiles(*files)


def test_a_file_that_is_not_there_is_named(tmp_path, files):
    with pytest.raises(FileNotFoundError, match="nowhere.npy"):
        MappedFiles(files[0], tmp_path / "nowhere.npy")


BAD_ARGUMENTS = [
    ({"batch_size": 0}, "MappedFiles: batch_size must be an integer of at least 1, got 0"),
    ({"ranks": 0}, "MappedFiles: ranks must be an integer of at least 1, got 0"),
    ({"rank": -1}, "MappedFiles: rank must be an integer of at least 0, got -1"),
    ({"rank": 2, "ranks": 2}, "MappedFiles: rank must be from 0 to 1, as there are 2 ranks; got 2"),
    ({"ranks": 24}, "23 images are too few for 24 ranks; there can be 23 of them"),
    ({"ranks": 3, "batch_size": 3}, "batch_size must be at least 4, so that each of 3 ranks has an example in each"),
    ({"scale": "auto"}, "MappedFiles: scale must be a number, got 'auto'"),
    ({"shuffle": "yes"}, "MappedFiles: shuffle must be True or False, got 'yes'"),
    ({"seed": -1}, "MappedFiles: seed must be an integer of at least 0, got -1"),
]


@pytest.mark.parametrize("options, words", BAD_ARGUMENTS, ids=[str(options) for options, _ in BAD_ARGUMENTS])
def test_an_argument_out_of_range_is_refused(files, options, words):
    with pytest.raises(ValueError, match=words):
        MappedFiles(*files, **options)


def test_the_smallest_batch_that_the_error_names_will_do(files):
    assert len(MappedFiles(*files, 4, rank=2, ranks=3)) == 6
