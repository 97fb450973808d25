"""Every rung, compiled ones too, to the last digits: convolution and dense are straight lines in each argument.

Three witnesses: a central difference with h = 1 ("exact"), dot products in random directions ("adjoint"), and small
whole numbers, whose sums of products no order of summation can round: there the rungs must agree bit for bit.
"""

import copy

import numpy as np
import pytest
from cases import (
    CONVOLUTIONS,
    DENSE,
    IMAGES,
    LAYER_RUNGS,
    OTHERS,
    POOLS,
    RUNGS,
    STRAIGHT,
    LinearLoss,
    conv2d,
    dense,
    every_convolution,
    integers,
    max_pool2d,
    normal,
    other,
    small_batch,
    small_model,
    spaced,
    training_gradients,
    wide_model,
)

from npcnn import Sequential, layers
from npcnn.gradient_check import check_layer, check_model
from npcnn.kernels.dense import backward_product, forward_product
from npcnn.kernels.sharing import blocks
from npcnn.threads import Workers

on_every_rung = pytest.mark.parametrize("rung", LAYER_RUNGS)


@on_every_rung
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv2d(case, rung):
    check_layer(conv2d(case, rung), normal(case[0]), "exact").raise_on_failure()


@on_every_rung
@pytest.mark.parametrize("case", POOLS)
def test_max_pool2d_where_no_step_changes_a_winner(case, rung):
    result = check_layer(max_pool2d(case, rung), spaced(case[0]), "exact")
    result.raise_on_failure()
    assert result.rows[0].kinks == 0


@on_every_rung
@pytest.mark.parametrize("case", DENSE)
def test_dense(case, rung):
    check_layer(dense(case, rung), normal(case[0]), "exact").raise_on_failure()


@pytest.mark.parametrize("make", [layers.Flatten, layers.ReLU, lambda: layers.Input((3, 4, 2))])
def test_layers_without_parameters(make):
    result = check_layer(make(), spaced((2, 3, 4, 2)), "exact")
    result.raise_on_failure()
    assert result.rows[0].kinks == 0


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", STRAIGHT)
def test_all_other_layers_that_are_straight_lines(name, training):
    check_layer(other(name), spaced(IMAGES), "exact", training=training).raise_on_failure()


@pytest.mark.parametrize("method", ["central", "adjoint"])
@pytest.mark.parametrize("name", OTHERS)
def test_all_other_layers_in_training(name, method):
    check_layer(other(name), spaced(IMAGES, 0.1), method, training=True).raise_on_failure()


@on_every_rung
def test_every_combination_of_arguments_of_conv2d_by_dot_products(rung):
    for case in every_convolution():
        if rung != "loops" or case[2] != (3, 2):
            result = check_layer(conv2d(case, rung), normal(case[0]), "adjoint")
            assert result.passed, f"{case}\n{result}"


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("make", "case"),
    [(make, case) for make, some in ((conv2d, CONVOLUTIONS), (max_pool2d, POOLS), (dense, DENSE)) for case in some],
)
def test_on_whole_numbers_every_rung_equals_the_definition_bit_for_bit(make, case, dtype, rung):
    """The definition is the rung "loops"; of pools, the windows are full of ties."""
    x = (integers(case[0], 0, 3) if make is max_pool2d else integers(case[0])).astype(dtype)
    results = []
    for layer in (make(case, "loops", dtype=dtype), make(case, rung, dtype=dtype)):
        for key, p in layer.params.items():
            p[...] = integers(p.shape, seed=len(key))
        y, cache = layer.forward(x)
        dx, grads = layer.backward(integers(y.shape, seed=3).astype(x.dtype), cache)
        results.append({"y": y, "dx": dx, **grads})
    for name, expected in results[0].items():
        found = results[1][name]
        assert found.dtype == expected.dtype == x.dtype, name
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("rung", RUNGS)
def test_without_need_of_dx_the_parameters_gradients_are_the_same(rung):
    for layer, x in [(conv2d(CONVOLUTIONS[0], rung), normal((2, 5, 4, 2))), (dense(DENSE[0], rung), normal((3, 4)))]:
        y, cache = layer.forward(x)
        dx, grads = layer.backward(dy := normal(y.shape), cache)
        assert dx.shape == x.shape
        layer.needs_dx = False
        none, same = layer.backward(dy, layer.forward(x)[1])
        assert none is None
        for key in grads:
            np.testing.assert_array_equal(same[key], grads[key])


# ------------------------------------------------------------------ whole models


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if rung != "loops"])
@pytest.mark.parametrize("method", ["adjoint", "central"])
def test_every_weight_of_a_model_as_a_training_step_sees_it(method, rung):
    check_model(small_model(rung), *small_batch(), method).raise_on_failure()


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("method", ["adjoint", "central"])
def test_every_weight_of_a_model_of_many_layers_as_a_training_step_sees_it(method, rung):
    check_model(wide_model(kernels=rung), *small_batch(5), method, entries=20).raise_on_failure()


def test_every_weight_of_a_model_on_the_loops_rung():
    check_model(small_model("loops"), *small_batch(2), "adjoint").raise_on_failure()


@pytest.mark.parametrize("method", ["adjoint", "complex"])
def test_a_bias_that_batch_normalization_takes_out_again_has_no_gradient_and_the_check_sees_only_rounding(method):
    stack = [layers.Input((9, 8, 1)), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Activation("relu")]
    model = Sequential([*stack, layers.Flatten(), layers.Dense(3, activation="softmax")], dtype="float64")
    model.params["batch_normalization/gamma"][:] = 10
    model.compile(loss="sparse_categorical_crossentropy")
    check_model(model, *small_batch(), method, entries=20).raise_on_failure()


PATTERNS = [
    ((2, 8, 7, 1), 3, 3, 2),
    ((3, 7, 9, 2), 4, (3, 2), (2, 3)),
    ((1, 6, 5, 3), 1, (2, 3), (3, 2)),
    ((17, 4, 5, 1), 9, 1, 2),
]


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("explicit_relu", [False, True])
@pytest.mark.parametrize(("shape", "filters", "kernel", "pool"), PATTERNS)
def test_conv_relu_pool_in_a_row_is_piecewise_linear(shape, filters, kernel, pool, explicit_relu, rung):
    """The three layers that the fused rung does in one pass, behind a layer that wants their dx.

    The loss is linear too, so h = 1 is exact except where it meets a kink, which the check finds and steps back from.
    """
    activation = [layers.ReLU()] if explicit_relu else []
    conv = layers.Conv2D(filters, kernel, activation=None if explicit_relu else "relu", bias_initializer="ones")
    stack = [layers.Input(shape[1:]), layers.Conv2D(shape[3], 1), conv, *activation, layers.MaxPool2D(pool)]
    model = Sequential(stack, kernels=rung, dtype="float64")
    model.compile(loss=LinearLoss())
    x, dy = normal(shape), normal((shape[0], *model.output_shape))
    check_model(model, x, dy, "exact", entries=3 if rung == "loops" else 20).raise_on_failure()


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("is_first", [False, True])
def test_conv_relu_pool_on_whole_numbers_equals_the_definition_bit_for_bit(is_first, dtype, rung):
    """Full of ties and of zeros: winners, gates and sums must be the same, not nearly the same.

    What is first in a model is asked for no dx, and may take another way.
    """
    for shape, filters, kernel, pool in PATTERNS[:3]:
        before = [] if is_first else [layers.Conv2D(shape[3], 1, name="before")]
        expected, found = (
            whole_number_gradients(before, (filters, kernel), (pool,), shape, rung, dtype) for rung in ("loops", rung)
        )
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key], err_msg=f"{key} of {shape}")


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("rung", RUNGS[1:])
def test_the_parts_of_a_batch_add_up_to_the_definition_bit_for_bit(is_first, rung):
    before = [] if is_first else [layers.Conv2D(2, 1, name="before")]
    expected, found = (
        whole_number_gradients(before, (4, 3), (2,), (19, 6, 7, 2), rung, "float32") for rung in ("loops", rung)
    )
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


def test_the_blocks_of_a_dense_layer_make_up_the_product_bit_for_bit():
    x, w, dy = (integers(shape, -2, 3).astype("float32") for shape in ((130, 203), (203, 160), (130, 160)))
    assert len(blocks(len(x), w)) > 2
    with Workers(2):
        y, cache = forward_product(x, w, np.ones(160, "float32"))
        dx, dw, db = backward_product(dy, cache)
    for found, expected in ((y, x @ w + 1), (dx, dy @ w.T), (dw, x.T @ dy), (db, dy.sum(axis=0))):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("conv", "pool"),
    [
        ((2, 2), (2, 1)),
        ((2, 2), (2, 2, "same")),
        ((2, 2), (2, 3)),
        ((2, 2, 2), (2,)),
        ((2, 2, 1, "same"), (2,)),
        ((2, (1, 2)), ((2, 1), 2)),
    ],
)
def test_what_does_not_fit_the_fused_rung_is_computed_all_the_same(conv, pool):
    expected, found = (
        whole_number_gradients([], conv, pool, (2, 7, 9, 2), rung, "float64") for rung in ("loops", "fused")
    )
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


def whole_number_gradients(before, conv, pool, shape, rung, dtype):
    """Return the gradients, and under "y" the output, of convolution, ReLU and pool on small whole numbers."""
    stack = [layers.Input(shape[1:]), *map(copy.copy, before)]
    stack += [layers.Conv2D(*conv, activation="relu", name="conv"), layers.MaxPool2D(*pool)]
    model = Sequential(stack, kernels=rung, dtype=dtype)
    model.compile(loss=LinearLoss())
    model.set_weights([integers(w.shape, -2, 3, seed=i) for i, w in enumerate(model.get_weights())])
    x = integers(shape, -2, 3)
    dy = integers((shape[0], *model.output_shape), seed=3) * shape[0]  # the loss takes a mean over the images
    return {"y": model.predict(x), **training_gradients(model, x, dy)}
