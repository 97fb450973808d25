"""Adagrad: smaller steps where gradients have been large."""

from typing import Any

import numpy as np

from npcnn.checks import check_not_negative, check_positive
from npcnn.optimizers.optimizer import Optimizer


class Adagrad(Optimizer):
    """Each gradient divided by the root of the sum of all its squares so far: what has moved much moves less and less.

        v = v + g^2
        w = w - lr g / sqrt(v + epsilon)

    So rare features, whose gradients are mostly zero, keep long steps. RMSprop takes a running mean in place of the
    sum, and so does not come to a halt. (Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning
    and stochastic optimization", 2011.)

    Args:
        learning_rate: lr.
        initial_accumulator_value: v before the first step, from 0 up.
        epsilon: keeps the quotient finite where v is zero.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "adagrad"
    slot_names = ("accumulator",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        start = check_not_negative("Adagrad: initial_accumulator_value", initial_accumulator_value)
        self.initial_accumulator_value = self.slot_start = start
        self.epsilon = check_positive("Adagrad: epsilon", epsilon)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and v in place, given g = dL/dw."""
        (v,) = remembered
        v += g * g
        w -= self.learning_rate * g / np.sqrt(v + self.epsilon)
