"""RMSprop: each gradient divided by its usual size."""

from typing import Any

import numpy as np

from npcnn.checks import check_flag, check_fraction, check_positive
from npcnn.optimizers.optimizer import Optimizer, flush


class RMSprop(Optimizer):
    """Each gradient divided by its typical size, the root of a running mean of its square.

        v = rho v + (1 - rho) g^2
        s = lr g / sqrt(v + epsilon)            centered:  s = lr g / sqrt(v - a^2 + epsilon),
                                                           a = rho a + (1 - rho) g
        w = w - s                               momentum:  m = momentum m + s;   w = w - m

    So steep directions do not overshoot, and flat ones move too. Adam adds to this a mean of the gradient itself, and
    a correction for v being too small at first. With `centered`, v - a^2 is the variance of g rather than its mean
    square (Hinton, "Neural networks for machine learning", lecture 6, 2012; centered: Graves, "Generating sequences
    with recurrent neural networks", 2013). Epsilon stands under the root, as in Keras.

    Args:
        learning_rate: lr.
        rho: how much of v and a stays at each step; from 0 to below 1.
        momentum: from 0 (none) to below 1.
        epsilon: keeps the quotient finite where v is zero.
        centered: whether a^2 is subtracted.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "rmsprop"
    interleaved = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = check_fraction("RMSprop: rho", rho)
        self.momentum = check_fraction("RMSprop: momentum", momentum)
        self.epsilon = check_positive("RMSprop: epsilon", epsilon)
        self.centered = check_flag("RMSprop: centered", centered)
        used = {"velocity": True, "momentum": self.momentum > 0, "average_gradient": self.centered}
        self.slot_names = tuple(name for name, is_used in used.items() if is_used)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and v, m, a in place, given g = dL/dw."""
        slots, rho = dict(zip(self.slot_names, remembered, strict=True)), self.rho
        v = slots["velocity"]
        v[...] = rho * v + (1 - rho) * (g * g)
        flush(v)
        variance = v
        if self.centered:
            a = slots["average_gradient"]
            a[...] = rho * a + (1 - rho) * g
            flush(a)
            variance = v - a * a
        step = self.learning_rate * g / np.sqrt(variance + self.epsilon)
        if self.momentum:
            m = slots["momentum"]
            m[...] = self.momentum * m + step
            flush(m)
            step = m
        w -= step
