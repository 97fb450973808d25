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
from npcnn.layers.elementwise import SELU_ALPHA, SELU_SCALE


def one_hot(y):
    return np.eye(3)[y]


# each cross-entropy, and what makes its labels of class numbers
on_both = pytest.mark.parametrize(
    ("loss", "labels"), [(losses.SparseCategoricalCrossentropy, np.array), (losses.CategoricalCrossentropy, one_hot)]
)


def test_col2im_adds_overlaps_as_its_docstring_draws_it():
    counts = col2im(np.ones((1, 2, 2, 2, 2, 1)), (3, 3), (1, 1))
    np.testing.assert_array_equal(counts[0, :, :, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


INF = np.inf
# name: (layer, x, y, dx for dy of ones); a row of numbers is one example of as many features, rows are one image
WORKED = {
    "relu's slope below the threshold, and 0 above its end": (
        layers.ReLU(4.0, 0.5, 2.0), [-2, 2, 3, 4, 9, -INF], [-2, 0, 3, 4, 4, -INF], [0.5, 0.5, 1, 0, 0, 0.5]),
    "relu of minus infinity, and of no number": (layers.ReLU(), [-INF, INF, np.nan], [0, INF, np.nan], [0, 1, 0]),
    "leaky relu": (layers.LeakyReLU(0.25), [-4, 0, 4], [-1, 0, 4], [0.25, 0.25, 1]),
    "leaky relu, as a name": (layers.Activation("leaky_relu"), [-5, 5], [-1, 5], [0.2, 1]),
    "ELU": (layers.ELU(2.0), [np.log(0.5), 3, -INF, 1000], [-1, 3, -2, 1000], [1, 1, 0, 1]),
    "ELU at its corner, from the left": (layers.ELU(2.0), [0], [0], [2]),
    "sigmoid of a logarithm": (
        layers.Activation("sigmoid"), [0, np.log(3), -np.log(3)], [1 / 2, 3 / 4, 1 / 4], [1 / 4, 3 / 16, 3 / 16]),
    "sigmoid far out": (layers.Activation("sigmoid"), [-800, 800], [0, 1], [0, 0]),
    "tanh": (layers.Activation("tanh"), [0, np.log(3) / 2, -INF], [0, 0.5, -1], [1, 0.75, 0]),
    "SELU": (
        layers.Activation("selu"), [-INF, 0, 2, 1000],
        [-SELU_SCALE * SELU_ALPHA, 0, 2 * SELU_SCALE, 1000 * SELU_SCALE],
        [0, SELU_SCALE * SELU_ALPHA, SELU_SCALE, SELU_SCALE]),
    "softplus": (
        layers.Activation("softplus"), [-800, -np.log(3), 0, 800], [0, np.log(4 / 3), np.log(2), 800],
        [0, 1 / 4, 1 / 2, 1]),
    "silu": (layers.Activation("silu"), [-800, 0, 800], [0, 0, 800], [0, 1 / 2, 1]),
    "softsign": (layers.Activation("softsign"), [-3, 0, 1], [-3 / 4, 0, 1 / 2], [1 / 16, 1, 1 / 4]),
    "hard sigmoid": (
        layers.Activation("hard_sigmoid"), [-4, -3, 0, 1.5, 3, 4, np.nan],
        [0, 0, 1 / 2, 3 / 4, 1, 1, np.nan], [0, 0, 1 / 6, 1 / 6, 0, 0, 0]),
    "exponential": (layers.Activation("exponential"), [-INF, 0, np.log(2)], [0, 1, 2], [0, 1, 2]),
    "linear": (layers.Activation("linear"), [-1, 2], [-1, 2], [1, 1]),
    "rescaling": (layers.Rescaling(0.5, -3), [2, 8], [-2, 1], [0.5, 0.5]),
    "a mean of each window": (
        layers.AveragePooling2D((1, 2)), [[1, 3, 5], [2, 8, 9]], [[2], [5]], [[0.5, 0.5, 0], [0.5, 0.5, 0]]),
    "a mean over real pixels only": (
        layers.AveragePooling2D((1, 2), 1, "same"), [[1, 3, 5]], [[2, 4, 5]], [[0.5, 1, 1.5]]),
    "a mean over the image": (layers.GlobalAveragePooling2D(keepdims=True), [[1, 2], [3, 6]], [[3]], [[0.25] * 2] * 2),
    "the largest of the image": (layers.GlobalMaxPooling2D(keepdims=True), [[1, 2], [3, 0]], [[3]], [[0, 0], [1, 0]]),
    "those that tie for the largest share": (
        layers.GlobalMaxPooling2D(keepdims=True), [[7, 2], [3, 7]], [[7]], [[0.5, 0], [0, 0.5]]),
    "zeros above and below, left and right": (
        layers.ZeroPadding2D(((1, 0), (0, 2))), [[1, 2]], [[0, 0, 0, 0], [1, 2, 0, 0]], [[1, 1]]),
    "another shape, along the rows": (
        layers.Reshape((-1, 2, 1)), [[1, 2, 3], [4, 5, 6]], [[1, 2], [3, 4], [5, 6]], [[1] * 3] * 2),
}  # fmt: skip


@pytest.mark.parametrize("case", WORKED)
def test_what_was_worked_out_by_hand(case):
    layer, x, y, dx = WORKED[case]
    x, y, dx = (np.array(a, float)[None, ..., None] if np.ndim(a) == 2 else np.array([a], float) for a in (x, y, dx))
    layer.build(x.shape[1:])
    with np.errstate(invalid="ignore"):  # a comparison with NaN
        found, cache = layer.forward(x)
    np.testing.assert_allclose(found, y, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(layer.backward(np.ones(y.shape), cache)[0], dx, rtol=1e-15, atol=1e-15)


def test_batch_normalization_worked_out_by_hand():
    layer = layers.BatchNormalization(momentum=0.75, epsilon=2.0, dtype="float64")
    layer.build((2,))
    layer.params["gamma"][:], layer.params["beta"][:] = [6, 3], [10, 0]
    x = np.array([[1.0, -8], [3, 8], [5, -8], [7, 8]])  # means 4 and 0, variances 5 and 64, 7 and 66 with epsilon
    s = np.sqrt([7, 66])
    y, cache = layer.forward(x, training=True)
    np.testing.assert_allclose(y, [6, 3] * (x - [4, 0]) / s + [10, 0], rtol=1e-15)
    dy = np.array([[1.0, 0], [0, 0], [0, 0], [0, 1]])
    dx, grads = layer.backward(dy, cache)
    np.testing.assert_allclose(grads["gamma"], [-3, 8] / s, rtol=1e-15)
    np.testing.assert_array_equal(grads["beta"], [1, 1])
    z = (x - [4, 0]) / s
    np.testing.assert_allclose(dx, [6, 3] / s * (dy - 1 / 4 - z * [-3, 8] / s / 4), rtol=1e-15)
    np.testing.assert_array_equal(list(layer.state.values()), [[0, 0], [1, 1]])  # before the step
    layer.update_state(cache)
    np.testing.assert_array_equal(list(layer.state.values()), [[1, 0], [0.75 + 5 / 4, 0.75 + 64 / 4]])
    y, cache = layer.forward(x)  # to predict, the moving averages take their place
    np.testing.assert_allclose(y, [6, 3] * (x - [1, 0]) / np.sqrt([4, 18.75]) + [10, 0], rtol=1e-15)
    np.testing.assert_allclose(layer.backward(dy, cache)[0], [6, 3] * dy / np.sqrt([4, 18.75]), rtol=1e-15)


def test_dropout_keeps_its_share_makes_up_for_the_rest_and_does_nothing_to_predict():
    x = 1 + np.random.default_rng(1).random((200, 50))
    layer = layers.Dropout(0.25)
    layer.build((50,))
    assert layer.forward(x)[0] is x
    y, cache = layer.forward(x, True, np.random.default_rng(0))
    kept = y != 0
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / x.size)  # four standard deviations
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=1e-15)
    np.testing.assert_allclose(layer.backward(x, cache)[0], y, rtol=1e-15)
    again, _ = layer.forward(x, True, np.random.default_rng(1))
    assert (again != y).any()


def test_dropout_with_a_seed_of_its_own_draws_the_same_whatever_it_is_given_and_other_numbers_at_each_step():
    x, draws = np.ones((4, 50)), []
    for given in (None, np.random.default_rng(7)):
        layer = layers.Dropout(0.5, seed=3)
        layer.build((50,))
        for _ in range(2):
            y, cache = layer.forward(x, True, given)
            np.testing.assert_array_equal(layer.forward(x, True, given)[0], y)
            layer.update_state(cache)
            draws.append(y)
    np.testing.assert_array_equal(draws[:2], draws[2:])
    assert (draws[0] != draws[1]).any() and (draws[0] != draws[0][0]).any()


def test_dropout_of_channels_leaves_all_of_a_channel_or_none():
    layer = layers.SpatialDropout2D(0.5)
    layer.build((3, 4, 20))
    y, _ = layer.forward(np.ones((6, 3, 4, 20)), True, np.random.default_rng(0))
    assert set(y[:, 0, 0].ravel()) == {0, 2}
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    assert (y[0, 0, 0] != y[1, 0, 0]).any()


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
