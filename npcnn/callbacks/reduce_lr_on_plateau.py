"""Lower the learning rate when a value no longer gets better."""

import warnings

from npcnn.callbacks.monitor import Monitor
from npcnn.checks import check_count, check_not_negative, check_number, check_positive


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by `factor` whenever a value has not improved for `patience` epochs.

    Args:
        monitor, mode, min_delta: what to watch, which way is better, and by how much.
        factor: below 1.
        patience: how many epochs without improvement it takes.
        verbose: 1 says when it acts.
        cooldown: how many epochs to wait after that, before counting again.
        min_lr: the learning rate does not go below this.
        epsilon: the old name of min_delta, ignored with a warning, as in Keras.

    Raises:
        ValueError: an argument is out of range.
    """

    remembers = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: float = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        *,
        epsilon: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if epsilon is not None:
            warnings.warn(f"ReduceLROnPlateau: epsilon is ignored; write min_delta={epsilon!r}", stacklevel=2)
        self.factor = check_positive("ReduceLROnPlateau: factor", factor)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        self.patience = check_number("ReduceLROnPlateau: patience", patience, least=0)
        self.cooldown = check_count("ReduceLROnPlateau: cooldown", cooldown, least=0)
        self.min_lr, self.verbose = check_not_negative("ReduceLROnPlateau: min_lr", min_lr), verbose
        self.on_train_begin()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget an earlier training."""
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Count the epochs since the last improvement."""
        logs = {} if logs is None else logs
        logs["learning_rate"] = learning_rate = float(self.model.optimizer.learning_rate)
        value = self.value_in(logs, "ReduceLROnPlateau: reducing depends on")
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
        if self.is_better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and learning_rate > self.min_lr:
                self.model.optimizer.learning_rate = new = max(learning_rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
