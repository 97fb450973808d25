"""Metrics: reported during training, not optimized.

A metric is any object with a `name` and __call__(y_true, y_pred) -> mean over the batch. Most here are the mean of a
function that gives one number for each example; the functions have Keras' names too. One that is no such mean has
`sum_and_count`, whose two numbers are added up over the batches, and `finish`, a function of sum / count.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import losses
from npcnn.checks import check_count, check_number
from npcnn.keras_arguments import check_neutral
from npcnn.losses import (  # noqa: F401 (in Keras, they are metrics too)
    MAE,
    MSE,
    binary_crossentropy,
    categorical_crossentropy,
    mae,
    mean_absolute_error,
    mean_squared_error,
    mse,
    sparse_categorical_crossentropy,
)


class MeanMetricWrapper:
    """The mean over the batch of a function of labels and predictions.

        metric = mean over n of fn(y_true, y_pred)[n]

    Args:
        fn: the function (y_true, y_pred) -> array, or number.
        name: its name in the history; by default the function's.
        dtype: accepted because Keras has it.
        arguments: passed on to the function.
    """

    def __init__(self, fn: Callable, name: str | None = None, dtype: Any = None, **arguments: Any) -> None:
        self.fn, self.name, self.arguments = fn, name or fn.__name__, arguments

    def __call__(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the mean over the batch."""
        values = self.fn(np.asarray(y_true), np.asarray(y_pred), **self.arguments)
        return self.finish(float(np.mean(values, dtype=np.float64)))

    @staticmethod
    def finish(mean: float) -> float:
        """Return what is reported, given the mean over all batches."""
        return mean

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this metric again, under Keras' names."""
        names = [name for name in inspect.signature(type(self)).parameters if name not in ("name", "dtype")]
        return {"name": self.name} | {name: self.arguments[name] for name in names}


# ------------------------------------------------------------------ which examples are right


def sparse_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the class of the highest score is y_true, else 0: (N,), for y_true (N,) or (N, 1), y_pred (N, K).

    A tie goes to the first class.
    """
    labels = class_numbers("sparse_categorical_accuracy", y_true, y_pred)
    return (np.argmax(y_pred, axis=-1) == labels).astype("float32")


def categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return 1 where the class of the highest score is the highest of y_true, else 0: (N,), for both (N, K)."""
    same_shape("categorical_accuracy", y_true, y_pred)
    return (np.argmax(y_pred, axis=-1) == np.argmax(y_true, axis=-1)).astype("float32")


def binary_accuracy(y_true: np.ndarray, y_pred: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Return 1 where y_pred is above the threshold and y_true 1, or not above and 0, else 0: shape of y_pred."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    y_true = y_true[..., None] if (*y_true.shape, 1) == y_pred.shape else y_true
    same_shape("binary_accuracy", y_true, y_pred)
    return ((y_pred > threshold) == y_true).astype("float32")


def sparse_top_k_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray, k: int = 5) -> np.ndarray:
    """Return 1 where fewer than k classes have a higher score than y_true, else 0: (N,), for y_pred (N, K)."""
    labels = class_numbers("sparse_top_k_categorical_accuracy", y_true, y_pred).astype(np.intp)
    scores = np.take_along_axis(np.asarray(y_pred), labels[:, None], axis=1)
    return ((y_pred > scores).sum(axis=1) < k).astype("float32")


def top_k_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray, k: int = 5) -> np.ndarray:
    """Return 1 where fewer than k classes have a higher score than the highest of y_true (N, K), else 0: (N,)."""
    same_shape("top_k_categorical_accuracy", y_true, y_pred)
    return sparse_top_k_categorical_accuracy(np.argmax(y_true, axis=-1), y_pred, k)


def class_numbers(name: str, y_true: Any, y_pred: Any) -> np.ndarray:
    """Return class numbers (N,), given as such or as a column, checked against predictions (N, K)."""
    shape = np.shape(y_pred)
    if len(shape) != 2 or np.shape(y_true) not in ((*shape[:1], 1), shape[:1]):
        wanted = "y_true (N,) or (N, 1), class numbers, for y_pred (N, K)"
        raise ValueError(f"{name}: needs {wanted}, got y_true {np.shape(y_true)} for y_pred {shape}")
    return np.reshape(y_true, len(y_pred))


def same_shape(name: str, y_true: Any, y_pred: Any) -> None:
    """Refuse labels and predictions of different shapes."""
    if np.shape(y_true) != np.shape(y_pred):
        got = f"y_true {np.shape(y_true)} for y_pred {np.shape(y_pred)}"
        raise ValueError(f"{name}: needs y_true and y_pred of one shape, got {got}")


def accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return which examples are right: of one output those on the right side of 0.5, else those of the right class."""
    if np.ndim(y_pred) != 2 or np.shape(y_true) not in (np.shape(y_pred), (len(y_pred), 1), (len(y_pred),)):
        wanted = "y_true (N,), (N, 1) or (N, K) for y_pred (N, K)"
        raise ValueError(f"accuracy: needs {wanted}, got y_true {np.shape(y_true)} for y_pred {np.shape(y_pred)}")
    if np.shape(y_pred)[1] == 1:
        return binary_accuracy(y_true, y_pred)
    is_sparse = np.shape(y_true) != np.shape(y_pred)
    return (sparse_categorical_accuracy if is_sparse else categorical_accuracy)(y_true, y_pred)


# ------------------------------------------------------------------ the same as classes


class Accuracy(MeanMetricWrapper):
    """The share of examples that are right, whatever form the labels have.

        accuracy = mean over n of  (1 if argmax over k of y_pred[n, k] = y_true[n] else 0)
        with one output:           (1 if (y_pred[n, 0] > 0.5) = y_true[n] else 0)

    Shapes: y_pred (N, K); y_true (N,) or (N, 1) class numbers, or (N, K) one-hot. A tie goes to the first class.

    Args:
        name: its name in the history; "acc" as a metric is short for Accuracy("acc").
        dtype: accepted because Keras has it.

    Raises:
        ValueError: the shapes do not fit.
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """Accuracy for class numbers: see `sparse_categorical_accuracy`."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name)


class CategoricalAccuracy(MeanMetricWrapper):
    """Accuracy for one-hot labels: see `categorical_accuracy`."""

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name)


class BinaryAccuracy(MeanMetricWrapper):
    """Accuracy for outputs that are yes or no: see `binary_accuracy`."""

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name, threshold=threshold)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """Whether the right class is among the k best, for class numbers: see `sparse_top_k_categorical_accuracy`."""

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, k=check_count(f"{name}: k", k))


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """Whether the right class is among the k best, for one-hot labels: see `top_k_categorical_accuracy`."""

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, k=check_count(f"{name}: k", k))


class MeanSquaredError(MeanMetricWrapper):
    """The mean of the squared differences: see `npcnn.losses.MeanSquaredError`."""

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_error, name)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of the absolute differences: see `npcnn.losses.MeanAbsoluteError`."""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_error, name)


class RootMeanSquaredError(MeanMetricWrapper):
    """The root of the mean, over all examples, of the squared differences."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_error, name)

    def sum_and_count(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, int]:
        """Return the sum over the examples of the squared error, and their number."""
        return float(np.sum(self.fn(y_true, y_pred), dtype=np.float64)), int(np.prod(np.shape(y_pred)[:-1]))

    @staticmethod
    def finish(mean: float) -> float:
        """Return the root."""
        return math.sqrt(mean)


class Precision:
    """Of the outputs above the threshold, the share that should be; 0 if there are none above.

    Args:
        thresholds: the threshold, 0.5 if None.
        top_k, class_id: None; npcnn counts all outputs.
        name: its name in the history.
        dtype: accepted because Keras has it.

    Raises:
        ValueError: thresholds is not one number; top_k or class_id is given.
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: None = None,
        class_id: None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.name = name or type(self).__name__.lower()
        check_neutral(self.name, {"top_k": top_k, "class_id": class_id})
        self.thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        self.threshold = 0.5 if thresholds is None else check_number(f"{self.name}: thresholds", thresholds)

    def __call__(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the share."""
        total, count = self.sum_and_count(y_true, y_pred)
        return total / count if count else 0.0

    def sum_and_count(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[int, int]:
        """Return the numbers of true positives, and of all of which they are a share."""
        right, positive = self.outputs(y_true, y_pred)
        return int((right & positive).sum()), int(positive.sum())

    def outputs(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which outputs should be above the threshold, and which are."""
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        y_true = y_true[..., None] if (*y_true.shape, 1) == y_pred.shape else y_true
        same_shape(self.name, y_true, y_pred)
        return y_true > 0.5, y_pred > self.threshold

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this metric again, under Keras' names."""
        return {name: getattr(self, name) for name in ("name", "thresholds", "top_k", "class_id")}


class Recall(Precision):
    """Of the outputs that should be above the threshold, the share that is; the arguments are those of `Precision`."""

    def sum_and_count(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[int, int]:
        """Return the numbers of true positives, and of all of which they are a share."""
        right, positive = self.outputs(y_true, y_pred)
        return int((right & positive).sum()), int(right.sum())


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The loss of that name as a metric: see `npcnn.losses.SparseCategoricalCrossentropy`."""

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: None = None,
        axis: int = -1,
    ) -> None:
        arguments = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(sparse_categorical_crossentropy, name, **arguments)


class CategoricalCrossentropy(MeanMetricWrapper):
    """The loss of that name as a metric: see `npcnn.losses.CategoricalCrossentropy`."""

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        arguments = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, name, **arguments)


class BinaryCrossentropy(MeanMetricWrapper):
    """The loss of that name as a metric: see `npcnn.losses.BinaryCrossentropy`."""

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(binary_crossentropy, name, from_logits=from_logits, label_smoothing=label_smoothing)


class WeightedMean:
    """The mean of a metric with the weights that the examples have in the loss: one of `weighted_metrics`.

        mean = (sum over n of weight[n] fn(y_true, y_pred)[n]) / (sum over n of weight[n])

    Args:
        metric: what gives one number for each example.
        name: its name in the history.

    Raises:
        ValueError: the metric is no mean over the examples.
    """

    weighted = True  # so that `Plan.score` gives it the weights, None if all count alike

    def __init__(self, metric: Any, name: str) -> None:
        if not isinstance(metric, MeanMetricWrapper):
            raise ValueError(f"weighted_metrics: {metric.name!r} is no mean over the examples; put it into metrics")
        self.metric, self.name, self.finish = metric, name, metric.finish

    def __call__(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the mean over the batch, without weights."""
        return self.metric(y_true, y_pred)

    def sum_and_count(self, y_true: np.ndarray, y_pred: np.ndarray, weights: Any = None) -> tuple[float, float]:
        """Return the two sums."""
        values = np.asarray(self.metric.fn(np.asarray(y_true), np.asarray(y_pred), **self.metric.arguments), float)
        weights = np.ones(len(y_pred)) if weights is None else np.asarray(weights, float)
        return float(weights @ values.reshape(len(y_pred), -1).mean(axis=1)), float(weights.sum())


CLASSES = (
    Accuracy,
    SparseCategoricalAccuracy,
    CategoricalAccuracy,
    BinaryAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    MeanSquaredError,
    MeanAbsoluteError,
    RootMeanSquaredError,
    Precision,
    Recall,
    SparseCategoricalCrossentropy,
    CategoricalCrossentropy,
    BinaryCrossentropy,
)
BY_NAME = {name: cls for cls in CLASSES for name in (cls.__name__, cls().name)} | {"acc": Accuracy}


def get(metric: Any) -> Any:
    """Return the metric, or the loss, of that name, called so in the history; for a function or class, an object.

    Raises:
        ValueError: there is none of that name, or the object is no metric.
    """
    if isinstance(metric, str) and metric in BY_NAME:
        return BY_NAME[metric](name=metric)
    for function, cls in losses.FUNCTIONS.items():
        if isinstance(metric, str) and cls is losses.BY_NAME.get(metric):
            return MeanMetricWrapper(function, metric)
    if isinstance(metric, type) and metric in CLASSES:
        return metric()
    if callable(metric) and not isinstance(metric, type):
        if isinstance(getattr(metric, "name", None), str):
            return metric
        if isinstance(getattr(metric, "__name__", None), str):
            return MeanMetricWrapper(metric)
    names = ", ".join(repr(name) for cls in CLASSES if (name := cls().name) not in losses.BY_NAME)
    raise ValueError(
        f"metrics must be {names}, losses, functions, or objects like npcnn.metrics.Accuracy(), got {metric!r}"
    )
