"""Gradient descent, plain and with momentum."""

from typing import Any

import numpy as np

from npcnn.checks import check_flag, check_fraction
from npcnn.optimizers.optimizer import Optimizer, flush


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        plain:      w = w - lr g
        momentum:   m = momentum m - lr g;   w = w + m
        Nesterov:   m = momentum m - lr g;   w = w + momentum m - lr g

    Momentum keeps going where the last steps went, as a ball rolls (Polyak, 1964). In Nesterov's variant w
    stands, as in Keras, for the point one step ahead, w + momentum m (Sutskever et al., "On the importance of
    initialization and momentum", 2013).

    Args:
        learning_rate: lr.
        momentum: from 0 (none) to below 1.
        nesterov: whether to use Nesterov's variant; a number other than 0 is True, as in Keras.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "sgd"

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **common: Any) -> None:
        super().__init__(learning_rate, **common)
        self.momentum = check_fraction(f"{type(self).__name__}: momentum", momentum)
        self.nesterov = check_flag("SGD: nesterov", nesterov != 0 if isinstance(nesterov, (int, float)) else nesterov)

    @property
    def slot_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """What is remembered: with momentum, m."""
        return ("momentum",) if self.momentum else ()

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and m in place, given g = dL/dw."""
        lr, momentum = w.dtype.type(self.learning_rate), w.dtype.type(self.momentum)
        if not remembered:
            w -= lr * g
            return
        (m,) = remembered
        m[...] = momentum * m - lr * g
        flush(m)
        w += momentum * m - lr * g if self.nesterov else m
