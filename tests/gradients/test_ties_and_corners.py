"""Where there is no derivative: the conventions, by hand-worked tables, exactly. And the extremes of float numbers.

(The tables for ReLU, and for pooling on every rung, are in tests/test_layers.py; here are the sums, the losses, and the
places where two kinks meet.)
"""

import numpy as np
import pytest
from cases import COMPLEX_RUNGS, LAYER_RUNGS, RUNGS, LinearLoss, training_gradients

from npcnn import Sequential, layers, losses
from npcnn.gradient_check import check_layer
from npcnn.kernels.conv2d import col2im, im2col


def one_hot(y):
    return np.eye(3)[y]


# each cross-entropy, and what makes its labels of class numbers
on_both = pytest.mark.parametrize(
    ("loss", "labels"), [(losses.SparseCategoricalCrossentropy, np.array), (losses.CategoricalCrossentropy, one_hot)]
)


def test_col2im_adds_overlaps_as_its_docstring_draws_it():
    counts = col2im(np.ones((1, 2, 2, 2, 2, 1)), (3, 3), (1, 1))
    np.testing.assert_array_equal(counts[0, :, :, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (1, 3)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (1, 2)])
def test_col2im_is_the_adjoint_of_im2col(strides, dilation):
    """<im2col x, p> = <x, col2im p>, exactly, on whole numbers."""
    rng = np.random.default_rng(0)
    x = rng.integers(-5, 6, (2, 7, 8, 3))
    patches = im2col(x, (3, 2), strides, dilation)
    p = rng.integers(-5, 6, patches.shape)
    assert (patches * p).sum() == (x * col2im(p, (7, 8), strides, dilation)).sum()


@pytest.mark.parametrize("rung", RUNGS)
def test_a_background_of_zeros_ties_everywhere_and_relu_lets_nothing_through(rung):
    """An all-zero image: every pre-activation is exactly the bias, every window a tie of equals.

    Filter 0 has bias 0: at the corner, where ReLU'(0) = 0. Filter 1 has bias 1: the first of each window wins.
    """
    conv = layers.Conv2D(2, 2, activation="relu")
    model = Sequential([layers.Input((4, 5, 1)), conv, layers.MaxPool2D(2)], kernels=rung, dtype="float64")
    model.compile(loss=LinearLoss())
    model.set_weights([np.ones((2, 2, 1, 2)), [0, 1]])
    np.testing.assert_array_equal(model.predict(np.zeros((1, 4, 5, 1)))[0], [[[0, 1], [0, 1]]])
    x = np.zeros((1, 4, 5, 1))
    x[0, 0, 0] = 1e-300  # nothing but an underflow away from zero, and under the first winner only
    dy = np.array([[[[3.0, 5.0], [7.0, 11.0]]]])
    np.testing.assert_array_equal(training_gradients(model, np.zeros((1, 4, 5, 1)), dy)["conv2d/bias"], [0, 16])
    dw = training_gradients(model, x, dy)["conv2d/kernel"]
    assert dw[0, 0, 0, 0] == 3e-300  # no longer zero: the corner is passed
    assert dw[0, 0, 0, 1] == 5e-300  # the tie with 1 + 1e-300, which rounds to 1, goes to the first: (0, 0)
    assert np.count_nonzero(dw) == 2


@pytest.mark.parametrize("rung", LAYER_RUNGS)
def test_two_overlapping_windows_may_have_the_same_winner_and_others_tie(rung):
    layer = layers.MaxPool2D((2, 3), (1, 1), kernels=rung)
    layer.build((3, 4, 1))
    x = np.array([[1.0, 5, 5, 2], [5, 0, 3, 5], [5, 5, 4, 5]])[None, :, :, None]
    y, cache = layer.forward(x)
    np.testing.assert_array_equal(y[0, :, :, 0], [[5, 5], [5, 5]])
    dx, _ = layer.backward(np.array([[1.0, 10], [100, 1000]])[None, :, :, None], cache)
    # Windows (0, 0) and (0, 1) meet (0, 1) first; (1, 0) meets (1, 0), and (1, 1) meets (1, 3) before (2, 1).
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 11, 0, 0], [100, 0, 0, 1000], [0, 0, 0, 0]])


@pytest.mark.parametrize("rung", COMPLEX_RUNGS)
def test_at_ties_and_corners_the_complex_step_follows_the_same_conventions(rung):
    """The real part stands still, so forward chooses the same winner and the same side as without the step."""
    x = np.random.default_rng(0).integers(-1, 2, (2, 5, 6, 2)).astype(float)
    for layer in (layers.ReLU(), layers.MaxPool2D((3, 2), (1, 2), kernels=rung)):
        check_layer(layer, x, "complex").raise_on_failure()


@on_both
def test_certain_and_wrong_costs_the_logit_that_was_too_large_and_no_more(loss, labels):
    value, cache = loss(from_logits=True).forward(labels([0]), np.array([[0.0, 50, 0]]))
    assert value == 50
    np.testing.assert_allclose(loss(from_logits=True).backward(cache), [[-1, 1, 0]], rtol=0, atol=1e-21)


@on_both
def test_logits_of_a_thousand_neither_overflow_nor_lose_the_gradient(loss, labels):
    z = np.array([[1000.0, -1000, -1000], [1000, -1000, -1000]])
    value, cache = loss(from_logits=True).forward(labels([1, 0]), z)
    assert value == 1000  # 2000 for the first example, 0 for the second
    np.testing.assert_array_equal(loss(from_logits=True).backward(cache), [[0.5, -0.5, 0], [0, 0, 0]])


@on_both
def test_a_probability_of_zero_costs_log_1e7_and_has_no_gradient_of_its_own(loss, labels):
    value, cache = loss().forward(labels([0]), np.array([[0.0, 0.5, 0.5]]))
    np.testing.assert_allclose(value, np.log(1e7), rtol=1e-7)
    assert loss().backward(cache)[0, 0] == 0


def test_a_tie_between_classes_costs_log_of_their_number():
    value, cache = losses.SparseCategoricalCrossentropy(from_logits=True).forward([2], np.zeros((1, 4)))
    assert value == np.log(4)
    dz = losses.SparseCategoricalCrossentropy(from_logits=True).backward(cache)
    np.testing.assert_array_equal(dz, [[0.25, 0.25, -0.75, 0.25]])
