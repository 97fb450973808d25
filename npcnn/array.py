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
