"""A training that goes wrong is told so once, in a sentence, and goes on; one that goes well is told nothing."""

import warnings

import numpy as np
import pytest

from npcnn import Sequential, layers, losses, optimizers
from npcnn.callbacks import BackupAndRestore, Callback, LearningRateScheduler
from npcnn.kernels import RUNGS

SPARSE = "sparse_categorical_crossentropy"
X = np.random.default_rng(0).random((64, 8, 8, 1), dtype=np.float32)
Y = np.arange(64) % 3


def small(optimizer="adam", end="softmax", loss=SPARSE, rung="im2col", front=(), hidden="relu"):
    stack = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPool2D(), layers.Flatten()]
    stack += [layers.Dense(8, activation=hidden), layers.Dense(3, activation=end)]
    model = Sequential([layers.Input((8, 8, 1)), *front, *stack], kernels=rung, threads=1)
    model.compile(optimizer, loss)
    return model


def said(model, x=X, y=Y, **options):
    """Return what `fit` says, each time at the line that calls it; NumPy's own warnings are not beside it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y, verbose=0, **options)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize("rung", RUNGS)
def test_a_training_that_goes_well_is_told_nothing_and_takes_the_same_steps(rung):
    model, plain = small(rung=rung), small(rung=rung)
    assert said(model, epochs=4) == []
    plan = plain._plan()
    for _ in range(4):
        order = plain.rng.permutation(64)
        for rows in (order[:32], order[32:]):
            x, y = plain._check_examples("", X[rows], Y[rows])
            output, caches = plan.forward(x, training=True)
            _, cache = plan.score(y, output)
            _, grads = plan.backward(plan.loss.backward(cache), caches)
            plain.optimizer.update(plain.params, grads)
    for w, same in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(w, same)


def test_a_loss_that_is_no_number_is_said_once_with_its_step_its_layer_and_the_likely_cause():
    model = small(optimizers.SGD(1e30))
    assert said(model, epochs=3) == [
        "fit: the loss is nan in step 2 of epoch 1: Dense 'dense' is the first whose output is not finite; "
        "the learning rate, 1e+30, may be too large: try 1e+29"
    ]
    assert model.history.epoch == [0, 1, 2]  # as in Keras, it goes on


def test_who_asks_numpy_for_errors_gets_them():
    with np.errstate(over="raise"), pytest.raises(FloatingPointError, match="overflow"):
        small(optimizers.SGD(1e30)).fit(X, Y, verbose=0)


def test_where_training_went_on_from_a_backup_the_step_is_told_as_if_it_had_never_stopped(tmp_path):
    def fit(epochs):
        backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
        schedule = LearningRateScheduler(lambda epoch: 1e30 if epoch == 2 else 0.125)
        return said(small(optimizers.SGD(0.01)), epochs=epochs, callbacks=[schedule, backup])

    assert fit(epochs=2) == []
    (sentence,) = fit(epochs=4)
    assert sentence.startswith("fit: the loss is nan in step 2 of epoch 3: ")
    assert sentence.endswith("the learning rate, 1e+30, may be too large: try 1e+29")


def test_weights_that_are_no_numbers_are_said_to_be_where_it_began():
    model = small()
    model.layers[3].params["bias"][1] = np.nan
    (sentence,) = said(model)
    assert sentence.startswith(
        "fit: the loss is nan in step 1 of epoch 1: Dense 'dense' is the first whose weights are not finite"
    )
    assert "the weights it started from" in sentence


def test_where_all_outputs_are_numbers_the_loss_itself_is_named():
    (sentence,) = said(small(loss=losses.MeanSquaredError(), end=None), y=np.full((64, 3), 1e30))
    assert "the loss is inf in step 1 of epoch 1: every layer's output is finite, so it comes from the loss" in sentence


def test_large_numbers_in_x_are_named_where_the_first_loss_is_infinite():
    (sentence,) = said(small(loss="mse", end=None), X * np.float32(1e25), np.zeros((64, 3)))
    assert "in step 1 of" in sentence and "x goes up to 1e+25: scale it" in sentence


@pytest.mark.parametrize("rung", RUNGS)
def test_a_relu_that_returns_only_zeros_is_said_once_with_its_layer(rung):
    model = small(rung=rung)
    model.layers[0].params["bias"][:] = -100
    (sentence,) = said(model, epochs=4)
    which = "ConvReLUMaxPool 'conv2d'" if rung == "fused" else "the ReLU behind Conv2D 'conv2d'"
    assert sentence.startswith(f"fit: in step 2 of epoch 1 {which} returns 0 for all 32 examples of the batch")
    assert "learning rate, 0.001," in sentence


def test_a_relu_with_one_unit_alive_is_not_dead_and_a_black_picture_makes_none_so():
    model = small()
    model.layers[3].params["bias"][:-1] = -100
    model.layers[3].params["bias"][-1] = 1
    assert said(model, epochs=2) == []
    assert said(small(), np.zeros_like(X), epochs=2) == []


@pytest.mark.parametrize("count, size", [(33, 32), (40, 32), (64, 8)])
def test_a_relu_that_returns_only_zeros_for_a_few_examples_is_not_called_dead(count, size):
    x = X[:count].copy()
    model = small(optimizers.SGD(1e-9))
    model.layers[3].params["kernel"][:] = 0
    bias = model.layers[3].params["bias"]
    bias[:] = 1

    class Few(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            bias[:] = -1 if batch == count // size - (count % size == 0) else 1

    assert said(model, x, Y[:count], epochs=4, batch_size=size, callbacks=Few()) == []


@pytest.mark.parametrize("count", [33, 63])
def test_where_the_last_batch_is_smaller_a_dead_relu_is_seen_in_the_next_full_one(count):
    model = small()
    model.layers[0].params["bias"][:] = -100
    (sentence,) = said(model, X[:count], Y[:count], epochs=4)
    assert sentence.startswith("fit: in step 1 of epoch 2 ") and "for all 32 examples" in sentence


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pictures_of_0_to_255_are_said_to_train_better_from_0_to_1(dtype):
    x = np.round(X * 255).astype(dtype)
    sentence = "fit: x goes up to 255, as grey levels do; training goes better with x / 255, from 0 to 1"
    assert said(small(), x, epochs=2, batch_size=64) == [sentence]
    assert said(small(front=[layers.Rescaling(1 / 255)]), x) == []
    assert said(small(), x - np.float32(128)) == []  # of another kind


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("front", [[], [layers.MaxPool2D()]])
def test_batch_normalization_behind_the_first_layer_with_weights_scales_pictures_and_farther_in_it_does_not(
    rung, front
):
    def model(*stack):
        stack = [layers.Conv2D(2, 3, activation="relu"), *front, *stack, layers.Flatten(), layers.Dense(3)]
        model = Sequential([layers.Input((8, 8, 1)), *stack, layers.Softmax()], kernels=rung)
        model.compile("sgd", SPARSE)
        return model

    assert said(model(layers.BatchNormalization()), X * 255) == []
    assert len(said(model(layers.Conv2D(2, 1), layers.BatchNormalization()), X * 255)) == 1


def test_scores_that_are_no_probabilities_are_said_to_be_none():
    (sentence,) = said(small(end=None), epochs=2)
    assert sentence.startswith(f"fit: {SPARSE} wants probabilities, and the model returns numbers from -")
    assert said(small(end=None, loss=losses.SparseCategoricalCrossentropy(from_logits=True))) == []
    assert said(small(end=None, loss="mse"), y=np.zeros((64, 3))) == []
