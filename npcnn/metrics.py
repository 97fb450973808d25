"""Metrics: reported during training, not optimized.

A metric is any object with a `name` and __call__(y_true, y_pred) -> mean over the batch. Those here are the mean of a
function that gives one number for each example; the functions have Keras' names too.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import losses
from npcnn.checks import check_count
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
        return float(np.mean(values, dtype=np.float64))

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


CLASSES = (
    Accuracy,
    SparseCategoricalAccuracy,
    CategoricalAccuracy,
    BinaryAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    MeanSquaredError,
    MeanAbsoluteError,
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
    names = ", ".join(repr(cls().name) for cls in CLASSES)
    raise ValueError(f"metrics must be {names}, functions, or objects like npcnn.metrics.Accuracy(), got {metric!r}")
