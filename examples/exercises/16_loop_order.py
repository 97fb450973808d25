"""Exercise 16: the same loops in another order, and how much faster that is.

    y[n, u] = sum over c of  x[n, c] w[c, u]

`given` goes through w down its columns: the next c is a whole row away in memory. All additions to one y happen in the
order of c; the loops over n, c and u may change places as long as that stays true.

TODO: write `reordered`: the same three loops in an order in which the innermost goes along a row of w. Then run this
file, which times both, and set MEASURED to the ratio that it prints.

Read first: the "jit" section of npcnn/kernels/conv2d.py; benchmarks/README.md, which climbs the ladder.
With NUMBA_DISABLE_JIT=1 in front of the command nothing is compiled, and a debugger can step through.

    python examples/exercises/16_loop_order.py
    python examples/exercises/mark.py 16
"""

import time

import numpy as np
from numba import njit

MEASURED = None  # TODO: how many times as fast, as 3.5


@njit
def given(x, w, y):
    """Add x w to y."""
    N, C = x.shape
    U = w.shape[1]
    for n in range(N):
        for u in range(U):
            for c in range(C):
                y[n, u] += x[n, c] * w[c, u]


@njit
def reordered(x, w, y):
    """Add x w to y."""
    raise NotImplementedError("TODO")


def seconds(kernel):
    """Return the least of five times, for a batch of 32 in a layer of 1,600 inputs and 500 outputs."""
    rng = np.random.default_rng(0)
    x, w = rng.random((32, 1600), dtype="float32"), rng.random((1600, 500), dtype="float32")
    times = []
    for _ in range(6):  # the first compiles
        y = np.zeros((32, 500), "float32")
        start = time.perf_counter()
        kernel(x, w, y)
        times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == "__main__":
    before, after = seconds(given), seconds(reordered)
    print(f"given: {before * 1e3:.1f} ms, reordered: {after * 1e3:.1f} ms, {before / after:.1f} times as fast")
