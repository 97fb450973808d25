"""The data through tensorflow-datasets (https://www.tensorflow.org/datasets), which prepares and reads it.

It prepares MNIST once, in about 20 seconds, in a folder `tfds` below the data folder. When the original
files stand in the data folder, gzipped, it takes those and needs no network; else it downloads them.
"""

import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pooch

from npcnn.datasets import mnist_files
from npcnn.datasets.mnist_files import Originals
from npcnn.errors import FileFormatError

Split = tuple[np.ndarray, np.ndarray]


def load(name: str, originals: Originals) -> tuple[Split, Split]:
    """Return what `load_data` returns, in the order in which tensorflow-datasets shuffled the images.

    Args:
        name: What tensorflow-datasets calls the data: "mnist" or "fashion_mnist".
        originals: The files that it is prepared from.

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
    home = _home(name)
    if not tfds.builder(name, data_dir=home).is_prepared():
        _prepare(tfds, home, name, originals)
    builder = tfds.builder(name, data_dir=home)
    try:
        train, test = tfds.as_numpy(builder.as_dataset(split=["train", "test"], batch_size=-1))
    except errors.OpError as error:
        raise FileFormatError(f"{builder.data_path}: damaged, delete this folder: {error.message}") from None
    train, test = ((part["image"][..., 0], part["label"].astype(np.uint8)) for part in (train, test))
    return train, test


def _home(name: str) -> Path:
    """Return where prepared data goes: below the data folder, or in the user's cache if that is read-only."""
    home = mnist_files.data_folder().absolute() / "tfds"
    if (home / name).is_dir() or mnist_files.is_writable(home):
        return home
    return Path(pooch.os_cache("npcnn")) / "tfds"


def _prepare(tfds: ModuleType, home: Path, name: str, originals: Originals) -> None:
    """Prepare the data; what is downloaded and unpacked on the way is removed, come what may."""
    found = mnist_files.find_genuine(originals)
    builder = tfds.builder(name, data_dir=home)
    try:
        if sum(path.suffix == ".gz" for path in found.values()) < len(mnist_files.NAMES):
            mnist_files.knock(originals)  # else tensorflow-datasets would try for minutes to reach no network
        home.mkdir(parents=True, exist_ok=True)
        config = tfds.download.DownloadConfig(manual_dir=originals.folder.absolute())
        with tempfile.TemporaryDirectory(dir=home, ignore_cleanup_errors=True) as downloads:
            builder.download_and_prepare(download_dir=downloads, download_config=config)
    except OSError as error:
        if not builder.is_prepared():  # else another process was faster
            why = error.strerror or type(error).__name__
            what = f"tensorflow-datasets cannot prepare {originals.title}"
            raise mnist_files.DownloadError(f"{home}: {what}: {why}") from None
