"""A model as Keras' config.json describes it, and back: names, shapes and arguments, no weights.

Keras writes every object as {"module": "keras.layers", "class_name": "Dense", "config": {its arguments}}, and so do we.
What is read may come from a stranger: a class name is looked up in the tables below and nowhere else, an argument is
passed on only if npcnn has it, and any other must have the value that turns it off.
"""

import inspect
from typing import Any

from npcnn import initializers, losses, metrics, optimizers
from npcnn.errors import FileFormatError
from npcnn.keras_format.archive import short
from npcnn.layers import Conv2D, Dense, Flatten, Input, Layer, MaxPool2D, ReLU, Softmax

LAYERS: dict[str, type[Layer]] = {cls.__name__: cls for cls in (Conv2D, Dense, Flatten, ReLU, Softmax)}
LAYERS["MaxPooling2D"] = MaxPool2D
OPTIMIZERS = {cls.__name__: cls for cls in (optimizers.Adam, optimizers.SGD)}
LOSSES = {cls.__name__: cls for cls in (losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy)}
INITIALIZERS = {name.title().replace("_", ""): name for name in initializers.BY_NAME}  # "HeNormal": "he_normal"
METRICS = ("accuracy", "acc")

# Arguments that only Keras has, with the value that asks for what npcnn does: for layers, then for training.
FIXED = {
    **dict.fromkeys(("kernel_regularizer", "bias_regularizer", "activity_regularizer"), None),
    **dict.fromkeys(("kernel_constraint", "bias_constraint", "quantization_config", "max_value"), None),
    **{"negative_slope": 0, "threshold": 0, "optional": False, "ragged": False, "sparse": False},
    **{"axis": -1, "data_format": "channels_last", "groups": 1, "trainable": True},
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm", "weight_decay", "loss_weights"), None),
    **dict.fromkeys(("gradient_accumulation_steps", "loss_scale_factor", "ignore_class", "weighted_metrics"), None),
    **{"amsgrad": False, "use_ema": False, "label_smoothing": 0, "reduction": "sum_over_batch_size"},
}
# Arguments that are read elsewhere, or change no result; the averages "ema" are off while use_ema is False.
IGNORED = set("name dtype ema_momentum ema_overwrite_frequency jit_compile run_eagerly steps_per_execution".split())


class UnsupportedError(FileFormatError):
    """A file asks for something that Keras has and npcnn lacks."""


# ------------------------------------------------------------------ from a model to its description


def write_config(model: Any) -> dict[str, Any]:
    """Return the description of a model."""
    if "/" in model.name:
        raise ValueError(f"save: the model's name must be without '/', got {model.name!r}")
    name, batch_shape = "input_layer", [None, *model.input_shape]
    while name in {layer.name for layer in model.layers}:
        name += "_"
    first = {"name": name, "batch_shape": batch_shape, "dtype": model.dtype}
    described = [_describe("keras.layers", "InputLayer", first), *map(_write_layer, model.layers)]
    config = {"name": model.name, "dtype": model.dtype, "layers": described, "build_input_shape": batch_shape}
    return {**_describe("keras", "Sequential", config), "compile_config": _write_compile_config(model)}


def _write_layer(layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Conv2D) and max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        both = f"strides={layer.strides} and dilation_rate={layer.dilation_rate}"
        raise layer.error(f"cannot be saved with {both}: Keras wants one of the two to be 1")
    class_name, config = _class_name(layer, LAYERS), {**layer.get_config(), "dtype": layer.dtype}
    for key, value in config.items():
        if callable(value):
            raise layer.error(f"cannot be saved: {key} {value!r} is not npcnn's own, so a file cannot name it")
    return _describe("keras.layers", class_name, config)


def _write_compile_config(model: Any) -> dict[str, Any]:
    if model.loss is None:
        return {}
    optimizer, loss = model.optimizer, model.loss
    for metric in model.metrics:
        if type(metric) is not metrics.Accuracy or metric.name not in METRICS:
            raise ValueError(f"metric {metric.name!r} of class {type(metric).__name__} cannot be saved")
    config = {"name": optimizer.name, **optimizer.get_config()}
    return {
        "optimizer": _describe("keras.optimizers", _class_name(optimizer, OPTIMIZERS), config),
        "loss": _describe("keras.losses", _class_name(loss, LOSSES), {"from_logits": loss.from_logits}),
        "metrics": [metric.name for metric in model.metrics],
    }


def _describe(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def _class_name(thing: Any, table: dict[str, Any]) -> str:
    names = {cls: name for name, cls in table.items()}
    if type(thing) not in names:
        what = str(thing) if isinstance(thing, Layer) else type(thing).__name__
        raise ValueError(f"{what} cannot be saved: a .keras file can only name Keras' own {', '.join(table)}")
    return names[type(thing)]


# ------------------------------------------------------------------ from a description to the objects


def read_config(described: Any, notes: list[str]) -> dict[str, Any]:
    """Return the arguments of `Sequential`, layers without weights; add to `notes` what they lack."""
    class_name, config = _undescribe(described, "the model")
    if class_name != "Sequential":
        raise UnsupportedError(f"the model is of class {short(class_name)}, not Sequential")
    described, name = config.get("layers"), config.get("name")
    if not isinstance(described, list) or not described or not isinstance(name, str):
        raise FileFormatError(f"the model must have layers, a list, and a name, got {short(described)}, {short(name)}")
    dtype = _read_dtype(config, "the model") or "float32"
    layers = [_read_layer(each, f"layer {i}", dtype, notes) for i, each in enumerate(described)]
    if not isinstance(layers[0], Input):
        first = _describe("keras.layers", "InputLayer", {"batch_shape": config.get("build_input_shape")})
        layers.insert(0, _read_layer(first, "build_input_shape", dtype, notes))
    if any(isinstance(layer, Input) for layer in layers[1:]):
        raise FileFormatError("an InputLayer can only be the first layer")
    return {"layers": layers, "name": name, "dtype": dtype}


def read_compile_config(config: Any) -> dict[str, Any] | None:
    """Return the arguments of `Sequential.compile`, or None if the model was not compiled."""
    if not config:
        return None
    if not isinstance(config, dict):
        raise FileFormatError(f"compile_config must be a dictionary, got {short(config)}")
    parts = _arguments(config, {"optimizer", "loss", "metrics"}, "compile_config")
    names, optimizer, loss = parts.get("metrics") or [], parts.get("optimizer"), parts.get("loss")
    if not isinstance(names, list) or any(name not in METRICS for name in names):
        raise UnsupportedError(f"metrics {short(names)} are not supported, only ['accuracy'] is")
    if isinstance(loss, dict):
        loss = _make(*_undescribe(loss, "the loss"), LOSSES, "the loss")
    elif loss not in [cls.name for cls in LOSSES.values()]:
        raise UnsupportedError(f"loss {short(loss)} is not supported, only {' and '.join(LOSSES)}")
    optimizer = _make(*_undescribe(optimizer, "the optimizer"), OPTIMIZERS, "the optimizer")
    return {"optimizer": optimizer, "loss": loss, "metrics": names}


def _read_layer(described: Any, owner: str, model_dtype: str, notes: list[str]) -> Layer:
    class_name, config = _undescribe(described, owner)
    owner = f"{owner}, {class_name} {short(config.get('name'))}"
    dtype = _read_dtype(config, owner) or model_dtype
    if class_name == "InputLayer":
        batch_shape = config.pop("batch_shape", None)
        if not isinstance(batch_shape, list) or not batch_shape:
            raise FileFormatError(f"{owner}: batch_shape must be like [null, 28, 28, 1], got {short(batch_shape)}")
        return _make(class_name, {**config, "shape": batch_shape[1:]}, {class_name: Input}, owner, dtype=dtype)
    for key in ("kernel_initializer", "bias_initializer"):
        if isinstance(config.get(key), dict):
            initializer, _ = _undescribe(config.pop(key), f"{owner}: {key}")
            if initializer in INITIALIZERS:
                config[key] = INITIALIZERS[initializer]
            else:  # does no harm: the weights are in the file
                notes.append(f"{owner}: {key} {short(initializer)} is not supported, and the default takes its place")
    return _make(class_name, config, LAYERS, owner, dtype=dtype)


def _make(class_name: str, config: dict[str, Any], table: dict[str, Any], owner: str, **more: Any) -> Any:
    """Return an object of the class of that name in `table`, made with the arguments in `config` and `more`."""
    if class_name not in table:
        raise UnsupportedError(f"{owner}: npcnn has no {short(class_name)}, only {', '.join(table)}")
    known = set(inspect.signature(table[class_name]).parameters) - {"dtype", "kernels"}
    arguments = _arguments(config, known, owner)
    for key, value in arguments.items():
        if isinstance(value, dict):  # a learning rate's schedule, an activation that is more than a name
            raise UnsupportedError(f"{owner}: {key} {short(value.get('class_name'))} is not supported")
    try:
        return table[class_name](**arguments, **more)
    except TypeError as error:  # an argument without a default is missing
        raise FileFormatError(f"{owner}: {error}") from None


def _arguments(config: dict[str, Any], known: set[str], owner: str) -> dict[str, Any]:
    """Return the arguments that npcnn has; refuse others unless they ask for nothing."""
    for key in sorted(config.keys() - known - IGNORED):
        if key not in FIXED:
            raise UnsupportedError(f"{owner}: {short(key)[1:-1]}={short(config[key])} is not supported")
        if config[key] != FIXED[key]:
            raise UnsupportedError(f"{owner}: {key} must be {FIXED[key]!r}, got {short(config[key])}")
    return {key: value for key, value in config.items() if key in known}


def _undescribe(described: Any, owner: str) -> tuple[str, dict[str, Any]]:
    """Return the class name and the arguments of an object."""
    parts = described if isinstance(described, dict) else {}
    module, class_name, config = (parts.get(key) for key in ("module", "class_name", "config"))
    if not (isinstance(module, str) and isinstance(class_name, str) and isinstance(config, dict)):
        raise FileFormatError(f"{owner} must have a module, a class_name and a config, got {short(described)}")
    if module.split(".")[0] != "keras" or parts.get("registered_name") is not None:
        raise UnsupportedError(f"{owner} is of class {short(class_name)}, which npcnn does not know")
    return class_name, config


def _read_dtype(config: dict[str, Any], owner: str) -> str | None:
    """Return "float32" or "float64", given as such or as the Keras policy of that name; None if there is none."""
    value = config.get("dtype")
    if isinstance(value, dict):
        value = _undescribe(value, f"{owner}: dtype")[1].get("name")
    if value not in (None, "float32", "float64"):
        raise UnsupportedError(f"{owner}: dtype must be 'float32' or 'float64', got {short(value)}")
    return value
