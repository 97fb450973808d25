"""The record of a training."""

from npcnn.hooks import Callback


class Record(dict):
    """The lists of a history, by name; a name that is not there raises a KeyError that says which are."""

    def __missing__(self, name: str) -> None:
        raise KeyError(f"there is no {name!r} in the history, only {', '.join(self)}; metrics=['acc'] is called 'acc'")


class History(Callback):
    """What `fit` returns: `history["val_accuracy"][i]` and the like, for each epoch number in `epoch`.

    Training values are running means over the epoch's batches, each taken with the weights as they were before the
    batch's update; validation values are taken with the weights at the end of the epoch. So the first epoch's
    validation accuracy is often above its training accuracy. `interrupted` says whether Ctrl-C ended the training.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = Record()
        self.interrupted = False

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget the epochs of an earlier `fit`, as Keras does."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Note one more epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
