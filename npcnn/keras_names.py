"""Keras' names: older paths to them, and what is said to a program that asks for one npcnn has not.

    from npcnn.layers import LSTM
    ImportError: npcnn has no layers.LSTM: it is about images; for text and sequences use Keras

`install` is called once, by `npcnn/__init__.py`.
"""

import difflib
import dis
import functools
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

PUBLIC = Path(__file__).with_name("keras_names.txt")  # a module a line; made by tests/make_keras_names.py

# Where older versions of Keras kept names, and under what name npcnn has the same module.
OLD_PATHS = {
    **dict.fromkeys([f"layers.{old}" for old in ("convolutional", "core", "normalization", "pooling")], "layers"),
    **dict.fromkeys([f"layers.{old}" for old in ("advanced_activations", "merge", "recurrent")], "layers"),
    **dict.fromkeys([f"layers.{old}" for old in ("embeddings", "local", "noise", "wrappers")], "layers"),
    **dict.fromkeys([f"utils.{old}" for old in ("np_utils", "data_utils", "generic_utils", "vis_utils")], "utils"),
    **{"layers.experimental": "layers", "layers.experimental.preprocessing": "layers"},
    **{"optimizers.legacy": "optimizers", "saving": "models", "config": "backend"},
}

LAZY = {"datasets": ("mnist", "fashion_mnist")}  # they import what is slow to load

TEXT = (
    "Bidirectional CuDNNGRU CuDNNLSTM Embedding GRU GRUCell LSTM LSTMCell RNN SimpleRNN TextVectorization "
    "TimeDistributed"
)
BRANCHES = (
    "Add Average Concatenate Dot Maximum Minimum Multiply Subtract "
    "add average concatenate dot maximum minimum multiply subtract"
)
AUGMENTATION = (
    "RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight RandomRotation RandomTranslation RandomWidth "
    "RandomZoom"
)

# What to do instead: (module, names, hint), the first that fits; without names it is for all others of that module.
HINTS = [
    ("layers", TEXT, "it is about images; for text and sequences use Keras"),
    ("layers", BRANCHES, "models are Sequential, layers in a row without branches; for others use Keras"),
    ("layers", AUGMENTATION, "use preprocessing.image.ImageDataGenerator, or npcnn.augmentation.augment(images)"),
    (
        "layers",
        "DepthwiseConv2D SeparableConv2D",
        "use Conv2D, which has more weights and can learn the same, or Keras",
    ),
    ("layers", "Conv1D MaxPooling1D MaxPool1D", "use the 2D layer, with sequences as images (N, 1, W, C)"),
    ("layers", "InputLayer", "use Input"),
    ("layers", "AlphaDropout", "use Dropout, or BatchNormalization without it"),
    ("layers", "GaussianDropout", "use Dropout or GaussianNoise"),
    ("layers", "Permute", "transpose x in NumPy before it is given to fit, or use Reshape"),
    ("layers", "Cropping2D", "cut the images before: x[:, 2:-2, 2:-2]"),
    ("layers", "UpSampling2D", "enlarge the images before: x.repeat(2, axis=1).repeat(2, axis=2), or use Keras"),
    ("layers", "Lambda", "write a layer of your own, with forward and backward; npcnn/layers/relu.py is a short one"),
    ("layers", "", "use Keras, or write a layer of your own, with forward and backward, as in npcnn/layers/dense.py"),
    ("models", "Model Functional", "put the layers into Sequential([...]), in a row; for branches use Keras"),
    ("models", "", "make a Sequential; keep it with model.save and load_model"),
    ("callbacks", "", "write a Callback of your own"),
    (
        "datasets",
        "",
        "it has mnist and fashion_mnist; fit takes any arrays (N, H, W, C), such as those that Keras loads",
    ),
    ("losses", "", "use a crossentropy with one output a class, or write an object with forward and backward"),
    (
        "metrics",
        "",
        "compute it from what predict returns, or write an object with a name and __call__(y_true, y_pred)",
    ),
    ("optimizers.schedules", "", "use another, or the callback LearningRateScheduler with a function of the epoch"),
    ("optimizers", "", "use Adam, or write a subclass of npcnn.optimizers.Optimizer with update_one"),
    ("activations", "", "use relu, or write the activation as a layer of your own"),
    ("initializers", "", "use another, or give a function (shape, rng) -> array"),
    ("regularizers", "", "use L2"),
    ("constraints", "", "weights are not constrained; leave it out"),
    ("utils", "plot_model model_to_dot print_summary", "model.summary() prints the layers"),
    ("utils", "array_to_img img_to_array load_img save_img", "use Pillow: np.asarray(Image.open(path))"),
    ("utils", "get_file", "use pooch.retrieve, which is installed with npcnn"),
    ("utils", "", "use Keras' own, which works beside npcnn"),
    ("backend", "eval", "arrays and learning rates are numbers as they are; leave it out"),
    ("backend", "get_session set_session learning_phase set_learning_phase", "there is no session; leave it out"),
    ("backend", "", "use NumPy; all arrays here are NumPy's"),
    ("ops", "", "use NumPy; all arrays here are NumPy's"),
    ("random", "", "use np.random.default_rng(seed)"),
    ("applications", "", "there are no trained networks here; use Keras"),
    ("preprocessing.text", "", "it is about images; for text use Keras"),
    ("preprocessing.sequence", "", "it is about images; for text and sequences use Keras"),
    ("preprocessing.image", "array_to_img img_to_array load_img save_img", "use Pillow: np.asarray(Image.open(path))"),
    ("preprocessing.image", "", "use ImageDataGenerator, whose random_transform changes one image"),
    ("preprocessing", "", "read the images with Pillow, and give fit arrays or an iterable of batches (x, y)"),
    ("wrappers", "", "write a small class with fit and predict around Sequential"),
    ("visualization", "", "use Matplotlib, or npcnn.plots"),
    ("distribution", "", "it computes on the CPU; leave it out"),
    (
        "mixed_precision",
        "",
        "leave it out: it computes in float32, or in float64 with Sequential(layers, dtype='float64')",
    ),
    ("", "Model Functional", "put the layers into Sequential([...]), in a row; for branches use Keras"),
    ("", "Layer Loss Metric Optimizer Initializer Regularizer", "npcnn.layers, npcnn.losses and so on have their own"),
    ("", "", "use Keras"),
]


@functools.cache
def public() -> dict[str, list[str]]:
    """Return Keras' public names, module -> names; "" is Keras itself."""
    lines = (line.split() for line in PUBLIC.read_text(encoding="ascii").splitlines())
    found = {path.removeprefix("keras").removeprefix("."): names for path, *names in lines}
    for old, new in OLD_PATHS.items():
        found[new] = sorted({*found[new], *found.get(old, [])})
    return found


def is_public(module: str, name: str) -> bool:
    """Return whether Keras has that name in that module; the name may be a module's."""
    return name in public().get(module, ()) or f"{module}.{name}".strip(".") in public()


def explain(module: str, name: str) -> str:
    """Return what to use instead of a name of Keras' that npcnn has not."""
    path = f"{module}.{name}".strip(".")
    whole = path if path in public() else module  # a module's hint is for all that is in it
    hint = next(
        hint
        for place, names, hint in HINTS
        if (not place or f"{whole}.".startswith(f"{place}.")) and (not names or name in names.split())
    )
    return f"npcnn has no {path}: {hint}"


def install(package: str, names: Sequence[str]) -> None:
    """Give a package Keras' older paths, and it and those of `names` that are modules a word on what they have not."""
    for old, new in OLD_PATHS.items():
        module = sys.modules[f"{package}.{old}"] = sys.modules[f"{package}.{new}"]
        parent, _, last = f"{package}.{old}".rpartition(".")
        setattr(sys.modules[parent], last, module)
    for path in {"", *names, *OLD_PATHS.values(), "optimizers.schedules", "preprocessing.image"}:
        if module := sys.modules.get(f"{package}.{path}".strip(".")):
            _explain_what_is_missing(module, path, LAZY.get(path, ()))
            vars(module).setdefault("__path__", [])  # so that Python looks for modules in it, and asks the last finder
    sys.meta_path.append(_Explainer(package))


def _explain_what_is_missing(module: ModuleType, path: str, lazy: Sequence[str]) -> None:
    """Add a __getattr__, which Python calls for names that the module has not: https://peps.python.org/pep-0562/.

    Those in `lazy` are its submodules, imported when they are first asked for.
    """

    def look_up(name: str) -> Any:
        if name in lazy:
            return importlib.import_module(f"{module.__name__}.{name}")
        message = f"module {module.__name__!r} has no attribute {name!r}"
        near = None if name.startswith("_") else _nearest(name, public().get(path, []))
        if near and near not in (*vars(module), *lazy):
            message = explain(path, near)
        elif near:
            message = f"{message}; did you mean {near!r}?"
        # `from module import name` says "cannot import name", whatever an AttributeError says, but lets others through.
        asking = sys._getframe(1)
        importing = asking.f_code.co_code[asking.f_lasti] == dis.opmap["IMPORT_FROM"]
        raise ImportError(message, name=module.__name__) if importing else AttributeError(message)

    vars(module)["__getattr__"] = look_up


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the one of `names` that a program most likely means by `name`."""
    if name in names:
        return name
    lower = {each.lower(): each for each in names}
    found = difflib.get_close_matches(name.lower(), lower, 1, cutoff=0.8)
    return lower[found[0]] if found else None


class _Explainer:
    """The last finder that `import` asks: of Keras' modules, npcnn.applications say, it says what to use instead."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Raise an ImportError for a module that Keras has; know no other."""
        package, _, rest = name.partition(".")
        module, _, last = rest.rpartition(".")
        if package == self.package and is_public(module, last):
            raise ImportError(explain(module, last), name=name)
