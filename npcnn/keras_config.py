"""A model as Keras' config.json describes it, and back: names, shapes and arguments, no weights.

Keras writes every object as {"module": "keras.layers", "class_name": "Dense", "config": {its arguments}}, and so do we.
What is read comes from a stranger: a class name is looked up in the tables below and nowhere else, an argument is
passed on only if npcnn has it, and any other must have the one value that asks for nothing.

A layer that npcnn lacks makes the file unreadable. Without its optimizer, loss and metrics a model still predicts; so
what `read_compile_config` raises for those that npcnn lacks, `UnsupportedError`, is no reason to give up.
"""

import inspect
import warnings
from typing import Any

from npcnn import losses, metrics, optimizers
from npcnn.errors import FileFormatError
from npcnn.layers import Conv2D, Dense, Flatten, Input, Layer, MaxPool2D, ReLU, Softmax

LAYERS: dict[str, type[Layer]] = {cls.__name__: cls for cls in (Conv2D, Dense, Flatten, ReLU, Softmax)}
LAYERS["MaxPooling2D"] = MaxPool2D
OPTIMIZERS = {cls.__name__: cls for cls in (optimizers.Adam, optimizers.SGD)}
LOSSES = {cls.__name__: cls for cls in (losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy)}
INITIALIZERS = {
    name.title().replace("_", ""): name  # "HeNormal": "he_normal"
    for name in ("glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "ones", "zeros")
}

# What Keras lets one choose and npcnn does not, with the choice that npcnn makes: for layers, then for training.
FIXED = {
    **dict.fromkeys(("kernel_regularizer", "bias_regularizer", "activity_regularizer"), None),
    **dict.fromkeys(("kernel_constraint", "bias_constraint", "quantization_config", "max_value"), None),
    **dict.fromkeys(("negative_slope", "threshold"), 0),
    **dict.fromkeys(("optional", "ragged", "sparse"), False),
    **{"axis": -1, "data_format": "channels_last", "groups": 1, "trainable": True},
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm", "weight_decay"), None),
    **dict.fromkeys(("gradient_accumulation_steps", "loss_scale_factor"), None),
    **dict.fromkeys(("amsgrad", "use_ema"), False),
    **dict.fromkeys(("ignore_class", "loss_weights", "weighted_metrics"), None),
    **{"label_smoothing": 0, "reduction": "sum_over_batch_size"},
}
# What is looked at elsewhere, or changes no result; the averages "ema" are off while use_ema is False.
IGNORED = set("name dtype ema_momentum ema_overwrite_frequency jit_compile run_eagerly steps_per_execution".split())


class UnsupportedError(FileFormatError):
    """A file holds something that Keras has and npcnn has not."""


# ------------------------------------------------------------------ from a model to its description


def write_config(model: Any) -> dict[str, Any]:
    """Return the description of a model.

    Raises:
        ValueError: it holds what Keras could not read, most often an object of the user's own class.
    """
    if not isinstance(model.name, str) or not model.name or "/" in model.name:
        raise ValueError(f"save: the model's name must be a non-empty string without '/', got {model.name!r}")
    door_name, batch_shape = "input_layer", [None, *model.input_shape]
    while door_name in {layer.name for layer in model.layers}:
        door_name += "_"
    door = {"name": door_name, "batch_shape": batch_shape, "dtype": model.dtype}
    config = {
        "name": model.name,
        "dtype": model.dtype,
        "layers": [_describe("keras.layers", "InputLayer", door), *map(_write_layer, model.layers)],
        "build_input_shape": batch_shape,
    }
    return {**_describe("keras", "Sequential", config), "compile_config": _write_compile_config(model)}


def _write_layer(layer: Layer) -> dict[str, Any]:
    class_name = _class_name(layer, LAYERS)
    if isinstance(layer, Conv2D) and max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        both = f"strides={layer.strides} and dilation_rate={layer.dilation_rate}"
        raise layer.error(f"cannot be saved with {both}: Keras wants one of the two to be 1")
    if type(layer.activation) not in (type(None), ReLU, Softmax):
        raise layer.error(f"cannot be saved with activation {layer.activation}, whose class Keras does not know")
    try:
        config = layer.get_config()
    except ValueError as error:  # an initializer of the user's own
        raise layer.error(f"cannot be saved: {error}") from None
    return _describe("keras.layers", class_name, {**config, "dtype": layer.dtype})


def _write_compile_config(model: Any) -> dict[str, Any]:
    if model.loss is None:
        return {}
    optimizer, loss = model.optimizer, model.loss
    for metric in model.metrics:
        _class_name(metric, {"Accuracy": metrics.Accuracy})
    config = {"name": optimizer.name, **optimizer.get_config()}
    return {
        "optimizer": _describe("keras.optimizers", _class_name(optimizer, OPTIMIZERS), config),
        "loss": _describe("keras.losses", _class_name(loss, LOSSES), {"from_logits": loss.from_logits}),
        "metrics": [metric.name for metric in model.metrics],
    }


def _describe(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def _class_name(thing: Any, table: dict[str, Any]) -> str:
    for name, cls in table.items():
        if type(thing) is cls:
            return name
    what = str(thing) if isinstance(thing, Layer) else type(thing).__name__
    raise ValueError(f"{what} cannot be saved: a .keras file can only name Keras' own {', '.join(table)}")


# ------------------------------------------------------------------ from a description to the objects


def read_config(described: Any) -> dict[str, Any]:
    """Return the arguments of `Sequential`; its layers have no weights yet.

    Raises:
        FileFormatError: the description is malformed, or names what npcnn has not.
    """
    class_name, config = _undescribe(described, "the model")
    if class_name != "Sequential":
        raise UnsupportedError(f"the model is of class {short(class_name)}, not Sequential")
    described, name = config.get("layers"), config.get("name")
    if not isinstance(described, list) or not described or not isinstance(name, str):
        raise FileFormatError(f"the model must have layers, a list, and a name, got {short(described)}, {short(name)}")
    layers = [_read_layer(value, f"layer {i}") for i, value in enumerate(described)]
    if not isinstance(layers[0], Input):
        layers.insert(0, Input(_example_shape(config.get("build_input_shape"), "the model's build_input_shape")))
    if any(isinstance(layer, Input) for layer in layers[1:]):
        raise FileFormatError("an InputLayer can only be the first layer")
    return {"layers": layers, "name": name, "dtype": _read_dtype(config.get("dtype") or "float32", "the model")}


def read_compile_config(config: Any) -> dict[str, Any] | None:
    """Return the arguments of `Sequential.compile`, or None if the model was not compiled.

    Raises:
        FileFormatError: the description is malformed.
        UnsupportedError: it asks for what npcnn has not.
    """
    if not config:
        return None
    if not isinstance(config, dict):
        raise FileFormatError(f"compile_config must be a dictionary, got {short(config)}")
    parts = _arguments(config, {"optimizer", "loss", "metrics"}, "compile_config")
    names = parts.get("metrics") or []
    if not isinstance(names, list) or any(name not in ("accuracy", "acc") for name in names):
        raise UnsupportedError(f"metrics {short(names)} are not supported, only ['accuracy'] is")
    optimizer, loss = _read_optimizer(parts.get("optimizer")), _read_loss(parts.get("loss"))
    return {"optimizer": optimizer, "loss": loss, "metrics": names}


def _read_layer(described: Any, owner: str) -> Layer:
    class_name, config = _undescribe(described, owner)
    owner = f"{owner}, {class_name} {short(config.get('name'))}"
    dtype = _read_dtype(config.get("dtype"), owner)
    if class_name == "InputLayer":
        arguments = _arguments(config, {"name", "batch_shape"}, owner)
        shape = _example_shape(arguments.pop("batch_shape", None), f"{owner}: batch_shape")
        return Input(shape, dtype=dtype, **arguments)
    if class_name not in LAYERS:
        raise UnsupportedError(f"{owner}: npcnn has no such layer; it has {', '.join(LAYERS)}")
    arguments = _arguments(config, _parameters(LAYERS[class_name]), owner)
    for key in {"kernel_initializer", "bias_initializer"} & arguments.keys():
        initializer = _read_initializer(arguments.pop(key), f"{owner}: {key}")
        arguments |= {key: initializer} if initializer else {}
    try:
        return LAYERS[class_name](dtype=dtype, **arguments)
    except TypeError as error:  # an argument without a default is not there
        raise FileFormatError(f"{owner}: {error}") from None


def _read_initializer(described: Any, owner: str) -> str | None:
    """Return the initializer's name; None if npcnn lacks it, which does no harm: the weights are in the file."""
    if isinstance(described, str):
        return described
    class_name, _ = _undescribe(described, owner)
    if class_name not in INITIALIZERS:
        warnings.warn(f"{owner}: npcnn has no {short(class_name)} and puts its default instead", stacklevel=2)
    return INITIALIZERS.get(class_name)


def _read_optimizer(described: Any) -> optimizers.Optimizer:
    class_name, config = _undescribe(described, "the optimizer")
    owner = f"optimizer {short(class_name)}"
    if class_name not in OPTIMIZERS:
        raise UnsupportedError(f"{owner} is not supported, only {' and '.join(OPTIMIZERS)}")
    arguments = _arguments(config, _parameters(OPTIMIZERS[class_name]), owner)
    if isinstance(arguments.get("learning_rate"), dict):
        schedule, _ = _undescribe(arguments["learning_rate"], f"{owner}: learning_rate")
        raise UnsupportedError(f"{owner}: the learning_rate schedule {short(schedule)} is not supported")
    return OPTIMIZERS[class_name](**arguments)


def _read_loss(described: Any) -> Any:
    by_name = {cls.name: cls for cls in LOSSES.values()}
    if isinstance(described, str) and described in by_name:
        return by_name[described]()
    class_name, config = _undescribe(described, "the loss") if isinstance(described, dict) else (described, {})
    if class_name not in LOSSES:
        raise UnsupportedError(f"loss {short(class_name)} is not supported, only {' and '.join(LOSSES)}")
    return LOSSES[class_name](**_arguments(config, {"from_logits"}, f"loss {class_name}"))


def _read_dtype(value: Any, owner: str) -> str | None:
    """Return "float32" or "float64", given as such or as the Keras policy of that name; None if there is none."""
    if isinstance(value, dict):
        value = _undescribe(value, f"{owner}: dtype")[1].get("name")
    if value not in (None, "float32", "float64"):
        raise UnsupportedError(f"{owner}: dtype must be 'float32' or 'float64', got {short(value)}")
    return value


def _example_shape(batch_shape: Any, owner: str) -> tuple[int, ...]:
    if not isinstance(batch_shape, list) or not batch_shape:  # its first number, of images in a batch, does not matter
        raise FileFormatError(f"{owner} must be a list like [null, 28, 28, 1], got {short(batch_shape)}")
    return tuple(batch_shape[1:])


def _undescribe(described: Any, owner: str) -> tuple[str, dict[str, Any]]:
    """Return the class name and the arguments of an object."""
    parts = described if isinstance(described, dict) else {}
    module, class_name, config = (parts.get(key) for key in ("module", "class_name", "config"))
    if not (isinstance(module, str) and isinstance(class_name, str) and isinstance(config, dict)):
        raise FileFormatError(f"{owner} must have a module, a class_name and a config, got {short(described)}")
    if module.split(".")[0] != "keras" or parts.get("registered_name") is not None:
        raise UnsupportedError(f"{owner} is of class {short(class_name)}, which npcnn does not know")
    return class_name, config


def _parameters(cls: type) -> set[str]:
    return set(inspect.signature(cls).parameters) - {"dtype", "kernels"}


def _arguments(config: dict[str, Any], known: set[str], owner: str) -> dict[str, Any]:
    """Return the arguments that npcnn has; refuse others unless they ask for nothing."""
    for key in config.keys() - known - IGNORED:
        if key not in FIXED:
            raise UnsupportedError(f"{owner}: {short(key)[1:-1]}={short(config[key])} is not supported")
        if config[key] != FIXED[key]:
            raise UnsupportedError(f"{owner}: {key} must be {FIXED[key]!r}, got {short(config[key])}")
    return {key: value for key, value in config.items() if key in known}


def short(value: Any) -> str:
    """Return value as an error message shows it; a stranger's may be as long as the file."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
