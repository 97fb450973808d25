"""What Keras computed for a few small cases, stored: the second witness in short, for where TensorFlow is not.

`make_golden.py` writes the file; the longer comparison is `test_against_keras.py`.
"""

from pathlib import Path

import numpy as np
import pytest
from cases import (
    DENSE,
    LAYER_RUNGS,
    RUNGS,
    conv2d,
    dense,
    integers,
    max_pool2d,
    normal,
    small_batch,
    small_model,
    training_gradients,
)
from golden_cases import CONVOLUTIONS, OPTIMIZERS, POOLS, golden_labels, golden_predictions, optimizer_problem

from npcnn import layers, losses, optimizers, regularizers

GOLDEN = dict(np.load(Path(__file__).with_name("golden.npz")))
on_every_rung = pytest.mark.parametrize("rung", LAYER_RUNGS)


def assert_golden(name, found):
    np.testing.assert_allclose(found, GOLDEN[name], rtol=1e-12, atol=1e-12, err_msg=name)


def assert_layer_is_golden(name, layer, x):
    y, cache = layer.forward(x)
    dx, grads = layer.backward(normal(y.shape, seed=5), cache)
    for key, found in {"y": y, "dx": dx, **grads}.items():
        assert_golden(f"{name} {key}", found)


@on_every_rung
@pytest.mark.parametrize("i", range(len(CONVOLUTIONS)))
def test_conv2d(i, rung):
    assert_layer_is_golden(f"conv2d {i}", conv2d(CONVOLUTIONS[i], rung), normal(CONVOLUTIONS[i][0]))


@on_every_rung
@pytest.mark.parametrize("i", range(len(POOLS)))
def test_max_pool2d_full_of_ties(i, rung):
    assert_layer_is_golden(f"max_pool2d {i}", max_pool2d(POOLS[i], rung), integers(POOLS[i][0], -1, 2))


@on_every_rung
@pytest.mark.parametrize("i", range(len(DENSE)))
def test_dense(i, rung):
    assert_layer_is_golden(f"dense {i}", dense(DENSE[i], rung), normal(DENSE[i][0]))


@pytest.mark.parametrize("name", ["ReLU", "Softmax"])
def test_activations(name):
    layer = getattr(layers, name)()
    layer.build((3, 5))
    assert_layer_is_golden(name, layer, normal((4, 3, 5)))


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("name", ["SparseCategoricalCrossentropy", "CategoricalCrossentropy"])
def test_losses(name, from_logits):
    loss = getattr(losses, name)(from_logits)
    value, cache = loss.forward(golden_labels(name), golden_predictions(from_logits))
    assert_golden(f"{name} {from_logits} value", value)
    assert_golden(f"{name} {from_logits} dy", loss.backward(cache))


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("i", range(len(OPTIMIZERS)))
def test_fifty_steps_of_an_optimizer(i, dtype, rung):
    name, options = OPTIMIZERS[i]
    optimizer = getattr(optimizers, name)(**options, kernels=rung)
    (w,), gradients = optimizer_problem(dtype)
    tolerance = {"float32": 3e-7, "float64": 1e-14}[dtype]  # a few roundings
    for expected, (g,) in zip(GOLDEN[f"optimizer {i} {dtype}"], gradients, strict=True):
        optimizer.update({"w": w}, {"w": g})
        np.testing.assert_allclose(w, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("i", [i for i, (_, options) in enumerate(OPTIMIZERS) if "global_clipnorm" not in options])
def test_an_optimizer_remembers_each_parameter_on_its_own(i):
    """Two parameters of one shape: each moves as if it were the only one."""
    name, options = OPTIMIZERS[i]
    (w,), gradients = optimizer_problem("float64")
    both, optimizer = {"a": w.copy(), "b": -w}, getattr(optimizers, name)(**options)
    for expected, (g,) in zip(GOLDEN[f"optimizer {i} float64"], gradients, strict=True):
        optimizer.update(both, {"a": g, "b": -g})
        np.testing.assert_allclose(both["a"], expected, rtol=1e-14, atol=1e-14)
        np.testing.assert_array_equal(both["b"], -both["a"])


@pytest.mark.parametrize("rung", RUNGS)
def test_loss_and_gradients_of_a_whole_model(rung):
    model, (x, y) = small_model(rung), small_batch()
    assert_golden("model loss", model.evaluate(x, y, verbose=0)[0])
    for key, g in training_gradients(model, x, y).items():
        assert_golden(f"model {key}", g)


@pytest.mark.parametrize("rung", RUNGS)
def test_the_penalty_is_part_of_the_loss_on_every_rung(rung):
    """By hand: loss and gradients of the model without penalties, and 0.25 times the squares and their slopes."""
    plain, model, (x, y) = small_model(rung), small_model(rung), small_batch()
    paying = [layer for layer in model.layers if "kernel" in layer.params]
    for layer in paying:
        layer.kernel_regularizer = regularizers.L2(0.25)
    penalty = sum(0.25 * (layer.params["kernel"] ** 2).sum() for layer in paying)
    value, without = (each.evaluate(x, y, verbose=0)[0] for each in (model, plain))
    np.testing.assert_allclose(value, without + penalty, rtol=1e-12)
    without = training_gradients(plain, x, y)
    for key, g in training_gradients(model, x, y).items():
        slope = 0.5 * model.params[key] if key.endswith("kernel") else 0
        np.testing.assert_allclose(g, without[key] + slope, rtol=1e-12, atol=1e-12)
