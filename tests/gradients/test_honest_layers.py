"""Does the checker pass what is right? Layers as people write them, with kinks, zeros, and parameters of any shape."""

import numpy as np
import pytest
from cases import Made, elementwise

from npcnn.gradient_check import METHODS, check_layer


def over_batch(dy, like):
    """Return dy summed over the axes that `like` does not have."""
    return dy.reshape(-1, *like.shape).sum(axis=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def leaky(x):
    return np.where(x.real > 0, x, 0.1 * x)


def elu(x):
    return np.where(x.real > 0, x, np.exp(x) - 1)


def root(x):
    return np.sqrt(0.5 + np.abs(x))


def swish_slope(x):
    return sigmoid(x) + x * sigmoid(x) * sigmoid(-x)


def prelu_backward(dy, x, a):
    return np.where(x > 0, dy, a * dy), over_batch(np.where(x > 0, 0, dy * x), a)


def maxout(x, v, w):
    return np.where((x @ v).real >= (x @ w).real, x @ v, x @ w)


def maxout_backward(dy, x, v, w):
    dv = np.where(x @ v >= x @ w, dy, 0)
    return dv @ v.T + (dy - dv) @ w.T, x.T @ dv, x.T @ (dy - dv)


def bilinear_backward(dy, x, v, w):
    dv, dw = dy * (x @ w), dy * (x @ v)
    return dv @ v.T + dw @ w.T, x.T @ dv, x.T @ dw


def gate_backward(dy, x, v, w):
    s = sigmoid(x @ w)
    dv, dw = dy * s, dy * (x @ v) * s * (1 - s)
    return dv @ v.T + dw @ w.T, x.T @ dv, x.T @ dw


def residual(x, w):
    return x + np.where((x @ w).real > 0, x @ w, 0)


def residual_backward(dy, x, w):
    dz = np.where(x @ w > 0, dy, 0)
    return dy + dz @ w.T, x.T @ dz


def standardized(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)
    return centred / std, std


def layer_norm(x, a, b):
    return a * standardized(x)[0] + b


def layer_norm_backward(dy, x, a, b):
    z, std = standardized(x)
    g = dy * a
    dx = (g - g.mean(axis=-1, keepdims=True) - z * (g * z).mean(axis=-1, keepdims=True)) / std
    return dx, over_batch(dy * z, a), over_batch(dy, b)


def norm(x):
    return np.sqrt((x * x).sum(axis=-1, keepdims=True))


def unit_length_backward(dy, x):
    y = x / norm(x)
    return [(dy - y * (dy * y).sum(axis=-1, keepdims=True)) / norm(x)]


def average_pool(x):
    N, H, W, C = x.shape
    return x.reshape(N, H // 2, 2, W // 2, 2, C).mean(axis=(2, 4))


def global_max_backward(dy, x):
    rows = x.reshape(len(x), -1, x.shape[-1])
    is_winner = np.arange(rows.shape[1])[:, None] == rows.argmax(axis=1)[:, None]
    return [(is_winner * dy[:, None]).reshape(x.shape)]


def rms_pool(x):
    return np.sqrt((x * x).mean(axis=(1, 2)))


KEPT = np.random.default_rng(0).random((4, 6, 3)) > 0.4  # a dropout whose mask is fixed
ROWS, IMAGES = (5, 4), (2, 4, 6, 3)
SMOOTH, LINEAR, REAL = ("central", "complex", "adjoint"), tuple(METHODS), ("central", "exact")
# name: (layer, x's shape, the methods that apply). A complex step does not see through np.abs, np.clip and np.max.
# fmt: off
HONEST = {
    "leaky ReLU": (elementwise(leaky, lambda x: np.where(x > 0, 1, 0.1)), ROWS, LINEAR),
    "ELU": (elementwise(elu, lambda x: np.where(x > 0, 1, np.exp(x))), ROWS, SMOOTH),
    "SELU": (elementwise(lambda x: 2 * elu(x), lambda x: np.where(x > 0, 2, 2 * np.exp(x))), ROWS, SMOOTH),
    "ReLU6": (elementwise(lambda x: np.clip(x, 0, 1), lambda x: (x > 0) & (x < 1)), ROWS, REAL),
    "hard tanh": (elementwise(lambda x: np.clip(x, -1, 1), lambda x: np.abs(x) < 1), IMAGES, REAL),
    "abs": (elementwise(np.abs, np.sign), ROWS, REAL),
    "root": (elementwise(root, lambda x: np.sign(x) / 2 / root(x)), ROWS, ("central",)),
    "softplus": (elementwise(lambda x: np.log(1 + np.exp(x)), sigmoid), ROWS, SMOOTH),
    "swish": (elementwise(lambda x: x * sigmoid(x), swish_slope), ROWS, SMOOTH),
    "tanh": (elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2), ROWS, SMOOTH),
    "PReLU": (Made(lambda x, a: np.where(x.real > 0, x, a * x), prelu_backward, a=(3,)), IMAGES, LINEAR),
    "max-out": (Made(maxout, maxout_backward, v=(4, 3), w=(4, 3)), ROWS, LINEAR),
    "bilinear": (Made(lambda x, v, w: (x @ v) * (x @ w), bilinear_backward, v=(4, 3), w=(4, 3)), ROWS, SMOOTH),
    "gate": (Made(lambda x, v, w: (x @ v) * sigmoid(x @ w), gate_backward, v=(4, 3), w=(4, 3)), ROWS, SMOOTH),
    "residual": (Made(residual, residual_backward, w=(4, 4)), ROWS, LINEAR),
    "layer norm": (Made(layer_norm, layer_norm_backward, a=(3,), b=(3,)), IMAGES, SMOOTH),
    "unit length": (Made(lambda x: x / norm(x), unit_length_backward), (1, 4), SMOOTH),
    "average pool": (Made(average_pool, lambda dy, x: [dy.repeat(2, axis=1).repeat(2, axis=2) / 4]), IMAGES, LINEAR),
    "global max pool": (Made(lambda x: x.max(axis=(1, 2)), global_max_backward), IMAGES, REAL),
    "RMS pool": (Made(rms_pool, lambda dy, x: [(dy / rms_pool(x))[:, None, None] * x / 24]), IMAGES, SMOOTH),
    "dropout": (Made(lambda x: x * KEPT / 0.6, lambda dy, x: [dy * KEPT / 0.6]), IMAGES, LINEAR),
    "position": (Made(np.multiply, lambda dy, x, p: (dy * p, (dy * x).sum(axis=0)), p=IMAGES[1:]), IMAGES, LINEAR),
    "an idle parameter": (Made(lambda x, p: 2 * x, lambda dy, x, p: (2 * dy, np.zeros(3)), p=(3,)), ROWS, LINEAR),
}
# fmt: on


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(("name", "method"), [(name, method) for name in HONEST for method in HONEST[name][2]])
def test_a_right_layer_passes(name, method, zeros):
    layer, shape, _ = HONEST[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape) * (rng.random(shape) > 0.2 * zeros)
    check_layer(layer, x, method).raise_on_failure()
