"""A whole model in one file, the .keras format of Keras 3: a zip archive, its members not compressed.

    metadata.json      which Keras' format this is
    config.json        layers, optimizer, loss and metrics: see `npcnn.keras_config`
    model.weights.h5   the weights and the optimizer's state: see `npcnn.keras_weights`
    history.json       what `fit` returned; ours, and ignored by Keras

A file is written whole or not at all. One that is read comes from a stranger: its members are never unpacked to disk,
and before an array is made or a member decompressed, its size is known, and known to be one that the file can fill.
"""

import json
import math
import os
import secrets
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from npcnn import keras_config, keras_weights
from npcnn.errors import FileFormatError
from npcnn.layers import Layer

CONFIG, WEIGHTS, HISTORY, METADATA = "config.json", "model.weights.h5", "history.json", "metadata.json"
KERAS_VERSION = "3.15.1"  # the one these files were compared with

JSON_LIMIT = 8 << 20  # bytes: thousands of layers, tens of thousands of epochs
# HDF5 takes a few KB a layer beside the arrays. Adam with all its options keeps five arrays for each of the model's.
OVERHEAD, COPIES = 64 << 10, 6


def write(model: Any, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Write the model to `path`; `overwrite` says whether a file of that name may be replaced.

    Raises:
        ValueError: the name does not end in ".keras", or such a file cannot hold this model.
        FileExistsError: the file is there and overwrite is False.
        FileNotFoundError: the folder is not there.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"save: the name must end in '.keras', got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"save: {path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"save: {path} is there already, and overwrite is False")
    members = {METADATA: _to_json({"keras_version": KERAS_VERSION}), CONFIG: _to_json(keras_config.write_config(model))}
    if model.history is not None:
        members[HISTORY] = _to_json(_write_history(model.history))
    members[WEIGHTS] = keras_weights.write_weights(model)
    _write_atomically(Path(os.path.realpath(path)), members)  # of a symbolic link, the file behind it


def read(path: str | os.PathLike, sequential: type) -> Any:
    """Return the model in the file at `path`; `sequential` is the class to make it of.

    What only training needs and npcnn has not is left out, with a warning; the model then still predicts.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds what npcnn has not.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"load_model: {path} is a folder, not a .keras file")
    with open(path, "rb") as file:
        try:
            model, obstacle = _read_zip(file, sequential)
        except MemoryError:
            raise
        except Exception as error:  # zipfile, json and HDF5 raise a dozen kinds on damaged files
            reason = str(error) if isinstance(error, ValueError) else f"damaged: {type(error).__name__}: {error}"
            raise FileFormatError(f"{path}: {reason[:1000]}") from error
    if obstacle:
        warnings.warn(f"{path}: {obstacle}. The model can predict; compile it before anything else.", stacklevel=3)
    return model


# ------------------------------------------------------------------ writing


def _write_atomically(path: Path, members: dict[str, bytes]) -> None:
    """Write a zip file beside `path` and put it there once it is safe on disk; leave nothing behind on failure."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name, data in members.items():
                    info = zipfile.ZipInfo(name)  # without the time: equal models make equal files
                    info.external_attr = 0o644 << 16
                    archive.writestr(info, data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write_history(history: Any) -> dict[str, Any]:
    """Return the history in JSON's terms, which have no NaN and no infinity: these become "nan", "inf", "-inf"."""
    values = {name: [v if math.isfinite(v) else str(v) for v in values] for name, values in history.history.items()}
    return {"epoch": history.epoch, "history": values}


def _to_json(value: Any) -> bytes:
    data = json.dumps(value, allow_nan=False).encode()
    if len(data) > JSON_LIMIT:
        raise ValueError(f"save: layers or history would take {len(data):,} bytes, and may take {JSON_LIMIT:,}")
    return data


# ------------------------------------------------------------------ reading


def _read_zip(file: BinaryIO, sequential: type) -> tuple[Any, str | None]:
    """Return the model, and what forbids to compile it, if anything does."""
    if not zipfile.is_zipfile(file):
        raise FileFormatError("damaged, or not a .keras file, which is a zip archive")
    with zipfile.ZipFile(file) as archive:
        config, weights = _read_json(archive, CONFIG), _find(archive, WEIGHTS)
        model = _build(sequential, keras_config.read_config(config), weights.file_size)
        data = _extract(archive, weights)
        keras_weights.read_weights(data, model)
        if HISTORY in archive.namelist():
            model.history = _read_history(_read_json(archive, HISTORY))
    try:
        training = keras_config.read_compile_config(config.get("compile_config"))
    except keras_config.UnsupportedError as error:
        return model, str(error)
    if training:
        model.compile(**training)
        keras_weights.read_optimizer(data, model)
    return model, None


def _build(sequential: type, arguments: dict[str, Any], available: int) -> Any:
    """Return the model with zeros for weights that take no memory, having checked that a file can hold real ones."""

    def claim(layer: Layer, key: str, shape: tuple[int, ...]) -> np.ndarray:
        if math.prod(shape) * np.dtype(layer.dtype).itemsize > available:
            raise layer.error(f"{key} of shape {shape} is not in the {available:,} bytes of {WEIGHTS}")
        return np.broadcast_to(np.zeros((), layer.dtype), shape)  # every element at the same place

    layers = arguments["layers"]
    for layer in layers:
        vars(layer)["_new_parameter"] = lambda key, shape, rng, layer=layer: claim(layer, key, shape)
    model = sequential(**arguments)
    for layer in layers:
        del vars(layer)["_new_parameter"]
    needed = sum(p.nbytes for p in model.params.values())
    limit = COPIES * needed + OVERHEAD * (len(layers) + 1)
    if not needed < available < limit:
        raise FileFormatError(f"{WEIGHTS} has {available:,} bytes; this model needs {needed:,}, and at most {limit:,}")
    return model


def _find(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    found = [info for info in archive.infolist() if info.filename == name]
    if len(found) != 1:
        raise FileFormatError(f"{name} must be there once, is there {len(found)} times")
    if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileFormatError(f"{name} is compressed by method {found[0].compress_type}, must be stored or deflated")
    return found[0]


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return what a member holds: as much as it claims and never more, checked against its CRC-32."""
    with archive.open(info) as file:
        data = file.read(info.file_size)
    if len(data) != info.file_size:
        raise FileFormatError(f"{info.filename} is cut short: {len(data):,} bytes of {info.file_size:,}")
    return data


def _read_json(archive: zipfile.ZipFile, name: str) -> Any:
    """Return what a member says in strict JSON: a key stands once, and a number is neither NaN nor beyond 64 bits."""

    def number(text: str) -> float:
        whole = text.lstrip("-").isdigit()
        if not math.isfinite(float(text)) or (whole and len(text) > 18):
            raise FileFormatError(f"{name} holds the number {text[:100]}")
        return int(text) if whole else float(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise FileFormatError(f"{name} holds an object with the same key twice")
        return dict(pairs)

    info = _find(archive, name)
    if info.file_size > JSON_LIMIT:
        raise FileFormatError(f"{name} claims {info.file_size:,} bytes, may have {JSON_LIMIT:,}")
    text = _extract(archive, info).decode()
    return json.loads(text, object_pairs_hook=unique, parse_int=number, parse_float=number, parse_constant=number)


def _read_history(value: Any) -> Any:
    """Return the History of a history.json."""
    from npcnn.history import History

    def number(value: Any) -> float:
        if type(value) in (int, float) or value in ("nan", "inf", "-inf"):
            return float(value)
        raise FileFormatError(f"{HISTORY} must hold numbers, got {value!r}")

    try:
        history = History()
        history.epoch = [int(number(epoch)) for epoch in value["epoch"]]
        history.history = {name: [number(v) for v in values] for name, values in value["history"].items()}
    except (AttributeError, KeyError, TypeError, OverflowError):
        raise FileFormatError(f'{HISTORY} must be like {{"epoch": [0], "history": {{"loss": [0.5]}}}}') from None
    if any(len(values) != len(history.epoch) for values in history.history.values()):
        raise FileFormatError(f"{HISTORY} must hold one value for each of its {len(history.epoch)} epochs")
    return history
