"""What training makes small: one number that says how wrong the predictions are, and its gradient.

Cross-entropy is the mean over the batch of -log(the probability given to the right class). It comes in two forms:

    from probabilities   p = softmax(z) is what the model returns; p is clipped to [1e-7, 1 - 1e-7] before the log
    from logits          z is what the model returns, before any softmax

The second is numerically safer. Through p, the chain rule multiplies dL/dp[r] = -1/p[r], for the right class r, by the
derivative of softmax, which contains p[r]: 0/0 once p[r] underflows. Multiplied out, p[r] cancels. For one example,
with p = softmax(z),

    L     = -log(p[r]) = log(sum over k' of exp(z[k'])) - z[r]
    dz[k] = p[r] ((1 if k = r else 0) - p[k]) * (-1 / p[r])  =  p[k] - (1 if k = r else 0)

so a model that ends in softmax is trained with its softmax and its loss joined, as Keras on TensorFlow does.

A loss is any object with forward(y_true, y_pred) -> (value, cache) and backward(cache) -> dy_pred. The loss is a mean:
it divides by N, so no layer does. K is the number of classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.checks import check_flag
from npcnn.complex_step import comparable

EPSILON = 1e-7


def log_softmax(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log(softmax(z)) of the rows of z, and softmax(z); with the maximum subtracted, nothing overflows."""
    z = z - comparable(z).max(axis=1, keepdims=True)
    exponentials = np.exp(z)
    total = exponentials.sum(axis=1, keepdims=True)
    return z - np.log(total), exponentials / total


def clip(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return p kept within [EPSILON, 1 - EPSILON], and where it was inside: outside, the gradient is zero."""
    plain = comparable(p)
    low, high = plain.dtype.type(EPSILON), plain.dtype.type(1 - EPSILON)
    inside = (plain >= low) & (plain <= high)
    return np.where(inside, p, np.clip(plain, low, high)), inside


class _Crossentropy:
    """What the two cross-entropies share: the choice between probabilities and logits, and checks."""

    name: str
    compute: Callable[..., tuple[np.floating, Any]]  # what `forward` does once labels are checked

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = check_flag(f"{self.name}: from_logits", from_logits)

    def forward(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.floating, Any]:
        """Return the loss and the cache for `backward`."""
        y_pred = np.asarray(y_pred)
        if y_pred.size == 0 or y_pred.dtype.kind not in "fc":
            wanted = "a float array (N, K), with N and K at least 1"
            raise ValueError(f"{self.name}: y_pred must be {wanted}, got {y_pred.dtype} of shape {y_pred.shape}")
        return self.compute(self.check_labels(y_true, y_pred.shape), y_pred)

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels as `compute` wants them, checked against predictions of `shape`."""
        if len(shape) != 2:
            hint = "put layers.Flatten() and a Dense layer in front of the loss"
            raise ValueError(f"{self.name}: y_pred must be (N, K), a row of K class scores each, got {shape}; {hint}")
        return np.asarray(y_true)

    def probabilities(self, cache: Any) -> np.ndarray:
        """Return the probabilities from `forward`: softmax of the logits, or y_pred normalized to sum 1."""
        return cache[0].copy()  # a metric may change what it is given, the cache must stay


class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy for labels given as class numbers.

    Forward, with z the logits, or z = log(clip(p)) for probabilities:

        L = mean over n of  log(sum over k of exp(z[n, k])) - z[n, labels[n]]

    Backward:

        dz[n, k] = (softmax(z)[n, k] - (1 if k = labels[n] else 0)) / N
        dp = dz / p where p was not clipped, else 0

    Shapes: y_true (N,) or (N, 1), whole numbers from 0 to K - 1; y_pred (N, K).

    Args:
        from_logits: whether y_pred is logits rather than probabilities.

    Raises:
        ValueError: labels out of range, not whole numbers, or not as many as predictions.
    """

    name = "sparse_categorical_crossentropy"

    def compute(self, labels: np.ndarray, y_pred: np.ndarray) -> tuple[np.floating, Any]:
        """Return the loss and the cache for `backward`."""
        p, inside = (None, None) if self.from_logits else clip(y_pred)
        log_q, q = log_softmax(y_pred if p is None else np.log(p))
        return -log_q[np.arange(len(labels)), labels].mean(), (q, labels, p, inside)

    def backward(self, cache: Any) -> np.ndarray:
        """Return dL/dy_pred (N, K)."""
        q, labels, p, inside = cache
        dz = q.copy()
        dz[np.arange(len(labels)), labels] -= 1
        dz /= len(labels)
        return dz if p is None else np.where(inside, dz / p, 0)

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels as integers (N,), checked against predictions of shape (N, K)."""
        labels, (N, K) = super().check_labels(y_true, shape), shape
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.shape != (N,):
            hint = "; for one-hot labels use 'categorical_crossentropy'" if labels.shape == (N, K) else ""
            raise ValueError(f"{self.name}: y must hold {N} labels, shape ({N},), got shape {np.shape(y_true)}{hint}")
        kind = labels.dtype.kind
        if kind not in "biuf" or (kind == "f" and not (labels == np.floor(labels)).all()):
            got = f"{labels.dtype} like {labels[:3]}"
            raise ValueError(f"{self.name}: y must hold whole numbers from 0 to {K - 1}, got {got}")
        if len(labels) and (labels.min() < 0 or labels.max() >= K):
            wrong = labels[(labels < 0) | (labels >= K)][0]
            raise ValueError(f"{self.name}: y must hold labels from 0 to {K - 1}, for {K} outputs; got {wrong}")
        return labels.astype(np.intp)


class CategoricalCrossentropy(_Crossentropy):
    """Cross-entropy for labels given as rows of probabilities, most often one-hot.

    Forward:

        from logits:          L = -mean over n of  sum over k of  labels[n, k] log(softmax(z)[n, k])
        from probabilities:   L = -mean over n of  sum over k of  labels[n, k] log(clip(q[n, k])),
                              q = p / (sum of p's row)

    Backward:

        dz = (softmax(z) - labels) / N    (as the rows of labels add up to 1)
        dq = -labels / (N q) where q was not clipped, else 0;   dp = (dq - sum over k of dq q) / (sum of p's row)

    Shapes: y_true and y_pred (N, K); the rows of y_true add up to 1.

    Args:
        from_logits: whether y_pred is logits rather than probabilities.

    Raises:
        ValueError: the shapes differ, or a row of y_true is not a distribution.
    """

    name = "categorical_crossentropy"

    def compute(self, labels: np.ndarray, y_pred: np.ndarray) -> tuple[np.floating, Any]:
        """Return the loss and the cache for `backward`."""
        labels = labels.astype(comparable(y_pred).dtype)
        if self.from_logits:
            (log_q, q), quotient = log_softmax(y_pred), None
        else:
            total = y_pred.sum(axis=1, keepdims=True)
            q = y_pred / total
            clipped, inside = clip(q)
            log_q, quotient = np.log(clipped), (clipped, inside, total)
        return -(labels * log_q).sum(axis=1).mean(), (q, labels, quotient)

    def backward(self, cache: Any) -> np.ndarray:
        """Return dL/dy_pred (N, K)."""
        q, labels, quotient = cache
        if quotient is None:
            return (q * labels.sum(axis=1, keepdims=True) - labels) / len(labels)
        clipped, inside, total = quotient
        dq = np.where(inside, -labels / (len(labels) * clipped), 0)
        return (dq - (dq * q).sum(axis=1, keepdims=True)) / total

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels (N, K), checked against predictions of shape (N, K)."""
        labels = super().check_labels(y_true, shape)
        if labels.shape != shape:
            hint = "; for class numbers use 'sparse_categorical_crossentropy'" if labels.shape == shape[:1] else ""
            raise ValueError(f"{self.name}: y must have shape {shape}, as the predictions, got {labels.shape}{hint}")
        if labels.dtype.kind not in "biuf" or (labels < 0).any() or not np.allclose(labels.sum(axis=1), 1, atol=1e-3):
            raise ValueError(f"{self.name}: each row of y must be probabilities that add up to 1 (one-hot, say)")
        return labels


def get(loss: Any) -> Any:
    """Return the loss of that name, or the object itself if it is one.

    Raises:
        ValueError: there is none of that name, or the object lacks forward and backward.
    """
    classes = {c.name: c for c in (SparseCategoricalCrossentropy, CategoricalCrossentropy)}
    if isinstance(loss, str) and loss in classes:
        return classes[loss]()
    if not isinstance(loss, type) and all(callable(getattr(loss, name, None)) for name in ("forward", "backward")):
        return loss
    raise ValueError(f"loss must be {' or '.join(map(repr, classes))}, or an object from npcnn.losses; got {loss!r}")
