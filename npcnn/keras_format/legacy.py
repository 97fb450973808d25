"""An .h5 file as Keras 2 wrote it, and Keras 3 still does on request: one HDF5 file for a whole model, or its weights.

    attribute model_config       the layers, in JSON: see `config.py`
    attribute training_config    loss, metrics and optimizer, in JSON
    model_weights                its attribute layer_names lists the groups in it, layer by layer
    model_weights/conv2d         its attribute weight_names lists the arrays in it: kernel, bias, ...
    optimizer_weights            the same for the optimizer's state; ours stands in npcnn_optimizer_weights, as Keras
                                 3.15 cannot train a model for which it finds it here

A file of weights alone begins with what stands in model_weights. Groups and arrays are matched by their order, not by
their names.

Beside what `weights.py` has to say of HDF5: a thousand names of one attribute may all refer to the same megabytes. So
before any is read, it is known how long the longest text in the file can be.
"""

import io
import itertools
import math
import mmap
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import h5py
import numpy as np

from npcnn.errors import FileFormatError
from npcnn.keras_format.archive import parse_json, to_json
from npcnn.keras_format.config import Lacks
from npcnn.keras_format.config import write_model as describe_model
from npcnn.keras_format.weights import (
    Pairs,
    check_finite,
    check_steps,
    find,
    optimizer_arrays,
    optimizer_shapes,
    read_array,
)
from npcnn.layers import Layer

TEXT_LIMIT = 16 << 20  # bytes that the texts of one attribute may take together
OUR_OPTIMIZER = "npcnn_optimizer_weights"
HEAP = b"GCOL"  # what a heap of texts begins with in HDF5; version, three zeros and its size in 8 bytes follow


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


def is_legacy(file: h5py.File) -> bool:
    """Whether the file is of this form, rather than Keras 3's."""
    return bool({"layer_names", "layer_names0"} & file.attrs.keys()) or "model_weights" in file


def read_descriptions(h5: h5py.File, file: BinaryIO) -> tuple[Any, Any]:
    """Return the description of the model, and of how it is trained, in Keras 3's form; None if it is not."""
    if "model_config" not in h5.attrs:
        raise FileFormatError("there is no model in it (no model_config); for weights alone, use model.load_weights")
    (text,) = _read_texts(h5, "model_config", file)
    training = None
    if "training_config" in h5.attrs:
        (training,) = (parse_json("training_config", text) for text in _read_texts(h5, "training_config", file))
        if isinstance(training, dict) and "optimizer_config" in training:
            training["optimizer"] = training.pop("optimizer_config")
    return parse_json("model_config", text), training


def read_layers(h5: h5py.File, file: BinaryIO, layers: Sequence[Layer], path: str = "") -> Pairs:
    """Return every array of the layers, with the one in the file that is to take its place."""
    path = path or ("model_weights" if "model_weights" in h5 else "")
    prefix = f"{path}/" if path else ""
    root = find(h5, path, h5py.Group, "a group of layers") if path else h5
    names = {name: _names_in(h5, f"{prefix}{name}", file) for name in _read_names(root, "layer_names", file)}
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
            pairs.append((array, read_array(h5, f"{prefix}{name}/{place}", array.shape, *types)))
    return pairs


def read_optimizer(h5: h5py.File, file: BinaryIO, model: Any, lacks: Lacks) -> list[Any]:
    """Return what the file has of the optimizer's state, in the order of `weights.optimizer_arrays`."""
    path = OUR_OPTIMIZER if OUR_OPTIMIZER in h5 else "optimizer_weights"
    if not model.optimizer or path not in h5:
        return []
    names, wanted = _names_in(h5, path, file), optimizer_shapes(model)
    if len(names) not in (2, len(wanted)) or "learning_rate" not in names[1]:  # 2: compiled, but not trained
        lacks.harmless.append(
            "the optimizer's state is in the order of Keras before 2.11, and the optimizer starts anew"
        )
        return []
    arrays = [read_array(h5, f"{path}/{name}", *each) for name, each in zip(names, wanted, strict=False)]
    check_steps(path, *arrays[: 1 if model.optimizer.is_scheduled else 2])
    return arrays


def _names_in(h5: h5py.File, path: str, file: BinaryIO) -> list[str]:
    return list(_read_names(find(h5, path, h5py.Group, "a group of arrays"), "weight_names", file))


def _read_names(group: h5py.Group, attribute: str, file: BinaryIO) -> Iterator[str]:
    """Yield the names in an attribute; Keras cuts a long one in pieces, with numbers behind the name."""
    if attribute in group.attrs:
        yield from _read_texts(group, attribute, file)
        return
    for i in itertools.count():
        if f"{attribute}{i}" not in group.attrs:
            return
        yield from _read_texts(group, f"{attribute}{i}", file)


def _read_texts(item: h5py.Group, attribute: str, file: BinaryIO) -> list[str]:
    """Return the texts in an attribute, once it is known that they are not too long."""
    which = h5py.h5a.open(item.id, attribute.encode())
    kind, shape = which.get_type(), which.shape
    if shape == (0,):  # of no type in particular
        return []
    if not isinstance(kind, h5py.h5t.TypeStringID) or shape is None or len(shape) > 1:
        raise FileFormatError(f"the attribute {attribute} must hold text")
    longest = _longest_text(file) if kind.is_variable_str() else kind.get_size()
    if (count := math.prod(shape)) * longest > TEXT_LIMIT:
        raise FileFormatError(f"the attribute {attribute} claims {count:,} texts of up to {longest:,} bytes")
    texts = np.atleast_1d(item.attrs[attribute]).tolist()
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]


def _longest_text(file: BinaryIO) -> int:
    """Return the size of the largest heap of texts in an HDF5 file."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        longest, at = 0, data.find(HEAP)
        while at >= 0:
            longest = max(longest, int.from_bytes(data[at + 8 : at + 16], "little"))
            at = data.find(HEAP, at + 1)
        return min(longest, len(data))
