"""Cross-entropy, the loss of a model that tells classes apart: -log(the probability given to the right class).

It comes in two forms:

    from probabilities   p = softmax(z) is what the model returns; p is clipped to [1e-7, 1 - 1e-7] before the log
    from logits          z is what the model returns, before any softmax

The second is numerically safer. Through p, the chain rule multiplies dl/dp[r] = -1/p[r], for the right class r, by the
derivative of softmax, which contains p[r]: 0/0 once p[r] underflows. Multiplied out, p[r] cancels. With p = softmax(z),

    l     = -log(p[r]) = log(sum over k' of exp(z[k'])) - z[r]
    dz[k] = p[r] ((1 if k = r else 0) - p[k]) * (-1 / p[r])  =  p[k] - (1 if k = r else 0)

(`docs/loss.md` does this step by step, under "Softmax with cross-entropy".) So a model that ends in softmax is
trained with its softmax and its loss joined, as Keras on TensorFlow does; one that ends in a sigmoid, with its sigmoid
and binary cross-entropy.
"""

from typing import Any

import numpy as np

from npcnn.checks import check_flag, check_fraction
from npcnn.complex_step import comparable
from npcnn.losses.loss import Loss

EPSILON = 1e-7


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy for labels given as class numbers.

    Forward, with z the logits, or z = log(clip(p)) for probabilities:

        l[n] = log(sum over k of exp(z[n, k])) - z[n, labels[n]]

    Backward:

        dz[n, k] = softmax(z)[n, k] - (1 if k = labels[n] else 0)
        dp = dz / p where p was not clipped, else 0

    Three classes, of which 1 is the right one, and got a probability of 0.259:

    >>> loss = SparseCategoricalCrossentropy(from_logits=True)
    >>> L, cache = loss.forward([1], np.array([[2.0, 1.0, -1.0]]))
    >>> print(L.round(3))                          # -log(0.259)
    1.349
    >>> loss.backward(cache).round(3)              # the probabilities, with 1 taken from the right one's
    array([[ 0.705, -0.741,  0.035]])

    Shapes: y_true (N,) or (N, 1), whole numbers from 0 to K - 1; y_pred (N, K).

    Args:
        from_logits: whether y_pred is logits rather than probabilities.
        ignore_class: must be None.
        common: see `Loss`.

    Raises:
        ValueError: labels out of range, not whole numbers, or not as many as predictions.
    """

    name = "sparse_categorical_crossentropy"

    def __init__(self, from_logits: bool = False, ignore_class: None = None, **common: Any) -> None:
        super().__init__(ignore_class=ignore_class, **common)
        self.from_logits = check_flag(f"{self.name}: from_logits", from_logits)

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example (N,), and the cache for `backward_each`."""
        p, inside = (None, None) if self.from_logits else clip(y_pred)
        log_q, q = log_softmax(y_pred if p is None else np.log(p))
        return -log_q[np.arange(len(y_true)), y_true], (q, y_true, p, inside)

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred (N, K)."""
        q, labels, p, inside = cache
        dz = q.copy()
        dz[np.arange(len(labels)), labels] -= 1
        return dz if p is None else np.where(inside, dz / p, 0)

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels as integers (N,), checked against predictions of shape (N, K)."""
        self.check_classes(shape)
        labels, (N, K) = np.asarray(y_true), shape
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


class CategoricalCrossentropy(Loss):
    """Cross-entropy for labels given as rows of probabilities, most often one-hot.

    Forward, with t[n, k] = (1 - label_smoothing) labels[n, k] + label_smoothing / K:

        from logits:          l[n] = -sum over k of  t[n, k] log(softmax(z)[n, k])
        from probabilities:   l[n] = -sum over k of  t[n, k] log(clip(q[n, k])),    q = p / (sum of p's row)

    Backward:

        dz = softmax(z) - t    (as the rows of t add up to 1)
        dq = -t / q where q was not clipped, else 0;   dp = (dq - sum over k of dq q) / (sum of p's row)

    >>> loss = CategoricalCrossentropy(from_logits=True)
    >>> L, cache = loss.forward([[0.0, 1.0, 0.0]], np.array([[2.0, 1.0, -1.0]]))
    >>> print(L.round(3), loss.backward(cache).round(3))
    1.349 [[ 0.705 -0.741  0.035]]

    Label smoothing takes a little from the right class and shares it among all: a model that would reach it would
    not be certain, and its logits stay finite (Szegedy et al., "Rethinking the Inception architecture", 2016).

    Shapes: y_true and y_pred (N, K); the rows of y_true add up to 1.

    Args:
        from_logits: whether y_pred is logits rather than probabilities.
        label_smoothing: from 0 (none) to below 1.
        common: see `Loss`.

    Raises:
        ValueError: the shapes differ, or a row of y_true is not a distribution.
    """

    name = "categorical_crossentropy"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.from_logits = check_flag(f"{self.name}: from_logits", from_logits)
        self.label_smoothing = check_fraction(f"{self.name}: label_smoothing", label_smoothing)

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example (N,), and the cache for `backward_each`."""
        t = y_true.astype(comparable(y_pred).dtype)
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / t.shape[1]
        if self.from_logits:
            (log_q, q), quotient = log_softmax(y_pred), None
        else:
            total = y_pred.sum(axis=1, keepdims=True)
            q = y_pred / total
            clipped, inside = clip(q)
            log_q, quotient = np.log(clipped), (clipped, inside, total)
        return -(t * log_q).sum(axis=1), (q, t, quotient)

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred (N, K)."""
        q, t, quotient = cache
        if quotient is None:
            return q * t.sum(axis=1, keepdims=True) - t
        clipped, inside, total = quotient
        dq = np.where(inside, -t / clipped, 0)
        return (dq - (dq * q).sum(axis=1, keepdims=True)) / total

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels (N, K), checked against predictions of shape (N, K)."""
        self.check_classes(shape)
        labels = super().check_labels(y_true, shape)
        if (labels < 0).any() or not np.allclose(labels.sum(axis=1), 1, atol=1e-3):
            raise ValueError(f"{self.name}: each row of y must be probabilities that add up to 1 (one-hot, say)")
        return labels


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
