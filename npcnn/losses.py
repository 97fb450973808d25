"""What training makes small: one number that says how wrong the predictions are, and its gradient.

Cross-entropy is the mean over the batch of -log(the probability given to the right class). It comes in two forms:

    from probabilities   p = softmax(z) is what the model returns; p is clipped to [1e-7, 1 - 1e-7] before the log
    from logits          z is what the model returns, before any softmax

The second is better arithmetic. Through p the gradient is -1/p times the derivative of softmax: a quotient of numbers
that may both have rounded to zero. From z the two cancel on paper,

    L  = log(sum over j of exp(z[j])) - z[y]
    dz = (softmax(z) - onehot(y)) / N

so a model that ends in softmax is trained with its softmax and its loss joined, as Keras on TensorFlow does.

A loss is any object with forward(y_true, y_pred) -> (value, cache) and backward(cache) -> dy_pred. The mean over the N
examples is taken here, and nowhere else.
"""

from typing import Any

import numpy as np

EPSILON = 1e-7


def log_softmax(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log(softmax(z)) along the last axis, and softmax(z); with the maximum subtracted, nothing overflows."""
    z = z - z.real.max(axis=-1, keepdims=True)
    exponentials = np.exp(z)
    total = exponentials.sum(axis=-1, keepdims=True)
    return z - np.log(total), exponentials / total


def clip(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return p kept within [EPSILON, 1 - EPSILON], and where it was inside: outside, the gradient is zero."""
    low, high = p.real.dtype.type(EPSILON), p.real.dtype.type(1 - EPSILON)
    inside = (p.real >= low) & (p.real <= high)
    return np.where(inside, p, np.clip(p.real, low, high)), inside


class _Crossentropy:
    """What the two cross-entropies share: the choice between probabilities and logits."""

    name: str

    def __init__(self, from_logits: bool = False) -> None:
        if not isinstance(from_logits, (bool, np.bool_)):
            raise ValueError(f"{self.name}: from_logits must be True or False, got {from_logits!r}")
        self.from_logits = bool(from_logits)

    def probabilities(self, cache: Any) -> np.ndarray:
        """Return the softmax of the logits, or the probabilities brought to the sum 1, that `forward` worked out."""
        return cache[0].copy()  # whoever is given it may change it

    def _check_rows(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            hint = "put layers.Flatten() and a Dense layer in front of the loss"
            raise ValueError(f"{self.name}: y_pred must be (N, K), a row of K class scores each, got {shape}; {hint}")

    def _check_predictions(self, y_pred: np.ndarray) -> np.ndarray:
        y_pred = np.asarray(y_pred)
        if y_pred.size == 0 or y_pred.dtype.kind not in "fc":
            wanted = "a float array (N, K), with N and K at least 1"
            raise ValueError(f"{self.name}: y_pred must be {wanted}, got {y_pred.dtype} of shape {y_pred.shape}")
        return y_pred


class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy for labels given as class numbers.

    Forward, with z the logits, or z = log(clip(p)) for probabilities:

        L = mean over n of  log(sum over k of exp(z[n, k])) - z[n, y[n]]

    Backward:

        dz[n, k] = (softmax(z)[n, k] - (1 if k = y[n] else 0)) / N
        dp = dz / p where p was not clipped, else 0

    Shapes: y_true (N,) or (N, 1), whole numbers from 0 to K - 1; y_pred (N, K).

    Args:
        from_logits: whether y_pred is logits rather than probabilities.

    Raises:
        ValueError: labels out of range, not whole numbers, or not as many as predictions.
    """

    name = "sparse_categorical_crossentropy"

    def forward(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.floating, Any]:
        """Return the loss and the cache for `backward`."""
        y_pred = self._check_predictions(y_pred)
        y = self.check_labels(y_true, y_pred.shape)
        p, inside = (None, None) if self.from_logits else clip(y_pred)
        log_q, q = log_softmax(y_pred if p is None else np.log(p))
        return -log_q[np.arange(len(y)), y].mean(), (q, y, p, inside)

    def backward(self, cache: Any) -> np.ndarray:
        """Return dL/dy_pred (N, K)."""
        q, y, p, inside = cache
        dz = q.copy()
        dz[np.arange(len(y)), y] -= 1
        dz /= len(y)
        return dz if p is None else np.where(inside, dz / p, 0)

    def check_labels(self, y_true: np.ndarray, predictions: tuple[int, ...]) -> np.ndarray:
        """Return the labels as integers (N,), checked against predictions of shape (N, K)."""
        self._check_rows(predictions)
        y, (N, K) = np.asarray(y_true), predictions
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        if y.shape != (N,):
            hint = "; for one-hot labels use 'categorical_crossentropy'" if y.shape == (N, K) else ""
            raise ValueError(f"{self.name}: y must hold {N} labels, shape ({N},), got shape {np.shape(y_true)}{hint}")
        whole = y.dtype.kind in "biu" or (y.dtype.kind == "f" and bool((y == np.floor(y)).all()))
        if not whole:
            raise ValueError(f"{self.name}: y must hold whole numbers from 0 to {K - 1}, got {y.dtype} like {y[:3]}")
        if len(y) and (y.min() < 0 or y.max() >= K):
            wrong = y[(y < 0) | (y >= K)][0]
            raise ValueError(f"{self.name}: y must hold labels from 0 to {K - 1}, for {K} outputs; got {wrong}")
        return y.astype(np.intp)


class CategoricalCrossentropy(_Crossentropy):
    """Cross-entropy for labels given as rows of probabilities, most often one-hot.

    Forward, with t the labels:

        from logits:          L = -mean over n of  sum over k of  t[n, k] log(softmax(z)[n, k])
        from probabilities:   L = -mean over n of  sum over k of  t[n, k] log(clip(q[n, k])),  q = p / (sum of p's row)

    Backward:

        dz = (softmax(z) - t) / N    (as the rows of t add up to 1)
        dq = -t / (N q) where q was not clipped, else 0;   dp = (dq - <dq, q>) / (sum of p's row)

    Shapes: y_true and y_pred (N, K); the rows of y_true add up to 1.

    Args:
        from_logits: whether y_pred is logits rather than probabilities.

    Raises:
        ValueError: the shapes differ, or a row of y_true is not a distribution.
    """

    name = "categorical_crossentropy"

    def forward(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.floating, Any]:
        """Return the loss and the cache for `backward`."""
        y_pred = self._check_predictions(y_pred)
        t = self.check_labels(y_true, y_pred.shape).astype(y_pred.real.dtype)
        if self.from_logits:
            (log_q, q), quotient = log_softmax(y_pred), None
        else:
            total = y_pred.sum(axis=-1, keepdims=True)
            q = y_pred / total
            clipped, inside = clip(q)
            log_q, quotient = np.log(clipped), (clipped, inside, total)
        return -(t * log_q).sum(axis=-1).mean(), (q, t, quotient)

    def backward(self, cache: Any) -> np.ndarray:
        """Return dL/dy_pred (N, K)."""
        q, t, quotient = cache
        if quotient is None:
            return (q * t.sum(axis=-1, keepdims=True) - t) / len(t)
        clipped, inside, total = quotient
        dq = np.where(inside, -t / (len(t) * clipped), 0)
        return (dq - (dq * q).sum(axis=-1, keepdims=True)) / total

    def check_labels(self, y_true: np.ndarray, predictions: tuple[int, ...]) -> np.ndarray:
        """Return the labels (N, K), checked against predictions of shape (N, K)."""
        self._check_rows(predictions)
        t = np.asarray(y_true)
        if t.shape != predictions:
            hint = "; for class numbers use 'sparse_categorical_crossentropy'" if t.shape == predictions[:1] else ""
            raise ValueError(f"{self.name}: y must have shape {predictions}, as the predictions, got {t.shape}{hint}")
        if t.dtype.kind not in "biuf" or not (np.all(t >= 0) and np.allclose(t.sum(axis=-1), 1, atol=1e-3)):
            raise ValueError(f"{self.name}: each row of y must be probabilities that add up to 1 (one-hot, say)")
        return t


def get(loss: Any) -> Any:
    """Return the loss of that name, or the object itself if it is one.

    Raises:
        ValueError: there is none of that name, or the object lacks forward and backward.
    """
    classes = {c.name: c for c in (SparseCategoricalCrossentropy, CategoricalCrossentropy)}
    if isinstance(loss, str) and loss in classes:
        return classes[loss]()
    if callable(getattr(loss, "forward", None)) and callable(getattr(loss, "backward", None)):
        if not isinstance(loss, type):
            return loss
    raise ValueError(f"loss must be {' or '.join(map(repr, classes))}, or an object from npcnn.losses; got {loss!r}")
