"""Metrics: reported during training, not optimized."""

from typing import Any

import numpy as np


class Accuracy:
    """The share of examples whose right class has the highest score.

        accuracy = mean over n of  (1 if argmax over k of y_pred[n, k] = y_true[n] else 0)

    Shapes: y_pred (N, K); y_true (N,) or (N, 1) class numbers, or (N, K) one-hot. A tie goes to the first class.

    Args:
        name: its name in the history; "acc" as a metric is short for Accuracy("acc").

    Raises:
        ValueError: the shapes do not fit, or there is one class only.
    """

    def __init__(self, name: str = "accuracy") -> None:
        self.name = name

    def __call__(self, y_true: np.ndarray, y_pred: np.ndarray) -> float:
        """Return the accuracy, from 0 to 1."""
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        if y_pred.ndim != 2 or y_true.shape not in (y_pred.shape, (len(y_pred), 1), (len(y_pred),)):
            wanted = "y_true (N,), (N, 1) or (N, K) for y_pred (N, K)"
            raise ValueError(f"accuracy: needs {wanted}, got y_true {y_true.shape} for y_pred {y_pred.shape}")
        if y_pred.shape[1] < 2:
            raise ValueError("accuracy: needs scores of two classes or more, got one; give the last layer more units")
        labels = y_true.argmax(axis=-1) if y_true.shape == y_pred.shape else y_true.reshape(len(y_pred))
        return float((y_pred.argmax(axis=-1) == labels).mean())


def get(metric: Any) -> Any:
    """Return the metric of that name, or the object itself if it is one.

    A metric is any object with a `name` and __call__(y_true, y_pred) -> mean over the batch.

    Raises:
        ValueError: there is none of that name, or the object is no metric.
    """
    if isinstance(metric, str) and metric in ("accuracy", "acc"):
        return Accuracy(metric)
    if callable(metric) and isinstance(getattr(metric, "name", None), str) and not isinstance(metric, type):
        return metric
    raise ValueError(f"metrics must be 'accuracy' or objects like npcnn.metrics.Accuracy(), got {metric!r}")
