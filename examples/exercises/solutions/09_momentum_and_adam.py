"""Solution 9.

At the first step of Adam m_hat = g and v_hat = g^2, so w moves by lr g / |g| = lr, whether g is 0.001 or 1000:
dividing by sqrt(v) takes out the size of the gradient, which differs wildly from layer to layer, and keeps its
direction. Without the corrections m would be 0.1 g and sqrt(v) 0.03 |g|: a first step of three times lr.

npcnn and Keras put both corrections into one number, alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t), and write w = w
- alpha m / (sqrt(v) + epsilon). The same, but for epsilon, which is not corrected with v there: what Kingma and Ba
call epsilon hat.
"""

import numpy as np


def momentum_step(w, g, m, lr=0.1, momentum=0.9):
    """Return the new w and m."""
    m = momentum * m - lr * g
    return w + m, m


def adam_step(w, g, m, v, t, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Return the new w, m and v; t is 1 at the first step."""
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + epsilon), m, v
