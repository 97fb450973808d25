"""Adadelta: steps as large as the steps before, in proportion to the gradients."""

from typing import Any

import numpy as np

from npcnn.checks import check_fraction, check_positive
from npcnn.optimizers.optimizer import Optimizer, flush


class Adadelta(Optimizer):
    """RMSprop whose step is as long as the last ones were: the quotient of two typical sizes takes the place of lr.

        v = rho v + (1 - rho) g^2
        s = g sqrt(d + epsilon) / sqrt(v + epsilon)
        d = rho d + (1 - rho) s^2
        w = w - lr s

    g / sqrt(v) is a pure number, without the unit of w; sqrt(d), the size of the last steps, gives s that unit. In the
    paper lr is 1 (Zeiler, "ADADELTA: an adaptive learning rate method", 2012). Keras' default is 0.001, with which
    training is very slow.

    Args:
        learning_rate: lr.
        rho: how much of v and d stays at each step; from 0 to below 1.
        epsilon: lets the first steps be other than zero.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "adadelta"
    slot_names = ("accumulated_grad", "accumulated_delta_var")

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **common: Any) -> None:
        super().__init__(learning_rate, **common)
        self.rho = check_fraction("Adadelta: rho", rho)
        self.epsilon = check_positive("Adadelta: epsilon", epsilon)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w, v and d in place, given g = dL/dw."""
        (v, d), rho = remembered, self.rho
        v[...] = rho * v + (1 - rho) * (g * g)
        flush(v)
        step = g * np.sqrt(d + self.epsilon) / np.sqrt(v + self.epsilon)
        d[...] = rho * d + (1 - rho) * (step * step)
        flush(d)
        w -= self.learning_rate * step
