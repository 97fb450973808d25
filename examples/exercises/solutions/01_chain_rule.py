"""Solution 1.

L = q a depends on q by a, and on a by q. What reaches q goes on to both terms of the sum p + c unchanged; what
reaches p goes on to a times b, and to b times a. a hears of L twice: from L = q a directly, and through p. Both are
added, since a small change of a changes L in both ways at once. The += in every backward pass of npcnn comes from
this.
"""


def gradients(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Return dL/da, dL/db, dL/dc."""
    q = a * b + c
    dq = a
    dp = dc = dq
    return q + dp * b, dp * a, dc
