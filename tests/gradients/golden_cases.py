"""The cases whose answers are in golden.npz: a few of each kind, small."""

import cases
import numpy as np

# Keras refuses strides and dilation together.
CONVOLUTIONS = [case for case in cases.CONVOLUTIONS if case[3] == (1, 1) or case[5] == (1, 1)]
POOLS = cases.POOLS

# With momentum, betas and weight decay that float32 holds exactly: to it Keras rounds them even in float64.
OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.125, "momentum": 0.875}),
    ("SGD", {"learning_rate": 0.125, "momentum": 0.875, "nesterov": True}),
    ("Adam", {"beta_1": 0.875, "beta_2": 1 - 2**-10}),
    ("Adam", {"learning_rate": 0.02, "beta_1": 0.75, "beta_2": 0.9375, "epsilon": 1e-3}),
    ("RMSprop", {"rho": 0.875}),
    ("RMSprop", {"learning_rate": 0.02, "rho": 0.75, "momentum": 0.875, "epsilon": 1e-3}),
    ("RMSprop", {"rho": 0.875, "centered": True}),
    ("RMSprop", {"learning_rate": 0.02, "rho": 0.9375, "momentum": 0.5, "centered": True, "epsilon": 2**-10}),
    ("Adadelta", {"rho": 0.9375}),
    ("Adadelta", {"learning_rate": 0.5, "rho": 0.75, "epsilon": 1e-4}),
    ("AdamW", {"weight_decay": 2**-8, "beta_1": 0.875, "beta_2": 1 - 2**-10}),
    ("AdamW", {"learning_rate": 0.125, "weight_decay": 2**-5, "beta_1": 0.875, "beta_2": 0.9375}),
    ("SGD", {"learning_rate": 0.125, "momentum": 0.875, "weight_decay": 2**-6}),
    ("SGD", {"learning_rate": 0.125, "clipvalue": 0.5}),
    ("SGD", {"learning_rate": 0.125, "clipnorm": 2.0}),
    ("SGD", {"learning_rate": 0.125, "global_clipnorm": 4.0}),
    ("RMSprop", {"rho": 0.875, "clipnorm": 0.5, "weight_decay": 2**-6}),
]


def optimizer_problem(dtype, steps=50):
    """Return a list of one parameter and, for every step, a list of its gradient: from 1e-12 to 10 in size.

    So small that epsilon, and on which side of the bias correction it stands, matters.
    """
    rng = np.random.default_rng(0)
    w, size = rng.standard_normal((3, 4)).astype(dtype), 10.0 ** np.linspace(-12, 1, 12).reshape(3, 4)
    return [w], [[(rng.standard_normal(w.shape) * size).astype(dtype)] for _ in range(steps)]


def golden_labels(loss_name):
    """Return class numbers (6,), or distributions (6, 4)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, 6) if loss_name.startswith("Sparse") else rng.dirichlet(np.ones(4), 6)


def golden_predictions(from_logits):
    """Return logits or probabilities (6, 4), a row of which meets the clip."""
    y_pred = cases.normal((6, 4)) if from_logits else np.random.default_rng(1).dirichlet(np.ones(4), 6)
    if not from_logits:
        y_pred[0] = [0, 0.25, 0.75, 0]
    return y_pred
