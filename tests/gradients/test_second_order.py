"""The derivative of the gradient: the Hessian of a loss is symmetric, which no wrong backward pass is likely to be.

The gradient itself is differentiated, by complex step: H u = Im grad(w + i h u) / h. That the order of differentiation
does not matter (Schwarz) is a property that gradients have and other vector fields do not, so this test needs no
measured slope of the loss at all.
"""

import copy

import numpy as np
import pytest
from cases import COMPLEX_RUNGS, small_batch, small_model

from npcnn import losses
from npcnn.planning import make_plan

H = 1e-30


def gradient(model, params, x, y):
    """Return the gradient of the loss by all of `params`, a dictionary of real or complex arrays, as one vector."""
    layers = [copy.copy(layer) for layer in model.layers]
    for layer in layers:
        layer.params = {key: params[f"{layer.name}/{key}"] for key in layer.params}
    steps = make_plan(layers, "complex128", model.loss)
    output, caches = steps.forward(x, training=True)
    _, cache = steps.loss.forward(y, output)
    _, grads = steps.backward(steps.loss.backward(cache), caches)
    return np.concatenate([grads[key].ravel() for key in params])


def hessian_columns(model, x, y, columns):
    for column in columns:
        params, at = {}, 0
        for key, w in model.params.items():
            params[key] = w + 1j * H * (np.arange(at, at + w.size) == column).reshape(w.shape)
            at += w.size
        yield gradient(model, params, x, y).imag / H


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
def test_the_hessian_of_the_whole_model_is_symmetric(rung):
    model = small_model(rung)
    x, y = small_batch(2 if rung == "loops" else 5)
    size = sum(w.size for w in model.get_weights())
    columns = np.arange(size) if rung == "im2col" else np.arange(0, size, 7)
    rows = np.array(list(hessian_columns(model, x, y, columns)))[:, columns]
    assert np.abs(rows).max() > 0.01
    np.testing.assert_allclose(rows, rows.T, rtol=0, atol=1e-13)


def test_the_hessian_of_cross_entropy_is_the_covariance_of_the_classes():
    """From logits, d2L / dz2 = (diag(p) - p p^T) / N for each example, and nothing between examples."""
    loss, z, y = losses.SparseCategoricalCrossentropy(from_logits=True), np.array([[0.5, -1, 2], [1, 0, 0.3]]), [2, 0]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    for n in range(2):
        for k in range(3):
            u = np.zeros(z.shape)
            u[n, k] = 1
            column = loss.backward(loss.forward(y, z + 1j * H * u)[1]).imag / H
            expected = np.zeros(z.shape)
            expected[n] = p[n, k] * (u[n] - p[n]) / 2
            np.testing.assert_allclose(column, expected, rtol=0, atol=1e-16)
