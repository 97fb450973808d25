"""Models and weights in the formats of Keras; this file has what `Sequential` and `load_model` call.

A .keras file, Keras 3's own, is a zip archive, its members not compressed:

    metadata.json      which version of Keras' format this is
    config.json        layers, optimizer, loss and metrics: see `config.py`
    model.weights.h5   the weights and the optimizer's state: see `weights.py`
    npcnn.json         kernels, threads and random numbers; like the next, ours and ignored by Keras
    history.json       what `fit` returned; JSON has no NaN and no infinity, so these become "nan", "inf" and "-inf"

A .weights.h5 file is such a model.weights.h5 alone, and `to_json` such a config.json. An .h5 file without "weights" in
its name is Keras 2's form of both together: see `legacy.py`.

A file is written whole or not at all; a model that it cannot hold is a ValueError before anything is written.

One that is read may come from a stranger. Its members are never unpacked to disk, and before an array is made or a
member decompressed, its size is checked against what the file can hold: see `archive.py` for JSON, `hdf5.py` for the
arrays, `weights.build` for layers and what they take for one image. Whatever is wrong ends in a FileFormatError, which
says what, and in `read` gets the name of the file.
"""

import contextlib
import json
import math
import os
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from npcnn.checks import check_count
from npcnn.errors import FileFormatError
from npcnn.history import History
from npcnn.keras_format import config, legacy, weights
from npcnn.keras_format.archive import (
    find,
    parse_json,
    read_json,
    read_member,
    short,
    to_archive,
    to_json,
    write_file,
)
from npcnn.keras_format.hdf5 import Reader
from npcnn.kernels import check_rung

KERAS_VERSION = "3.15.1"  # the one these files were compared with
WEIGHTS = "model.weights.h5"
LEGACY = (".h5", ".hdf5")

# The state of PCG64, NumPy's generator: state, inc (an odd number), has_uint32 and uinteger, in hexadecimal digits. It
# is null for a model with seed=None, which starts anew each time.
RNG_STATE = re.compile("[0-9a-f]{32} [0-9a-f]{31}[13579bdf] [01] [0-9a-f]{8}")


def write(model: Any, path: str | os.PathLike, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Write the model to `path`: see `npcnn.Sequential.save`."""
    path = _check_place("save", path, overwrite, ".keras", *LEGACY)
    if path.suffix in LEGACY:
        warnings.warn(f"{path}: this is Keras' older format; '.keras' is the one it recommends", stacklevel=3)
        write_file(path, legacy.write_model(model, KERAS_VERSION, include_optimizer))
        return
    description = config.write_model(model, include_optimizer)
    members = {"metadata.json": {"keras_version": KERAS_VERSION}, "config.json": description}
    members["npcnn.json"] = _write_settings(model)
    if model.history is not None:
        members["history.json"] = _write_history(model.history)
    contents = {name: to_json(value) for name, value in members.items()}
    contents["model.weights.h5"] = weights.write_weights(model, include_optimizer)
    write_file(path, to_archive(contents))


def write_weights(model: Any, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Write the model's weights to `path`: see `npcnn.Sequential.save_weights`."""
    write_file(_check_place("save_weights", path, overwrite, ".weights.h5"), weights.write_weights(model))


def _check_place(method: str, path: str | os.PathLike, overwrite: bool, *endings: str) -> Path:
    """Return where to write to."""
    path = Path(path)
    if not path.name.endswith(endings):
        raise ValueError(f"{method}: the name must end in {' or '.join(map(repr, endings))}, got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"{method}: {path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{method}: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{method}: {path} exists, and overwrite is False")
    return path


def read(path: str | os.PathLike, sequential: type, compiled: bool = True, **given: Any) -> Any:
    """Return the model in the file at `path`, an object of class `sequential`: see `npcnn.load_model`.

    The arguments `given` take the place of those in the file. What only training needs and npcnn lacks is left out,
    with a warning: the model can still predict. Unless it is to be `compiled`, how to train it is not read at all.
    """
    lacks = config.Lacks()
    with _open("load_model", path) as file:
        model = (_read_legacy if _is_hdf5(file) else _read_archive)(file, sequential, compiled, given, lacks)
    _warn(path, lacks, stacklevel=4)  # at the line that calls load_model
    return model


def read_weights(model: Any, path: str | os.PathLike) -> None:
    """Replace the model's weights by those in the file at `path`: see `npcnn.Sequential.load_weights`."""
    lacks, state = config.Lacks(), list[Any]()
    with _open("load_weights", path) as file:
        in_archive = not _is_hdf5(file)
        if in_archive:
            archive, needed = zipfile.ZipFile(file), sum(array.nbytes for array in model.get_weights())
            if (size := find(archive, WEIGHTS).file_size) > (limit := weights.most_bytes(needed, model.layers)):
                raise FileFormatError(f"{WEIGHTS} has {size:,} bytes; for this model, {limit:,} are enough")
            data = read_member(archive, WEIGHTS)
        else:
            data = file.read()
        h5 = Reader(data)
        if not in_archive and legacy.is_legacy(h5):
            pairs = legacy.read_layers(h5, model.layers)
        else:
            pairs = weights.read_layers(h5, model.layers, np.float32, np.float64)
            try:
                state = weights.read_optimizer(h5, model, lacks)
            except FileFormatError as error:
                lacks.harmless.append(f"{error}. The weights are loaded, and the optimizer stays as it is")
        weights.restore(model, pairs, state)
    _warn(path, lacks, stacklevel=4)


def model_to_json(model: Any, **arguments: Any) -> str:
    """Return the description of a model: see `npcnn.Sequential.to_json`."""
    return json.dumps(config.write_model(model), allow_nan=False, **arguments)


def model_from_json(json_string: str, sequential: type) -> Any:
    """Return the model that a text describes, an object of class `sequential`: see `npcnn.model.model_from_json`."""
    lacks = config.Lacks()
    with _one_error("model_from_json"):
        if not isinstance(json_string, str):
            raise FileFormatError(f"json_string must be a string, got {type(json_string).__name__}")
        description = parse_json("json_string", json_string)
        model = sequential(**config.read_config(description, lacks, sequential, must_build=False))
        _compile(model, description.get("compile_config"), lacks)
    _warn("model_from_json", lacks, stacklevel=4)
    return model


def arguments_in(description: dict[str, Any], sequential: type) -> Any:
    """Return the arguments of the model that `Sequential.get_config` described."""
    lacks = config.Lacks()
    described = config.describe("keras", "Sequential", description)
    with _one_error("from_config"):
        arguments = config.read_config(described, lacks, sequential, must_build=False)
    _warn("from_config", lacks, stacklevel=4)
    return arguments


def _read_archive(file: BinaryIO, sequential: type, compiled: bool, given: dict[str, Any], lacks: config.Lacks) -> Any:
    """Return the model in a .keras file; add to `lacks` what it lacks."""
    with zipfile.ZipFile(file) as archive:
        names, description = archive.namelist(), read_json(archive, "config.json")
        ours = "npcnn.json" in names  # else Keras wrote the file
        settings, rng_state = _read_settings(read_json(archive, "npcnn.json")) if ours else ({}, None)
        arguments = config.read_config(description, lacks, sequential, **_kernels(settings | given))
        rung = (settings | given).get("kernels")
        weights.build(arguments["layers"], find(archive, WEIGHTS).file_size, WEIGHTS, rung)
        model = sequential(**{"seed": None, **arguments, **settings, **given})
        if rng_state and "seed" not in given:
            model.rng.bit_generator.state, model.seeded = rng_state, True
        if "history.json" in names:
            model.history = _read_history(read_json(archive, "history.json"))
        if compiled:
            _compile(model, description.get("compile_config"), lacks)
        h5 = Reader(read_member(archive, WEIGHTS))
        weights.restore(model, weights.read_layers(h5, model.layers), weights.read_optimizer(h5, model, lacks))
    return model


def _read_legacy(file: BinaryIO, sequential: type, compiled: bool, given: dict[str, Any], lacks: config.Lacks) -> Any:
    """Return the model in an older .h5 file; add to `lacks` what it lacks."""
    h5 = Reader(file.read())
    description, training = legacy.read_descriptions(h5)
    arguments = config.read_config(description, lacks, sequential, **_kernels(given))
    weights.build(arguments["layers"], os.fstat(file.fileno()).st_size, "the file", given.get("kernels"), alone=False)
    model = sequential(**{"seed": None, **arguments, **given})
    if compiled:
        _compile(model, training, lacks)
    pairs = legacy.read_layers(h5, model.layers, "model_weights")
    weights.restore(model, pairs, legacy.read_optimizer(h5, model, lacks))
    return model


def _kernels(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what the settings say of kernels: models within the model take the same."""
    return {key: value for key, value in settings.items() if key == "kernels"}


def _compile(model: Any, description: Any, lacks: config.Lacks) -> None:
    """Compile the model as described, unless it lacks something that matters to training."""
    try:
        training = config.read_compile_config(description)
    except config.UnsupportedError as error:
        lacks.training.append(str(error))
    if lacks.training:
        reasons = "; ".join(lacks.training)
        lacks.harmless.append(f"{reasons}. The model can predict; compile it before you train or evaluate it.")
    elif training:
        model.compile(**training)


def _is_hdf5(file: BinaryIO) -> bool:
    """Whether it begins as an HDF5 file does."""
    start = file.read(8)
    file.seek(0)
    return start == b"\x89HDF\r\n\x1a\n"


@contextlib.contextmanager
def _open(method: str, path: str | os.PathLike) -> Iterator[BinaryIO]:
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{method}: {path} is a folder, not a file of Keras'")
    if path.exists() and not path.is_file():
        raise FileFormatError(f"{path}: {method} takes a file, this is a device or a pipe")
    with open(path, "rb") as file, _one_error(str(path)):
        yield file


@contextlib.contextmanager
def _one_error(source: str) -> Iterator[None]:
    """Turn every error into one that names its source."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # zipfile, json and HDF5 raise a dozen kinds on damaged files
        damage = f"not a .keras or .h5 file, or damaged: {type(error).__name__}: {error}"
        reason = str(error) if isinstance(error, ValueError) else damage
        raise FileFormatError(f"{source}: {reason[:1000]}") from error


def _warn(source: str | os.PathLike, lacks: config.Lacks, stacklevel: int) -> None:
    for sentence in lacks.harmless:
        warnings.warn(f"{source}: {sentence}", stacklevel=stacklevel)


# ------------------------------------------------------------------ npcnn.json and history.json


def _write_settings(model: Any) -> dict[str, Any]:
    """Return what npcnn.json says."""
    state = model.rng.bit_generator.state
    numbers = {**state, **state["state"]}
    rng_state = "{state:032x} {inc:032x} {has_uint32:x} {uinteger:08x}".format(**numbers) if model.seeded else None
    return {"kernels": model.kernels, "threads": model.threads, "rng_state": rng_state}


def _read_settings(value: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the arguments of `Sequential` in an npcnn.json, and the state of the random numbers, in NumPy's form."""
    if not isinstance(value, dict) or value.keys() != {"kernels", "threads", "rng_state"}:
        raise FileFormatError(f"npcnn.json must hold kernels, threads and rng_state, got {short(value)}")
    rng_state = value.pop("rng_state")
    check_rung(value["kernels"], "npcnn.json")
    if value["threads"] is not None:
        check_count("npcnn.json: threads", value["threads"])
    if rng_state is None:
        return value, None
    if not isinstance(rng_state, str) or not RNG_STATE.fullmatch(rng_state):
        wanted = "hexadecimal numbers of 32, 32, 1 and 8 digits, the second of them odd"
        raise FileFormatError(f"npcnn.json: rng_state must be {wanted}, got {short(rng_state)}")
    state, inc, has_uint32, uinteger = (int(number, 16) for number in rng_state.split())
    numbers = {"state": {"state": state, "inc": inc}, "has_uint32": has_uint32, "uinteger": uinteger}
    return value, {"bit_generator": "PCG64", **numbers}


def _write_history(history: History) -> dict[str, Any]:
    """Return what history.json says."""
    values = {name: [v if math.isfinite(v) else str(v) for v in values] for name, values in history.history.items()}
    return {"epoch": history.epoch, "history": values, "interrupted": history.interrupted}


def _read_history(value: Any) -> History:
    """Return the history in a history.json."""

    def number(value: Any) -> float:
        if type(value) in (int, float) or value in ("nan", "inf", "-inf"):
            return float(value)
        raise ValueError

    history = History()
    try:
        history.epoch = [int(number(epoch)) for epoch in value["epoch"]]
        history.history.update((name, [number(v) for v in values]) for name, values in value["history"].items())
        history.interrupted = value.get("interrupted", False)
        lengths = {len(values) for values in history.history.values()}
        if not lengths <= {len(history.epoch)} or not isinstance(history.interrupted, bool):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        form = '{"epoch": [0], "history": {"loss": [0.5]}}, with one value for each epoch'
        raise FileFormatError(f"history.json must be like {form}; got {short(value)}") from None
    return history
