"""An .h5 file as Keras 2 wrote it, and Keras 3 still does on request: one HDF5 file for a whole model, or its weights.

    attribute model_config       the layers, in JSON: see `config.py`
    attribute training_config    loss, metrics and optimizer, in JSON
    model_weights                its attribute layer_names lists the groups in it, layer by layer
    model_weights/conv2d         its attribute weight_names lists the arrays in it: kernel, bias, ...
    optimizer_weights            the same for the optimizer's state; ours stands in npcnn_optimizer_weights, as Keras
                                 3.15 cannot train a model for which it finds it here

A file of weights alone begins with what stands in model_weights. Groups and arrays are matched by their order, not by
their names.
"""

import io
import itertools
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from npcnn.errors import FileFormatError
from npcnn.keras_format.archive import parse_json, to_json
from npcnn.keras_format.config import Lacks
from npcnn.keras_format.config import write_model as describe_model
from npcnn.keras_format.hdf5 import Reader
from npcnn.keras_format.weights import Pairs, check_finite, check_optimizer, optimizer_arrays, optimizer_shapes
from npcnn.layers import Layer

OUR_OPTIMIZER = "npcnn_optimizer_weights"


def write_model(model: Any, keras_version: str, include_optimizer: bool = True) -> bytes:
    """Return a model as such a file."""
    buffer, description = io.BytesIO(), describe_model(model, include_optimizer)
    training = description.pop("compile_config")
    with h5py.File(buffer, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = keras_version, "tensorflow"
        file.attrs["model_config"] = to_json(description)
        if training:
            training["optimizer_config"] = training.pop("optimizer")
            file.attrs["training_config"] = to_json({**training, "loss_weights": None})
            arrays = {f"{model.optimizer.name}/{name}": a for name, a in optimizer_arrays(model).items()}
            _write_group(file, OUR_OPTIMIZER, model.optimizer.name, arrays)
        _write_names(file.create_group("model_weights"), "layer_names", [layer.name for layer in model.layers])
        for layer in model.layers:
            arrays = {f"{layer.name}/{key}": array for key, array in _in_order(layer).items()}
            _write_group(file, f"model_weights/{layer.name}", layer.name, arrays)
        _write_group(file, "model_weights/top_level_model_weights", model.name, {})
    return buffer.getvalue()


def _write_group(file: h5py.File, path: str, owner: str, arrays: dict[str, Any]) -> None:
    group = file.create_group(path)
    _write_names(group, "weight_names", list(arrays))
    for name, array in arrays.items():
        check_finite(owner, array)
        group[name] = array


def _in_order(layer: Layer) -> dict[str, np.ndarray]:
    """Return the arrays of a layer, or of a model within the model: here what is trained stands first."""
    return {**layer.trainable_params, **layer.variables}


def _write_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    if len(names) > 4000:  # HDF5 keeps 64 KB at most in one attribute
        raise ValueError(f"save: {len(names):,} names are too many for an .h5 file; save as '.keras'")
    group.attrs[attribute] = np.array(names, dtype=h5py.string_dtype())


def is_legacy(file: Reader) -> bool:
    """Whether the file is of this form, rather than Keras 3's."""
    return bool({"layer_names", "layer_names0"} & file.attributes()) or "model_weights" in file


def read_descriptions(file: Reader) -> tuple[Any, Any]:
    """Return the description of the model, and of how it is trained, in Keras 3's form; None if it is not."""
    texts = {}
    for name in file.attributes() & {"model_config", "training_config"}:
        (text,) = file.texts("", name)
        texts[name] = parse_json(name, text)
    if "model_config" not in texts:
        raise FileFormatError("there is no model in it (no model_config); for weights alone, use model.load_weights")
    training = texts.get("training_config")
    if isinstance(training, dict) and "optimizer_config" in training:
        training["optimizer"] = training.pop("optimizer_config")
    return texts["model_config"], training


def read_layers(file: Reader, layers: Sequence[Layer], path: str = "") -> Pairs:
    """Return every array of the layers, with the one in the file that is to take its place."""
    path = path or ("model_weights" if "model_weights" in file else "")
    prefix = f"{path}/" if path else ""
    names = {
        name: _read_names(file, f"{prefix}{name}", "weight_names") for name in _read_names(file, path, "layer_names")
    }
    saved, ours = {name: arrays for name, arrays in names.items() if arrays}, [x for x in layers if x.variables]
    if len(saved) != len(ours):
        raise FileFormatError(f"it has weights of {len(saved)} layers, the model has {len(ours)} layers with weights")
    pairs: Pairs = []
    for layer, (name, arrays) in zip(ours, saved.items(), strict=True):
        variables = _in_order(layer)
        if len(arrays) != len(variables):
            raise FileFormatError(f"{name} must hold {len(variables)} arrays for {layer}, holds {len(arrays)}")
        for array, place in zip(variables.values(), arrays, strict=True):
            types = array.dtype, np.float32, np.float64
            pairs.append((array, file.array(f"{prefix}{name}/{place}", array.shape, *types)))
    return pairs


def read_optimizer(file: Reader, model: Any, lacks: Lacks) -> list[Any]:
    """Return what the file has of the optimizer's state, in the order of `weights.optimizer_arrays`."""
    path = OUR_OPTIMIZER if OUR_OPTIMIZER in file else "optimizer_weights"
    if not model.optimizer or path not in file:
        return []
    names, wanted = _read_names(file, path, "weight_names"), optimizer_shapes(model)
    if len(names) not in (2, len(wanted)) or "learning_rate" not in names[1]:  # 2: compiled, but not trained
        lacks.harmless.append(
            "the optimizer's state is in the order of Keras before 2.11, and the optimizer starts anew"
        )
        return []
    arrays = [file.array(f"{path}/{name}", *each) for name, each in zip(names, wanted, strict=False)]
    check_optimizer(path, model, arrays)
    return arrays


def _read_names(file: Reader, path: str, attribute: str) -> list[str]:
    """Return the names in an attribute; Keras cuts a long one in pieces, with numbers behind the name."""
    there = file.attributes(path)
    pieces = itertools.takewhile(there.__contains__, (f"{attribute}{i}" for i in itertools.count()))
    return [name for piece in ([attribute] if attribute in there else pieces) for name in file.texts(path, piece)]
