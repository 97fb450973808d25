"""Adamax: Adam that measures gradients by their largest size, not by their mean square."""

from typing import Any

import numpy as np

from npcnn.checks import check_fraction, check_positive
from npcnn.optimizers.optimizer import Optimizer, flush


class Adamax(Optimizer):
    """Steps of at most lr in each weight, whatever the scale of its gradient.

    At step t = 1, 2, ..., with a running mean of the gradient and a running maximum of its size,

        m = m + (g - m) (1 - beta_1)
        u = max(beta_2 u, |g|)
        w = w - lr m / ((1 - beta_1^t) (u + epsilon))

    m starts at zero and so is too small at first; 1 - beta_1^t makes up for it. u needs no such factor. (Kingma and
    Ba, "Adam: a method for stochastic optimization", 2015, section 7.1.)

    Args:
        learning_rate: lr.
        beta_1, beta_2: how much of m and u stays at each step; from 0 to below 1.
        epsilon: keeps the quotient finite where u is zero.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "adamax"
    slot_names = ("momentum", "norm")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1 = check_fraction("Adamax: beta_1", beta_1)
        self.beta_2 = check_fraction("Adamax: beta_2", beta_2)
        self.epsilon = check_positive("Adamax: epsilon", epsilon)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w, m and u in place, given g = dL/dw."""
        (m, u), number = remembered, w.dtype.type
        m += (g - m) * number(1 - self.beta_1)
        flush(m)
        np.maximum(number(self.beta_2) * u, abs(g), out=u)
        rate = number(self.learning_rate / (1 - self.beta_1 ** (self.iterations + 1)))
        w -= rate * m / (u + number(self.epsilon))
