"""Exercise 15: make training lose its determinism, and say why.

npcnn gives the same bits for the same seed, on one thread and on sixteen: a batch is cut into parts, and the gradients
of the parts are added in the order of the parts. Here is a small training with eight parts to a batch.

TODO: (a) `three_numbers`: find three float32 whose sum depends on the order: (a + b) + c is not a + (b + c). Take some
that differ in size.
(b) In `train`, add the parts in the order in which eight threads might have finished: `arrivals.permutation(8)`, a new
one in each step. Everything else stays as it is. Run this file: it trains twice, with other arrivals, and prints how
far apart the weights are.
(c) Set WHY to the letter of the reason:
    "a"  the parts got other images          "c"  every addition rounds, so the order of a sum is part of its result
    "b"  float32 cannot hold large numbers   "d"  two threads write to one array at the same time

Read first: docs/threads.md; the top of npcnn/kernels/sharing.py.

    python examples/exercises/15_lost_determinism.py
    python examples/exercises/mark.py 15
"""

import numpy as np

WHY = None  # TODO: "a", "b", "c" or "d"


def three_numbers():
    """Return a, b, c, all np.float32."""
    raise NotImplementedError("TODO")


def data():
    """Return 512 examples of 64 features from two classes, and their labels -1 and 1."""
    rng = np.random.default_rng(0)
    y = rng.choice([-1, 1], 512).astype("float32")
    x = rng.standard_normal((512, 64), dtype="float32") + y[:, None] * rng.random(64, dtype="float32")
    return x, y


def gradient(w, x, y):
    """Return the gradient of the sum of log(1 + exp(-y x w)) over the examples."""
    return -(y / (1 + np.exp(y * (x @ w)))) @ x


def train(arrival_seed, steps=50):
    """Return the weights after so many steps of gradient descent, from zeros."""
    (x, y), arrivals = data(), np.random.default_rng(arrival_seed)
    w = np.zeros(64, "float32")
    for _ in range(steps):
        parts = [gradient(w, x[part::8], y[part::8]) for part in range(8)]
        total = np.zeros(64, "float32")
        for part in range(8):
            total += parts[part]
        w -= np.float32(0.1 / len(x)) * total
    return w


def accuracy(w):
    """Return the share of the examples that are on the right side."""
    x, y = data()
    return np.mean(np.sign(x @ w) == y)


if __name__ == "__main__":
    one, other = train(1), train(2)
    print(f"{np.sum(one != other)} of {one.size} weights differ, by at most {np.abs(one - other).max():.1e}")
    print(f"accuracy {accuracy(one):.1%} and {accuracy(other):.1%}")
