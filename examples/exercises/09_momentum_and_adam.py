"""Exercise 9: two optimizers, each from its equation.

Momentum:       m = momentum m - lr g
                w = w + m

Adam, at step t = 1, 2, ... (Kingma and Ba, 2015):

                m = beta_1 m + (1 - beta_1) g              running mean of the gradient
                v = beta_2 v + (1 - beta_2) g^2            running mean of its square
                m_hat = m / (1 - beta_1^t)                 both began at zero, and are too small at first
                v_hat = v / (1 - beta_2^t)
                w = w - lr m_hat / (sqrt(v_hat) + epsilon)

TODO: write both; return new arrays. Before you do: how far does the very first step of Adam move a weight with gradient
0.001, and how far one with gradient 1000? (The answer is in the solution.)

Read first: docs/adam.md. npcnn/optimizers/adam.py has the same with one number, alpha, for both corrections.

    python examples/exercises/mark.py 9
"""

import numpy as np


def momentum_step(w, g, m, lr=0.1, momentum=0.9):
    """Return the new w and m."""
    raise NotImplementedError("TODO")


def adam_step(w, g, m, v, t, lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Return the new w, m and v; t is 1 at the first step."""
    raise NotImplementedError("TODO")
