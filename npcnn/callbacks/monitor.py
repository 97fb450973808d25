"""What the callbacks share that watch a value: is it better than the best one yet?"""

import warnings

from npcnn.checks import check_number, check_title
from npcnn.hooks import Callback

# Parts of the names of what is better the smaller, or the larger, it is.
SMALLER, LARGER = ("loss", "error", "crossentropy", "mse", "mae"), ("acc", "precision", "recall", "auc", "f1")


class Monitor(Callback):
    """What callbacks share that watch a value in `logs`: is it better than the best one yet?

    Args:
        monitor: the name of the value: "loss", "val_accuracy" or the like.
        mode: "min" if smaller is better, "max" if larger is; "auto" tells by the name.
        min_delta: by how much it must be better.

    Raises:
        ValueError: an argument is out of range, or `mode` cannot be told by the name.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__}: mode must be 'auto', 'min' or 'max', got {mode!r}", stacklevel=3)
        kind = type(self).__name__
        self.monitor = check_title(f"{kind}: monitor", monitor)
        self.min_delta = abs(check_number(f"{kind}: min_delta", min_delta))
        self.best: float | None = None
        self.mode = mode if mode in ("min", "max") else self._mode_of_name()

    def _mode_of_name(self) -> str:
        for mode, parts in (("min", SMALLER), ("max", LARGER)):
            if any(part in self.monitor.lower() for part in parts):
                return mode
        raise ValueError(f"{type(self).__name__}: is more {self.monitor!r} better or worse? Give mode='max' or 'min'")

    def is_better(self, value: float, than: float | None) -> bool:
        """Return whether value is an improvement on another; it is on None."""
        if than is None:
            return True
        return value + self.min_delta < than if self.mode == "min" else value - self.min_delta > than

    def value_in(self, logs: dict | None, what: str) -> float | None:
        """Return the value, or None with a warning if it is not there."""
        logs = logs or {}
        if self.monitor not in logs:
            has = f"there are {', '.join(logs)}; nothing is done"
            warnings.warn(f"{what} {self.monitor!r}, which is not available: {has}", stacklevel=2)
        return logs.get(self.monitor)
