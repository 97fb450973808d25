"""Adam's arithmetic on one array of parameters. The equations are in `npcnn/optimizers.py`."""

import numpy as np


def update_numpy(
    w: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    alpha: np.floating,
    one_minus_beta_1: np.floating,
    one_minus_beta_2: np.floating,
    epsilon: np.floating,
) -> None:
    """Change w, m and v in place."""
    m += (g - m) * one_minus_beta_1
    v += (g * g - v) * one_minus_beta_2
    w -= m * alpha / (np.sqrt(v) + epsilon)


RUNGS = {"loops": update_numpy, "im2col": update_numpy}
