"""Solution 15.

float32 has 24 bits. -1e8 + 1 needs 27, and is rounded to -1e8. So 1e8 + (-1e8 + 1) is 0, but (1e8 - 1e8) + 1 is 1.
The same happens in every sum, mostly in the last bit. A sum of terms of one sign is right to about seven digits in any
order, and the last of them depends on it; where terms cancel, as above, more is lost. Training feeds that digit back
into the weights, step after step. Here it stays there; near a corner of a ReLU, or over many epochs, it grows until two
runs of one seed have other losses.

So threads that add to a common sum as they finish cannot give the same bits twice. npcnn lets each write a sum of its
own and adds these in order (npcnn/kernels/sharing.py).
"""

import numpy as np

WHY = "c"


def three_numbers():
    """Return a, b, c, all np.float32."""
    return np.float32(1e8), np.float32(-1e8), np.float32(1)


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
        for part in arrivals.permutation(8):
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
