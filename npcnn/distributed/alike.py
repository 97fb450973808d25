"""Whether all ranks train the same model on the same data, and have the same weights."""

import zlib
from typing import Any

import npcnn
from npcnn.distributed.ranks import START, Ranks
from npcnn.optimizers import Optimizer


def check_alike(ranks: Ranks, model: Any, facts: dict[str, Any] | None = None) -> None:
    """Refuse to train where ranks have different models, data or versions.

    `facts`, when `fit` begins, are what it was given. In every epoch it is looked whether callbacks, which run on rank
    0, have changed what `share` does not bring to all ranks.

    Raises:
        ValueError: they have; on all ranks.
        TypeError: nobody knows what the optimizer remembers.
    """
    if ranks.size == 1:
        return
    if not isinstance(model.optimizer, Optimizer):
        kind = type(model.optimizer).__name__
        raise TypeError(f"fit: with several ranks, the optimizer must be one of npcnn.optimizers, got {kind}")
    if facts is not None:
        ranks.place, ranks.interrupted = START, False
        rate = "from a schedule" if model.optimizer.is_scheduled else float(model.optimizer.learning_rate)
        facts = {**facts, "learning rate": rate}
    layers = [inner for layer in model.layers for inner in layer.in_line()]
    mine = {
        "version of npcnn": npcnn.__version__,
        **{f"layer {i}": settings(layer) for i, layer in enumerate(layers)},
        **{key: settings(getattr(model, key)) for key in ("optimizer", "loss")},
        "metrics": [metric.name for metric in model.metrics],
        **(facts or {}),
    }
    found = ranks.all_of(mine)
    for name, theirs in zip(ranks.names, found, strict=True):
        for key in {**found[0], **theirs}:
            there, here = theirs.get(key, "none"), found[0].get(key, "none")
            if isinstance(there, dict) and isinstance(here, dict):
                there, here = without(there, here), without(here, there)
            if there != here:
                raise ValueError(f"fit: {name} has another {key}: {there}; rank 0 has {here}")


def settings(thing: Any) -> dict[str, Any]:
    """Return of what class something is, its arguments, and the shapes of its parameters."""
    try:
        config = thing.get_config()
    except Exception:  # one of a user's own need have none, or a function in it has no name
        config = vars(thing)
    # Names are counted in each program; `share` brings rank 0's learning rate and count of steps to all.
    found = {key: plain(value) for key, value in config.items() if key not in ("name", "learning_rate", "iterations")}
    shapes = {key: w.shape for key, w in getattr(thing, "params", {}).items()}
    return {"class": type(thing).__name__, **found, **shapes}


def plain(value: Any) -> Any:
    """Return value as something that can be compared and read."""
    if isinstance(value, int | float | str | tuple | None):
        return value
    return settings(value) if hasattr(value, "get_config") else f"{type(value).__name__}"


def without(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of one that the other has not alike."""
    return {key: value for key, value in one.items() if other.get(key) != value}


def check_weights(ranks: Ranks, model: Any) -> None:
    """Refuse to go on where weights are no longer the same on all ranks, to the bit.

    Raises:
        RuntimeError: they are not; on all ranks.
    """
    if ranks.size == 1:
        return
    found = ranks.all_of({key: zlib.crc32(w.tobytes()) for key, w in model.variables.items()})
    for key in found[0]:
        if any(other[key] != found[0][key] for other in found):
            cause = "callbacks run on rank 0 alone, and may change weights at the end of an epoch, not within it"
            raise RuntimeError(f"fit: {key} is no longer the same on all ranks; {cause}")
