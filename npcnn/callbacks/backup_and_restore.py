"""Keep a backup of a training, and go on from it after a crash."""

import os
from collections.abc import Sequence
from typing import Any

from npcnn import backup
from npcnn.checks import check_count, check_flag, check_path
from npcnn.hooks import Callback


class BackupAndRestore(Callback):
    """Keep a backup of the training, and go on from it when the same program is run again after a crash.

    Killed at whatever moment, a training that goes on ends with the same weights, bit for bit, as one that was never
    killed. Where it goes on is printed, unless `verbose` of `fit` is 0. The backup has the weights, the optimizer, the
    random numbers, the place in the epoch, the history, and what the callbacks here remember; one of your own names in
    `remembers` the attributes that it needs. Ctrl-C makes a backup, too.

    What is not kept: the data and all arguments, which must be given again as they were; random numbers that an
    iterable of your own draws, unless they are in an attribute `random_state` that can be set, as `ImageDataGenerator`
    has them; what a layer or an optimizer of your own has outside `params`, `state` and `slots`; that a callback other
    than `EarlyStopping` has ended the training; and the file of a `CSVLogger` unless it appends, where an epoch may
    stand twice. An iterable is asked again, and in silence, for all batches since its last pass began: of a generator
    that never ends, all since the first.

    Each `fit` needs a folder of its own, as those of a cross-validation do: other data is refused where it comes in
    arrays, but of an iterable nobody knows.

    Args:
        backup_dir: the folder for the backup; it is made if there is none.
        save_freq: how often to make one: "epoch", or a number of batches.
        double_checkpoint: changes nothing; a backup takes the place of the one before only when it is whole.
        delete_checkpoint: whether the backup is removed when the training is finished; False leaves that to you, for
            when the trained model is saved.

    Raises:
        ValueError: an argument is out of range; when training begins: the backup is that of another training.
        FileFormatError: the backup is damaged.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not backup_dir:
            raise ValueError(f"BackupAndRestore: backup_dir must be the path of a folder, got {backup_dir!r}")
        self.save_freq = save_freq if save_freq == "epoch" else check_count("BackupAndRestore: save_freq", save_freq)
        check_flag("BackupAndRestore: double_checkpoint", double_checkpoint)
        self.delete_checkpoint = check_flag("BackupAndRestore: delete_checkpoint", delete_checkpoint)
        self.path, self.batches_since = check_path("BackupAndRestore: backup_dir", backup_dir) / "backup.npz", 0
        self.found: dict[str, Any] | None = None  # the backup, until the epoch it is of has begun
        self.others: Sequence[Callback] = ()

    def set_others(self, callbacks: Sequence[Callback]) -> None:
        """Take note of all callbacks of this `fit`."""
        self.others = callbacks

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Go on from the backup, if there is one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.batches_since, self.found, steps = 0, None, self.params["steps"]
        backup.check_optimizer(self.model.optimizer)
        if not self.path.exists():
            return
        self.found = backup.read(self.path)
        if self.found["steps"] != steps:
            both = f"the backup is of a training with {self.found['steps']} batches an epoch, this one has {steps}"
            advice = "give the same x and batch_size, or remove the backup to start anew"
            raise ValueError(f"{self.path}: {both}; {advice}")
        try:
            backup.put_back(self.found, self.model, self.others)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        place = self.model.place
        if self.model.stop_training:
            place.epoch = self.params["epochs"]
        if not self.params["verbose"]:
            return
        where = f"epoch {place.epoch + 1}" if place.epoch < self.params["epochs"] else "the end"
        where += f" after {place.step} of {steps or 'its'} batches" if place.step else ""
        print(f"BackupAndRestore: going on at {where}, from the backup in {self.path}")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Undo what other callbacks did for an epoch that has already begun before."""
        if self.found and self.model.place.step:
            backup.put_back(self.found, self.model, self.others)
        self.found = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Make a backup after every `save_freq` batches."""
        self.batches_since += 1
        if self.model.history.interrupted or (self.save_freq != "epoch" and self.batches_since >= int(self.save_freq)):
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Make a backup after the epoch."""
        if self.save_freq == "epoch" or self.model.history.interrupted:
            self._save()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Remove the backup, unless Ctrl-C ended the training before its time."""
        if self.delete_checkpoint and not self.model.history.interrupted:
            self.remove()

    def remove(self) -> None:
        """Remove the backup, and its folder if nothing else is in it."""
        backup.remove(self.path)

    def _save(self) -> None:
        self.batches_since = 0
        backup.write(self.path, {"steps": self.params["steps"], **backup.state_of(self.model, self.others)})
