"""What calling a model or a loss returns: a NumPy array that scripts written for TensorFlow may ask for itself."""

from typing import Any

import numpy as np


class Array(np.ndarray):
    """An array with the methods `numpy()` and `assign()`, as tensors and variables of TensorFlow have them."""

    def numpy(self) -> np.ndarray:
        """Return the plain array."""
        return self.view(np.ndarray)

    def assign(self, value: Any) -> None:
        """Copy a value into the array."""
        self[...] = value


class LearningRate(float):
    """A learning rate: a number, with the methods `numpy()` and `assign()` that TensorFlow's variables have."""

    optimizer: Any

    def numpy(self) -> float:
        """Return the plain number."""
        return float(self)

    def assign(self, value: float) -> None:
        """Set the learning rate of the optimizer that this number was read from."""
        self.optimizer.learning_rate = value
