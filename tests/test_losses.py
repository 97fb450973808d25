"""The losses, against numbers worked out by hand.

Where probabilities are clipped and logits far apart: gradients/test_ties_and_corners.py.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import losses
from npcnn.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from npcnn.losses.cross_entropy import clip

log = np.log

# Three examples, and the same labels as class numbers and as rows.
LABELS = np.array([0, 1, 1])
ROWS = np.array([[1.0, 0], [0, 1], [0, 1]])
P = np.array([[0.25, 0.75], [0.5, 0.5], [0.2, 0.8]])
BOTH = pytest.mark.parametrize(
    ("loss_class", "labels"), [(SparseCategoricalCrossentropy, LABELS), (CategoricalCrossentropy, ROWS)]
)


@BOTH
def test_the_loss_is_the_mean_of_minus_the_log_of_the_right_probability(loss_class, labels):
    value, _ = loss_class().forward(labels, P)
    # Clipping and dividing by the row's sum cost a few times 1e-16 where the rows add up to one.
    assert_allclose(value, -(log(0.25) + log(0.5) + log(0.8)) / 3, rtol=1e-14)


@BOTH
def test_the_loss_from_logits_is_the_loss_of_their_softmax(loss_class, labels):
    value, _ = loss_class(from_logits=True).forward(labels, log(P) + np.array([[5], [-7], [0]]))
    assert_allclose(value, -(log(0.25) + log(0.5) + log(0.8)) / 3, rtol=1e-14)


@BOTH
def test_the_gradient_with_respect_to_logits_is_softmax_minus_one_hot_over_n(loss_class, labels):
    loss = loss_class(from_logits=True)
    dz = loss.backward(loss.forward(labels, log(P))[1])
    assert_allclose(dz, np.array([[-0.75, 0.75], [0.5, -0.5], [0.2, -0.2]]) / 3, rtol=1e-14)


@BOTH
def test_the_gradient_with_respect_to_probabilities_sees_that_they_are_divided_by_their_sum(loss_class, labels):
    loss = loss_class()
    dp = loss.backward(loss.forward(labels, P)[1])
    # L = -log(p[y] / sum of p): dp = (1 - 1/p) / N for the right class, 1 / N for the others, as the sum of p is 1.
    assert_allclose(dp, np.array([[1 - 4, 1], [1, 1 - 2], [1, 1 - 1.25]]) / 3, rtol=1e-12)


def test_clipping_leaves_what_is_between_1e_7_and_1_minus_1e_7():
    p, inside = clip(np.array([0, 1e-8, 1e-7, 0.5, 1 - 1e-7, 1]))
    assert_array_equal(p, [1e-7, 1e-7, 1e-7, 0.5, 1 - 1e-7, 1 - 1e-7])
    assert_array_equal(inside, [False, False, True, True, True, False])


def test_the_sparse_loss_takes_labels_as_a_column_and_as_whole_floats():
    loss = SparseCategoricalCrossentropy()
    value, _ = loss.forward(LABELS, P)
    for labels in (LABELS[:, None], LABELS.astype("float32"), LABELS.astype("uint8"), LABELS.tolist()):
        assert loss.forward(labels, P)[0] == value


def test_labels_may_be_soft():
    value, cache = CategoricalCrossentropy(from_logits=True).forward([[0.5, 0.5]], np.array([[log(3), 0]]))
    assert_allclose(value, -(log(0.75) + log(0.25)) / 2, rtol=1e-14)
    dz = CategoricalCrossentropy(from_logits=True).backward(cache)
    assert_allclose(dz, [[0.25, -0.25]], rtol=1e-14)


@BOTH
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_has_the_float_type_of_the_predictions(loss_class, labels, from_logits, dtype):
    loss = loss_class(from_logits)
    value, cache = loss.forward(labels, P.astype(dtype))
    assert value.dtype == loss.backward(cache).dtype == dtype


def test_losses_are_found_by_name():
    assert isinstance(losses.get("sparse_categorical_crossentropy"), SparseCategoricalCrossentropy)
    assert isinstance(losses.get("categorical_crossentropy"), CategoricalCrossentropy)
    own = SparseCategoricalCrossentropy(from_logits=True)
    assert losses.get(own) is own
    for same in ("mse", "MSE", "mean_squared_error", "MeanSquaredError", losses.mse, losses.MeanSquaredError):
        assert isinstance(losses.get(same), losses.MeanSquaredError)
    assert isinstance(losses.get(losses.categorical_crossentropy), CategoricalCrossentropy)


def test_one_class_is_enough():
    assert SparseCategoricalCrossentropy(from_logits=True).forward([0], np.array([[5.0]]))[0] == 0


# ------------------------------------------------------------------ weights, smoothed labels, and the other losses


@BOTH
@pytest.mark.parametrize("from_logits", [False, True])
def test_weights_say_how_much_an_example_counts_and_the_sum_is_divided_by_their_number(loss_class, labels, from_logits):
    loss, y_pred = loss_class(from_logits), log(P) if from_logits else P
    value, cache = loss.forward(labels, y_pred, [2, 0, 0.5])
    assert_allclose(value, -(2 * log(0.25) + 0.5 * log(0.8)) / 3, rtol=1e-14)
    plain = loss.backward(loss.forward(labels, y_pred)[1])
    assert_allclose(loss.backward(cache), plain * [[2], [0], [0.5]], rtol=1e-14)
    assert loss(labels, y_pred, [2, 0, 0.5]) == value


def test_smoothed_labels_are_shared_among_all_classes():
    smooth = CategoricalCrossentropy(label_smoothing=0.5)
    value, cache = smooth.forward([[1, 0]], np.array([[0.75, 0.25]]))
    assert_allclose(value, -(0.75 * log(0.75) + 0.25 * log(0.25)), rtol=1e-14)  # as certain as it should be
    assert_allclose(smooth.backward(cache), [[0, 0]], atol=1e-15)


def test_binary_cross_entropy_is_the_mean_over_outputs_of_minus_the_log_of_the_right_answer():
    p = np.array([[0.25, 0.5], [0.75, 0.2]])
    expected = -np.array([log(0.25) + log(0.5), log(0.25) + log(0.8)]) / 2
    assert_allclose(losses.binary_crossentropy([[1, 0], [0, 0]], p), expected, rtol=1e-14)
    z = log(p / (1 - p))
    assert_allclose(losses.binary_crossentropy([[1, 0], [0, 0]], z, from_logits=True), expected, rtol=1e-14)
    value, cache = losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.5).forward([1.0], [[log(3)]])
    assert_allclose(value, -(0.75 * log(0.75) + 0.25 * log(0.25)), rtol=1e-14)


def test_binary_cross_entropy_of_logits_of_a_thousand_neither_overflows_nor_loses_the_gradient():
    loss = losses.BinaryCrossentropy(from_logits=True)
    value, cache = loss.forward([0, 0, 1, 1], np.array([[1000.0], [-1000], [1000], [-1000]]))
    assert value == 500
    assert_array_equal(loss.backward(cache), [[0.25], [0], [0], [-0.25]])


def test_squared_and_absolute_errors_are_means_over_all_outputs():
    y_true, y_pred = np.array([[1.0, 2], [3, 4]]), np.array([[2.0, 2], [3, 0]])
    assert_array_equal(losses.mse(y_true, y_pred), [0.5, 8])
    assert_array_equal(losses.mae(y_true, y_pred), [0.5, 2])
    value, cache = losses.MeanSquaredError().forward(y_true, y_pred)
    assert value == 4.25
    assert_array_equal(losses.MeanSquaredError().backward(cache), [[0.5, 0], [0, -2]])
    value, cache = losses.MeanAbsoluteError().forward(y_true, y_pred)
    assert value == 1.25
    assert_array_equal(losses.MeanAbsoluteError().backward(cache), [[0.25, 0], [0, -0.25]])


def test_one_output_for_each_example_takes_labels_with_and_without_a_second_axis():
    y_pred = np.array([[2.0], [5]])
    for labels in ([1, 3], [[1], [3]]):
        assert losses.MeanSquaredError()(labels, y_pred) == 2.5


def test_functions_take_whole_numbers_as_predictions():
    assert_array_equal(losses.mean_squared_error([[0, 1]], [[2, 1]]), [2])


def test_a_loss_is_made_again_from_its_configuration():
    for loss in (CategoricalCrossentropy(True, 0.25, name="mine"), losses.MeanSquaredError()):
        again = type(loss)(**loss.get_config())
        assert again.get_config() == loss.get_config()
