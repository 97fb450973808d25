"""Penalties on weights by hand; in a model they are checked in gradients/."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import layers, regularizers
from npcnn.training import penalties

W = np.array([[3.0, -4], [0, 1]])


@pytest.mark.parametrize(
    ("penalty", "value", "gradient"),
    [
        (regularizers.L2(0.5), 13, [[3, -4], [0, 1]]),
        (regularizers.L1(0.5), 4, [[0.5, -0.5], [0, 0.5]]),
        (regularizers.L1L2(0.5, 0.5), 17, [[3.5, -4.5], [0, 1.5]]),
        (regularizers.L1L2(), 0, [[0, 0], [0, 0]]),
        (regularizers.l2(), 0.26, 0.02 * W),
        (regularizers.l1(), 0.08, 0.01 * np.sign(W)),
    ],
)
def test_a_penalty_and_its_gradient_are_as_worked_out_by_hand(penalty, value, gradient):
    assert_allclose(penalty(W), value, rtol=1e-15)
    assert_allclose(penalty.gradient(W), gradient, rtol=1e-15)
    assert penalty.gradient(W.astype("float32")).dtype == penalty(W.astype("float32")).dtype == "float32"
    assert_array_equal(type(penalty)(**penalty.get_config()).gradient(W), penalty.gradient(W))


@pytest.mark.parametrize("name", ["l2", "L2"])
def test_layers_find_a_penalty_by_its_name_and_keep_one_that_is_given(name):
    assert type(layers.Dense(2, kernel_regularizer=name).kernel_regularizer) is regularizers.L2
    own = regularizers.L1L2(0.1)
    layer = layers.Conv2D(2, 3, kernel_regularizer=own)
    assert layer.kernel_regularizer is layers.Conv2D(**layer.get_config()).kernel_regularizer is own
    assert layers.Dense(2).kernel_regularizer is layers.Dense(2).bias_regularizer is None
    layer = layers.Dense(2, bias_regularizer="l1", use_bias=False)
    layer.build((3,))
    assert type(layer.bias_regularizer) is regularizers.L1 and penalties(layer) == {}
