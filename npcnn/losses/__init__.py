"""What training makes small: one number that says how wrong the predictions are, and its gradient.

A loss is a mean. Each example n has a loss l[n] of its own, which is what the classes here are about; then

    L = sum over n of weights[n] l[n] / N
    dy_pred[n] = weights[n] / N * (gradient of l[n] with respect to y_pred[n])

where the weights, if there are any, say how much each example counts. So the loss divides by N, and no layer does.
(Where an output has more axes than (N, K), l has one number for each row of K, and N is how many there are.)

`mean_errors.py` is the simplest; `cross_entropy.py` is what a model that tells classes apart is trained with;
`loss.py` has what all of them share.

For `compile`, a loss is any object with forward(y_true, y_pred) -> (value, cache) and backward(cache) -> dy_pred. K is
the number of classes, or of outputs.
"""

from collections.abc import Callable
from typing import Any

from npcnn.keras_arguments import made_here
from npcnn.losses.binary_cross_entropy import BinaryCrossentropy
from npcnn.losses.cross_entropy import CategoricalCrossentropy, SparseCategoricalCrossentropy
from npcnn.losses.functions import (
    BCE,
    MAE,
    MSE,
    bce,
    binary_crossentropy,
    categorical_crossentropy,
    mae,
    mean_absolute_error,
    mean_squared_error,
    mse,
    sparse_categorical_crossentropy,
)
from npcnn.losses.loss import Loss
from npcnn.losses.mean_errors import MeanAbsoluteError, MeanSquaredError

__all__ = [
    "BCE",
    "MAE",
    "MSE",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "bce",
    "binary_crossentropy",
    "categorical_crossentropy",
    "get",
    "mae",
    "mean_absolute_error",
    "mean_squared_error",
    "mse",
    "sparse_categorical_crossentropy",
]

FUNCTIONS: dict[Callable, type[Loss]] = {
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    binary_crossentropy: BinaryCrossentropy,
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
}
CLASSES = tuple(FUNCTIONS.values())
BY_NAME = {name: cls for cls in CLASSES for name in (cls.name, cls.__name__)}
for _name, _cls in {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "bce": BinaryCrossentropy}.items():
    BY_NAME |= {_name: _cls, _name.upper(): _cls}


def get(loss: Any) -> Any:
    """Return the loss of that name, or the object itself if it is one; for a class or function from here, an object.

    Raises:
        ValueError: there is none of that name, or the object lacks forward and backward.
        TypeError: it is a loss of one's own as Keras wants them, without its gradient.
    """
    loss = made_here(loss, BY_NAME)
    if isinstance(loss, Loss) and type(loss).forward_each is Loss.forward_each and type(loss).forward is Loss.forward:
        hint = (
            "here a loss has forward_each and backward_each, its gradient; npcnn/losses/mean_errors.py has short ones"
        )
        raise TypeError(f"loss: {type(loss).__name__} has no forward_each; {hint}")
    if isinstance(loss, str) and loss in BY_NAME:
        return BY_NAME[loss]()
    for function, cls in FUNCTIONS.items():
        if loss is function or loss is cls:
            return cls()
    if not isinstance(loss, type) and all(callable(getattr(loss, name, None)) for name in ("forward", "backward")):
        return loss
    names = ", ".join(repr(cls.name) for cls in CLASSES)
    hint = "; a function does not say its gradient" if callable(loss) else ""
    raise ValueError(f"loss must be {names}, or an object with forward and backward; got {loss!r}{hint}")
