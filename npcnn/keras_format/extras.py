"""The member of a .keras file that Keras does not know.

history.json holds what `fit` returned; JSON has no NaN and no infinity, so these become "nan", "inf" and "-inf".
"""

import math
from typing import Any

from npcnn.errors import FileFormatError
from npcnn.history import History
from npcnn.keras_format.archive import short


def write_history(history: History) -> dict[str, Any]:
    """Return what history.json says."""
    values = {name: [v if math.isfinite(v) else str(v) for v in values] for name, values in history.history.items()}
    return {"epoch": history.epoch, "history": values}


def read_history(value: Any) -> History:
    """Return the history in a history.json."""

    def number(value: Any) -> float:
        if type(value) in (int, float) or value in ("nan", "inf", "-inf"):
            return float(value)
        raise ValueError

    history = History()
    try:
        history.epoch = [int(number(epoch)) for epoch in value["epoch"]]
        history.history = {name: [number(v) for v in values] for name, values in value["history"].items()}
        if any(len(values) != len(history.epoch) for values in history.history.values()):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        form = '{"epoch": [0], "history": {"loss": [0.5]}}, with one value for each epoch'
        raise FileFormatError(f"history.json must be like {form}; got {short(value)}") from None
    return history
