"""Penalties on large weights: added to the loss, so that training makes them small too.

A network that is free to use large weights can bend its output around single training examples; one that pays for them
learns what holds for many. The penalty is no mean over examples: it is added to the loss of a batch once.
"""

import inspect
from typing import Any

import numpy as np

from npcnn.checks import check_not_negative
from npcnn.complex_step import comparable


class L1L2:
    """A penalty on the size of weights, and on its square.

        P  = l1 (sum of |w|) + l2 (sum of w^2)
        dw = l1 sign(w) + 2 l2 w            sign(0) = 0

    The second pulls at a weight in proportion to its size (Krogh and Hertz, "A simple weight decay can improve
    generalization", 1991), the first always alike, so that many weights end at zero (Tibshirani, "Regression
    shrinkage and selection via the lasso", 1996).

    Args:
        l1, l2: the factors, from 0 up.

    Raises:
        ValueError: a factor is negative or no number.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = check_not_negative(f"{type(self).__name__}: l1", l1)
        self.l2 = check_not_negative(f"{type(self).__name__}: l2", l2)

    def __call__(self, w: np.ndarray) -> Any:
        """Return the penalty P, one number."""
        return self.l1 * (w * np.sign(comparable(w))).sum() + self.l2 * (w * w).sum()

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Return dP/dw, an array like w."""
        return self.l1 * np.sign(w) + 2 * self.l2 * w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this penalty again, under Keras' names."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


class L1(L1L2):
    """L1L2 with l1 alone."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """L1L2 with l2 alone."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


l1, l2, l1_l2 = L1, L2, L1L2
CLASSES = (L1, L2, L1L2)


def get(regularizer: Any, argument: str = "regularizer") -> L1L2 | None:
    """Return the penalty of that name ("l2", "L2"), or the object itself; None is none.

    Raises:
        ValueError: there is none of that name; `argument` is what the caller calls it.
    """
    by_name: dict[str, type[L1L2]] = {"l1": L1, "l2": L2, "l1_l2": L1L2, **{cls.__name__: cls for cls in CLASSES}}
    if regularizer is None or isinstance(regularizer, L1L2):
        return regularizer
    if isinstance(regularizer, str) and regularizer in by_name:
        return by_name[regularizer]()
    wanted = f"{', '.join(map(repr, by_name))}, or an object such as npcnn.regularizers.L2(0.001)"
    raise ValueError(f"{argument} must be None, {wanted}; got {regularizer!r}")
