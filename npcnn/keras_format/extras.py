"""The two members of a .keras file that Keras does not know.

npcnn.json holds the model's kernels, its threads and the state of its random numbers, which is null for a model with
seed=None: that one starts anew each time. history.json holds what `fit` returned; JSON has no NaN and no infinity, so
these become "nan", "inf" and "-inf".
"""

import math
import re
from reprlib import repr as short
from typing import Any

from npcnn.checks import check_count
from npcnn.errors import FileFormatError
from npcnn.history import History
from npcnn.kernels import check_rung

# The state of PCG64, NumPy's generator: state, inc (an odd number), has_uint32 and uinteger, in hexadecimal digits.
RNG_STATE = re.compile("[0-9a-f]{32} [0-9a-f]{31}[13579bdf] [01] [0-9a-f]{8}")


def write_settings(model: Any) -> dict[str, Any]:
    """Return what npcnn.json says."""
    state = model.rng.bit_generator.state
    numbers = {**state, **state["state"]}
    rng_state = "{state:032x} {inc:032x} {has_uint32:x} {uinteger:08x}".format(**numbers) if model.seeded else None
    return {"kernels": model.kernels, "threads": model.threads, "rng_state": rng_state}


def read_settings(value: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
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


def write_history(history: History) -> dict[str, Any]:
    """Return what history.json says."""
    values = {name: [v if math.isfinite(v) else str(v) for v in values] for name, values in history.history.items()}
    return {"epoch": history.epoch, "history": values, "interrupted": history.interrupted}


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
        history.interrupted = value.get("interrupted", False)
        lengths = {len(values) for values in history.history.values()}
        if not lengths <= {len(history.epoch)} or not isinstance(history.interrupted, bool):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        form = '{"epoch": [0], "history": {"loss": [0.5]}}, with one value for each epoch'
        raise FileFormatError(f"history.json must be like {form}; got {short(value)}") from None
    return history
