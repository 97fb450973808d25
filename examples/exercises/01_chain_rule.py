"""Exercise 1: the chain rule, by hand, on three numbers.

    p = a b        q = p + c        L = q a

TODO: return the three derivatives of L. Go backward, as a network does: first dL/dq, then dL/dp and dL/dc, then the
rest. Mind that a is used twice.

With a = 2, b = -3, c = 10 the values are p = -6, q = 4, L = 8. If b grows by 0.001, p grows by 0.002, so does q, and L
by 0.004: dL/db is 4.

Read first: docs/backward.md, "The chain rule, on three numbers".

    python examples/exercises/mark.py 1
"""


def gradients(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Return dL/da, dL/db, dL/dc."""
    raise NotImplementedError("TODO")
