"""What is frozen keeps every bit, and what is not learns as if the frozen were put back after each step."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npcnn import Sequential, layers
from npcnn.gradient_check import check_model
from npcnn.layers import BatchNormalization, Conv2D, Dense, Flatten, Input, MaxPool2D

SPARSE = "sparse_categorical_crossentropy"


def small_model(rung="im2col", momentum=0.9, **options):
    """Two convolutions, one of which is fused where it can be, a normalization between them, and an end of two."""
    stack = [
        Input((10, 9, 2)),
        Conv2D(3, 3, activation="relu", kernel_regularizer="l2"),
        MaxPool2D(2),
        BatchNormalization(momentum=momentum),
        Conv2D(4, 2, activation="tanh"),
        Flatten(),
        Dense(5, kernel_regularizer="l2"),
        Dense(3, activation="softmax"),
    ]
    model = Sequential(stack, kernels=rung, **options)
    rng = np.random.default_rng(7)
    model.set_weights([w + 0.1 * rng.random(w.shape) for w in model.get_weights()])
    model.compile("sgd", SPARSE)
    return model


def batch(count=6):
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, 10, 9, 2), dtype="float32"), rng.integers(0, 3, count)


@pytest.mark.parametrize("rung", ["im2col", "fused"])
@pytest.mark.parametrize("frozen", [(0,), (3,), (5,), (0, 3), (0, 3, 5), (6,)])
def test_a_frozen_layer_keeps_its_bits_and_the_others_learn_as_if_it_were_put_back_after_each_step(frozen, rung):
    one, other = small_model(rung), small_model(rung)
    x, y = batch()
    before = {key: array.copy() for key, array in one.variables.items()}
    for i in frozen:
        one.layers[i].trainable = False
        other.layers[i].kernel_regularizer = None  # else it would be pulled, and pay
    for _ in range(5):
        assert one.train_on_batch(x, y) == other.train_on_batch(x, y)
        for layer in (other.layers[i] for i in frozen):
            layer.set_weights([before[f"{layer.name}/{key}"] for key in layer.variables])
    names = {one.layers[i].name for i in frozen}
    for key, array in one.variables.items():
        assert_array_equal(array, other.variables[key])
        assert (array == before[key]).all() == (key.split("/")[0] in names), key


@pytest.mark.parametrize("rung", ["im2col", "fused"])
def test_a_frozen_normalization_does_in_training_what_it_does_to_predict(rung):
    model, (x, y) = small_model(rung), batch()
    assert (model(x, training=True) != model(x)).any()
    model.layers[2].trainable = False
    for array in model.layers[2].state.values():
        array[...] = 0.45  # in float32, 0.9 * 0.45 + 0.1 * 0.45 is another number: a step of the average would be seen
    assert_array_equal(model(x, training=True), model(x))
    before = model.layers[2].get_weights()
    for _ in range(5):
        model.train_on_batch(x, y)
    for array, same in zip(model.layers[2].get_weights(), before, strict=True):
        assert_array_equal(array, same)


@pytest.mark.parametrize("frozen", [(), (0,), (2,), (0, 2), (5,), (6,)])
def test_gradients_go_through_frozen_layers(frozen):
    model, (x, y) = small_model("fused", dtype="float64"), batch()
    for i in frozen:
        model.layers[i].trainable = False
    result = check_model(model, x, y)
    assert result.passed, result


def test_of_frozen_layers_in_front_of_all_that_are_trained_none_goes_backward(monkeypatch):
    model, called = small_model(), []
    for i, layer in enumerate(model.layers[:3]):
        layer.trainable = False
        monkeypatch.setattr(layer, "backward", lambda dy, cache, i=i: called.append(i))
    model.layers[5].trainable = False  # behind one that is trained: it has to
    model.train_on_batch(*batch())
    assert called == []


@pytest.mark.parametrize("rung", ["im2col", "fused"])
def test_where_all_is_frozen_nothing_changes_but_the_count_of_steps(rung):
    model, (x, y) = small_model(rung), batch()
    model.trainable = False
    before, loss = model.get_weights(), model.evaluate(x, y, verbose=0)
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == len(before)
    history = model.fit(x, y, epochs=3, verbose=0).history
    np.testing.assert_allclose(history["loss"], loss, rtol=1e-6)
    for array, same in zip(model.get_weights(), before, strict=True):
        assert_array_equal(array, same)
    assert model.optimizer.iterations == 3


def test_freezing_a_model_freezes_its_layers_and_a_layer_may_be_thawed_alone():
    inner = Sequential([Conv2D(2, 3), BatchNormalization(), Sequential([Conv2D(2, 3)], name="innermost")], name="base")
    model = Sequential([Input((9, 9, 1)), inner, Flatten(), Dense(3)])
    assert len(model.trainable_variables) == 8 and len(model.non_trainable_variables) == 2
    inner.trainable = False
    assert not any(layer.trainable for layer in (*inner.layers, inner.layers[2].layers[0])) and model.trainable
    assert list(model.trainable_params) == ["dense/kernel", "dense/bias"]
    assert inner.trainable_weights == [] and len(inner.non_trainable_weights) == 8
    inner.trainable = True
    inner.layers[0].trainable = False
    assert len(model.trainable_weights) == 6 and len(model.non_trainable_weights) == 4
    assert len(model.weights) == 10 and model.weights[0] is model.non_trainable_weights[0]  # each in its layer's place
    model.trainable = False
    model.layers[2].trainable = True
    assert model.trainable_weights == []  # the model itself is still frozen


def test_a_model_or_layer_may_be_made_frozen():
    base = Sequential([BatchNormalization(), Dense(4)], trainable=False)
    model = Sequential([Input((5,)), base, Dense(4, trainable=False), Dense(3)])
    model.compile("adam", SPARSE)
    before = model.get_weights()
    model.fit(np.random.default_rng(0).random((20, 5)), np.arange(20) % 3, verbose=0)
    same = [(w == old).all() for w, old in zip(model.get_weights(), before, strict=True)]
    assert same == [True] * 8 + [False] * 2
    assert [layer.get_config()["trainable"] for layer in model.layers[1:]] == [False, True]


def test_the_summary_says_how_many_parameters_are_frozen():
    model, last = small_model(), []
    for i in (None, 2, 3):
        if i:
            model.layers[i].trainable = False
        model.summary(print_fn=lambda table: last.append(table.splitlines()[-1]))
    still = "of the parameters are not trained by gradients"
    assert last == [f"6 {still}", f"12 {still}; 6 of these are frozen", f"64 {still}; 58 of these are frozen"]


def test_what_a_layer_of_ones_own_learns_without_gradients_is_frozen_too():
    class Counter(layers.Layer):
        def build(self, input_shape, rng=None):
            super().build(input_shape)
            self.state = {"steps": np.zeros((), self.dtype)}

        def forward(self, x, training=False):
            return x, None

        def backward(self, dy, cache):
            return dy, {}

        def update_state(self, cache):
            self.state["steps"] += 1

    model = Sequential([Input((3,)), Counter(), Counter(trainable=False), Dense(2)])
    model.compile("sgd", SPARSE)
    model.train_on_batch(np.ones((2, 3)), [0, 1])
    assert [float(layer.state["steps"]) for layer in model.layers[:2]] == [1, 0]
