"""Adam's arithmetic on one array of parameters. The equations are in `npcnn/optimizers/adam.py`.

Every rung has the signature

    update(w, g, m, v, alpha, one_minus_beta_1, one_minus_beta_2, epsilon)

with w, g, m, v of one shape, any, and numbers of their dtype. It changes w, m and v in place.

Where no gradient comes any more (a unit that ReLU has silenced, a pixel that is always black) m shrinks by beta_1 a
step, and after some 800 steps it is below the smallest normal float32, 1.2e-38; v follows, later. Denormal numbers are
still right, but cost a CPU about a hundred cycles each; so they are set to zero.
"""

from functools import partial

import numpy as np

from npcnn.kernels.compile import jit


def update_numpy(w: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, *numbers: np.floating) -> None:
    """Change w, m and v in place, one operation on whole arrays after the other."""
    alpha, one_minus_beta_1, one_minus_beta_2, epsilon = numbers
    m += (g - m) * one_minus_beta_1
    m[abs(m) < np.finfo(m.dtype).tiny] = 0
    v += (g * g - v) * one_minus_beta_2
    v[v < np.finfo(v.dtype).tiny] = 0
    w -= m * alpha / (np.sqrt(v) + epsilon)


def update_jit(w: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, *numbers: np.floating) -> None:
    """Change w, m and v in place, in one pass over memory; bit for bit what `update_numpy` gives."""
    if w.flags.c_contiguous and m.flags.c_contiguous and v.flags.c_contiguous:
        _update(*(array.reshape(-1) for array in (w, g, m, v)), *numbers, np.finfo(m.dtype).tiny)
    else:
        update_numpy(w, g, m, v, *numbers)


@partial(jit, contract=False)  # a fused multiply-add rounds once where NumPy rounds twice
def _update(w, g, m, v, alpha, one_minus_beta_1, one_minus_beta_2, epsilon, tiny):  # type: ignore[no-untyped-def]
    for i in range(len(w)):
        m[i] += (g[i] - m[i]) * one_minus_beta_1
        if abs(m[i]) < tiny:
            m[i] = 0
        v[i] += (g[i] * g[i] - v[i]) * one_minus_beta_2
        if v[i] < tiny:
            v[i] = 0
        w[i] -= m[i] * alpha / (np.sqrt(v[i]) + epsilon)


RUNGS = {"loops": update_numpy, "im2col": update_numpy, "jit": update_jit, "fused": update_jit}
