"""Stop when the loss is no number."""

import numpy as np

from npcnn.checks import check_flag
from npcnn.hooks import Callback


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
