"""A whole model in one file, in the .keras format of Keras 3: a zip archive, its members not compressed.

    metadata.json      which version of Keras' format this is
    config.json        layers, optimizer, loss and metrics: see `config.py`
    model.weights.h5   the weights and the optimizer's state: see `weights.py`
    npcnn.json         kernels, threads and random numbers; like the next, ours and ignored by Keras
    history.json       what `fit` returned; JSON has no NaN and no infinity, so these become "nan", "inf" and "-inf"

A file is written whole or not at all; a model that it cannot hold is a ValueError before anything is written.

One that is read may come from a stranger. Its members are never unpacked to disk, and before an array is made or a
member decompressed, its size is checked against what the file can hold. Whatever is wrong ends in a
FileFormatError, which says what, and in `read` gets the name of the file.
"""

import math
import os
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from npcnn.checks import check_count
from npcnn.errors import FileFormatError
from npcnn.history import History
from npcnn.keras_format import config, weights
from npcnn.keras_format.archive import find, read_json, read_member, short, to_json, write_archive
from npcnn.kernels import check_rung

KERAS_VERSION = "3.15.1"  # the one these files were compared with

# The state of PCG64, NumPy's generator: state, inc (an odd number), has_uint32 and uinteger, in hexadecimal digits. It
# is null for a model with seed=None, which starts anew each time.
RNG_STATE = re.compile("[0-9a-f]{32} [0-9a-f]{31}[13579bdf] [01] [0-9a-f]{8}")


def write(model: Any, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Write the model to `path`: see `npcnn.Sequential.save`."""
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"save: the name must end in '.keras', got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"save: {path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save: there is no folder {path.parent}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"save: {path} exists, and overwrite is False")
    members = {"metadata.json": {"keras_version": KERAS_VERSION}, "config.json": config.write_config(model)}
    members["npcnn.json"] = _write_settings(model)
    if model.history is not None:
        members["history.json"] = _write_history(model.history)
    contents = {name: to_json(value) for name, value in members.items()}
    contents["model.weights.h5"] = weights.write_weights(model)
    write_archive(Path(os.path.realpath(path)), contents)  # of a symbolic link, the file behind it


def read(path: str | os.PathLike, sequential: type, **given: Any) -> Any:
    """Return the model in the file at `path`, an object of class `sequential`: see `npcnn.load_model`.

    The arguments `given` take the place of those in the file. What only training needs and npcnn lacks is left out,
    with a warning: the model can still predict.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"load_model: {path} is a folder, not a .keras file")
    notes: list[str] = []
    with open(path, "rb") as file:
        try:
            model = _read(file, sequential, given, notes)
        except MemoryError:
            raise
        except Exception as error:  # zipfile, json and HDF5 raise a dozen kinds on damaged files
            damage = f"not a .keras file, or damaged: {type(error).__name__}: {error}"
            reason = str(error) if isinstance(error, ValueError) else damage
            raise FileFormatError(f"{path}: {reason[:1000]}") from error
    for note in notes:
        warnings.warn(f"{path}: {note}", stacklevel=3)  # at the line that calls load_model
    return model


def _read(file: BinaryIO, sequential: type, given: dict[str, Any], notes: list[str]) -> Any:
    """Return the model; add to `notes` what it lacks."""
    with zipfile.ZipFile(file) as archive:
        names, description = archive.namelist(), read_json(archive, "config.json")
        arguments = config.read_config(description, notes)
        ours = "npcnn.json" in names  # else Keras wrote the file
        settings, rng_state = _read_settings(read_json(archive, "npcnn.json")) if ours else ({}, None)
        weights.build(arguments["layers"], find(archive, "model.weights.h5").file_size)
        model = sequential(**{"seed": None, **arguments, **settings, **given})
        if rng_state and "seed" not in given:
            model.rng.bit_generator.state, model.seeded = rng_state, True
        if "history.json" in names:
            model.history = _read_history(read_json(archive, "history.json"))
        try:
            if training := config.read_compile_config(description.get("compile_config")):
                model.compile(**training)
        except config.UnsupportedError as error:
            notes.append(f"{error}. The model can predict; compile it before you train or evaluate it.")
        weights.read_weights(read_member(archive, "model.weights.h5"), model)
    return model


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
        history.history = {name: [number(v) for v in values] for name, values in value["history"].items()}
        history.interrupted = value.get("interrupted", False)
        lengths = {len(values) for values in history.history.values()}
        if not lengths <= {len(history.epoch)} or not isinstance(history.interrupted, bool):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        form = '{"epoch": [0], "history": {"loss": [0.5]}}, with one value for each epoch'
        raise FileFormatError(f"history.json must be like {form}; got {short(value)}") from None
    return history
