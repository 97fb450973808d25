"""What several test files share: a seeded random generator, a few hundred real digits, and small models."""

import gc
import os
import shutil

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from npcnn import Sequential, layers
from npcnn.kernels import RUNGS


@pytest.fixture(autouse=True, scope="session")
def new_memory_is_not_a_number():
    """np.empty gives NaN, not what an earlier and perhaps right result has left there: who forgets a place is seen."""
    empty = np.empty

    def filled(*arguments, **options):
        array = empty(*arguments, **options)
        if array.dtype.kind in "fc":
            array.fill(np.nan)
        return array

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "empty", filled)
        yield


@pytest.fixture(autouse=True, scope="session")
def processes_share_the_cores():
    """BLAS has a thread a core, which loops while it waits: those of two processes would keep each other from work."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    with threadpool_limits(max(1, (os.cpu_count() or 1) // processes), user_api="blas"):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=RUNGS)
def rung(request):
    """Each rung of the ladder in turn."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """Where to save a model."""
    return tmp_path / "model.keras"


@pytest.fixture(
    params=[
        ("Adam", {}),
        ("Adam", {"learning_rate": 0.0123, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-5}),
        ("SGD", {"learning_rate": 0.1}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "nesterov": True}),
        ("RMSprop", {}),
        ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.9, "epsilon": 1e-5, "centered": True}),
        ("Adadelta", {"learning_rate": 0.5, "rho": 0.9, "epsilon": 1e-5, "clipnorm": 0.5}),
        ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1, "clipvalue": 0.1}),
        ("Nadam", {"learning_rate": 0.01, "beta_1": 0.8}),
        ("Adamax", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.9}),
        ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "epsilon": 1e-5}),
        ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.5, "weight_decay": 0.01}),
    ],
    ids=str,
)
def optimizer(request):
    """An optimizer to save: the name of its class, and its arguments."""
    return request.param


@pytest.fixture(
    params=[
        [layers.Conv2D(3, 2)],
        [layers.Conv2D(3, (2, 3), strides=(2, 1), padding="same", activation="relu", name="edges")],
        [layers.Conv2D(3, 3, dilation_rate=(1, 2), use_bias=False, kernel_initializer="he_normal")],
        [layers.Conv2D(2, 1, activation="softmax", bias_initializer="ones"), layers.Conv2D(2, 1, activation="linear")],
        [layers.Conv2D(2, 1, activation=layers.ReLU())],
        [layers.MaxPool2D()],
        [layers.MaxPooling2D((3, 2), strides=(1, 3), padding="same", name="pool"), layers.MaxPool2D(2)],
        [layers.Flatten()],
        [layers.Flatten(), layers.Dense(4, activation="relu", kernel_initializer="he_uniform"), layers.Dense(3)],
        [layers.Flatten(), layers.Dense(2, use_bias=False), layers.Dense(2, kernel_initializer="glorot_normal")],
        [layers.Conv2D(2, 2), layers.ReLU(), layers.Flatten(), layers.Dense(3), layers.Softmax(name="probabilities")],
        [layers.Flatten(name="input_layer"), layers.Dense(2, name="dense_7")],
        [layers.BatchNormalization(), layers.BatchNormalization(-1, 0.9, 1e-5, center=False, name="bn")],
        [layers.BatchNormalization(3, scale=False, moving_mean_initializer="ones"), layers.Activation("relu")],
        [layers.Dropout(0.5), layers.Dropout(0.3, (None, 1, 1, 2), seed=3), layers.SpatialDropout2D(0.2, name="s")],
        [layers.Conv2D(2, 2, activation=layers.LeakyReLU(0.1, name="leak")), layers.LeakyReLU(), layers.ELU(0.5)],
        [layers.Activation(layers.ReLU(6.0, 0.25, 0.5)), layers.ReLU(max_value=2.0), layers.Activation("linear")],
        [layers.Activation("tanh"), layers.Dense(3, activation="sigmoid"), layers.Activation("leaky_relu")],
        [layers.Dense(2, activation=layers.Softmax()), layers.Dense(2, "elu"), layers.Softmax(axis=3)],
        [layers.AveragePooling2D(), layers.AveragePooling2D((2, 1), 1, "same", name="pool")],
        [layers.GlobalAveragePooling2D(), layers.Rescaling(1 / 255, offset=-1.0)],
        [layers.ZeroPadding2D(((1, 0), (2, 3))), layers.GlobalMaxPooling2D(keepdims=True)],
        [layers.ZeroPadding2D(2), layers.Reshape((-1, 4)), layers.Reshape((8, 39, 1)), layers.Conv2D(2, 2)],
    ],
    ids=lambda stack: "-".join(type(layer).__name__ for layer in stack),
)
def stack(request):
    """Layers to save, for images (9, 8, 2); new ones for every test."""
    return [type(layer)(**layer.get_config()) for layer in request.param]


def pytest_collection_finish():
    """What is imported and collected by now stays: the search for garbage need not go through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def pytest_addoption(parser):
    parser.addoption("--random-models", type=int, default=20, help="how many random models go to Keras and back")


@pytest.fixture(scope="session")
def digits():
    """((x, y), (x, y)): 400 real digits to train on and 200 to test on, (N, 28, 28, 1) from 0 to 1."""
    try:
        from npcnn.datasets import mnist

        (x_train, y_train), (x_test, y_test) = mnist.load_data("sample")
    except (ImportError, FileNotFoundError) as error:
        pytest.skip(f"the sample of MNIST that comes with npcnn is not here: {error}")
    rng = np.random.default_rng(0)
    train, test = rng.permutation(len(x_train))[:400], rng.permutation(len(x_test))[:200]
    return (
        ((x_train[train] / 255).astype("float32")[..., None], y_train[train]),
        ((x_test[test] / 255).astype("float32")[..., None], y_test[test]),
    )


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium as the system's packages have it, driven by Playwright; without them the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason='needs Playwright: pip install -e ".[browser]"')
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("needs Chromium on the PATH, as the package chromium of Debian has it")
    no_sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []  # Chromium has none for root
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=no_sandbox)
        yield chromium
        chromium.close()


@pytest.fixture
def make_images():
    """A function (count, seed) -> images (count, 8, 8, 1) and labels (count,) from 0 to 2: which rows are bright."""

    def make(count, seed=0):
        rng = np.random.default_rng(seed)
        x, y = rng.random((count, 8, 8, 1), dtype="float32"), rng.integers(0, 3, count)
        for image, label in zip(x, y, strict=True):
            image[2 * label + 1 : 2 * label + 3] += 1
        return x, y

    return make


@pytest.fixture
def make_model():
    """A function (optimizer, metrics, **options) -> a small compiled model for those images, fast to train."""

    def make(optimizer="adam", metrics=("accuracy",), **options):
        model = Sequential(
            [
                layers.Input((8, 8, 1)),
                layers.Conv2D(4, 3, activation="relu"),
                layers.MaxPool2D(2),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ],
            **options,
        )
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=metrics)
        return model

    return make


@pytest.fixture
def mnist_model():
    """A function (filters, units, **options) -> the model of examples/train_mnist.py, or a narrower one."""

    def make(filters=(32, 64), units=128, **options):
        return Sequential(
            [
                layers.Input((28, 28, 1)),
                layers.Conv2D(filters[0], 3, activation="relu"),
                layers.MaxPool2D(2),
                layers.Conv2D(filters[1], 3, activation="relu"),
                layers.MaxPool2D(2),
                layers.Flatten(),
                layers.Dense(units, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ],
            **options,
        )

    return make
