"""The record of a training."""


class History:
    """What `fit` returns: `history["val_accuracy"][i]` and the like, for each epoch number in `epoch`.

    Training values are running means over the epoch's batches, each taken with the weights as they were before the
    batch's update; validation values are taken with the weights at the end of the epoch. So the first epoch's
    validation accuracy is often above its training accuracy. `interrupted` says whether Ctrl-C ended the training.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}
        self.interrupted = False

    def append(self, values: dict[str, float]) -> None:
        """Note one more epoch."""
        self.epoch.append(len(self.epoch))
        for name, value in values.items():
            self.history.setdefault(name, []).append(float(value))
