"""Solution 2.

Two errors work against each other. The curve bends: for a central difference the error is h^2 / 6 times the third
derivative, so ten times smaller with h is a hundred times better. But f(x + h) and f(x - h) come nearer to each other,
the digits in which they agree are lost in the difference, and what rounding has left, about 1e-16, is divided by 2h.
The sum of h^2 and 1e-16 / h is smallest near the cube root of 1e-16, at 1e-5. No h gives more than some ten digits.
(A step to one side only has an error of h, and is best at 1e-8, with eight digits.)
"""

import math
from collections.abc import Callable


def slope(f: Callable[[float], float], x: float, h: float) -> float:
    """Return the slope of f at x, measured by one step of h to either side."""
    return (f(x + h) - f(x - h)) / (2 * h)


BEST_H = 1e-5


if __name__ == "__main__":
    for exponent in range(1, 16):
        print(f"h = 1e-{exponent:<2}   error {abs(slope(math.exp, 1.0, 10.0**-exponent) - math.e):.1e}")
