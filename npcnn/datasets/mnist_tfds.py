"""MNIST through tensorflow-datasets (https://www.tensorflow.org/datasets), which prepares and reads the data.

It prepares the data once, in about 20 seconds, in a folder `tfds` below the data folder. When the original
files stand in the data folder, gzipped, it takes those and needs no network; else it downloads them.
"""

import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pooch

from npcnn.datasets import mnist_files
from npcnn.errors import FileFormatError

Split = tuple[np.ndarray, np.ndarray]


def load() -> tuple[Split, Split]:
    """Return what `mnist.load_data` returns, in the order in which tensorflow-datasets shuffled the digits.

    Raises:
        ImportError: tensorflow-datasets, or something that it needs, is missing.
        DownloadError: The data is not prepared yet, an original file is missing, and there is no network.
        FileFormatError: An original file is damaged, or the prepared data is.
    """
    try:
        import tensorflow_datasets as tfds
        from tensorflow import errors
    except ImportError as error:
        how = 'pip install "npcnn[tfds]" brings it where TensorFlow has a wheel'
        raise ImportError(f'source "tfds" needs tensorflow_datasets: {how} ({error})') from error
    home = _home()
    if not tfds.builder("mnist", data_dir=home).is_prepared():
        _prepare(tfds, home)
    builder = tfds.builder("mnist", data_dir=home)
    try:
        train, test = tfds.as_numpy(builder.as_dataset(split=["train", "test"], batch_size=-1))
    except errors.OpError as error:
        raise FileFormatError(f"{builder.data_path}: damaged, delete this folder: {error.message}") from error
    train, test = ((part["image"][..., 0], part["label"].astype(np.uint8)) for part in (train, test))
    return train, test


def _home() -> Path:
    """Return where prepared data goes: below the data folder, or in the user's cache if that is read-only."""
    home = mnist_files.data_folder().absolute() / "tfds"
    if (home / "mnist").is_dir() or mnist_files.is_writable(home):
        return home
    return Path(pooch.os_cache("npcnn")) / "tfds"


def _prepare(tfds: ModuleType, home: Path) -> None:
    """Prepare MNIST; what is downloaded and unpacked on the way is removed, come what may."""
    originals = mnist_files.data_folder().absolute() / "mnist"
    found = mnist_files.find_genuine(originals)
    builder = tfds.builder("mnist", data_dir=home)
    try:
        if sum(path.suffix == ".gz" for path in found.values()) < len(mnist_files.NAMES):
            mnist_files.knock()  # tensorflow-datasets would try for minutes to reach a network that is not there
        home.mkdir(parents=True, exist_ok=True)
        config = tfds.download.DownloadConfig(manual_dir=originals)
        with tempfile.TemporaryDirectory(dir=home, ignore_cleanup_errors=True) as downloads:
            builder.download_and_prepare(download_dir=downloads, download_config=config)
    except OSError as error:
        if not builder.is_prepared():  # else another process was faster
            why = error.strerror or type(error).__name__
            raise mnist_files.DownloadError(f"{home}: tensorflow-datasets cannot prepare MNIST: {why}") from error
