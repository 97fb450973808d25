"""Keras' names: those npcnn has are where Keras has them, and of every other it says what to use instead."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import npcnn
from npcnn import Sequential, backend, defaults, keras_names, layers, utils

ROOT = Path(npcnn.__file__).parents[1]
PAIRS = [(module, name) for module, names in keras_names.public().items() for name in names]


def has(module, name):
    """Whether npcnn has a name of Keras'."""
    try:
        return hasattr(importlib.import_module(f"npcnn.{module}".strip(".")), name)
    except ImportError as error:
        assert str(error).startswith("npcnn has no ")
        return False


def run(program):
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------------ what npcnn has not


def test_every_public_name_of_keras_is_there_or_explained_by_attribute_and_by_import():
    assert len(PAIRS) > 1500
    missing = [pair for pair in PAIRS if not has(*pair)]
    assert {("layers", "LSTM"), ("", "applications"), ("ops", "relu"), ("models", "Model")} <= set(missing)
    for module, name in missing:
        path = f"npcnn.{module}".strip(".")
        with pytest.raises(ImportError, match=r"^npcnn has no [\w.]{1,60}: .{5,140}$") as caught:
            exec(f"from {path} import {name}")
        if path in sys.modules:
            with pytest.raises(AttributeError) as other:
                getattr(sys.modules[path], name)
            assert str(other.value) == str(caught.value)
            place = keras_names.OLD_PATHS.get(module, module)
            assert str(caught.value).startswith(f"npcnn has no {place}.{name}:".replace("no .", "no "))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from npcnn.layers import Dense, LSTM", "layers.LSTM: .* for text and sequences use Keras"),
        ("from npcnn.layers import Concatenate", "without branches"),
        ("from npcnn.models import Model", r"models.Model: put the layers into Sequential\(\[...\]\)"),
        ("from npcnn import Model", "Model: put the layers into Sequential"),
        ("from npcnn.preprocessing.image import load_img", "use Pillow"),
        ("from npcnn.preprocessing.image import random_rotation", "use ImageDataGenerator, whose random_transform"),
        ("from npcnn.preprocessing import image_dataset_from_directory", "read the images with Pillow, and give fit"),
        ("from npcnn.preprocessing.text import Tokenizer", "preprocessing.text: .* use Keras"),
        ("from npcnn.layers import RandomRotation", "use preprocessing.image.ImageDataGenerator"),
        ("from npcnn.layers import SeparableConv2D", "use Conv2D, which has more weights"),
        ("from npcnn.layers import DepthwiseConv2D", "use Conv2D, which has more weights"),
        ("from npcnn.layers import Permute", "transpose x in NumPy"),
        ("from npcnn.layers import UpSampling2D", r"x.repeat\(2, axis=1\).repeat\(2, axis=2\)"),
        ("from npcnn.layers import Cropping2D", r"cut the images before: x\[:, 2:-2, 2:-2\]"),
        ("from npcnn.layers import AlphaDropout", "use Dropout"),
        ("from npcnn.layers import GaussianDropout", "use Dropout or GaussianNoise"),
        ("from npcnn import mixed_precision", "leave it out: it computes in float32"),
        ("import npcnn.applications.vgg16", "applications: there are no trained networks"),
        ("from npcnn.datasets import cifar10", "it has mnist and fashion_mnist; fit takes any arrays"),
        ("from npcnn.datasets.imdb import load_data", "datasets.imdb: it has mnist and fashion_mnist"),
        ("from npcnn.utils import plot_model", r"model.summary\(\) prints"),
        ("from npcnn.ops import relu", "ops: use NumPy"),
        ("from npcnn.optimizers import Ftrl", "optimizers.Ftrl: use Adam, or write a subclass"),
    ],
)
def test_the_commonest_names_have_a_hint_of_their_own(statement, words):
    with pytest.raises(ImportError, match=words):
        exec(statement)


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        ("layers", "Conv2d", "Conv2D"),
        ("layers", "Dence", "Dense"),
        ("optimizers", "adamm", "Adam"),
        ("", "imput", "Input"),
    ]
    + [("datasets", "mnits", "mnist"), ("losses", "CategoricalCrossEntropy", "CategoricalCrossentropy")],
)
def test_a_misspelt_name_gets_a_suggestion(module, name, meant):
    path = f"npcnn.{module}".strip(".")
    message = f"^module '{path}' has no attribute '{name}'; did you mean '{meant}'\\?$"
    with pytest.raises(AttributeError, match=message):
        getattr(importlib.import_module(path), name)
    with pytest.raises(ImportError, match=message):
        exec(f"from {path} import {name}")


def test_a_misspelt_name_of_what_is_missing_gets_its_explanation():
    with pytest.raises(AttributeError, match="npcnn has no layers.LSTM: "):
        _ = layers.Lstm


def test_names_that_nobody_has_fail_as_in_any_module():
    with pytest.raises(AttributeError, match="^module 'npcnn.layers' has no attribute 'Zzz'$"):
        _ = layers.Zzz
    with pytest.raises(ModuleNotFoundError, match="^No module named 'npcnn.zzz'$"):
        importlib.import_module("npcnn.zzz")
    assert not hasattr(layers, "LSTM") and not hasattr(layers, "__wrapped__")
    assert getattr(npcnn, "applications", None) is None


def test_the_list_of_names_is_that_of_the_keras_that_is_installed(tmp_path):
    keras = pytest.importorskip("keras", reason="compares with real Keras, which is not installed")
    if keras.__version__ != "3.15.1":
        pytest.skip(f"the list was made from Keras 3.15.1; this is {keras.__version__}")
    import make_keras_names

    make_keras_names.make_names(tmp_path / "names.txt")
    assert (tmp_path / "names.txt").read_bytes() == keras_names.PUBLIC.read_bytes()


# ------------------------------------------------------------------ what it has


def test_import_npcnn_alone_reaches_every_module_and_loads_the_data_sets_late():
    program = """
import sys
import npcnn as keras
assert "npcnn.datasets.mnist" not in sys.modules
print(keras.datasets.mnist.load_data.__module__, keras.datasets.fashion_mnist.load_data.__module__)
print(keras.models.Sequential is keras.Sequential, keras.layers.Input is keras.Input)
print(keras.utils.to_categorical([1]), keras.backend.image_data_format(), keras.initializers.HeNormal.__name__)
"""
    lines = run(program).splitlines()
    assert lines[0] == "npcnn.datasets.mnist npcnn.datasets.fashion_mnist"
    assert lines[1:] == ["True True", "[[0. 1.]] channels_last HeNormal"]


@pytest.mark.parametrize("old", keras_names.OLD_PATHS)
def test_older_paths_lead_to_the_same_module_with_each_kind_of_import(old):
    new, (parent, _, last) = keras_names.OLD_PATHS[old], f"npcnn.{old}".rpartition(".")
    names = {}
    exec(f"import npcnn.{old} as one; from {parent} import {last} as two; import npcnn", names)
    assert names["one"] is names["two"] is eval(f"npcnn.{old}") is eval(f"npcnn.{new}")


@pytest.mark.parametrize("old", ["layers.core", "utils.np_utils"])  # in a package, and in a plain module
def test_a_program_may_begin_with_an_older_path(old):
    assert run(f"import npcnn.{old}; print(npcnn.{old} is npcnn.{keras_names.OLD_PATHS[old]})") == "True\n"


def test_names_imported_from_older_paths_are_the_same_objects():
    from npcnn.layers.convolutional import Conv2D, MaxPooling2D
    from npcnn.layers.core import Dense, Flatten
    from npcnn.optimizers.legacy import Adam
    from npcnn.utils.np_utils import to_categorical

    found = [Conv2D, MaxPooling2D, Dense, Flatten, Adam, to_categorical]
    expected = [layers.Conv2D, layers.MaxPooling2D, layers.Dense, layers.Flatten, npcnn.optimizers.Adam]
    assert found == [*expected, utils.to_categorical]


@pytest.mark.parametrize(
    "statement",
    [
        "from npcnn.layers.core import Dense, Dropout, Activation, Flatten",
        "from npcnn.layers.convolutional import Conv2D, ZeroPadding2D",
        "from npcnn.layers.pooling import MaxPooling2D",
        "from npcnn.layers.normalization import BatchNormalization",
        "from npcnn.layers.advanced_activations import LeakyReLU",
        "from npcnn.utils import np_utils; np_utils.to_categorical([1])",
        "from npcnn.optimizers.schedules import ExponentialDecay",
        "from npcnn.callbacks import ModelCheckpoint, EarlyStopping",
        "from npcnn.regularizers import l2",
        "from npcnn import backend as K; K.clear_session()",
        "import npcnn as keras; keras.layers.Dense(1); keras.datasets.fashion_mnist.load_data",
    ],
)
def test_the_imports_of_older_programs_work(statement):
    exec(statement)


def test_everything_in_a_module_can_be_imported_with_a_star():
    for path in ("npcnn", "npcnn.layers", "npcnn.models", "npcnn.utils"):
        exec(f"from {path} import *")


def test_save_model_writes_what_load_model_reads(tmp_path, make_model, make_images):
    model, x = make_model(), make_images(4)[0]
    npcnn.models.save_model(model, tmp_path / "model.keras")
    assert_array_equal(npcnn.models.load_model(tmp_path / "model.keras").predict(x), model.predict(x))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:.*older format")
def test_a_file_without_the_optimizer_is_of_a_model_that_is_not_compiled(ending, tmp_path, make_model, make_images):
    model, (x, y), path = make_model(), make_images(4), tmp_path / f"model{ending}"
    model.fit(x, y, verbose=0)
    sizes = []
    model.save(path)
    same = npcnn.models.load_model(path, compile=False)
    assert same.optimizer is None and same.loss is None
    assert_array_equal(same.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ValueError, match="load_model: custom_objects=.* leave it out"):
        npcnn.models.load_model(path, {"Mine": layers.Dense})
    for include_optimizer in (True, False):
        npcnn.models.save_model(model, path, include_optimizer=include_optimizer)
        same = npcnn.models.load_model(path)
        assert (same.optimizer is not None) == (same.loss is not None) == include_optimizer
        assert_array_equal(same.predict(x, verbose=0), model.predict(x, verbose=0))
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0]


# ------------------------------------------------------------------ utils


CATEGORICAL = [
    ([0, 2, 1], None),
    ([0, 2, 1], 5),
    ([[0], [2]], None),
    (np.array([[0, 1], [2, 0]]), 4),
    (np.array([3.0, 1.0]), None),
    (np.array([1, 0], "uint8"), None),
    (["1", "2"], None),
    (2, None),
    ([], 3),
]


def test_one_hot_rows_by_hand():
    assert_array_equal(utils.to_categorical([0, 2]), np.array([[1.0, 0, 0], [0, 0, 1]]), strict=True)
    assert_array_equal(utils.to_categorical([[1]], 2), np.array([[0.0, 1]]), strict=True)


def test_rows_are_divided_by_their_length_and_zeros_stay():
    assert_array_equal(utils.normalize([[3, 4], [0, 0]]), [[0.6, 0.8], [0, 0]])
    assert_array_equal(utils.normalize([[3.0, 0], [1, 4]], axis=0, order=1), [[0.75, 0], [0.25, 1]])


def test_to_categorical_and_normalize_are_keras():
    keras = pytest.importorskip("keras", reason="compares with real Keras, which is not installed")
    for x, classes in CATEGORICAL:
        assert_array_equal(utils.to_categorical(x, classes), keras.utils.to_categorical(x, classes), strict=True)
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    x[1] = 0
    for axis, order in ((-1, 2), (1, 2), (1, 1), (2, np.inf)):  # Keras takes axis 0 for the last
        assert_array_equal(utils.normalize(x, axis, order), keras.utils.normalize(x, axis, order), strict=True)


@pytest.mark.parametrize(
    ("x", "classes", "words"),
    [
        ([0, 3], 3, "x must be from 0 to 2 for 3 classes, got 3"),
        ([0, -1], None, "x must be from 0 to 0 for 1 classes, got -1"),
        ([0.5, 1], None, "x must be whole numbers, got 0.5"),
        ([np.nan, 1], None, "x must be whole numbers, got nan"),
        (["a"], None, "x must be whole numbers, got dtype <U1"),
        ([None], None, "x must be whole numbers, got dtype object"),
        ([], None, "x is empty; give num_classes"),
        ([1], 2.5, "num_classes must be an integer of at least 1, got 2.5"),
        ([[1], [1, 2]], None, "x must have one shape for all examples"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_what_is_no_class_is_refused(x, classes, words):
    with pytest.raises(ValueError, match=f"^to_categorical: {words}"):
        utils.to_categorical(x, classes)


def test_a_data_set_of_batches_says_what_it_must_have():
    from npcnn.utils import PyDataset, Sequence

    class Half(Sequence):
        def __len__(self):
            return 2

    batches = Half(workers=4)
    batches.on_epoch_begin(), batches.on_epoch_end()
    assert Sequence is PyDataset and len(batches) == 2 and batches.workers == 4
    with pytest.raises(NotImplementedError, match=r"Half must have __getitem__\(index\), which returns a batch"):
        batches[0]
    with pytest.raises(NotImplementedError, match="PyDataset must have __len__"):
        len(PyDataset())


# ------------------------------------------------------------------ defaults of a program


@pytest.fixture
def as_before(monkeypatch):
    """Whatever a test sets for the whole program is undone."""
    for name in ("seed", "floatx", "epsilon"):
        monkeypatch.setattr(defaults, name, getattr(defaults, name))


def first_weights(**options):
    return Sequential([layers.Input((3,)), layers.Dense(2)], **options).get_weights()[0]


def test_set_random_seed_is_the_seed_of_models_that_are_told_none(as_before):
    plain, one = first_weights(), first_weights(seed=1)
    utils.set_random_seed(1)
    drawn = np.random.random()
    assert_array_equal(first_weights(), one)
    assert_array_equal(first_weights(seed=0), plain)
    utils.set_random_seed(1)
    assert np.random.random() == drawn
    with pytest.raises(ValueError, match="set_random_seed: seed must be an integer of at least 0, got -1"):
        utils.set_random_seed(-1)


def test_set_floatx_is_the_type_of_models_that_are_told_none(as_before):
    assert backend.floatx() == first_weights().dtype == "float32"
    backend.set_floatx("float64")
    assert backend.floatx() == first_weights().dtype == backend.cast_to_floatx([1]).dtype == "float64"
    assert first_weights(dtype="float32").dtype == "float32"
    with pytest.raises(ValueError, match="set_floatx: value must be 'float32' or 'float64', got 'float16'"):
        backend.set_floatx("float16")


def test_clear_session_changes_nothing(as_before, make_model, make_images):
    utils.set_random_seed(5)
    model, (x, y) = make_model(), make_images(8)
    before = model.predict(x)
    backend.clear_session()
    utils.clear_session()
    assert_array_equal(model.predict(x), before)
    model.fit(x, y, verbose=0)
    assert_array_equal(first_weights(), first_weights(seed=5))


def test_images_are_channels_last_and_another_order_is_refused():
    assert backend.image_data_format() == "channels_last"
    backend.set_image_data_format("channels_last")
    backend.set_image_dim_ordering(backend.image_dim_ordering())
    with pytest.raises(ValueError, match="must be 'channels_last', got 'th'"):
        backend.set_image_dim_ordering("th")
    with pytest.raises(ValueError, match=r"'channels_last', got 'channels_first'; .* x.transpose\(0, 2, 3, 1\)"):
        backend.set_image_data_format("channels_first")


def test_small_numbers_of_a_program(as_before):
    assert backend.epsilon() == 1e-7 and backend.backend() == "numpy"
    backend.set_epsilon(1e-5)
    assert backend.epsilon() == 1e-5


def test_values_are_read_and_set_in_arrays_and_of_the_learning_rate(make_model):
    model, array = make_model(), np.zeros(2)
    assert backend.get_value(model.optimizer.learning_rate) == 0.001
    backend.set_value(array, [1, 2])
    assert_array_equal(array, [1, 2])
    backend.set_value(model.optimizer.learning_rate, 0.1)
    assert model.optimizer.learning_rate == 0.1
    with pytest.raises(TypeError, match="set_value: x must be an array or an optimizer's learning_rate, got 0.5"):
        backend.set_value(0.5, 0.1)
