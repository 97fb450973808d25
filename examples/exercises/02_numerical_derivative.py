"""Exercise 2: measure a slope, and find the step that measures it best.

    f'(x)  is about  (f(x + h) - f(x - h)) / 2h

TODO: write `slope`. Then run this file: it prints the error of your slope for steps h from 0.1 down to 1e-15. Set
BEST_H to the power of ten that serves best. Why is a smaller h not always better?

Read first: docs/backward.md, "A derivative answers 'what if'"; docs/loss.md, "Check any of it with numbers".

    python examples/exercises/02_numerical_derivative.py
    python examples/exercises/mark.py 2
"""

import math
from collections.abc import Callable


def slope(f: Callable[[float], float], x: float, h: float) -> float:
    """Return the slope of f at x, measured by one step of h to either side."""
    raise NotImplementedError("TODO")


BEST_H = None  # TODO: a power of ten, as 1e-3


if __name__ == "__main__":
    for exponent in range(1, 16):
        print(f"h = 1e-{exponent:<2}   error {abs(slope(math.exp, 1.0, 10.0**-exponent) - math.e):.1e}")
