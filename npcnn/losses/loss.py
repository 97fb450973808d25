"""What every loss is: a mean over examples, and its gradient. A subclass says what the loss of one example is."""

import inspect
from typing import Any

import numpy as np

from npcnn.array import Array
from npcnn.checks import as_array, check_title
from npcnn.complex_step import comparable
from npcnn.keras_arguments import NEUTRAL, check_neutral


class Loss:
    """What every loss shares: the mean, the weights of examples, checks.

    A subclass writes two methods,

        forward_each(y_true, y_pred)  -> l, cache   the loss of each example, shape y_pred.shape[:-1]
        backward_each(cache)          -> dy_pred    dl[n] / dy_pred[n], a row for each example

    Args:
        name: what error messages and saved files call this loss.
        dtype: accepted because Keras has it; the float type is that of the predictions.
        axis: where the classes are; must be -1, the last one.
        other: arguments that Keras has and npcnn has not; each must have the value that turns it off.

    Raises:
        ValueError: an argument is out of range, or asks for what npcnn has not.
        TypeError: there is no such argument.
    """

    name: str
    from_logits = False

    def __init__(self, *, name: str | None = None, dtype: Any = None, axis: int = -1, **other: Any) -> None:
        kind = type(self).__name__
        self.name = check_title(f"{kind}: name", getattr(self, "name", kind) if name is None else name)
        check_neutral(self.name, other)
        if axis != -1:
            raise ValueError(f"{self.name}: axis must be -1, the last one, got {axis!r}")

    def __call__(self, y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> Array:
        """Return the loss L, an array without axes."""
        return np.asarray(self.forward(y_true, y_pred, sample_weight)[0]).view(Array)

    def forward(self, y_true: np.ndarray, y_pred: np.ndarray, weights: np.ndarray | None = None) -> tuple[Any, Any]:
        """Return the loss L and the cache for `backward`; `weights` (N,) say how much each example counts."""
        y_true, y_pred = self.check(y_true, y_pred)
        if weights is not None and np.shape(weights) != y_pred.shape[:1]:
            wanted = f"one number for each of the {len(y_pred)} examples"
            raise ValueError(f"{self.name}: weights must be {wanted}, got shape {np.shape(weights)}")
        return self.compute(y_true, y_pred, weights)

    def compute(self, y_true: np.ndarray, y_pred: np.ndarray, weights: np.ndarray | None = None) -> tuple[Any, Any]:
        """Return what `forward` returns, for labels that have been checked."""
        each, cache = self.forward_each(y_true, y_pred)
        if weights is not None:
            weights = np.reshape(weights, (-1, *[1] * (each.ndim - 1))).astype(comparable(each).dtype)
            each = each * weights
        return each.mean(), (cache, each.size, weights)

    def backward(self, cache: Any) -> np.ndarray:
        """Return dL/dy_pred."""
        cache, count, weights = cache
        dy_pred = self.backward_each(cache) / count
        return dy_pred if weights is None else dy_pred * weights[..., None]

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example, and the cache for `backward_each`."""
        raise NotImplementedError

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred."""
        raise NotImplementedError

    def each(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the loss of each example, shape y_pred.shape[:-1]."""
        y_pred = np.asarray(y_pred)
        if y_pred.dtype.kind in "biu":
            y_pred = y_pred.astype("float32")
        return self.forward_each(*self.check(y_true, y_pred))[0]

    def check(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both as arrays that `compute` can take."""
        y_pred = as_array(f"{self.name}: y_pred", y_pred)
        if y_pred.size == 0 or y_pred.ndim == 0 or y_pred.dtype.kind not in "fc":
            wanted = "a float array (N, ..., K), with N and K at least 1"
            raise ValueError(f"{self.name}: y_pred must be {wanted}, got {y_pred.dtype} of shape {y_pred.shape}")
        return self.check_labels(as_array(f"{self.name}: y", y_true), y_pred.shape), y_pred

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels as `compute` wants them, checked against predictions of `shape`."""
        labels = np.asarray(y_true)
        if (*labels.shape, 1) == shape:  # one output for each example
            labels = labels[..., None]
        if labels.shape != shape or labels.dtype.kind not in "biuf":
            hint = "; for class numbers use 'sparse_categorical_crossentropy'" if labels.shape == shape[:1] else ""
            got = f"{labels.dtype} of shape {labels.shape}{hint}"
            raise ValueError(f"{self.name}: y must be numbers of shape {shape}, as the predictions, got {got}")
        if not np.isfinite(labels).all():
            raise ValueError(f"{self.name}: y must be finite numbers, got NaN or infinity")
        return labels

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this loss again, under Keras' names."""
        shared = {*inspect.signature(Loss).parameters, *NEUTRAL, "common"}
        own = [name for name in inspect.signature(type(self)).parameters if name not in shared]
        return {"name": self.name} | {name: getattr(self, name) for name in own}

    def check_classes(self, shape: tuple[int, ...]) -> None:
        """Refuse predictions that are not (N, K)."""
        if len(shape) != 2:
            hint = "put layers.Flatten() and a Dense layer in front of the loss"
            raise ValueError(f"{self.name}: y_pred must be (N, K), a row of K class scores each, got {shape}; {hint}")

    def probabilities(self, cache: Any) -> np.ndarray:
        """Return the probabilities that a cross-entropy's `forward` has computed from logits."""
        return cache[0][0].copy()  # a metric may change what it is given, the cache must stay
