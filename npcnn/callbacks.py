"""Callbacks, to give to `fit`: stop early, keep the best model, lower the learning rate, write down what happens, go on
after a crash.

What they decide, and when, is what Keras' callbacks of these names decide. `npcnn/hooks.py` says when each of their
methods is called; one of your own is a subclass of `Callback`.
"""

import contextlib
import csv
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from npcnn import backup
from npcnn.checks import (
    check_count,
    check_flag,
    check_not_negative,
    check_number,
    check_path,
    check_positive,
    check_title,
)
from npcnn.history import History
from npcnn.hooks import Callback, CallbackList

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "Histograms",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]

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


class LearningRateScheduler(Callback):
    """Set the learning rate at the beginning of each epoch.

    Args:
        schedule: a function (epoch, learning rate) -> learning rate, or (epoch) -> learning rate; epochs count from 0.
        verbose: 1 says which rate.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function (epoch, rate), got {schedule!r}")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Set the learning rate."""
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, float(optimizer.learning_rate))
        except TypeError:  # the older form, of one argument
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(f"LearningRateScheduler: the schedule must return a float, got {rate!r}")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the learning rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class CSVLogger(Callback):
    """Write the values of each epoch to a table in a file, a line an epoch.

    Args:
        filename: the file.
        separator: what stands between two values.
        append: whether to go on behind what is in the file, rather than to replace it.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}")
        self.filename, self.separator = check_path("CSVLogger: filename", filename), separator
        self.append = check_flag("CSVLogger: append", append)
        self.file: TextIO | None = None
        self.names: list[str] | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Open the file."""
        self.has_header = self.append and self.filename.exists() and self.filename.stat().st_size > 0
        self.on_train_end()
        self.file, self.names = open(self.filename, "a" if self.append else "w", newline=""), None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write a line; in front of the first, one with the names."""
        logs, writer = logs or {}, csv.writer(self.file, delimiter=self.separator)
        if self.names is None:
            self.names = sorted(logs)
            if not any(name.startswith("val_") for name in logs):  # validation may come with a later epoch
                self.names += [f"val_{name}" for name in self.names]
            if not self.has_header:
                writer.writerow(["epoch", *self.names])
        writer.writerow([epoch, *(logs.get(name, "NA") for name in self.names)])
        self.file.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close the file."""
        if self.file:
            self.file.close()


class TensorBoard(Callback):
    """Do nothing but say so: npcnn writes no files for TensorBoard. With this name, programs that ask for them run.

    `CSVLogger` keeps the same numbers, `npcnn.plots.accuracy_curves` draws them.

    Args:
        log_dir, other: accepted because Keras has them.
    """

    def __init__(self, log_dir: str | os.PathLike = "logs", *other: Any, **more: Any) -> None:
        instead = "CSVLogger keeps the same numbers, npcnn.plots.accuracy_curves draws them"
        warnings.warn(f"TensorBoard: npcnn writes nothing to {log_dir}; {instead}", stacklevel=2)


class TerminateOnNaN(Callback):
    """End training after a step whose loss is NaN or infinite.

    Args:
        raise_error: whether to raise a RuntimeError then, which leaves out what other callbacks do at the end.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = check_flag("TerminateOnNaN: raise_error", raise_error)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            if self.raise_error:
                raise RuntimeError(f"TerminateOnNaN: the loss is {loss} at batch {batch}")
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class Histograms(Callback):
    """Record how the weights and their gradients are distributed, before training and after each epoch.

    `npcnn.plots.weight_histograms` and `gradient_histograms` draw what was recorded. The gradients are those of the
    loss on the examples given here, computed as in a step of `fit`; but no step is taken.

    Args:
        x, y: a few hundred of the examples to train on, and their labels.
        bins: how many bars a histogram has at most; one of few numbers has fewer.

    Attributes: `epochs`, [0, 1, ...], where 0 is before training; `weights` and `gradients`, for each "layer/kernel" a
    list of (counts, edges) as `np.histogram` returns them. Those of gradients are of |g|, without the zeros, and each
    edge is the same multiple of the one before.

    Raises:
        ValueError: bins is below 1; or, in `fit`, the model cannot take the examples.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, bins: int = 30) -> None:
        self.x, self.y, self.bins = x, y, check_count("Histograms: bins", bins)
        self.epochs: list[int] = []
        self.weights: dict[str, list] = {}
        self.gradients: dict[str, list] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget an earlier training, and record where this one starts."""
        self.epochs, self.weights, self.gradients = [], {}, {}
        self.examples = self.model._check_examples("Histograms: ", self.x, self.y)
        self.on_epoch_end(-1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Record the weights, and the gradients of the loss."""
        plan, (x, y) = self.model._plan(), self.examples
        output, caches = plan.forward(x, training=True, rng=np.random.default_rng(0))
        _, cache = plan.score(y, output, None)
        _, grads = plan.backward(plan.loss.backward(cache), caches)
        self.epochs.append(epoch + 1)
        for key, w in self.model.params.items():
            self.weights.setdefault(key, []).append(self._histogram(w, np.linspace))
        for key in self.model.trainable_params:
            sizes = np.abs(grads[key])
            self.gradients.setdefault(key, []).append(self._histogram(sizes[sizes > 0], np.geomspace))

    def _histogram(self, values: np.ndarray, space: Callable) -> tuple[np.ndarray, np.ndarray]:
        """np.histogram; of numbers that are all the same, as biases are at first, one bar without width."""
        values = values[np.isfinite(values)]
        low, high = (values.min(), values.max()) if values.size else (1, 1)
        if low == high:
            return np.array([values.size]), np.array([low, high])
        bins = max(1, min(self.bins, int(np.sqrt(values.size))))
        return np.histogram(values, space(low, high, bins + 1))


class LambdaCallback(Callback):
    """Call functions of one's own at these points.

    Args:
        on_epoch_begin, on_epoch_end: functions (epoch, logs).
        on_train_begin, on_train_end: functions (logs).
        on_train_batch_begin, on_train_batch_end: functions (batch, logs).
        others: any other method of `Callback`, by name.

    Raises:
        TypeError: `Callback` has no method of that name.
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        on_train_batch_begin: Callable | None = None,
        on_train_batch_end: Callable | None = None,
        **others: Callable | None,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **others,
        }
        for name, function in given.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise TypeError(f"LambdaCallback: callbacks have no {name!r}")
            if not callable(function or print):
                raise TypeError(f"LambdaCallback: {name} must be a function, got {function!r}")
            if function is not None:
                setattr(self, name, function)


class BackupAndRestore(Callback):
    """Keep a backup of the training, and go on from it when the same program is run again after a crash.

    Killed at whatever moment, a training that goes on ends with the same weights, bit for bit, as one that was never
    killed. Where it goes on is printed, unless `verbose` of `fit` is 0. The backup has the weights, the optimizer, the
    random numbers, the place in the epoch, the history, and what the callbacks here remember; one of your own names in
    `remembers` the attributes that it needs. Ctrl-C makes a backup, too.

    What is not kept: the data and all arguments, which must be given again as they were; random numbers that an
    iterable draws, `ImageDataGenerator.flow` among them, so that the weights become others, as good as those; what a
    layer or an optimizer of your own has outside `params`, `state` and `slots`; that a callback other than
    `EarlyStopping` has ended the training; and the file of a `CSVLogger` unless it appends, where an epoch may stand
    twice. An iterable is asked again, and in silence, for all batches since its last pass began: of a generator that
    never ends, all since the first.

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
