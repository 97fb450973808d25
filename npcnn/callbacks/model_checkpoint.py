"""Save the model after epochs, or when a value got better."""

import os
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

from npcnn.callbacks.monitor import Monitor
from npcnn.checks import check_count, check_flag, check_number, check_path


class ModelCheckpoint(Monitor):
    """Save the model, or its weights, after every epoch, after so many batches, or whenever a value improves.

    Args:
        filepath: where to; "{epoch:02d}" in it becomes the epoch, counted from 1, "{val_loss:.2f}" the value of that
            name, and "{batch}" the batch. For weights only, it ends in ".weights.h5".
        monitor, mode: what to watch for `save_best_only`, and which way is better.
        verbose: 1 says when it saves.
        save_best_only: whether to save only what is better than all before.
        save_weights_only: whether to save no more than the weights.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: what the first model must be better than, with `save_best_only`.
    """

    remembers = ("best", "epoch", "batches_since")

    def __init__(
        self,
        filepath: str | os.PathLike,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode if save_best_only else "min", 0)
        kind, threshold = "ModelCheckpoint", initial_value_threshold
        self.filepath, self.verbose = os.fspath(check_path(f"{kind}: filepath", filepath)), verbose
        self.best = None if threshold is None else check_number(f"{kind}: initial_value_threshold", threshold)
        self.save_best_only = check_flag(f"{kind}: save_best_only", save_best_only)
        self.save_weights_only = check_flag(f"{kind}: save_weights_only", save_weights_only)
        self.save_freq = save_freq if save_freq == "epoch" else check_count("ModelCheckpoint: save_freq", save_freq)
        self.epoch, self.batches_since = 0, 0
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5", ".hdf5")
        if not self.filepath.endswith(endings):
            what = "weights" if save_weights_only else "model"
            wanted = f"must end in {' or '.join(endings)} for the {what}"
            raise ValueError(f"ModelCheckpoint: filepath {wanted}, got {self.filepath!r}")
        try:
            self.filepath.format_map(defaultdict(int))
        except (ValueError, LookupError) as error:
            wanted = "fields like {epoch:02d} or {val_loss:.2f}"
            raise ValueError(f"ModelCheckpoint: filepath must have {wanted}, got {filepath!r}: {error}") from None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Say now, not after an epoch, that a file cannot hold this model."""
        if not self.save_weights_only and hasattr(self.model, "to_json"):
            self.model.to_json()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Take note of the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Save after every `save_freq` batches."""
        self.batches_since += 1
        if self.save_freq != "epoch" and self.batches_since >= int(self.save_freq):
            self.batches_since = 0
            self._save({"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Save after the epoch."""
        if self.save_freq == "epoch":
            self._save(logs or {})

    def _save(self, logs: dict[str, Any]) -> None:
        """Save the model, if it is to be saved now."""
        number = self.epoch + 1
        try:
            path = Path(self.filepath.format(epoch=number, **logs))
        except KeyError as error:
            has = ", ".join(logs)
            raise ValueError(f"ModelCheckpoint: filepath {self.filepath!r} needs {error}; there are {has}") from None
        why = ""
        if self.save_best_only:
            value = logs.get(self.monitor)
            if value is None:
                has = f"there are {', '.join(logs)}; the model is saved"
                warnings.warn(f"ModelCheckpoint: no {self.monitor!r} tells which is best: {has}", stacklevel=2)
            else:
                before = "None" if self.best is None else f"{self.best:.5f}"
                if not self.is_better(value, self.best):
                    if self.verbose:
                        print(f"\nEpoch {number}: {self.monitor} did not improve from {before}")
                    return
                self.best, why = value, f"{self.monitor} improved from {before} to {value:.5f}, "
        if self.verbose:
            print(f"\nEpoch {number}: {why}saving model to {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)
