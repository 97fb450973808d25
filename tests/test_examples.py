"""The examples, run as a user runs them: as programs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from npcnn import load_model
from npcnn.datasets import mnist

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(folder, name, *arguments, expect=0):
    """Run an example in `folder`, where there is no MNIST, and return what it printed."""
    environment = os.environ | {"NPCNN_DATA_DIR": str(folder / "no data here"), "MPLBACKEND": "Agg"}
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout if expect == 0 else done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which train_mnist.py has been run, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, run(folder, "train_mnist.py", "--data", "sample", "--epochs", 2)


def is_picture(path, least_width=400):
    with Image.open(path) as picture:
        picture.load()
        return picture.format == "PNG" and picture.width >= least_width


def test_training_prints_the_model_and_its_epochs_and_leaves_a_model_and_a_picture(trained):
    folder, printed = trained
    assert "225,034" in printed and "Epoch 2/2" in printed
    assert "accuracy on the held-out digits" in printed and "MNIST test accuracy" not in printed
    assert is_picture(folder / "mnist_model.png")
    model = load_model(folder / "mnist_model.keras")
    assert len(model.history.history["val_accuracy"]) == 2
    _, (x, y) = mnist.load_data("sample")
    assert (model.predict(x[..., None] / np.float32(255)).argmax(axis=1) == y).mean() > 0.85


def test_training_with_one_seed_twice_gives_one_model(trained):
    folder, _ = trained
    run(folder, "train_mnist.py", "--data", "sample", "--epochs", 2, "--output", "again.keras")
    first, second = (load_model(folder / f"{name}.keras").get_weights() for name in ("mnist_model", "again"))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_evaluating_prints_each_class_and_draws_three_pictures(trained):
    folder, _ = trained
    printed = run(folder, "evaluate_mnist.py", "mnist_model.keras", "--data", "sample")
    assert printed.count(" of  100 right") == 10 and "accuracy" in printed
    assert all(is_picture(folder / f"mnist_model_{kind}.png") for kind in ("curves", "confusion", "mistakes"))


def test_predicting_reads_a_digit_dark_on_light_and_light_on_dark(trained):
    folder, _ = trained
    _, (x, y) = mnist.load_data("sample")
    model = load_model(folder / "mnist_model.keras")
    certain = model.predict(x[..., None] / np.float32(255)).max(axis=1) * (y == 3)
    digit = Image.fromarray(x[certain.argmax()]).resize((200, 200), Image.Resampling.BICUBIC)
    digit.save(folder / "light.png")
    Image.fromarray(255 - np.asarray(digit)).save(folder / "dark.jpg")
    printed = run(folder, "predict_digit.py", "mnist_model.keras", "light.png", "dark.jpg", "--show")
    assert "light.png: 3" in printed and "dark.jpg: 3" in printed and printed.count("%") == 20
    assert is_picture(folder / "light_seen.png") and is_picture(folder / "dark_seen.png")


@pytest.mark.parametrize(
    "name, arguments, words",
    [
        ("train_mnist.py", ["--epochs", 0], "--epochs"),
        ("train_mnist.py", ["--data", "nowhere"], "nowhere"),
        ("train_mnist.py", ["--output", "model.h5"], "ending in .keras"),
        ("evaluate_mnist.py", ["missing.keras"], "missing.keras"),
        ("predict_digit.py", ["missing.keras", "digit.png"], "missing.keras"),
    ],
)
def test_a_wrong_argument_ends_in_one_line_that_names_it(tmp_path, name, arguments, words):
    printed = run(tmp_path, name, *arguments, expect=2)
    assert words in printed and "Traceback" not in printed


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_has_help(tmp_path, name):
    assert "usage:" in run(tmp_path, name, "--help")
