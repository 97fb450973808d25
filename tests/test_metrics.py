"""Metrics by hand, and how they are found. (Keras': gradients/test_against_keras.py.)"""

import numpy as np
import pytest

from npcnn import losses, metrics

SCORES = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.5, 0.5, 0.0], [0.2, 0.5, 0.3]])
NUMBERS = np.array([2, 0, 1, 2])  # right; second, tied; first, tied; second
ROWS = np.eye(3)[NUMBERS]


@pytest.mark.parametrize(
    ("metric", "labels", "value"),
    [
        (metrics.Accuracy(), NUMBERS, 0.25),
        (metrics.Accuracy(), NUMBERS[:, None], 0.25),
        (metrics.Accuracy(), ROWS, 0.25),
        (metrics.SparseCategoricalAccuracy(), NUMBERS[:, None], 0.25),
        (metrics.CategoricalAccuracy(), ROWS, 0.25),
        (metrics.SparseTopKCategoricalAccuracy(k=1), NUMBERS, 0.5),  # of those that tie, all count as the best
        (metrics.SparseTopKCategoricalAccuracy(k=2), NUMBERS, 1),
        (metrics.TopKCategoricalAccuracy(k=1), ROWS, 0.5),
        (metrics.TopKCategoricalAccuracy(), ROWS, 1),
        (metrics.BinaryAccuracy(), ROWS, 9 / 12),
        (metrics.BinaryAccuracy(threshold=0.25), ROWS, 8 / 12),
        (metrics.MeanSquaredError(), ROWS, ((SCORES - ROWS) ** 2).mean()),
        (metrics.MeanAbsoluteError(), ROWS, abs(SCORES - ROWS).mean()),
        (metrics.MeanMetricWrapper(lambda y_true, y_pred: y_true[:, None] + y_pred), NUMBERS, 1.25 + 1 / 3),
    ],
)
def test_a_metric_is_the_mean_worked_out_by_hand(metric, labels, value):
    assert metric(labels, SCORES) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("labels", [np.array([1, 0, 0, 1]), np.array([[1], [0], [0], [1]])])
def test_accuracy_of_a_single_output_asks_on_which_side_of_a_half_it_is(labels):
    assert metrics.Accuracy()(labels, np.array([[0.9], [0.1], [0.6], [0.5]])) == 0.5  # 0.5 itself is a no
    assert metrics.BinaryAccuracy()(labels, np.array([[0.9], [0.1], [0.6], [0.5]])) == 0.5


@pytest.mark.parametrize(
    ("given", "name", "fn"),
    [
        ("accuracy", "accuracy", metrics.accuracy),
        ("acc", "acc", metrics.accuracy),
        ("sparse_categorical_accuracy", "sparse_categorical_accuracy", metrics.sparse_categorical_accuracy),
        ("CategoricalAccuracy", "CategoricalAccuracy", metrics.categorical_accuracy),
        ("mse", "mse", losses.mse),
        ("MSE", "MSE", losses.mse),
        ("categorical_crossentropy", "categorical_crossentropy", losses.categorical_crossentropy),
        (metrics.top_k_categorical_accuracy, "top_k_categorical_accuracy", metrics.top_k_categorical_accuracy),
        (losses.mse, "mean_squared_error", losses.mse),
        (metrics.mae, "mean_absolute_error", losses.mae),
        (metrics.BinaryAccuracy, "binary_accuracy", metrics.binary_accuracy),
        (metrics.BinaryAccuracy("mine"), "mine", metrics.binary_accuracy),
    ],
)
def test_a_metric_is_found_by_name_function_or_class_and_called_as_in_keras(given, name, fn):
    found = metrics.get(given)
    assert (found.name, found.fn) == (name, fn)


def test_a_configuration_makes_the_same_metric_again():
    for metric in (metrics.BinaryAccuracy("b", threshold=0.25), metrics.TopKCategoricalAccuracy(1)):
        again = type(metric)(**metric.get_config())
        assert again.name == metric.name
        assert again(ROWS, SCORES) == metric(ROWS, SCORES)


@pytest.mark.parametrize(
    ("metric", "weights", "total", "count"),
    [
        (metrics.Accuracy(), [1, 2, 4, 8], "right", 15),
        (metrics.Accuracy(), None, "right", 4),
        (metrics.MeanMetricWrapper(lambda y_true, y_pred: np.full((4, 3), 2.0), "twos"), [1, 2, 4, 8], 30, 15),
    ],
)
def test_a_weighted_mean_has_the_weights_above_and_below_the_line(metric, weights, total, count):
    if total == "right":
        right = SCORES.argmax(axis=1) == NUMBERS
        assert 0 < right.sum() < 4
        total = (right * (weights or [1, 1, 1, 1])).sum()
    weighted = metrics.WeightedMean(metric, "w")
    assert weighted.sum_and_count(NUMBERS, SCORES, weights) == (total, count)
    assert weighted(NUMBERS, SCORES) == metric(NUMBERS, SCORES)
