"""The examples, run as a user runs them: with arguments, in a folder without MNIST."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from npcnn import History, Sequential, augmentation, layers, load_model
from npcnn.datasets import mnist
from npcnn.optimizers import schedules

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(folder, name, *arguments, expect=0):
    """Run an example in `folder`, where there is no MNIST, and return what it printed."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(folder)
        patch.setenv("NPCNN_DATA_DIR", str(folder / "no data here"))
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        try:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
    assert code == expect, out.getvalue() + err.getvalue()
    return err.getvalue() if expect else out.getvalue()


def run_as_a_process(folder, name, *arguments):
    """The same in a new interpreter, which has imported nothing yet; it takes its time to start."""
    environment = os.environ | {"NPCNN_DATA_DIR": str(folder / "no data here")}
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which train_mnist.py has been run; what it printed is in the file `printed`."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "printed").write_text(run_as_a_process(folder, "train_mnist.py", "--data", "sample", "--epochs", 2))
    return folder


def is_picture(path, least_width=400):
    with Image.open(path) as picture:
        picture.load()
        return picture.format == "PNG" and picture.width >= least_width


def test_training_prints_the_model_and_its_epochs_and_leaves_a_model_and_a_picture(trained):
    printed = (trained / "printed").read_text()
    assert "225,034" in printed and "Epoch 2/2" in printed
    assert "accuracy on the held-out digits" in printed and "MNIST test accuracy" not in printed
    assert is_picture(trained / "mnist_model.png")
    model = load_model(trained / "mnist_model.keras")
    assert len(model.history.history["val_accuracy"]) == 2
    _, (x, y) = mnist.load_data("sample")
    assert (model.predict(x[..., None] / np.float32(255)).argmax(axis=1) == y).mean() > 0.85


def test_training_with_one_seed_twice_gives_one_model(trained):
    run(trained, "train_mnist.py", "--data", "sample", "--epochs", 2, "--output", "again.keras")
    first, second = (load_model(trained / f"{name}.keras").get_weights() for name in ("mnist_model", "again"))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_training_that_was_killed_is_resumed_and_ends_with_the_same_model(trained, tmp_path):
    arguments = ["train_mnist.py", "--data", "sample", "--epochs", 2]
    command = [sys.executable, str(EXAMPLES / arguments[0]), *map(str, arguments[1:])]
    backup = tmp_path / "mnist_model.backup"
    environment = os.environ | {"NPCNN_DATA_DIR": str(tmp_path / "no data here"), "MPLBACKEND": "Agg"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
        while not (backup / "backup.npz").exists():
            assert process.poll() is None, "the training ended before it was killed"
            time.sleep(0.01)
        process.kill()
    kept = (backup / "backup.npz").read_bytes()
    said = "mnist_model.backup has the backup of an earlier training: go on with --resume, or remove mnist_model.backup"
    assert said in run(tmp_path, *arguments, expect=2)
    assert (backup / "backup.npz").read_bytes() == kept  # nothing is thrown away unasked
    assert "BackupAndRestore: going on at epoch" in run(tmp_path, *arguments, "--resume")
    assert not backup.exists()
    first, second = (load_model(folder / "mnist_model.keras").get_weights() for folder in (trained, tmp_path))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_training_as_well_as_can_be_leaves_a_model_that_knows_the_sample(trained):
    printed = run(trained, "train_mnist_best.py", "--data", "sample", "--epochs", 3)
    assert "225,034" in printed and "Epoch 3/3" in printed and "4,000 images to train on, 1,000" in printed
    assert "accuracy on the held-out images" in printed and "test accuracy" not in printed
    assert is_picture(trained / "mnist_best.png")
    model = load_model(trained / "mnist_best.keras")
    assert model.history.history.keys() == {"loss", "accuracy"} and len(model.history.history["loss"]) == 3
    _, (x, y) = mnist.load_data("sample")
    accuracy = (model.predict(x[..., None] / np.float32(255)).argmax(axis=1) == y).mean()
    assert accuracy > 0.9 and f"held-out images: {accuracy:.2%} after" in printed


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A folder, from now on the current one, with made_up.npz: 150 random images to train on and 20 to test on."""
    rng = np.random.default_rng(0)
    sizes = {"train": 150, "test": 20}
    x = {f"x_{name}": rng.integers(0, 256, (size, 28, 28), np.uint8) for name, size in sizes.items()}
    y = {f"y_{name}": rng.integers(0, 10, size, np.uint8) for name, size in sizes.items()}
    np.savez(tmp_path / "made_up.npz", **x, **y)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_best_training_keeps_the_average_of_its_weights_and_lets_the_rate_fall(made_up, monkeypatch, capsys):
    arguments = "--data made_up.npz --epochs 2 --hold-out 50 --seed 3"
    monkeypatch.setattr(sys, "argv", ["train_mnist_best.py", *arguments.split()])
    names = runpy.run_path(str(EXAMPLES / "train_mnist_best.py"))
    printed = capsys.readouterr().out
    assert "100 images to train on, 50 to evaluate on" in printed and "val_accuracy" in printed
    optimizer, model, averaged = (names[name] for name in ("optimizer", "model", "averaged"))
    assert optimizer.iterations == names["steps"] == 2 + 1  # two batches of at most 64, then one of at most 128
    saved = load_model("mnist_best.keras")
    for kept, last, average in zip(
        saved.get_weights(), model.get_weights(), optimizer.slots["average"].values(), strict=True
    ):
        assert np.array_equal(kept, average) and not np.array_equal(kept, last)
    assert len(saved.history.history["val_loss"]) == 2 and averaged.history.epoch == [0, 1]

    # Under a gradient of always 1, Adam's steps are as long as the rate, but for epsilon: 1, then half of a cosine.
    adam = names["AveragedAdamW"](schedules.CosineDecay(1.0, 2), weight_decay=0.2)
    params, gradient = {"w": np.zeros(1)}, {"w": np.ones(1)}
    adam.update(params, gradient)
    first = -1 * (1 - 2 / 11)
    np.testing.assert_allclose([params["w"], adam.slots["average"]["w"]], [[-1], [first]], rtol=1e-5)
    adam.update(params, gradient)
    last = -1 * (1 - 0.5 * 0.2) - 0.5
    average = first + (last - first) * (1 - 3 / 12)
    np.testing.assert_allclose([params["w"], adam.slots["average"]["w"]], [[last], [average]], rtol=1e-5)


def test_ctrl_c_while_images_are_made_keeps_what_was_learned_before(made_up, monkeypatch, capsys):
    def augment(images, seed, flip):
        if seed == 1:
            raise KeyboardInterrupt
        return images

    monkeypatch.setattr(augmentation, "augment", augment)
    monkeypatch.setattr(sys, "argv", "train_mnist_best.py --data made_up.npz --epochs 3 --output cut.keras".split())
    names = runpy.run_path(str(EXAMPLES / "train_mnist_best.py"))
    assert "in epoch 2, at Ctrl-C" in capsys.readouterr().out
    kept, average = load_model("cut.keras").get_weights(), names["optimizer"].slots["average"].values()
    assert all(np.array_equal(w, a) for w, a in zip(kept, average, strict=True))


def test_the_best_training_takes_clothes_in_place_of_digits(made_up):
    pytest.importorskip("npcnn.datasets.fashion_mnist")
    printed = run(made_up, "train_mnist_best.py", "--fashion", "--data", "made_up.npz", "--epochs", 1)
    assert "150 images to train on, 20 to evaluate on" in printed and "Epoch 1/1" in printed


def test_evaluating_prints_each_class_and_draws_three_pictures(trained):
    printed = run(trained, "evaluate_mnist.py", "mnist_model.keras", "--data", "sample")
    assert printed.count(" of  100 right") == 10 and "accuracy" in printed
    assert "not the digits" not in printed
    assert all(is_picture(trained / f"mnist_model_{kind}.png") for kind in ("curves", "confusion", "mistakes"))


def saved_after_an_epoch(path, validation_data):
    """A model quick to train, saved to the path."""
    (x, y), _ = mnist.load_data("sample")
    model = Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    validation = validation_data[0][..., None] / np.float32(255), validation_data[1]
    model.fit(x[:500, ..., None] / np.float32(255), y[:500], epochs=1, validation_data=validation, verbose=0)
    model.save(path)
    return model


def test_a_loop_of_ten_lines_learns_the_digits(tmp_path):
    source = (EXAMPLES / "ten_lines.py").read_text(encoding="utf-8")
    loop = source[source.index("# The ten lines.") : source.index("    print(")]
    assert len([line for line in loop.splitlines() if not line.strip().startswith("#")]) == 10
    *_, last = run(tmp_path, "ten_lines.py").splitlines()
    assert last.startswith("Epoch 3: loss 0.") and float(last.rpartition(" ")[2].rstrip("%")) > 90


def test_evaluating_other_digits_than_training_validated_on_says_so(tmp_path):
    (x, y), held_out = mnist.load_data("sample")
    np.savez(tmp_path / "others.npz", x_train=x, y_train=y, x_test=x[-300:], y_test=y[-300:])
    on_sample = saved_after_an_epoch(tmp_path / "on_sample.keras", held_out)
    on_others = saved_after_an_epoch(tmp_path / "on_others.keras", (x[-300:], y[-300:]))
    there, here = (model.history.history["val_accuracy"][0] for model in (on_sample, on_others))  # of equal weights
    words = "the model got {:.2%} of those right, and {:.2%} of these"

    printed = run(tmp_path, "evaluate_mnist.py", "on_sample.keras", "--data", "others.npz")
    assert words.format(there, here) in printed and "the full MNIST" not in printed
    printed = run(tmp_path, "evaluate_mnist.py", "on_others.keras", "--data", "sample")
    assert words.format(here, there) in printed and "a model trained on the full MNIST has seen them" in printed


def test_evaluating_a_model_that_finished_no_epoch_draws_no_curves(tmp_path):
    model = saved_after_an_epoch(tmp_path / "model.keras", mnist.load_data("sample")[1])
    model.history = History()  # as Ctrl-C in the first epoch leaves it
    model.save(tmp_path / "model.keras")
    assert "learning curves" not in run(tmp_path, "evaluate_mnist.py", "model.keras", "--data", "sample")


def test_predicting_reads_a_digit_dark_on_light_and_light_on_dark(trained):
    _, (x, y) = mnist.load_data("sample")
    model = load_model(trained / "mnist_model.keras")
    certain = model.predict(x[..., None] / np.float32(255)).max(axis=1) * (y == 3)
    digit = Image.fromarray(x[certain.argmax()]).resize((200, 200), Image.Resampling.BICUBIC)
    digit.save(trained / "light.png")
    Image.fromarray(255 - np.asarray(digit)).save(trained / "dark.jpg")
    printed = run(trained, "predict_digit.py", "mnist_model.keras", "light.png", "dark.jpg", "--show")
    assert "light.png: 3" in printed and "dark.jpg: 3" in printed and printed.count("%") == 20
    assert is_picture(trained / "light_seen.png") and is_picture(trained / "dark_seen.png")


INSIDE = {f"{name}.png" for name in "filters feature_maps saliency occlusion gradient_check".split()}


def test_looking_inside_writes_every_picture_and_says_what_to_look_for_in_it(trained):
    before = (trained / "mnist_model.keras").read_bytes()
    printed = run(trained, "look_inside.py", "mnist_model.keras", "--data", "sample", "--train", 1)
    pictures = {path.name: path for path in (trained / "mnist_model_inside").iterdir()}
    assert pictures.keys() == INSIDE | {"weight_histograms.png", "gradient_histograms.png"}
    assert all(is_picture(path) for path in pictures.values())
    lines = printed.splitlines()
    for name in pictures:
        (i,) = (i for i, line in enumerate(lines) if line.endswith(name))
        assert lines[i + 1].startswith("    ") and lines[i + 1].endswith(".")
    assert "Epoch 1/1" in printed and (trained / "mnist_model.keras").read_bytes() == before


def test_looking_inside_takes_a_picture_file_and_a_model_without_convolutions(tmp_path):
    (x, _), held_out = mnist.load_data("sample")
    saved_after_an_epoch(tmp_path / "flat.keras", held_out)
    Image.fromarray(x[0]).save(tmp_path / "digit.png")
    arguments = ["flat.keras", "--data", "sample", "--out", "some/where"]
    printed = run(tmp_path, "look_inside.py", *arguments, "--image", "digit.png")
    assert {path.name for path in (tmp_path / "some" / "where").iterdir()} == INSIDE - {"filters.png"}
    assert "filters is not drawn: filters: Sequential 'sequential' has no Conv2D" in printed
    assert "Add --train 3" in printed
    printed = run(tmp_path, "look_inside.py", *arguments, "--image", 1000, expect=2)
    assert "--image must be a file, or below 1,000" in printed and "Traceback" not in printed


def test_looking_inside_checks_the_gradients_of_a_layer_in_a_model_within_the_model(tmp_path):
    inner = Sequential([layers.Conv2D(2, 5, strides=3), layers.ReLU()])
    Sequential([layers.Input((28, 28, 1)), inner, layers.Flatten(), layers.Dense(10)]).save(tmp_path / "outer.keras")
    printed = run(tmp_path, "look_inside.py", "outer.keras", "--data", "sample")
    assert is_picture(tmp_path / "outer_inside" / "gradient_check.png")
    assert "backward pass of sequential/conv2d agree" in printed


def test_looking_inside_a_model_without_weights_says_that_there_is_no_gradient_to_check(tmp_path):
    Sequential([layers.Input((28, 28, 1)), layers.Flatten()]).save(tmp_path / "no_weights.keras")
    printed = run(tmp_path, "look_inside.py", "no_weights.keras", "--data", "sample")
    assert "gradient_check is not drawn: no layer has weights" in printed


def test_looking_inside_says_where_a_gradient_is_wrong_and_praises_none_that_is(tmp_path, monkeypatch):
    saved_after_an_epoch(tmp_path / "flat.keras", mnist.load_data("sample")[1])
    right = layers.Dense.backward

    def wrong(self, dy, cache):
        dx, grads = right(self, dy, cache)
        return 2 * dx, grads

    monkeypatch.setattr(layers.Dense, "backward", wrong)
    printed = run(tmp_path, "look_inside.py", "flat.keras", "--data", "sample")
    assert "of dense do not agree" in printed and "5.0e-01" in printed and "agree, entry" not in printed


@pytest.mark.parametrize(
    "name, arguments, words",
    [
        ("train_mnist.py", ["--epochs", 0], "--epochs"),
        ("train_mnist.py", ["--data", "nowhere"], "nowhere"),
        ("train_mnist.py", ["--output", "model.h5"], "ending in .keras"),
        ("train_mnist_best.py", ["--epochs", 0], "--epochs"),
        ("train_mnist_best.py", ["--data", "nowhere"], "nowhere"),
        ("train_mnist_best.py", ["--data", "sample", "--hold-out", 4000], "--hold-out must be below 4,000"),
        ("train_mnist_best.py", ["--output", "model.h5"], "ending in .keras"),
        ("evaluate_mnist.py", ["missing.keras"], "missing.keras"),
        ("look_inside.py", ["missing.keras"], "missing.keras"),
        ("look_inside.py", ["missing.keras", "--train", -1], "--train must be at least 0"),
        ("predict_digit.py", ["missing.keras", "digit.png"], "missing.keras"),
    ],
)
def test_a_wrong_argument_ends_in_one_line_that_names_it(tmp_path, name, arguments, words):
    printed = run(tmp_path, name, *arguments, expect=2)
    assert words in printed and "Traceback" not in printed


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_has_help_and_imports_all_it_needs(tmp_path, name):
    assert "usage:" in run_as_a_process(tmp_path, name, "--help")
