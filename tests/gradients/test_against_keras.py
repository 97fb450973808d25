"""The second witness: Keras on TensorFlow computes the same outputs, gradients and training steps.

In float64 both sides lose so little to rounding that they agree to twelve digits; float32, which is what trains, is
compared where the question is whether rounding adds up: over hundreds of steps.
"""

import importlib.util

import numpy as np
import pytest
from cases import (
    DENSE,
    LAYER_RUNGS,
    POOLS,
    RUNGS,
    conv2d,
    dense,
    every_convolution,
    integers,
    max_pool2d,
    normal,
    small_batch,
    small_model,
    training_gradients,
)

if not all(map(importlib.util.find_spec, ("tensorflow", "keras"))):
    pytest.skip("the comparison with Keras needs Keras and TensorFlow", allow_module_level=True)

import golden_cases  # noqa: E402
import keras_reference  # noqa: E402
from keras_reference import keras  # noqa: E402
from training_beside_keras import EXACT_BETAS, seed_model, tiny_model, train_here, train_in_keras  # noqa: E402

from npcnn import layers, losses, optimizers  # noqa: E402

on_every_rung = pytest.mark.parametrize("rung", LAYER_RUNGS)
FLOAT64 = {"rtol": 1e-12, "atol": 1e-12}


def assert_agrees_with_keras(layer, keras_layer, x, **tolerance):
    y, cache = layer.forward(x)
    dy = normal(y.shape, seed=5)
    dx, grads = layer.backward(dy, cache)
    keras_y, keras_dx, keras_grads = keras_reference.layer_gradients(keras_layer, x, dy, list(layer.params.values()))
    np.testing.assert_allclose(y, keras_y, **tolerance)
    np.testing.assert_allclose(dx, keras_dx, **tolerance)
    for key, keras_g in zip(grads, keras_grads, strict=True):
        np.testing.assert_allclose(grads[key], keras_g, **tolerance)


@on_every_rung
@pytest.mark.parametrize(
    ("make", "make_twin", "case"),
    [(conv2d, keras_reference.conv2d, case) for case in golden_cases.CONVOLUTIONS]
    + [(max_pool2d, keras_reference.max_pool2d, case) for case in POOLS]
    + [(dense, lambda case: keras.layers.Dense(case[1], dtype="float64"), case) for case in DENSE],
)
def test_layers_and_the_ties_of_pools(make, make_twin, case, rung):
    for x in (normal(case[0]), integers(case[0], -1, 2)):
        assert_agrees_with_keras(make(case, rung), make_twin(case), x, **FLOAT64)


@pytest.mark.parametrize("rung", [rung for rung in LAYER_RUNGS if rung != "loops"])
def test_conv2d_with_every_combination_of_arguments(rung):
    for case in every_convolution():
        assert_agrees_with_keras(conv2d(case, rung), keras_reference.conv2d(case), normal(case[0]), **FLOAT64)


@on_every_rung
@pytest.mark.parametrize("activation", [None, "relu", "softmax"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_conv2d_and_dense_with_an_activation_and_with_or_without_bias(use_bias, activation, rung):
    options = {"activation": activation, "use_bias": use_bias}
    case = (2, 5, 4, 2), 3, (3, 2), (1, 1), "same", (1, 1)
    twin = keras.layers.Conv2D(3, (3, 2), padding="same", dtype="float64", **options)
    assert_agrees_with_keras(conv2d(case, rung, **options), twin, normal(case[0]), **FLOAT64)
    twin = keras.layers.Dense(DENSE[0][1], dtype="float64", **options)
    assert_agrees_with_keras(dense(DENSE[0], rung, **options), twin, normal(DENSE[0][0]), **FLOAT64)


@pytest.mark.parametrize("name", ["Flatten", "ReLU", "Softmax"])
def test_layers_without_parameters(name):
    layer, x = getattr(layers, name)(), np.concatenate([normal((2, 3, 4, 2)), np.zeros((1, 3, 4, 2))])
    layer.build(x.shape[1:])
    assert_agrees_with_keras(layer, getattr(keras.layers, name)(dtype="float64"), x, **FLOAT64)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("name", ["SparseCategoricalCrossentropy", "CategoricalCrossentropy"])
def test_losses(name, from_logits):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 9)
    y_true = labels if name.startswith("Sparse") else rng.dirichlet(np.ones(4), 9)
    y_pred = 3 * normal((9, 4)) if from_logits else rng.dirichlet(np.ones(4), 9)
    if not from_logits:
        y_pred[0] = [0, 0.25, 0.75, 0]  # meets the clip
    loss, twin = getattr(losses, name)(from_logits), getattr(keras.losses, name)(from_logits, dtype="float64")
    value, cache = loss.forward(y_true, y_pred)
    keras_value, keras_dy = keras_reference.loss_gradient(twin, y_true, y_pred)
    np.testing.assert_allclose(value, keras_value, rtol=1e-12)
    np.testing.assert_allclose(loss.backward(cache), keras_dy, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("name", ["SparseCategoricalCrossentropy", "CategoricalCrossentropy"])
def test_loss_and_gradients_of_a_whole_model(name, rung):
    loss = getattr(losses, name)()
    model, (x, y) = small_model(rung, loss=loss), small_batch()
    y = y if name.startswith("Sparse") else np.eye(3)[y]
    twin = keras_reference.twin(model)
    value, expected = keras_reference.model_gradients(twin, getattr(keras.losses, name)(dtype="float64"), x, y)
    np.testing.assert_allclose(model.predict(x), twin(x), **FLOAT64)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0)[0], value, rtol=1e-12)
    grads = training_gradients(model, x, y)
    for key, keras_g in zip(model.params, expected, strict=True):
        np.testing.assert_allclose(grads[key], keras_g, **FLOAT64, err_msg=key)


# ------------------------------------------------------------------ optimizers, 50 steps, weight by weight

# In float64, only with numbers that float32 holds exactly: to those Keras rounds its betas and momentum even then.
OPTIMIZERS = [(name, options, dtype) for name, options in golden_cases.OPTIMIZERS for dtype in ("float32", "float64")]
OPTIMIZERS += [
    ("Adam", {}, "float32"),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}, "float32"),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, "float32"),
]


@pytest.mark.parametrize("rung", ["im2col", "fused"])  # optimizers have two kernels on four rungs
@pytest.mark.parametrize(("name", "options", "dtype"), OPTIMIZERS)
def test_fifty_steps_of_an_optimizer(name, options, dtype, rung):
    """Gradients from 1e-12 to 10, so that epsilon, and where it stands, matters."""
    rng = np.random.default_rng(0)
    w = [rng.standard_normal(shape).astype(dtype) for shape in [(3, 2, 2, 4), (4,), (30, 7)]]
    sizes = [10.0 ** rng.uniform(-12, 1, array.shape) for array in w]
    gradients = [[(rng.standard_normal(s.shape) * s).astype(dtype) for s in sizes] for _ in range(50)]
    with keras_reference.floatx(dtype):
        twin = getattr(keras.optimizers, name)(**options)
        trajectory = list(keras_reference.optimizer_steps(twin, w, gradients))
    optimizer = getattr(optimizers, name)(**options, kernels=rung)
    params = {str(i): array.copy() for i, array in enumerate(w)}
    tolerance = {"float32": 3e-7, "float64": 1e-14}[dtype]  # a few roundings
    for step, expected in enumerate(trajectory):
        optimizer.update(params, {str(i): g for i, g in enumerate(gradients[step])})
        for i, keras_w in enumerate(expected):
            np.testing.assert_allclose(
                params[str(i)], keras_w, rtol=tolerance, atol=tolerance, err_msg=f"step {step + 1}"
            )


# ------------------------------------------------------------------ 200 steps of training, side by side


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if rung != "loops"])
def test_200_steps_of_the_seed_model_in_float64(rung):
    assert_stays_with_keras(seed_model, rung, "float64", 1e-9, **EXACT_BETAS)


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
@pytest.mark.parametrize("rung", RUNGS)
def test_200_steps_of_a_tiny_model_in_float64(rung, optimizer):
    options = {"Adam": {"learning_rate": 2**-6, **EXACT_BETAS}, "SGD": {"learning_rate": 2**-3, "momentum": 0.5}}
    assert_stays_with_keras(tiny_model, rung, "float64", 1e-9, optimizer=optimizer, **options[optimizer])


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if rung != "loops"])
def test_200_steps_of_the_seed_model_in_float32(rung):
    """The two drift apart by 1e-8 a step, unless a value comes so near ReLU's corner that rounding decides on its side.

    Such a gate, open here and shut there, is an event like a coin that lands on its edge. It happens in about one run
    of four (see tests/README.md), and from then on the two runs are not the same run any more: the losses differ by
    percents. So there are three runs from different weights, and one in which no coin stands on its edge is enough. (A
    mistake would part all of them at the first step. Float64, where edges are a billion times thinner, needs no such
    allowance; and the next test asks both for the loss of the same weights, at every step of runs that do part.)
    """
    for seed in (0, 2, 3):
        try:
            assert_stays_with_keras(seed_model, rung, "float32", 1e-4, seed=seed)
            return
        except AssertionError:
            if seed == 3:
                raise


@pytest.mark.parametrize(("rung", "seed"), [("im2col", 1), ("jit", 7), ("fused", 4)])
def test_of_the_weights_at_each_of_200_steps_both_give_the_same_loss_in_float32(rung, seed):
    twin, theirs = keras_reference.twin(seed_model(rung, "float32", seed)), []
    loss = keras.losses.SparseCategoricalCrossentropy()

    def ask_keras(x, y, weights):
        twin.set_weights(weights)
        theirs.append(float(loss(y, twin(x))))

    ours, _ = train_here(seed_model, rung, "float32", seed, watch=ask_keras)
    np.testing.assert_allclose(ours[:, 0], theirs, rtol=1e-4)  # 6e-6 was met; small losses are differences


def assert_stays_with_keras(make_model, rung, dtype, bound, **options):
    """Losses to the given relative bound at every step, the same accuracies, and the weights at the end."""
    ours, weights = train_here(make_model, rung, dtype, **options)
    theirs, keras_weights = train_in_keras(make_model, dtype, **options)
    assert ours[-20:, 0].mean() < 0.8 * ours[:20, 0].mean()  # it learns, or there would be little to compare
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], rtol=bound)
    np.testing.assert_allclose(ours[:, 1], theirs[:, 1], rtol=0, atol=1e-6)
    for w, keras_w in zip(weights, keras_weights, strict=True):
        np.testing.assert_allclose(w, keras_w, rtol=0, atol=10 * bound)
