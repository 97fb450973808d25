"""The second witness: Keras on TensorFlow computes the same outputs, gradients and training steps.

In float64 both sides lose so little to rounding that they agree to twelve digits; float32, which is what trains, is
compared where the question is whether rounding adds up: over hundreds of steps.
"""

import importlib.util

import numpy as np
import pytest
from cases import (
    DENSE,
    IMAGES,
    LAYER_RUNGS,
    OTHERS,
    POOLS,
    RUNGS,
    conv2d,
    dense,
    every_convolution,
    integers,
    max_pool2d,
    normal,
    other,
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

import npcnn  # noqa: E402
from npcnn import layers, losses, metrics, optimizers  # noqa: E402

on_every_rung = pytest.mark.parametrize("rung", LAYER_RUNGS)
FLOAT64 = {"rtol": 1e-12, "atol": 1e-12}


def assert_agrees_with_keras(layer, keras_layer, x, training=False, **tolerance):
    weights = [array.copy() for array in layer.variables.values()]
    y, cache = layer.forward(x, training)
    dy = normal(y.shape, seed=5)
    dx, grads = layer.backward(dy, cache)
    keras_y, keras_dx, keras_grads = keras_reference.layer_gradients(keras_layer, x, dy, weights, training)
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


# Where a window is larger than its image, TensorFlow's gradient is not the derivative of its own average pool.
@pytest.mark.parametrize("name", [name for name in OTHERS if name != "average pool, more padding than image"])
def test_all_other_layers_as_they_predict(name):
    # TensorFlow rounds slopes, like 0.2, to float32, and so the root of 2 in gelu.
    tolerance = {"rtol": 1e-7, "atol": 1e-7} if name.startswith(("leaky", "gelu")) else FLOAT64
    with keras_reference.floatx("float64"):
        for x in (normal(IMAGES), integers(IMAGES, -1, 2) + 0.5):  # the second is full of ties, but has no corners
            assert_agrees_with_keras(other(name), OTHERS[name](keras.layers), x, **tolerance)


@pytest.mark.parametrize("name", [name for name in OTHERS if name.startswith("batch")])
def test_batch_normalization_in_training_and_what_it_leaves_in_its_moving_averages(name):
    with keras_reference.floatx("float64"):
        layer, twin, x = other(name), OTHERS[name](keras.layers), normal(IMAGES)
        assert_agrees_with_keras(layer, twin, x, training=True, **FLOAT64)
        layer.update_state(layer.forward(x, training=True)[1])
        for array, theirs in zip(layer.variables.values(), twin.get_weights(), strict=True):
            np.testing.assert_allclose(array, theirs, rtol=1e-7)  # Keras rounds momentum to float32


LOSSES = [
    (name, {"from_logits": from_logits} | more)
    for from_logits in (False, True)
    for name, more in [
        ("SparseCategoricalCrossentropy", {}),
        ("CategoricalCrossentropy", {}),
        ("CategoricalCrossentropy", {"label_smoothing": 0.125}),
        ("BinaryCrossentropy", {}),
        ("BinaryCrossentropy", {"label_smoothing": 0.125}),
    ]
] + [("MeanSquaredError", {}), ("MeanAbsoluteError", {})]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_losses(name, options, weighted):
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 4, 9) if name.startswith("Sparse") else rng.dirichlet(np.ones(4), 9)
    y_pred = 3 * normal((9, 4)) if options.get("from_logits") else rng.dirichlet(np.ones(4), 9)
    if not options.get("from_logits"):
        y_pred[0] = [0, 0.25, 0.75, 0]  # meets the clip
    loss, twin = getattr(losses, name)(**options), getattr(keras.losses, name)(**options, dtype="float64")
    weights = rng.random(9) * (rng.random(9) > 0.3) if weighted else None
    value, cache = loss.forward(y_true, y_pred, weights)
    keras_value, keras_dy = keras_reference.loss_gradient(lambda y, p: twin(y, p, weights), y_true, y_pred)
    np.testing.assert_allclose(value, keras_value, rtol=1e-12)
    np.testing.assert_allclose(loss.backward(cache), keras_dy, rtol=1e-12, atol=1e-12)
    function, their_function = getattr(losses, loss.name), getattr(keras.losses, loss.name)
    np.testing.assert_allclose(function(y_true, y_pred, **options), their_function(y_true, y_pred, **options))


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "MeanSquaredError", "MeanAbsoluteError"])
@pytest.mark.parametrize("shape", [(5, 1), (5, 3, 2), (5, 2, 3, 4)])
def test_losses_of_outputs_with_any_number_of_axes(name, shape):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 2, shape), rng.random(shape)
    y_true = y_true[:, 0] if shape == (5, 1) else y_true
    loss, twin = getattr(losses, name)(), getattr(keras.losses, name)(dtype="float64")
    value, cache = loss.forward(y_true, y_pred)
    keras_value, keras_dy = keras_reference.loss_gradient(twin, y_true, y_pred)
    np.testing.assert_allclose(value, keras_value, rtol=1e-12)
    np.testing.assert_allclose(loss.backward(cache), keras_dy, rtol=1e-12, atol=1e-12)


METRICS = [
    ("SparseCategoricalAccuracy", {}, "numbers"),
    ("CategoricalAccuracy", {}, "rows"),
    ("BinaryAccuracy", {}, "rows"),
    ("BinaryAccuracy", {"threshold": 0.3}, "rows"),
    ("SparseTopKCategoricalAccuracy", {}, "numbers"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "numbers"),
    ("TopKCategoricalAccuracy", {"k": 3}, "rows"),
    ("MeanSquaredError", {}, "rows"),
    ("MeanAbsoluteError", {}, "rows"),
]


@pytest.mark.parametrize(("name", "options", "labels"), METRICS)
def test_metrics_and_their_names(name, options, labels):
    rng = np.random.default_rng(0)
    y_pred, y = rng.dirichlet(np.ones(7), 40).astype("float32"), rng.integers(0, 7, 40)
    y_pred[:10] = y_pred[:10].round(1)  # ties
    y_true = y if labels == "numbers" else np.eye(7, dtype="float32")[y]
    metric, twin = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    np.testing.assert_allclose(metric(y_true, y_pred), twin(y_true, y_pred), rtol=1e-6)
    assert metric.name == twin.name
    np.testing.assert_allclose(  # the functions beside the classes
        getattr(metrics, metric.name)(y_true, y_pred, **options),
        getattr(keras.metrics, metric.name)(y_true, y_pred, **options),
        rtol=1e-6,
    )


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_a_history_has_the_names_and_numbers_of_keras(end):
    x, y = small_batch(32)
    y = y if end == "softmax" else y % 2
    stack = lambda place: [  # noqa: E731
        place.layers.Input((9, 8, 1)),
        place.layers.Flatten(),
        place.layers.Dense(3 if end == "softmax" else 1, activation="softmax" if end == "softmax" else "linear"),
    ]
    ours, theirs = npcnn.Sequential(stack(npcnn)), keras.Sequential(stack(keras))
    theirs.set_weights(ours.get_weights())
    common = ["acc", "mse" if end == "sigmoid" else "sparse_top_k_categorical_accuracy"]
    loss = "sparse_categorical_crossentropy" if end == "softmax" else "BinaryCrossentropy"
    found = []
    for place, model in ((npcnn, ours), (keras, theirs)):
        own = [place.metrics.SparseCategoricalAccuracy(), place.metrics.sparse_categorical_crossentropy]
        own = own if end == "softmax" else [place.losses.mean_absolute_error, place.metrics.BinaryAccuracy("b")]
        model.compile(place.optimizers.SGD(0.1), loss, metrics=[*common, *own])
        model.run_eagerly = True  # tracing takes Keras longer than the step
        found.append(model.evaluate(x, y, verbose=0, return_dict=True))
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", ["L1", "L2", "L1L2"])
def test_penalties_on_weights_are_part_of_the_loss_and_of_the_gradients(name):
    options = {"l1": 0.02, "l2": 0.03} if name == "L1L2" else {}
    x, y = small_batch(8)

    def train(place, weights=None, **more):
        conv = {"activation": "relu", "kernel_regularizer": getattr(place.regularizers, name)(**options)}
        stack = [place.layers.Input((9, 8, 1)), place.layers.Conv2D(3, 3, **conv), place.layers.MaxPool2D(2)]
        dense = {"activation": "softmax", "kernel_regularizer": name, "bias_regularizer": "l1"}
        model = place.Sequential([*stack, place.layers.Flatten(), place.layers.Dense(3, **dense)], **more)
        start = model.get_weights() if weights is None else weights
        model.set_weights(start)
        model.compile(place.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        model.run_eagerly = True
        history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, validation_data=(x, y), verbose=0).history
        return start, model.get_weights(), history

    start, keras_weights, keras_history = train(keras)
    for rung in ("im2col", "fused"):
        _, weights, history = train(npcnn, start, dtype="float32", kernels=rung)
        for key in ("loss", "val_loss"):
            np.testing.assert_allclose(history[key], keras_history[key], rtol=1e-5)
        for w, same in zip(weights, keras_weights, strict=True):
            np.testing.assert_allclose(w, same, rtol=1e-4, atol=1e-6)


def freeze_first(base, head):
    base.layers[0].trainable = False


def freeze_normalization(base, head):
    base.layers[2].trainable = False


def freeze_and_thaw_all_but_one(base, head):
    base.trainable = False
    base.trainable = True
    base.layers[3].trainable = False


def freeze_all_but_the_head(base, head):
    base.trainable = False


FREEZE = [freeze_first, freeze_normalization, freeze_and_thaw_all_but_one, freeze_all_but_the_head]


@pytest.mark.parametrize("freeze", FREEZE)
def test_five_steps_with_frozen_layers(freeze):
    x, y = small_batch(8)

    def train(place, weights=None, **options):
        conv = place.layers.Conv2D(3, 3, activation="relu", kernel_regularizer="l2")
        pool, dense = place.layers.MaxPool2D(2), place.layers.Dense(4, activation="tanh", kernel_regularizer="l2")
        base = place.Sequential([conv, pool, place.layers.BatchNormalization(momentum=0.5), dense], **options)
        head = [place.layers.Flatten(), place.layers.Dense(3, activation="softmax")]
        model = place.Sequential([place.layers.Input((9, 8, 1)), base, *head], **options)
        freeze(base, head)
        model.compile(place.optimizers.SGD(0.1, momentum=0.5), "sparse_categorical_crossentropy")
        model.run_eagerly = True
        rng = np.random.default_rng(1)
        start = weights or [w + 0.1 * rng.random(w.shape) for w in model.get_weights()]
        model.set_weights(start)
        losses = []
        for _ in range(5):
            losses.append(float(model.train_on_batch(x, y)))
            if place is keras:
                model.reset_metrics()
        shapes = [[tuple(w.shape) for w in listed] for listed in (model.trainable_weights, model.non_trainable_weights)]
        return start, shapes, losses, model.get_weights()

    start, keras_shapes, keras_losses, keras_weights = train(keras)
    for rung in ("im2col", "fused"):
        _, shapes, losses, weights = train(npcnn, start, kernels=rung)
        assert shapes == keras_shapes
        np.testing.assert_allclose(losses, keras_losses, rtol=1e-5)
        for w, same, before in zip(weights, keras_weights, start, strict=True):
            np.testing.assert_allclose(w, same, rtol=1e-4, atol=1e-6)
            assert (w == before.astype("f")).all() == (same == before.astype("f")).all()


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
OPTIMIZERS = [(name, options, "float64") for name, options in golden_cases.OPTIMIZERS]  # in float32 they are golden
OPTIMIZERS += [
    ("Adam", {}, "float32"),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}, "float32"),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, "float32"),
    ("RMSprop", {}, "float32"),
    ("RMSprop", {"momentum": 0.9, "centered": True, "global_clipnorm": 3.0}, "float32"),
    ("Adadelta", {}, "float32"),
    ("AdamW", {}, "float32"),
    ("Nadam", {}, "float32"),
    ("Nadam", {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.875, "epsilon": 1e-3}, "float32"),
    ("Adamax", {}, "float32"),
    ("Adamax", {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.875, "epsilon": 1e-3}, "float32"),
    ("Adagrad", {}, "float32"),
    ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.0, "epsilon": 1e-3}, "float32"),
    ("Adam", {"clipnorm": 0.1, "weight_decay": 0.01}, "float32"),
]


@pytest.mark.parametrize(("name", "options", "dtype"), OPTIMIZERS)
def test_fifty_steps_of_an_optimizer(name, options, dtype):
    """Gradients from 1e-12 to 10, so that epsilon, and where it stands, matters."""
    rng = np.random.default_rng(0)
    w = [rng.standard_normal(shape).astype(dtype) for shape in [(3, 2, 2, 4), (30,)]]
    sizes = [10.0 ** rng.uniform(-12, 1, array.shape) for array in w]
    gradients = [[(rng.standard_normal(s.shape) * s).astype(dtype) for s in sizes] for _ in range(50)]
    with keras_reference.floatx(dtype):
        twin = getattr(keras.optimizers, name)(**options)
        trajectory = list(keras_reference.optimizer_steps(twin, w, gradients))
    tolerance = {"float32": 3e-7, "float64": 1e-14}[dtype]  # a few roundings
    for rung in ("im2col", "fused"):  # optimizers have two kernels on four rungs
        optimizer = getattr(optimizers, name)(**options, kernels=rung)
        params = {str(i): array.copy() for i, array in enumerate(w)}
        for step, expected in enumerate(trajectory):
            optimizer.update(params, {str(i): g for i, g in enumerate(gradients[step])})
            for i, keras_w in enumerate(expected):
                np.testing.assert_allclose(
                    params[str(i)], keras_w, rtol=tolerance, atol=tolerance, err_msg=f"{rung}, step {step + 1}"
                )


SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 30}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "alpha": 0.25, "warmup_steps": 5}),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.0, "decay_steps": 20, "alpha": 0.1, "warmup_target": 0.1, "warmup_steps": 8},
    ),
    ("PiecewiseConstantDecay", {"boundaries": [5, 20], "values": [0.1, 0.05, 0.01]}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_schedules_and_a_step_with_them(name, options):
    """Keras computes a schedule in float32."""
    schedule, twin = (getattr(place.schedules, name)(**options) for place in (optimizers, keras.optimizers))
    for step in range(50):
        np.testing.assert_allclose(schedule(step), float(twin(step)), rtol=2e-6, atol=1e-9)
    w, gradients = golden_cases.optimizer_problem("float32")
    params, optimizer = {"w": w[0].copy()}, optimizers.Adam(schedule)
    trajectory = keras_reference.optimizer_steps(keras.optimizers.Adam(twin), w, gradients)
    for expected, (g,) in zip(trajectory, gradients, strict=True):
        optimizer.update(params, {"w": g})
        np.testing.assert_allclose(params["w"], expected[0], rtol=3e-6, atol=3e-7)


# ------------------------------------------------------------------ 200 steps of training, side by side


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if rung != "loops"])
def test_200_steps_of_the_seed_model_in_float64(rung):
    assert_stays_with_keras(seed_model, rung, "float64", 1e-9, **EXACT_BETAS)


@pytest.mark.parametrize(("rung", "optimizer"), [*((rung, "Adam") for rung in RUNGS), ("fused", "SGD")])
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


def test_of_the_weights_at_each_of_200_steps_both_give_the_same_loss_in_float32():
    """From these weights the two runs do part."""
    twin, theirs = keras_reference.twin(seed_model("fused", "float32", 4)), []
    loss = keras.losses.SparseCategoricalCrossentropy()

    def ask_keras(x, y, weights):
        twin.set_weights(weights)
        theirs.append(float(loss(y, twin(x))))

    ours, _ = train_here(seed_model, "fused", "float32", 4, watch=ask_keras)
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
