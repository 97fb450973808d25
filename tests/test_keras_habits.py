"""What people write in Keras without thinking about it works here too."""

import numpy as np
import pytest

import npcnn as keras
from npcnn.callbacks import LambdaCallback, LearningRateScheduler

SPARSE = "sparse_categorical_crossentropy"
X, Y = np.random.default_rng(0).random((40, 6, 6, 1), np.float32), np.arange(40) % 3


def small_model(**first):
    layers = keras.layers
    stack = [layers.Conv2D(2, 3, activation="relu", **first), layers.Flatten(), layers.Dense(3, activation="softmax")]
    model = keras.Sequential(stack)
    model.compile("adam", SPARSE, metrics=["accuracy"])
    return model


def test_a_function_at_the_beginning_of_a_batch_is_told_its_number_and_logs():
    seen = []
    hooks = {
        "on_epoch_begin": lambda epoch, logs: seen.append((epoch, logs)),
        "on_train_batch_begin": lambda batch, logs: seen.append((batch, logs)),
        "on_train_begin": lambda logs: seen.append(logs),
    }
    small_model().fit(X, Y, batch_size=20, callbacks=[LambdaCallback(**hooks)], verbose=0)
    assert seen == [{}, (0, {}), (0, {}), (1, {})]


def test_a_prediction_and_a_loss_are_arrays_that_may_be_asked_for_themselves():
    prediction = small_model()(X[:4])
    loss = keras.losses.SparseCategoricalCrossentropy()(Y[:4], prediction)
    assert type(prediction.numpy()) is type(loss.numpy()) is np.ndarray
    assert f"{loss:.2f}" == f"{float(loss):.2f}"
    np.testing.assert_allclose(loss, -np.log(prediction[np.arange(4), Y[:4]]).mean(), rtol=1e-5)


def test_a_function_of_tensorflow_or_keras_is_the_activation_of_its_name():
    def softmax_v2(x):
        raise AssertionError("never called")

    softmax_v2.__module__ = "tensorflow.python.ops.nn_ops"
    model = keras.Sequential([keras.layers.Dense(3, activation=softmax_v2, input_shape=(2,))])
    np.testing.assert_allclose(model.predict([[1.0, 2.0]], verbose=0).sum(), 1, rtol=1e-6)


def test_the_rate_may_start_from_zero():
    model = small_model()
    model.fit(X, Y, epochs=1, verbose=0)
    before = model.get_weights()
    model.fit(X, Y, epochs=1, callbacks=[LearningRateScheduler(lambda epoch: 0.01 * epoch)], verbose=0)
    for w, same in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(w, same)


def test_files_are_written_and_read_with_keras_older_arguments(tmp_path):
    model = small_model(input_shape=(6, 6, 1))
    with pytest.warns(UserWarning, match="older format"):
        model.save(tmp_path / "m.h5", save_format="h5")
    same = keras.models.load_model(filepath=tmp_path / "m.h5", safe_mode=False)
    same.load_weights(tmp_path / "m.h5", skip_mismatch=False)
    np.testing.assert_array_equal(same.predict(X, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(ValueError, match="save_format must be 'keras' or 'h5', got 'tf'"):
        model.save(tmp_path / "m.keras", save_format="tf")
    with pytest.raises(ValueError, match="load_weights: npcnn has no by_name=True"):
        model.load_weights(tmp_path / "m.h5", by_name=True)


def test_a_model_without_a_shape_takes_it_from_what_it_predicts():
    for use in (
        lambda model: model.predict(X, verbose=0),
        lambda model: model(X),
        lambda model: model.evaluate(X, Y, verbose=0),
    ):
        model = small_model()
        use(model)
        assert model.input_shape == (6, 6, 1)
    model = small_model(input_shape=(6, 6, 1))
    before = model.get_weights()
    model.build()
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_clone_has_the_same_layers_and_weights_of_its_own():
    model = small_model(input_shape=(6, 6, 1))
    clone = keras.models.clone_model(model)
    assert clone.get_config() == model.get_config()
    assert not np.shares_memory(clone.layers[0].params["kernel"], model.layers[0].params["kernel"])


def test_loss_and_metrics_may_be_lists_for_the_one_output():
    model = small_model()
    model.compile("adam", [SPARSE], metrics=[["accuracy"]])
    assert list(model.fit(X, Y, verbose=0).history) == ["loss", "accuracy"]


def test_a_layer_alone_is_tried_out_by_calling_it():
    assert keras.layers.Dense(3)(np.ones((2, 4))).shape == (2, 3)
    assert (keras.layers.Dropout(0.5)(np.ones((2, 4)), training=True) != 1).all()
    with pytest.raises(
        TypeError, match=r"Dense: takes an array, got <Input>; put the layers into Sequential\(\[...\]\)"
    ):
        keras.layers.Dense(3)(keras.Input((4,)))


def test_a_layer_written_for_keras_is_told_what_one_is_here():
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    with pytest.raises(TypeError, match="Own has call, as layers in Keras have; here a layer has forward and backward"):
        keras.Sequential([Own()])


def test_a_frozen_dropout_with_a_seed_still_draws_anew_at_every_step():
    layer = keras.layers.Dropout(0.5, seed=1, trainable=False)
    model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", SPARSE)
    model.fit(X, Y, batch_size=10, verbose=0)
    assert layer.steps == 4


def test_a_dropout_with_a_seed_counts_its_steps_in_a_model_within_a_model_too():
    layer = keras.layers.Dropout(0.5, seed=1)
    inner = keras.Sequential([keras.layers.Input((6, 6, 1)), layer])
    model = keras.Sequential([inner, keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", SPARSE)
    for steps in (4, 8):
        model.fit(X, Y, batch_size=10, verbose=0)
        assert layer.steps == steps


def test_a_sigmoid_is_joined_with_its_loss_and_learns_from_being_surely_wrong():
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, activation="sigmoid", use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy", metrics=["accuracy"])
    model.set_weights([[[100.0]]])  # sigmoid(100) is 1 in float32; the gradient of a clipped probability would be 0
    history = model.fit([[1.0]], [0], verbose=0).history
    assert model.get_weights() == [[[99.0]]]
    assert history == {"loss": [100.0], "accuracy": [0.0]}
