"""What training makes small: one number that says how wrong the predictions are, and its gradient.

A loss is a mean. Each example n has a loss l[n] of its own, which is what the classes below are about; then

    L = sum over n of weights[n] l[n] / N,    dy_pred[n] = weights[n] / N  dl[n] / dy_pred[n]

where the weights, if there are any, say how much each example counts. So the loss divides by N, and no layer does.
(Where an output has more axes than (N, K), l has one number for each row of K, and N is how many there are.)

Cross-entropy is -log(the probability given to the right class). It comes in two forms:

    from probabilities   p = softmax(z) is what the model returns; p is clipped to [1e-7, 1 - 1e-7] before the log
    from logits          z is what the model returns, before any softmax

The second is numerically safer. Through p, the chain rule multiplies dl/dp[r] = -1/p[r], for the right class r, by the
derivative of softmax, which contains p[r]: 0/0 once p[r] underflows. Multiplied out, p[r] cancels. With p = softmax(z),

    l     = -log(p[r]) = log(sum over k' of exp(z[k'])) - z[r]
    dz[k] = p[r] ((1 if k = r else 0) - p[k]) * (-1 / p[r])  =  p[k] - (1 if k = r else 0)

so a model that ends in softmax is trained with its softmax and its loss joined, as Keras on TensorFlow does; one that
ends in a sigmoid, with its sigmoid and binary cross-entropy.

For `compile`, a loss is any object with forward(y_true, y_pred) -> (value, cache) and backward(cache) -> dy_pred. K is
the number of classes, or of outputs.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.array import Array
from npcnn.checks import check_flag, check_fraction
from npcnn.complex_step import comparable
from npcnn.keras_arguments import NEUTRAL, check_neutral, made_here

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
        self.name = name or getattr(self, "name", type(self).__name__)
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
        y_pred = np.asarray(y_pred)
        if y_pred.size == 0 or y_pred.ndim == 0 or y_pred.dtype.kind not in "fc":
            wanted = "a float array (N, ..., K), with N and K at least 1"
            raise ValueError(f"{self.name}: y_pred must be {wanted}, got {y_pred.dtype} of shape {y_pred.shape}")
        return self.check_labels(y_true, y_pred.shape), y_pred

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels as `compute` wants them, checked against predictions of `shape`."""
        labels = np.asarray(y_true)
        if (*labels.shape, 1) == shape:  # one output for each example
            labels = labels[..., None]
        if labels.shape != shape or labels.dtype.kind not in "biuf":
            hint = "; for class numbers use 'sparse_categorical_crossentropy'" if labels.shape == shape[:1] else ""
            got = f"{labels.dtype} of shape {labels.shape}{hint}"
            raise ValueError(f"{self.name}: y must be numbers of shape {shape}, as the predictions, got {got}")
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


# ------------------------------------------------------------------ classes


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy for labels given as class numbers.

    Forward, with z the logits, or z = log(clip(p)) for probabilities:

        l[n] = log(sum over k of exp(z[n, k])) - z[n, labels[n]]

    Backward:

        dz[n, k] = softmax(z)[n, k] - (1 if k = labels[n] else 0)
        dp = dz / p where p was not clipped, else 0

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


class BinaryCrossentropy(Loss):
    """Cross-entropy for outputs that are yes or no, each on its own.

    Forward, with t = (1 - label_smoothing) y_true + label_smoothing / 2 and p = clip(y_pred), or p = sigmoid(z):

        l[n] = -mean over k of  t[n, k] log(p[n, k]) + (1 - t[n, k]) log(1 - p[n, k])

    From logits this is max(z, 0) - z t + log(1 + exp(-|z|)), in which nothing overflows. Backward:

        dz = (sigmoid(z) - t) / K
        dp = (p - t) / (p (1 - p)) / K where p was not clipped, else 0

    Shapes: y_true and y_pred (N, ..., K), for K = 1 y_true (N,) too; y_true from 0 to 1.

    Args:
        from_logits: whether y_pred is logits rather than probabilities, as from a sigmoid.
        label_smoothing: from 0 (none) to below 1.
        common: see `Loss`.

    Raises:
        ValueError: the shapes differ, or labels are out of range.
    """

    name = "binary_crossentropy"

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.from_logits = check_flag(f"{self.name}: from_logits", from_logits)
        self.label_smoothing = check_fraction(f"{self.name}: label_smoothing", label_smoothing)

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example, and the cache for `backward_each`."""
        t = y_true.astype(comparable(y_pred).dtype)
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / 2
        if self.from_logits:
            is_positive = comparable(y_pred) > 0
            e = np.exp(np.where(is_positive, -y_pred, y_pred))  # exp(-|z|)
            each = np.where(is_positive, y_pred, 0) - y_pred * t + np.log1p(e)
            return each.mean(axis=-1), (np.where(is_positive, 1, e) / (1 + e), t, None)
        p, inside = clip(y_pred)
        each = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        return each.mean(axis=-1), (p, t, inside)

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred."""
        p, t, inside = cache
        dz = (p - t) / p.shape[-1]
        return dz if inside is None else np.where(inside, dz / (p * (1 - p)), 0)

    def check_labels(self, y_true: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the labels in the predictions' `shape`."""
        labels = super().check_labels(y_true, shape)
        if labels.min() < 0 or labels.max() > 1:
            raise ValueError(f"{self.name}: y must be from 0 to 1, got {labels.min()} to {labels.max()}")
        return labels


# ------------------------------------------------------------------ numbers


class MeanSquaredError(Loss):
    """The mean of the squared differences.

        l[n] = mean over k of  (y_pred[n, k] - y_true[n, k])^2
        dy_pred = 2 (y_pred - y_true) / K

    Shapes: y_true and y_pred (N, ..., K), for K = 1 y_true (N, ...) too.

    Args: see `Loss`.

    Raises:
        ValueError: the shapes differ.
    """

    name = "mean_squared_error"

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example, and the cache for `backward_each`."""
        error = y_pred - y_true.astype(comparable(y_pred).dtype)
        return (error * error).mean(axis=-1), error

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred."""
        return 2 * cache / cache.shape[-1]


class MeanAbsoluteError(Loss):
    """The mean of the absolute differences.

        l[n] = mean over k of  |y_pred[n, k] - y_true[n, k]|
        dy_pred = sign(y_pred - y_true) / K        sign(0) = 0

    Shapes, arguments, errors: as for `MeanSquaredError`.
    """

    name = "mean_absolute_error"

    def forward_each(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the loss of each example, and the cache for `backward_each`."""
        error = y_pred - y_true.astype(comparable(y_pred).dtype)
        sign = np.sign(comparable(error))
        return (error * sign).mean(axis=-1), sign

    def backward_each(self, cache: Any) -> np.ndarray:
        """Return the gradient of each example's loss with respect to its row of y_pred."""
        return cache / cache.shape[-1]


# ------------------------------------------------------------------ the same as functions, of each example


def sparse_categorical_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, ignore_class: None = None, axis: int = -1
) -> np.ndarray:
    """Return l (N,): see `SparseCategoricalCrossentropy`."""
    return SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis).each(y_true, y_pred)


def categorical_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> np.ndarray:
    """Return l (N,): see `CategoricalCrossentropy`."""
    return CategoricalCrossentropy(from_logits, label_smoothing, axis=axis).each(y_true, y_pred)


def binary_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> np.ndarray:
    """Return l (N, ...): see `BinaryCrossentropy`."""
    return BinaryCrossentropy(from_logits, label_smoothing, axis=axis).each(y_true, y_pred)


def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return l (N, ...): see `MeanSquaredError`."""
    return MeanSquaredError().each(y_true, y_pred)


def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Return l (N, ...): see `MeanAbsoluteError`."""
    return MeanAbsoluteError().each(y_true, y_pred)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
bce = BCE = binary_crossentropy

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
        hint = "here a loss has forward_each and backward_each, its gradient; npcnn/losses.py has short ones"
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
