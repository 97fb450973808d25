"""Cross-entropy for questions that are answered by yes or no."""

from typing import Any

import numpy as np

from npcnn.checks import check_flag, check_fraction
from npcnn.complex_step import comparable
from npcnn.losses.cross_entropy import clip
from npcnn.losses.loss import Loss


class BinaryCrossentropy(Loss):
    """Cross-entropy for outputs that are yes or no, each on its own.

    Forward, with t = (1 - label_smoothing) y_true + label_smoothing / 2 and p = clip(y_pred), or p = sigmoid(z):

        l[n] = -mean over k of  t[n, k] log(p[n, k]) + (1 - t[n, k]) log(1 - p[n, k])

    From logits this is max(z, 0) - z t + log(1 + exp(-|z|)), in which nothing overflows. Backward:

        dz = (sigmoid(z) - t) / K
        dp = (p - t) / (p (1 - p)) / K where p was not clipped, else 0

    The answer yes had a probability of 0.8, once where yes is right and once where no is:

    >>> loss = BinaryCrossentropy()
    >>> loss.each([[1], [0]], np.array([[0.8], [0.8]])).round(3)  # -log(0.8) and -log(0.2)
    array([0.223, 1.609])

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
