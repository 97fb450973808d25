"""Stop when a value no longer gets better."""

import contextlib

from npcnn.callbacks.monitor import Monitor
from npcnn.checks import check_count, check_flag, check_number


class EarlyStopping(Monitor):
    """End training once a value has not improved for `patience` epochs.

    Args:
        monitor, mode, min_delta: what to watch, which way is better, and by how much.
        patience: how many epochs without improvement it takes; the first epoch never ends it.
        verbose: 1 says when it stops.
        baseline: a value which an improvement must beat, too.
        restore_best_weights: whether the model gets back the weights of the best epoch when training ends.
        start_from_epoch: the first epoch to look at, counted from 0.
    """

    remembers = ("wait", "stopped_epoch", "best_epoch", "best", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: float = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = check_number("EarlyStopping: patience", patience, least=0)
        self.baseline = None if baseline is None else check_number("EarlyStopping: baseline", baseline)
        self.restore_best_weights = check_flag("EarlyStopping: restore_best_weights", restore_best_weights)
        self.start_from_epoch = check_count("EarlyStopping: start_from_epoch", start_from_epoch, least=0)
        self.verbose = verbose
        self.on_train_begin()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget an earlier training."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best, self.best_weights = None, None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Count the epochs since the last improvement."""
        value = self.value_in(logs, "EarlyStopping: stopping depends on")
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.is_better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.is_better(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        """Say so if training was ended, and restore the best weights if asked to."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            with contextlib.suppress(ValueError):  # NaN since the best epoch is NaN now: there is nothing to restore
                self.model.set_weights(self.best_weights)
