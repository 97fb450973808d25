"""The two cross-entropies, against numbers worked out by hand.

Where probabilities are clipped and logits far apart: gradients/test_ties_and_corners.py.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import losses
from npcnn.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy

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
    p, inside = losses.clip(np.array([0, 1e-8, 1e-7, 0.5, 1 - 1e-7, 1]))
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


def test_one_class_is_enough():
    assert SparseCategoricalCrossentropy(from_logits=True).forward([0], np.array([[5.0]]))[0] == 0
