"""MNIST: 70,000 handwritten digits of 28 by 28 grey pixels, 60,000 to train on and 10,000 to test on.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11), 1998.
"""

import os
import sys
from pathlib import Path

import numpy as np

from npcnn.datasets import mnist_files, mnist_tfds
from npcnn.datasets.idx import read_idx
from npcnn.datasets.mnist_files import MNIST
from npcnn.datasets.mnist_tfds import Split
from npcnn.datasets.npz import read_npz
from npcnn.errors import FileFormatError

SOURCES = ("auto", "mnist", "tfds", "sample")
KERAS_FILE = "mnist.npz"
SAMPLE = Path(__file__).with_name("mnist_sample.npz")
KEYS = {"x_train": (28, 28), "y_train": (), "x_test": (28, 28), "y_test": ()}  # Keras' names, and the shape of an item

NOTICE = """\
==============================================================================
THIS IS NOT THE FULL MNIST.
{}.
Instead you get the sample that comes with npcnn: 5,000 of MNIST's 60,000
training digits, 4,000 to train on and 1,000 to test on. An accuracy on these
1,000 is not a MNIST test accuracy.
To get the full set, run again with a network (11 MB are downloaded, once), or
put the four files named *-ubyte.gz into a folder DIR/mnist and set
NPCNN_DATA_DIR=DIR.
=============================================================================="""


def load_data(
    source: str | os.PathLike[str] = "auto", *, path: str | os.PathLike[str] | None = None
) -> tuple[Split, Split]:
    """Return ((x_train, y_train), (x_test, y_test)), like the function of that name in Keras.

    Images are uint8 (N, 28, 28), 0 for background; labels are uint8 (N,), 0 to 9. Each array may take 48 MB and 20
    times its size in the file: MNIST's 60,000 images are 47 MB.

    Args:
        source: Where the digits come from:

            - "auto": "mnist" if available, else "sample", after a notice that says so.
            - "mnist": the four original files, bit for bit: those in `mnist/` in the data folder, which is the one
              that the variable NPCNN_DATA_DIR names, or else npcnn's in the user's cache. What is missing there is
              downloaded into it, 11 MB.
            - "tfds": the same digits through tensorflow-datasets, which shuffles them: in another order.
            - "sample": 5,000 of MNIST's training digits: of each class the first 400 for training, the other
              100 for the test (see `mnist_sample.md`). An accuracy on these 1,000 is not a MNIST test accuracy.
            - a path: a folder with four files of the original names, gzipped or not, or Keras' mnist.npz.
              They may hold any digits in that format.
            - "mnist.npz": what Keras calls its own copy of the data; if there is no such file, "auto".

        path: Keras' name of the argument: where it keeps that copy. If there is no such file, "auto".

    Raises:
        ValueError: The source is none of these.
        FileNotFoundError: There is nothing at the path, or a file is missing in the folder.
        FileFormatError: A file is damaged, or is not what its name says.
        DownloadError: (an OSError) "mnist" or "tfds" is not on disk and cannot be downloaded.
        ImportError: "tfds" without tensorflow-datasets.
    """
    if path is not None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be a path, got {path!r}")
        source = path if os.path.isfile(path) else "auto"
    source = resolve(source)
    if source == "tfds":
        return mnist_tfds.load("mnist", MNIST)
    if source == "mnist":
        return read(mnist_files.fetch(MNIST))
    return read(SAMPLE if source == "sample" else Path(source))


def resolve(source: str | os.PathLike[str] = "auto") -> str:
    """Return where load_data(source) takes its digits: "mnist", "tfds", "sample", or an absolute path.

    "auto" is decided here, so that a program can say which digits it measured. If it becomes "sample", a notice on
    stderr says why; damaged files are an error, never a reason to take the sample.
    """
    if source == KERAS_FILE and not os.path.exists(source):
        source = "auto"
    if source == "auto":
        try:
            mnist_files.fetch(MNIST)
        except mnist_files.DownloadError as error:
            print(NOTICE.format(error), file=sys.stderr, flush=True)
            return "sample"
        return "mnist"
    return find_source(source, SOURCES, "MNIST")


def find_source(source: str | os.PathLike[str], sources: tuple[str, ...], title: str) -> str:
    """Return `source` if it is one of `sources`, or else the absolute path that it names."""
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"source must be one of {', '.join(sources)}, or a path, got {source!r}")
    if source in sources:
        return str(source)
    path = Path(os.path.expanduser(source))
    if source and (path.is_dir() or path.is_file()):
        return str(path.absolute())
    if isinstance(source, os.PathLike) or set(source) & set("/\\~."):
        raise FileNotFoundError(f"{path.absolute()}: no such folder or file to load {title} from")
    raise ValueError(f"source must be one of {', '.join(sources)}, or a path, got {source!r}")


def read(path: Path) -> tuple[Split, Split]:
    """Return what `load_data` returns, from a folder with the four files or from a file like Keras'."""
    places = [f"{path}: {key}" for key in KEYS]
    if path.is_dir():
        found = mnist_files.find(path)
        if missing := [name for name in mnist_files.NAMES if name not in found]:
            raise FileNotFoundError(f"{path}: there is no {', no '.join(missing)}, with or without .gz")
        places = [str(file) for file in found.values()]

    def load(n: int, count: int | None = None) -> np.ndarray:
        key, shape = [*KEYS.items()][n]
        return read_idx(Path(places[n]), shape, count) if path.is_dir() else read_npz(path, key, shape, count)

    splits = []
    for images, labels in (0, 1), (2, 3):
        y = load(labels)  # first: they are few bytes, and say how many images there must be
        if y.max() > 9:
            n = int(y.argmax())
            raise FileFormatError(f"{places[labels]}: label number {n:,} is {y[n]}, must be 0 to 9")
        splits.append((load(images, len(y)), y))
    return splits[0], splits[1]
