"""The rectified linear unit: what is below zero becomes zero."""

from typing import Any

import numpy as np

from npcnn.checks import check_number, check_positive
from npcnn.complex_step import comparable
from npcnn.layers.layer import Layer


class ReLU(Layer):
    """Keep what is positive.

    Forward:   y = max(x, 0)
    Backward:  dx = dy where x > 0, else 0

    The derivative at exactly 0, where there is none, is taken as 0. NaN stays NaN.

    >>> relu = ReLU()
    >>> relu.build((3,))
    >>> y, cache = relu.forward(np.array([[-2.0, 0.0, 3.0]]))
    >>> dx, _ = relu.backward(np.array([[10.0, 10.0, 10.0]]), cache)
    >>> y, dx
    (array([[0., 0., 3.]]), array([[ 0.,  0., 10.]]))

    Keras' three arguments bend it further. With s the negative_slope, t the threshold and m the max_value:

        y = s (x - t)  where x <= t,        dx = s dy
            x          where t < x < m,     dx = dy
            m          where x >= m,        dx = 0

    Shapes: x and y alike, any.

    Args:
        max_value: m, where y ends; None means nowhere.
        negative_slope: s, from 0 up.
        threshold: t, from 0 up.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **common: Any
    ) -> None:
        super().__init__(**common)
        self.negative_slope = check_number(f"{self}: negative_slope", negative_slope, least=0)
        self.threshold = check_number(f"{self}: threshold", threshold, least=0)
        self.max_value = None if max_value is None else check_positive(f"{self}: max_value", max_value)
        if self.max_value is not None and self.max_value <= self.threshold:
            raise self.error(f"max_value must be above threshold {self.threshold}, got {self.max_value}")

    @property
    def is_plain(self) -> bool:
        """Whether this is max(x, 0)."""
        return self.max_value is None and self.negative_slope == self.threshold == 0

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y = max(x, 0), or as the arguments say."""
        x = self.check_input(x)
        # comparable(x) is x itself, except in the complex-step gradient check. Asked as "x <= 0", not "x > 0", so that
        # NaN, for which neither is true, passes.
        y = np.where(comparable(x) <= 0, 0, x) if self.is_plain else self._bend(x)
        return y, y

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx = dy where x was positive, which is where y is; or as the arguments say."""
        y, dy = cache, self.check_gradient(dy, len(cache))
        return np.where(comparable(y) > 0, dy, 0) if self.is_plain else self._bend_back(dy, y), {}

    def _bend(self, x: np.ndarray) -> np.ndarray:
        """Return y as s, t and m say."""
        low = self.negative_slope * (x - self.threshold) if self.negative_slope else 0
        y = np.where(comparable(x) <= self.threshold, low, x)
        return y if self.max_value is None else np.where(comparable(x) >= self.max_value, self.max_value, y)

    def _bend_back(self, dy: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return dx as s, t and m say; y is above t where x was."""
        low = self.negative_slope * dy if self.negative_slope else 0
        dx = np.where(comparable(y) > self.threshold, dy, low)
        return dx if self.max_value is None else np.where(comparable(y) < self.max_value, dx, 0)
