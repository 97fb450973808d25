"""Fashion-MNIST: 70,000 pictures of clothes in MNIST's form, 28 by 28 grey pixels, and harder to tell apart.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv:1708.07747, 2017. The classes 0 to 9: T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag,
ankle boot.
"""

import os
from pathlib import Path

from npcnn.datasets import mnist_files, mnist_tfds
from npcnn.datasets.mnist import find_source, read
from npcnn.datasets.mnist_files import FASHION_MNIST, DownloadError
from npcnn.datasets.mnist_tfds import Split

SOURCES = ("auto", "fashion_mnist", "tfds")

HOW_TO_GET_IT = """\
Run again with a network (31 MB are downloaded, once), or put the four files named *-ubyte.gz from
https://github.com/zalandoresearch/fashion-mnist into a folder DIR/fashion-mnist and set NPCNN_DATA_DIR=DIR."""


def load_data(source: str | os.PathLike[str] = "auto") -> tuple[Split, Split]:
    """Return ((x_train, y_train), (x_test, y_test)), like the function of that name in Keras.

    Images are uint8 (N, 28, 28), 0 for background; labels are uint8 (N,), 0 to 9.

    Args:
        source: Where the pictures come from:

            - "auto" and "fashion_mnist": the four original files, bit for bit: those in `fashion-mnist/` (or
              `fashion_mnist/`) in the data folder, which is the one that the variable NPCNN_DATA_DIR names, or else
              npcnn's in the user's cache. What is missing there is downloaded into it, 31 MB.
            - "tfds": the same pictures through tensorflow-datasets, which shuffles them: in another order.
            - a path: a folder with four files of the original names, gzipped or not, or a .npz file with
              Keras' names for the arrays. They may hold any pictures in that format.

    Raises:
        ValueError: The source is none of these.
        FileNotFoundError: There is nothing at the path, or a file is missing in the folder.
        FileFormatError: A file is damaged, or is not what its name says.
        DownloadError: (an OSError) The pictures are not on disk and cannot be downloaded.
        ImportError: "tfds" without tensorflow-datasets.
    """
    source = find_source(source, SOURCES, "Fashion-MNIST")
    try:
        if source == "tfds":
            return mnist_tfds.load("fashion_mnist", FASHION_MNIST)
        return read(mnist_files.fetch(FASHION_MNIST) if source in SOURCES else Path(source))
    except DownloadError as error:
        raise DownloadError(f"{error}. {HOW_TO_GET_IT}") from None
