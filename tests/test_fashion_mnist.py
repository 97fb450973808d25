"""Fashion-MNIST: MNIST's files in another folder and from another server. (What the two share: test_mnist_data.py.)"""

import functools
import gzip
import hashlib
import http.server
import importlib.util
import threading

import numpy as np
import pytest
from test_mnist_data import TEST_LABELS, TRAIN_LABELS, idx, same, small_mnist, write, write_keras_file

from npcnn.datasets import fashion_mnist, mnist_files, mnist_tfds
from npcnn.datasets.mnist_files import FASHION_MNIST, MNIST, DownloadError
from npcnn.errors import FileFormatError

CLOTHES = small_mnist(seed=2)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder, and no network; the small pictures are taken for Fashion-MNIST."""
    monkeypatch.setenv("NPCNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(FASHION_MNIST, "url", "http://127.0.0.1:9/")  # the discard port: refused
    contents = {name: idx(array) for name, array in CLOTHES.items()}
    contents |= {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in contents.items()}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(FASHION_MNIST, "sha256", hashes)
    return tmp_path / "data"


@pytest.mark.parametrize("folder", ["fashion-mnist", "fashion_mnist"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("source", [(), ("auto",), ("fashion_mnist",)], ids=str)
def test_files_in_the_data_folder_are_read_without_a_network(data, folder, suffix, source):
    write(data / folder, CLOTHES, suffix)
    same(fashion_mnist.load_data(*source), CLOTHES)


def test_a_folder_and_a_keras_like_file_are_sources_whatever_pictures_they_hold(data, tmp_path):
    other = small_mnist(seed=3)
    write(tmp_path / "other", other)
    write_keras_file(tmp_path / "other.npz", other)
    for name in ("other", "other.npz"):
        same(fashion_mnist.load_data(tmp_path / name), other)


def test_without_files_or_network_the_error_says_where_to_put_which_files(data):
    with pytest.raises(DownloadError) as caught:
        fashion_mnist.load_data()
    message = str(caught.value)
    assert f"{data / 'fashion-mnist'} lacks train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz" in message
    assert "the download from 127.0.0.1 failed" in message
    assert "put the four files named *-ubyte.gz" in message and "NPCNN_DATA_DIR=DIR" in message


def test_other_files_of_the_same_names_are_not_taken_for_it(data):
    write(data / "fashion-mnist", small_mnist(seed=4))
    with pytest.raises(FileFormatError, match="damaged, or not Fashion-MNIST: expected sha256"):
        fashion_mnist.load_data()


def test_only_what_is_missing_is_downloaded_and_into_the_folder_that_is_there(data, tmp_path, monkeypatch):
    write(tmp_path / "web", CLOTHES)
    write(data / "fashion_mnist", CLOTHES)
    for name in (TRAIN_LABELS, TEST_LABELS):
        (data / "fashion_mnist" / f"{name}.gz").unlink()
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            requests.append(f"{self.command} {self.path}")

    handler = functools.partial(Handler, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(FASHION_MNIST, "url", f"http://127.0.0.1:{server.server_port}/")
    same(fashion_mnist.load_data(), CLOTHES)
    server.shutdown()
    server.server_close()
    assert [each for each in requests if each[:3] == "GET"] == [f"GET /{TRAIN_LABELS}.gz", f"GET /{TEST_LABELS}.gz"]
    assert [path.name for path in data.iterdir()] == ["fashion_mnist"]


def test_a_source_that_is_none_is_an_error_that_lists_those_there_are(data):
    with pytest.raises(ValueError, match="one of auto, fashion_mnist, tfds, or a path, got 'sample'"):
        fashion_mnist.load_data("sample")
    with pytest.raises(FileNotFoundError, match="no such folder or file to load Fashion-MNIST from"):
        fashion_mnist.load_data("./no such folder")


@pytest.mark.skipif(importlib.util.find_spec("tensorflow_datasets") is None, reason="needs tensorflow-datasets")
def test_tensorflow_datasets_prepares_it_under_its_own_name_from_the_files_that_are_there(data, monkeypatch):
    import tensorflow_datasets as tfds

    write(data / "fashion_mnist", CLOTHES)
    seen = []

    def prepare(self, download_dir, download_config):
        seen.append((self.name, download_config.manual_dir))

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", prepare)
    mnist_tfds._prepare(tfds, data / "tfds", "fashion_mnist", FASHION_MNIST)
    assert seen == [("fashion_mnist", data / "fashion_mnist")]


def test_the_published_hashes_are_known_for_the_same_eight_names_as_mnists():
    assert FASHION_MNIST.sha256.keys() == MNIST.sha256.keys()
    assert not set(FASHION_MNIST.sha256.values()) & set(MNIST.sha256.values())
    assert all(len(value) == 64 and int(value, 16) for value in FASHION_MNIST.sha256.values())


@pytest.mark.skipif(
    len(mnist_files.find(FASHION_MNIST.folder)) < 4, reason="needs the full Fashion-MNIST (NPCNN_DATA_DIR)"
)
def test_fashion_mnist_has_6_000_pictures_of_each_class_for_training_and_1_000_for_the_test():
    for (x, y), count in zip(fashion_mnist.load_data(), (6_000, 1_000), strict=True):
        assert x.shape == (10 * count, 28, 28) and x.dtype == y.dtype == np.uint8
        assert np.bincount(y).tolist() == [count] * 10
