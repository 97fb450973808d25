"""A model as Keras' config.json describes it, and back: names, shapes and arguments, no weights.

Keras writes every object as {"module": "keras.layers", "class_name": "Dense", "config": {its arguments}}, and so do we.
Keras 2 knew no "module", and called some arguments otherwise; it is read, too.

What is read may come from a stranger: a class name is looked up in the tables below and nowhere else, an argument is
passed on only if npcnn has it, and any other must have the value that turns it off. Where one that npcnn lacks matters
to training alone, the model can still predict, and says so.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from npcnn import initializers, layers, losses, metrics, optimizers, regularizers
from npcnn.errors import FileFormatError
from npcnn.keras_arguments import NEUTRAL
from npcnn.keras_format.archive import short
from npcnn.layers import Conv2D, Input, Layer
from npcnn.layers.bookkeeping import own_arguments

LAYERS: dict[str, type[Layer]] = {
    name: getattr(layers, name)
    for name in [
        *("Conv2D", "Dense", "Flatten", "Reshape", "Rescaling", "ZeroPadding2D"),
        *("MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D"),
        *("BatchNormalization", "Dropout", "SpatialDropout2D", "GaussianNoise"),
        *("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax"),
    ]
}
OPTIMIZERS = {cls.__name__: cls for cls in optimizers.CLASSES}
LOSSES = {cls.__name__: cls for cls in losses.CLASSES}
METRICS = {cls.__name__: cls for cls in metrics.CLASSES if cls is not metrics.Accuracy}  # Keras' is another
METRIC_NAMES = {*metrics.BY_NAME, *losses.BY_NAME}
# Arguments that are objects themselves: where Keras has their class, and those that we have.
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "learning_rate": ("keras.optimizers.schedules", {cls.__name__: cls for cls in optimizers.schedules.CLASSES}),
    **dict.fromkeys(
        ("kernel_regularizer", "bias_regularizer"),
        ("keras.regularizers", {cls.__name__: cls for cls in regularizers.CLASSES}),
    ),
}

# Arguments that only Keras has, with the value that asks for what npcnn does: for layers, then for training.
FIXED = {
    **NEUTRAL,
    "axis": -1,
    "decay": 0,  # of the learning rate, in Keras 2
}
# Layers that do something in training only, and how arguments end that do.
TRAINS = ("_regularizer", "_constraint")
IDLE = ("ActivityRegularization", "AlphaDropout", "GaussianDropout")
# Arguments that are read elsewhere, or change no result; the averages "ema" are off while use_ema is False.
IGNORED = set("name dtype ema_momentum ema_overwrite_frequency jit_compile run_eagerly steps_per_execution".split())
IGNORED |= {"is_legacy_optimizer", "sample_weight_mode"}
# What Keras 2 called otherwise; and its values that only mean "what is usual", which Keras 3 leaves out.
RENAMED = {"batch_input_shape": "batch_shape", "lr": "learning_rate"}
USUAL = {"reduction": "auto", "epsilon": None}


class UnsupportedError(FileFormatError):
    """A file asks for something that Keras has and npcnn lacks."""


# ------------------------------------------------------------------ from a model to its description


def write_model(model: Any, include_optimizer: bool = True) -> dict[str, Any]:
    """Return the description of a model, and of how it is trained."""
    described = describe("keras", "Sequential", write_config(model))
    return {**described, "compile_config": _write_compile_config(model) if include_optimizer else {}}


def write_config(model: Any) -> dict[str, Any]:
    """Return the description of a model's layers."""
    described = [_write_layer(layer) for layer in model.layers]
    config = {"name": model.name, "trainable": model.trainable, "dtype": model.dtype, "layers": described}
    if model.input_shape is None:
        return config
    name, batch_shape = "input_layer", [None, *model.input_shape]
    while name in {layer.name for layer in model.layers}:
        name += "_"
    described.insert(0, describe("keras.layers", "InputLayer", {"name": name, "batch_shape": batch_shape}))
    described[0]["config"]["dtype"] = model.dtype
    return {**config, "build_input_shape": batch_shape}


def _write_layer(layer: Layer, dtype: str | None = None) -> dict[str, Any]:
    if hasattr(layer, "layers"):  # a model within the model
        return describe("keras", "Sequential", write_config(layer))
    if isinstance(layer, Conv2D) and max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        both = f"strides={layer.strides} and dilation_rate={layer.dilation_rate}"
        raise layer.error(f"cannot be saved with {both}: Keras wants one of the two to be 1")
    class_name = _class_name(layer, LAYERS)
    config = _describe_parts({**layer.get_config(), "dtype": layer.dtype or dtype}, str(layer))
    if class_name == "SpatialDropout2D":
        del config["trainable"]  # Keras' own takes no such argument
    for key, value in config.items():
        if isinstance(value, Layer):  # an activation that no name stands for
            config[key] = _write_layer(value, layer.dtype)
        elif isinstance(value, initializers.Initializer):
            config[key] = describe("keras.initializers", _class_name(value, initializers.CLASSES), value.get_config())
        elif callable(value):
            raise layer.error(f"cannot be saved: {key} {value!r} is not npcnn's own, so a file cannot name it")
    return describe("keras.layers", class_name, config)


def _write_compile_config(model: Any) -> dict[str, Any]:
    if model.loss is None:
        return {}
    optimizer, loss = model.optimizer, model.loss
    class_name = _class_name(optimizer, OPTIMIZERS)
    config = _describe_parts({"name": optimizer.name, **optimizer.get_config()}, class_name)
    return {
        "optimizer": describe("keras.optimizers", class_name, config),
        "loss": describe("keras.losses", _class_name(loss, LOSSES), loss.get_config()),
        "metrics": [_write_metric(metric) for metric in model.metrics if not isinstance(metric, metrics.WeightedMean)],
        "weighted_metrics": [
            _write_metric(each.metric) for each in model.metrics if isinstance(each, metrics.WeightedMean)
        ]
        or None,
    }


def _write_metric(metric: Any) -> Any:
    """Return the name that Keras finds the metric by, else its description."""
    if type(metric) in METRICS.values():
        return describe("keras.metrics", type(metric).__name__, metric.get_config())
    by_name = type(metric) in (metrics.Accuracy, metrics.MeanMetricWrapper) and metric.name in METRIC_NAMES
    if not by_name or metrics.get(metric.name).fn is not metric.fn:
        raise ValueError(f"metric {metric.name!r} of class {type(metric).__name__} cannot be saved")
    return metric.name


def _describe_parts(config: dict[str, Any], owner: str) -> dict[str, Any]:
    """Return the arguments with those that are objects described."""
    for key, (module, table) in PARTS.items():
        if callable(config.get(key)):
            class_name = type(config[key]).__name__
            if type(config[key]) not in table.values():
                wanted = f"{key} may be {', '.join(table)} in a file"
                raise ValueError(f"{owner} cannot be saved: {wanted}, not {class_name}")
            config[key] = describe(module, class_name, config[key].get_config())
    return config


def describe(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an object of that class, made with the arguments in `config`."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def _class_name(thing: Any, table: dict[str, Any]) -> str:
    names = {cls: name for name, cls in table.items()}
    if type(thing) not in names:
        what = str(thing) if isinstance(thing, Layer) else type(thing).__name__
        raise ValueError(f"{what} cannot be saved: a .keras file can only name Keras' own {', '.join(table)}")
    return names[type(thing)]


# ------------------------------------------------------------------ from a description to the objects


@dataclasses.dataclass
class Lacks:
    """What a model has in Keras and lacks here, in sentences: what does no harm, and what changes how it trains."""

    harmless: list[str] = dataclasses.field(default_factory=list)
    training: list[str] = dataclasses.field(default_factory=list)


def read_config(
    described: Any, lacks: Lacks, sequential: Any, must_build: bool = True, **nested: Any
) -> dict[str, Any]:
    """Return the arguments of `Sequential`: layers without weights, behind an Input if there must or can be one.

    Models within the model are objects of class `sequential`, made with the arguments `nested`.
    """
    if isinstance(described, dict) and isinstance(described.get("config"), list):  # Keras before 2.2.3
        described = {**described, "config": {"name": "sequential", "layers": described["config"]}}
    class_name, config = _undescribe(described, "the model")
    if class_name != "Sequential":
        raise UnsupportedError(f"the model is of class {short(class_name)}, not Sequential")
    described, name = config.get("layers"), config.get("name")
    if not isinstance(described, list) or not described or not isinstance(name, str):
        raise FileFormatError(f"the model must have layers, a list, and a name, got {short(described)}, {short(name)}")
    dtype = _read_dtype(config, "the model") or "float32"
    stack = [_read_layer(each, f"layer {i}", dtype, lacks, sequential, **nested) for i, each in enumerate(described)]
    stack = [layer for layer in stack if layer]
    if not stack or not isinstance(stack[0], Input):
        shape = config.get("build_input_shape") or (stack and stack[0].given_shape and [None, *stack[0].given_shape])
        if shape or must_build:
            first = describe("keras.layers", "InputLayer", {"batch_shape": shape})
            stack.insert(0, _read_layer(first, "build_input_shape", dtype, lacks, sequential))
    if must_build and len(stack) < 2:
        raise FileFormatError("layers is empty: there is none behind the Input")
    if any(isinstance(layer, Input) for layer in stack[1:]):
        raise FileFormatError("an InputLayer can only be the first layer")
    return {"layers": stack, "trainable": config.get("trainable", True), "name": name, "dtype": dtype}


def read_compile_config(config: Any) -> dict[str, Any] | None:
    """Return the arguments of `Sequential.compile`, or None if the model was not compiled."""
    if not config:
        return None
    if not isinstance(config, dict):
        raise FileFormatError(f"compile_config must be a dictionary, got {short(config)}")
    parts = _arguments(config, {"optimizer", "loss", "metrics", "weighted_metrics"}, "compile_config")
    loss = parts.get("loss")
    if isinstance(loss, list) and len(loss) == 1:  # one for each output, of which there is one
        loss = loss[0]
    return {
        "optimizer": _read_named(parts.get("optimizer"), "optimizer", optimizers.get, OPTIMIZERS),
        "loss": _read_named(loss, "loss", losses.get, LOSSES),
        "metrics": _read_metrics(parts.get("metrics")),
        "weighted_metrics": _read_metrics(parts.get("weighted_metrics")),
    }


def _read_metrics(measured: Any) -> list[Any]:
    if isinstance(measured, list) and len(measured) == 1 and isinstance(measured[0], list):
        measured = measured[0]
    if not isinstance(measured or [], list):
        raise UnsupportedError(f"metrics {short(measured)} are not supported, only a list of them is")
    return [_read_named(metric, "metrics", metrics.get, METRICS) for metric in measured or []]


def _read_named(value: Any, what: str, get: Callable[[Any], Any], table: dict[str, Any]) -> Any:
    """Return the object that `value` describes, by its name, as a function or as an object of a class in `table`."""
    value = _function_name(value)
    if isinstance(value, dict) and value.get("class_name") == "MeanMetricWrapper":  # Keras 2's "accuracy"
        value = _undescribe(value, what)[1].get("name")
    if isinstance(value, dict):
        return _make(*_undescribe(value, f"the {what}"), table, f"the {what}")
    try:
        if isinstance(value, str):
            return get(value)
    except ValueError:
        pass
    raise UnsupportedError(f"{what} {short(value)} is not supported")


def _is_part(key: str, value: Any) -> bool:
    """Whether `value` describes an object, of a class that we have, for the argument `key`."""
    name = value.get("class_name") if isinstance(value, dict) else None
    return key in PARTS and isinstance(name, str) and name in PARTS[key][1]


def _function_name(value: Any) -> Any:
    """Return the name of a function of Keras' own that `value` describes; any other value as it is."""
    if isinstance(value, dict) and value.get("class_name") == "function" and isinstance(value.get("config"), str):
        return value["config"]
    return value


def _read_layer(
    described: Any, owner: str, model_dtype: str, lacks: Lacks, sequential: Any, **nested: Any
) -> Layer | None:
    """Return the layer, or None for one that does nothing but in training."""
    class_name, config = _undescribe(described, owner)
    owner = f"{owner}, {class_name} {short(config.get('name'))}"
    if class_name == "Sequential" and issubclass(sequential, Layer):
        arguments = read_config(described, lacks, sequential, must_build=False, **nested)
        inner = [layer for layer in arguments.pop("layers") if not isinstance(layer, Input)]
        for layer in inner:
            layer.given_shape = None  # no weights before the model around it has checked that the file holds them
        return sequential(inner, **arguments, **nested)
    dtype = _read_dtype(config, owner) or model_dtype
    batch_shape = config.pop("batch_shape", None)
    if class_name == "InputLayer":
        if not isinstance(batch_shape, list) or not batch_shape:
            raise FileFormatError(f"{owner}: batch_shape must be like [null, 28, 28, 1], got {short(batch_shape)}")
        return _make(class_name, {**config, "shape": batch_shape[1:]}, {class_name: Input}, owner, dtype=dtype)
    if class_name in IDLE and class_name not in LAYERS:
        lacks.training.append(f"{owner}: npcnn has no {class_name}, and it is left out")
        return None
    own = own_arguments(LAYERS[class_name]) if class_name in LAYERS else []
    for key, value in list(config.items()):
        ours = key in own
        if key.endswith("_initializer"):
            initializer = _read_initializer(value, f"{owner}: {key}", lacks)
            config.pop(key) if initializer is None or not ours else config.update({key: initializer})
        elif key.endswith(TRAINS) and not (ours and _is_part(key, value)):
            del config[key]
            if value not in (None, True):
                lacks.training.append(f"{owner}: {key} {short(value)} is not supported")
        elif key == "activation" and isinstance(_function_name(value), dict):
            config[key] = _read_layer(value, f"{owner}: activation", dtype, lacks, sequential)
        elif key == "axis" and isinstance(value, list) and len(value) == 1:  # Keras 2's BatchNormalization
            config[key] = value[0]
    if class_name == "LeakyReLU" and "alpha" in config:  # its name in Keras 2
        config["negative_slope"] = config.pop("alpha")
    if isinstance(batch_shape, list):
        config["batch_input_shape"] = batch_shape
    return _make(class_name, config, LAYERS, owner, dtype=dtype)


def _read_initializer(value: Any, owner: str, lacks: Lacks) -> Any:
    """Return an initializer; None for one that npcnn lacks, which does no harm: the weights are there."""
    if not isinstance(value, dict):
        return value
    class_name, config = _undescribe(value, owner)
    try:
        cls = initializers.CLASSES[class_name]
        return cls(**{name: config[name] for name in inspect.signature(cls).parameters if name in config})
    except (KeyError, TypeError, ValueError):
        lacks.harmless.append(f"{owner} {short(class_name)} is not supported, and the default takes its place")
        return None


def _make(class_name: str, config: dict[str, Any], table: dict[str, Any], owner: str, **more: Any) -> Any:
    """Return an object of the class of that name in `table`, made with the arguments in `config` and `more`."""
    if class_name not in table:
        raise UnsupportedError(f"{owner}: npcnn has no {short(class_name)}, only {', '.join(table)}")
    cls = table[class_name]
    known = set(cls.arguments() if issubclass(cls, optimizers.Optimizer) else own_arguments(cls))
    known |= {"name"} if issubclass(cls, Layer | metrics.MeanMetricWrapper) else set()
    known = known | {"batch_input_shape", "trainable"} if issubclass(cls, Layer) else known - {"axis"}
    arguments = _arguments(config, known, owner)
    for key, value in arguments.items():
        if _is_part(key, value):
            arguments[key] = _make(*_undescribe(value, f"{owner}: {key}"), PARTS[key][1], f"{owner}: {key}")
        elif isinstance(value := _function_name(value), dict):
            raise UnsupportedError(f"{owner}: {key} {short(value.get('class_name'))} is not supported")
        else:
            arguments[key] = value
    try:
        return cls(**arguments, **more)
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
    """Return the class name and the arguments of an object, as Keras 3 calls them."""
    parts = described if isinstance(described, dict) else {}
    module, class_name, config = parts.get("module", "keras"), parts.get("class_name"), parts.get("config")
    if not (isinstance(module, str) and isinstance(class_name, str) and isinstance(config, dict)):
        raise FileFormatError(f"{owner} must have a module, a class_name and a config, got {short(described)}")
    if module.split(".")[0] != "keras" or parts.get("registered_name") is not None:
        raise UnsupportedError(f"{owner} is of class {short(class_name)}, which npcnn does not know")
    config = {RENAMED.get(key, key): value for key, value in config.items()}
    return class_name, {key: value for key, value in config.items() if key not in USUAL or value != USUAL[key]}


def _read_dtype(config: dict[str, Any], owner: str) -> str | None:
    """Return "float32" or "float64", given as such or as the Keras policy of that name; None if there is none."""
    value = config.get("dtype")
    if isinstance(value, dict):
        value = _undescribe(value, f"{owner}: dtype")[1].get("name")
    if value not in (None, "float32", "float64"):
        raise UnsupportedError(f"{owner}: dtype must be 'float32' or 'float64', got {short(value)}")
    return value
