"""Every gradient to fifteen digits, on every rung but fused: nothing is subtracted, so nothing is lost."""

import numpy as np
import pytest
from cases import (
    COMPLEX_RUNGS,
    CONVOLUTIONS,
    DENSE,
    IMAGES,
    OTHERS,
    POOLS,
    conv2d,
    dense,
    max_pool2d,
    normal,
    other,
    small_batch,
    small_model,
    wide_model,
)

from npcnn import Sequential, layers, losses, regularizers
from npcnn.gradient_check import check_layer, check_loss, check_model

ACTIVATIONS = ["relu", "softmax"]


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv2d(case, rung):
    check_layer(conv2d(case, rung), normal(case[0]), "complex").raise_on_failure()


@pytest.mark.parametrize("rung", ["im2col", "jit"])
def test_more_filters_and_channels_than_a_block_holds(rung):
    case = (1, 1, 2, 33), 33, (1, 1), (1, 1), "valid", (1, 1)  # a block of the rung jit is at most 32 numbers here
    check_layer(conv2d(case, rung), normal(case[0]), "complex", entries=100).raise_on_failure()


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_conv2d_with_an_activation_and_without_a_bias(activation, rung):
    case = (2, 5, 4, 2), 3, (3, 2), (1, 1), "valid", (1, 1)
    layer = conv2d(case, rung, activation=activation, use_bias=False)
    result = check_layer(layer, normal(case[0]), "complex")
    result.raise_on_failure()
    assert [row.argument for row in result.rows] == ["x", "kernel"]


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
@pytest.mark.parametrize("case", POOLS)
def test_max_pool2d(case, rung):
    check_layer(max_pool2d(case, rung), normal(case[0]), "complex").raise_on_failure()


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
@pytest.mark.parametrize("case", DENSE)
def test_dense(case, rung):
    check_layer(dense(case, rung), normal(case[0]), "complex").raise_on_failure()


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("use_bias", [True, False])
def test_dense_with_an_activation(activation, use_bias, rung):
    layer = dense(DENSE[0], rung, activation=activation, use_bias=use_bias)
    check_layer(layer, normal(DENSE[0][0]), "complex").raise_on_failure()


@pytest.mark.parametrize("make", [layers.Flatten, layers.ReLU, layers.Softmax, lambda: layers.Input((3, 4, 2))])
@pytest.mark.parametrize("N", [1, 3])
def test_layers_without_parameters(make, N):
    check_layer(make(), normal((N, 3, 4, 2)), "complex").raise_on_failure()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", OTHERS)
def test_all_other_layers(name, training):
    check_layer(other(name), normal(IMAGES), "complex", training=training).raise_on_failure()


@pytest.mark.parametrize("N", [1, 5])
@pytest.mark.parametrize("from_logits", [False, True])
def test_cross_entropy_of_class_numbers(from_logits, N):
    y_true, y_pred = np.random.default_rng(0).integers(0, 4, N), normal((N, 4))
    y_pred = y_pred if from_logits else 0.05 + y_pred**2 / 20  # rows that do not add up to 1: clip must not mind
    check_loss(losses.SparseCategoricalCrossentropy(from_logits), y_true, y_pred, "complex").raise_on_failure()


@pytest.mark.parametrize("N", [1, 5])
@pytest.mark.parametrize("from_logits", [False, True])
def test_cross_entropy_of_distributions(from_logits, N):
    y_true, y_pred = np.random.default_rng(0).dirichlet(np.ones(4), N), normal((N, 4))
    y_pred = y_pred if from_logits else 0.05 + y_pred**2
    check_loss(losses.CategoricalCrossentropy(from_logits), y_true, y_pred, "complex").raise_on_failure()


@pytest.mark.parametrize("weights", [None, [2.0, 0.0, 0.5, 1.0, 3.0]])
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.25])
@pytest.mark.parametrize("name", ["SparseCategorical", "Categorical", "Binary"])
def test_cross_entropies_with_weights_and_smoothed_labels(name, label_smoothing, from_logits, weights):
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 4, 5) if name.startswith("Sparse") else rng.dirichlet(np.ones(4), 5)
    y_pred = normal((5, 4)) if from_logits else 0.05 + normal((5, 4)) ** 2 / 20
    options = {} if name.startswith("Sparse") else {"label_smoothing": label_smoothing}
    loss = getattr(losses, f"{name}Crossentropy")(from_logits, **options)
    check_loss(loss, y_true, y_pred, "complex", weights=weights).raise_on_failure()


@pytest.mark.parametrize("weights", [None, [2.0, 0.0, 0.5, 1.0, 3.0]])
@pytest.mark.parametrize("shape", [(5, 1), (5, 4), (5, 3, 2), (5, 2, 3, 4)])
@pytest.mark.parametrize("name", ["MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy"])
def test_losses_of_outputs_of_any_shape(name, shape, weights):
    y_true, y_pred = np.random.default_rng(0).random(shape), np.random.default_rng(1).random(shape)
    check_loss(getattr(losses, name)(), y_true, y_pred, "complex", weights=weights).raise_on_failure()


@pytest.mark.parametrize("case", ["clipped below", "clipped above"])
@pytest.mark.parametrize("loss", [losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy])
def test_a_clipped_probability_has_no_gradient(loss, case):
    p = {"clipped below": [1e-9, 0.3, 0.7], "clipped above": [1 - 1e-9, 3e-10, 7e-10]}[case]
    y_true = np.array([0]) if loss is losses.SparseCategoricalCrossentropy else np.array([[1.0, 0.0, 0.0]])
    check_loss(loss(), y_true, np.array([p]), "complex").raise_on_failure()


def test_every_weight_of_a_model_as_a_training_step_sees_it():
    check_model(small_model("im2col"), *small_batch(), "complex").raise_on_failure()


def regularized_model(rung="im2col", loss="sparse_categorical_crossentropy"):
    """A penalty of each kind, and a layer without."""
    stack = [
        layers.Input((9, 8, 1)),
        layers.Conv2D(
            3,
            (3, 2),
            activation="relu",
            kernel_regularizer=regularizers.L2(0.2),
            bias_regularizer="l2",
            bias_initializer="ones",
        ),
        layers.MaxPool2D(2),
        layers.Conv2D(2, 2, kernel_regularizer=regularizers.L1L2(0.1, 0.3)),
        layers.Flatten(),
        layers.Dense(4, activation="relu", kernel_regularizer="l1", bias_regularizer="l2", bias_initializer="ones"),
        layers.Dense(3, activation="softmax"),
    ]
    model = Sequential(stack, kernels=rung, dtype="float64")
    model.compile(loss=loss)
    return model


@pytest.mark.parametrize("rung", ["im2col", "jit"])
def test_every_weight_of_a_model_that_pays_for_large_weights(rung):
    x, y = small_batch()
    check_model(regularized_model(rung), x, y, "complex").raise_on_failure()
    smooth = losses.CategoricalCrossentropy(label_smoothing=0.1)  # joined with the softmax, and still smooth
    check_model(regularized_model(rung, smooth), x, np.eye(3)[y], "complex").raise_on_failure()


def test_every_weight_of_a_model_whose_sigmoid_is_joined_with_its_loss():
    rng = np.random.default_rng(0)
    stack = [layers.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(2, activation="sigmoid")]
    model = Sequential(stack, dtype="float64")
    model.compile(loss=losses.BinaryCrossentropy(label_smoothing=0.1))
    check_model(model, rng.standard_normal((5, 4)), rng.integers(0, 2, (5, 2)), "complex").raise_on_failure()


def test_the_fused_rung_pays_for_large_weights_too():
    check_model(regularized_model("fused"), *small_batch(), "adjoint").raise_on_failure()


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
def test_every_weight_of_a_model_of_many_layers_as_a_training_step_sees_it(rung):
    check_model(wide_model(kernels=rung), *small_batch(5), "complex", entries=20).raise_on_failure()


def test_every_weight_of_a_model_on_the_loops_rung():
    check_model(small_model("loops"), *small_batch(2), "complex", entries=12).raise_on_failure()


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize("size", [1, 16, 33])
def test_the_mean_over_the_batch_is_taken_once_whatever_the_parts(loss, size):
    x, y = small_batch(size)
    y = y if loss.startswith("sparse") else np.eye(3)[y]
    check_model(small_model(loss=loss), x, y, "adjoint").raise_on_failure()
