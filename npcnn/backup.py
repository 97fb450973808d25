"""All that decides how a training goes on, in a file and back: for the callback `BackupAndRestore`.

The file is an .npz of NumPy's: the arrays arr_0, arr_1, ..., and in `state` a text in JSON, in which {"array": 0}
stands for the first of them. It is written whole or not at all. Unlike a .keras file, it is none to take from a
stranger: no code in it is run, but its sizes are believed.
"""

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npcnn.errors import FileFormatError
from npcnn.history import History, Record
from npcnn.layers.dropout import Dropout
from npcnn.optimizers import Optimizer

VERSION = 3  # of the form of the file


@dataclass
class Place:
    """How far `fit` has come.

    Where an epoch's examples are in a new order, that is not kept but drawn anew: from `start`, the state of the random
    numbers when the pass over the data began (`random_state` of the batches).
    """

    rng: np.random.Generator  # of the order and Dropout
    epoch: int  # that is at hand, counted from 0
    totals: np.ndarray  # what `Plan.score` returned, summed over the epoch's steps
    step: int = 0  # how many steps of the epoch were taken
    start: Any = None
    taken: int = 0  # how many batches of that pass
    data: str = ""  # `summary` of the batches


def check_optimizer(optimizer: Any) -> None:
    """Refuse one of which nobody knows what it remembers."""
    if not isinstance(optimizer, Optimizer):
        wanted = "one from npcnn.optimizers, or a subclass of Optimizer there"
        raise ValueError(f"BackupAndRestore: the optimizer must be {wanted}; got {type(optimizer).__name__}")


def state_of(model: Any, callbacks: Sequence[Any]) -> dict[str, Any]:
    """Return the state of the training that the model is in."""
    place, optimizer = model.place, model.optimizer
    return {
        "version": VERSION,
        "place": {key: value for key, value in vars(place).items() if key != "rng"},
        "rng": place.rng.bit_generator.state,
        "model.rng": model.rng.bit_generator.state,
        "weights": model.variables,
        "dropout": [layer.steps for layer in dropouts(model)],
        "optimizer": type(optimizer).__name__,
        "iterations": optimizer.iterations,
        "learning_rate": None if optimizer.is_scheduled else optimizer.learning_rate,
        "slots": optimizer.slots,
        "callbacks": {
            key: {name: getattr(callback, name) for name in callback.remembers}
            for key, callback in remembering(callbacks).items()
        },
        "stop_training": model.stop_training,
    }


def put_back(state: dict[str, Any], model: Any, callbacks: Sequence[Any]) -> None:
    """Bring the model, and the training that it is in, into a state.

    Raises:
        ValueError: it is that of another model; nothing is changed then.
    """
    there, here = (
        {
            "optimizer": of["optimizer"],
            **{key: f"{w.dtype} {w.shape}" for key, w in of["weights"].items()},
            "learning rate": "from a schedule" if of["learning_rate"] is None else "a number",
            "Dropout layers": len(of["dropout"]),
            "random numbers": ", ".join(of[key]["bit_generator"] for key in ("rng", "model.rng")),
            "data": of["place"]["data"],
        }
        for of in (state, state_of(model, ()))
    )
    for key in {**there, **here}:
        if there.get(key) != here.get(key):
            both = f"the backup has {key}: {there.get(key, 'none')}, this training: {here.get(key, 'none')}"
            raise ValueError(f"{both}; remove the backup to start anew, and give each fit a folder of its own")
    for key, w in model.variables.items():
        w[...] = state["weights"][key]
    for layer, steps in zip(dropouts(model), state["dropout"], strict=True):
        layer.steps[...] = steps
    optimizer = model.optimizer
    optimizer.iterations, optimizer.slots = state["iterations"], state["slots"]
    if not optimizer.is_scheduled:
        optimizer.learning_rate = state["learning_rate"]
    stopped = False
    for key, callback in remembering(callbacks).items():
        vars(callback).update(state["callbacks"].get(key, {}))
        stopped |= bool(getattr(callback, "stopped_epoch", 0))
        if isinstance(callback, History):
            callback.history = Record(callback.history)
    vars(model.place).update(state["place"])
    model.rng.bit_generator.state = state["model.rng"]
    model.place.rng.bit_generator.state = state["rng"]
    # Another callback that has stopped the training, as one that looks at the clock, may do so again.
    model.stop_training = state["stop_training"] and stopped


def dropouts(model: Any) -> list[Dropout]:
    """Return the layers that count their steps, which those with a seed of their own draw by."""
    return [inner for layer in model.layers for inner in layer.in_line() if isinstance(inner, Dropout)]


def remembering(callbacks: Sequence[Any]) -> dict[str, Any]:
    """Return the callbacks whose state is kept, each under its class and its number among those of the class."""
    kinds = [type(callback).__name__ for callback in callbacks]
    named = {f"{kind} {kinds[:i].count(kind)}": callbacks[i] for i, kind in enumerate(kinds)}
    return {name: callback for name, callback in named.items() if getattr(callback, "remembers", ())}


def write(path: Path, state: dict[str, Any]) -> None:
    """Write a state, whose arrays may stand anywhere in it, to a file."""
    from npcnn.keras_format.archive import write_file

    arrays: list[np.ndarray] = []

    def in_json(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, np.ndarray) or value.dtype.hasobject:
            raise TypeError(f"BackupAndRestore: numbers, strings, lists and arrays can be kept, not {value!r}")
        arrays.append(value)
        return {"array": len(arrays) - 1}

    check_keys(state)
    text, buffer = json.dumps(state, default=in_json), io.BytesIO()
    np.savez(buffer, *arrays, state=np.frombuffer(text.encode(), np.uint8))
    write_file(path, buffer.getvalue())


def check_keys(value: Any) -> None:
    """Refuse dictionaries whose keys JSON would turn into text."""
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"BackupAndRestore: the keys of a dictionary that is kept must be strings, got {odd[0]!r}")
        value = list(value.values())
    for inner in value if isinstance(value, list | tuple) else ():
        check_keys(inner)


def read(path: Path) -> dict[str, Any]:
    """Return the state in a file.

    Raises:
        FileFormatError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            state = json.loads(
                file["state"].tobytes(),
                object_hook=lambda found: file[f"arr_{found['array']}"] if found.keys() == {"array"} else found,
            )
        if state["version"] != VERSION:
            raise ValueError(f"it is of version {state['version']}, not {VERSION}")
        return state
    except OSError:
        raise
    except Exception as error:  # zipfile, NumPy and json raise a dozen kinds on damaged files
        raise FileFormatError(f"{path}: no backup, or damaged; remove it to start anew: {error}") from error


def remove(path: Path) -> None:
    """Remove a backup, what saves that were killed left beside it, and the folder if that makes it empty."""
    from npcnn.keras_format.archive import remove_unfinished

    path.unlink(missing_ok=True)
    remove_unfinished(path.parent)
    with contextlib.suppress(OSError):  # it is not empty, or not ours to remove
        path.parent.rmdir()
