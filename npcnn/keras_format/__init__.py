"""A whole model in one file, in the .keras format of Keras 3: a zip archive, its members not compressed.

    metadata.json      which version of Keras' format this is
    config.json        layers, optimizer, loss and metrics: see `config.py`
    model.weights.h5   the weights and the optimizer's state: see `weights.py`
    npcnn.json         kernels, threads and random numbers; like the next, ours and ignored by Keras: see `extras.py`
    history.json       what `fit` returned

A file is written whole or not at all; a model that it cannot hold is a ValueError before anything is written.

One that is read may come from a stranger. Its members are never unpacked to disk, and before an array is made or a
member decompressed, its size is checked against what the file can hold. Whatever is wrong ends in a
FileFormatError, which says what, and in `read` gets the name of the file.
"""

import os
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from npcnn.errors import FileFormatError
from npcnn.keras_format import config, extras, weights
from npcnn.keras_format.archive import find, read_json, read_member, to_json, write_archive

KERAS_VERSION = "3.15.1"  # the one these files were compared with


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
    members["npcnn.json"] = extras.write_settings(model)
    if model.history is not None:
        members["history.json"] = extras.write_history(model.history)
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
        settings, rng_state = extras.read_settings(read_json(archive, "npcnn.json")) if ours else ({}, None)
        weights.build(arguments["layers"], find(archive, "model.weights.h5").file_size)
        model = sequential(**{"seed": None, **arguments, **settings, **given})
        if rng_state and "seed" not in given:
            model.rng.bit_generator.state, model.seeded = rng_state, True
        if "history.json" in names:
            model.history = extras.read_history(read_json(archive, "history.json"))
        try:
            if training := config.read_compile_config(description.get("compile_config")):
                model.compile(**training)
        except config.UnsupportedError as error:
            notes.append(f"{error}. The model can predict; compile it before you train or evaluate it.")
        weights.read_weights(read_member(archive, "model.weights.h5"), model)
    return model
