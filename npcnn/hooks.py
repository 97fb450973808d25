"""What `fit`, `evaluate` and `predict` call as they go, so that a program can look on and step in, as in Keras."""

from typing import Any


class Callback:
    """Do nothing at every point of training, evaluation and prediction; a subclass overrides what it needs.

    `fit` calls, in this order:

        on_train_begin()
            on_epoch_begin(epoch)
                on_train_batch_begin(batch), on_train_batch_end(batch, logs)      for every batch
                on_test_begin()                                                   if there is validation data
                    on_test_batch_begin(batch), on_test_batch_end(batch, logs)    for every batch of it
                on_test_end(logs)
            on_epoch_end(epoch, logs)
        on_train_end(logs)

    `evaluate` calls the hooks with `test`, `predict` those with `predict`. Epochs and batches count from 0. `logs` is a
    dictionary of floats, the means so far: {"loss": 0.1, "accuracy": 0.97}, at the end of an epoch with "val_loss" and
    the like. What is written into it there is seen by the callbacks behind this one, and by the history.

    Attributes: `model`, which may be told `model.stop_training = True`; `params`, {"verbose", "epochs", "steps"};
    `remembers`, the names of the attributes that `BackupAndRestore` keeps: numbers, strings, lists, arrays.
    """

    model: Any = None
    params: Any = None
    remembers: tuple[str, ...] = ()

    def set_model(self, model: Any) -> None:
        """Take note of the model, before anything begins."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Take note of how the method was called, before anything begins."""
        self.params = params

    def on_train_begin(self, logs: dict | None = None) -> None:
        """`fit` begins."""

    def on_train_end(self, logs: dict | None = None) -> None:
        """`fit` ends; `logs` are those of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """An epoch has ended, and its validation too."""

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """A step is about to be taken."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """A step was taken."""
        self.on_batch_end(batch, logs=logs)

    def on_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """The old name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """The old name of `on_train_batch_end`."""

    def on_test_begin(self, logs: dict | None = None) -> None:
        """`evaluate`, or the validation of an epoch, begins."""

    def on_test_end(self, logs: dict | None = None) -> None:
        """`evaluate`, or the validation of an epoch, ends."""

    def on_test_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """A batch is about to be evaluated."""

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """A batch was evaluated."""

    def on_predict_begin(self, logs: dict | None = None) -> None:
        """`predict` begins."""

    def on_predict_end(self, logs: dict | None = None) -> None:
        """`predict` ends."""

    def on_predict_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """A batch is about to be predicted."""

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """A batch was predicted; `logs` is {"outputs": its predictions}."""


class CallbackList:
    """Callbacks, to be called one after the other.

    Args:
        callbacks: what the user gave: None, one, or a list of them.
        model, params: what they are told.
        last: what comes behind the user's own.

    Raises:
        ValueError: one is no callback.
    """

    def __init__(self, callbacks: Any, model: Any, params: dict[str, Any], last: Callback | None = None) -> None:
        if callbacks is None or isinstance(callbacks, (list, tuple)):
            self.callbacks = list(callbacks or ())
        else:
            self.callbacks = [callbacks]
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                raise ValueError(f"callbacks must be objects like npcnn.callbacks.EarlyStopping(), got {callback!r}")
        if last is not None:
            self.callbacks.append(last)
        # A backup is made behind all others, and knows them: it keeps what they remember.
        self.callbacks.sort(key=lambda callback: hasattr(callback, "set_others"))
        for callback in self.callbacks:
            if hasattr(callback, "set_others"):
                callback.set_others(self.callbacks)
        for callback in self.callbacks:
            callback.set_model(model)
        for callback in self.callbacks:
            callback.set_params(params)

    def call(self, hook: str, *number: int, logs: dict[str, Any] | None = None) -> None:
        """Call `hook` of each, with the number of the epoch or batch if there is one; its logs may be empty."""
        for callback in self.callbacks:
            getattr(callback, hook)(*number, {} if logs is None else logs)

    def watch(self, *hooks: str) -> bool:
        """Return whether any of them does something at one of these hooks."""
        return any(
            hook in vars(callback) or getattr(type(callback), hook, None) is not getattr(Callback, hook)
            for callback in self.callbacks
            for hook in hooks
        )
