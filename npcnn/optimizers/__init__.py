"""How parameters follow their gradients downhill; one optimizer a file. `sgd.py` is the simplest.

An optimizer has update(params, grads), which changes the arrays of params in place. Both are dictionaries with the
same keys; what the optimizer remembers between steps (`slots`) is kept under those keys too. `optimizer.py` has what
all of them share, `schedules.py` learning rates that change from step to step.
"""

from typing import Any

from npcnn.keras_arguments import made_here
from npcnn.optimizers import schedules
from npcnn.optimizers.adadelta import Adadelta
from npcnn.optimizers.adagrad import Adagrad
from npcnn.optimizers.adam import Adam, AdamW, Nadam
from npcnn.optimizers.adamax import Adamax
from npcnn.optimizers.optimizer import Optimizer
from npcnn.optimizers.rmsprop import RMSprop
from npcnn.optimizers.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Nadam", "Optimizer", "RMSprop"]
__all__ += ["get", "schedules"]

CLASSES = (Adam, SGD, RMSprop, Adadelta, AdamW, Nadam, Adagrad, Adamax)


def get(optimizer: Any) -> Any:
    """Return the optimizer of that name ("adam", "RMSprop"; capitals do not matter), or the object itself if it is one.

    Raises:
        ValueError: there is none of that name, or the object has no update(params, grads).
    """
    optimizer = made_here(optimizer, {cls.__name__: cls for cls in CLASSES})
    by_name = {cls.name: cls for cls in CLASSES}
    if isinstance(optimizer, str) and optimizer.lower() in by_name:
        return by_name[optimizer.lower()]()
    if callable(getattr(optimizer, "update", None)) and not isinstance(optimizer, type):
        return optimizer
    names = ", ".join(map(repr, by_name))
    raise ValueError(f"optimizer must be {names} or an object from npcnn.optimizers; got {optimizer!r}")
