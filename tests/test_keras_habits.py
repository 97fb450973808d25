"""What people write in Keras without thinking about it works here too."""

import warnings

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


def test_one_and_zero_are_true_and_false():
    weights = []
    for true in (True, 1, np.int64(1)):
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax", use_bias=0)])
        model.compile("sgd", SPARSE, run_eagerly=true)
        stop = keras.callbacks.EarlyStopping("loss", restore_best_weights=true)
        model.fit(X, Y, epochs=2, shuffle=true, callbacks=[stop], verbose=0)
        weights.append(model.get_weights())
    assert [len(arrays) for arrays in weights] == [1, 1, 1]
    assert all(np.array_equal(arrays[0], weights[0][0]) for arrays in weights)
    model.trainable = 0
    assert model.trainable_weights == []


def test_what_asks_for_nothing_is_taken():
    same = [
        small_model().fit(X, Y, verbose=0, **options).history["loss"]
        for options in ({}, {"validation_split": None}, {"class_weight": {}})
    ]
    assert same[0] == same[1] == same[2]


def test_classes_may_be_named_by_whole_floats_as_unique_finds_them_in_float_labels():
    weights = [1.0, 2.0, 3.0]
    options = [dict(enumerate(weights)), dict(zip(np.unique(Y.astype("float32")), weights, strict=True))]
    one, other = (small_model().fit(X, Y, class_weight=w, verbose=0).history["loss"] for w in options)
    assert one == other != small_model().fit(X, Y, verbose=0).history["loss"]
    with pytest.raises(ValueError, match="class_weight must be a dictionary"):
        small_model().fit(X, Y, class_weight={0.5: 1.0})


def test_an_optimizer_is_made_again_from_its_config():
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 9), beta_1=0.8, clipnorm=1)
    model = small_model()
    model.compile(optimizer, SPARSE)
    model.fit(X, Y, verbose=0)
    again = type(optimizer).from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    assert (again.iterations, again.slots) == (0, {})


def test_an_input_may_have_any_name(path):
    model = keras.Sequential([keras.Input((6, 6, 1), name="Input Layer"), keras.layers.Flatten()])
    model.save(path)
    keras.models.load_model(path)
    config = model.get_config()
    config["layers"][0]["config"]["name"] = "Input Layer"  # as Keras writes it
    np.testing.assert_array_equal(
        keras.Sequential.from_config(config).predict(X, verbose=0), model.predict(X, verbose=0)
    )


def test_patience_may_be_a_share_of_the_epochs_and_an_old_name_of_min_delta_is_told_the_new():
    stop = keras.callbacks.EarlyStopping("loss", patience=0.2 * 5, min_delta=10)
    assert len(small_model().fit(X, Y, epochs=5, callbacks=[stop], verbose=0).epoch) == 2
    with pytest.warns(UserWarning, match=r"epsilon is ignored; write min_delta=0.01"):
        assert keras.callbacks.ReduceLROnPlateau(epsilon=0.01, patience=2.0).min_delta == 1e-4


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


def test_a_layers_arrays_are_its_attributes_too():
    model = small_model(input_shape=(6, 6, 1))
    conv, dense = model.layers[0], model.layers[-1]
    assert conv.kernel.shape == (3, 3, 1, 2) and type(dense.bias.numpy()) is np.ndarray
    dense.bias.assign([1, 2, 3])
    np.testing.assert_array_equal(model.get_weights()[-1], [1, 2, 3])
    assert keras.layers.BatchNormalization()(X).shape == X.shape
    assert model.built and conv.built and not keras.Sequential([keras.layers.Dense(3)]).built
    assert not keras.layers.Dense(3).built


def test_an_activation_may_be_set_when_the_model_is_built():
    model = small_model(input_shape=(6, 6, 1))
    model.layers[-1].activation = None
    logits = model.predict(X, verbose=0)
    model.layers[-1].activation = keras.activations.softmax
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(X, verbose=0), p, rtol=1e-5)
    model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="Dense 'dense': activation must be None"):
        model.layers[-1].activation = abs


def test_a_dropout_with_a_seed_draws_anew_in_each_call_and_of_rate_1_keeps_nothing():
    model = keras.Sequential([keras.layers.Input((6, 6, 1)), keras.layers.Dropout(0.5, seed=1)])
    first, second = (model(np.ones((1, 6, 6, 1)), training=True) for _ in range(2))
    assert (first != second).any()
    layer = keras.layers.Dropout(0.5, seed=1)
    np.testing.assert_array_equal(layer(np.ones((1, 6, 6, 1)), training=True), first)
    np.testing.assert_array_equal(layer(np.ones((1, 6, 6, 1)), training=True), second)
    np.testing.assert_array_equal(keras.layers.Dropout(1.0)(np.ones((2, 3)), training=True), np.zeros((2, 3)))


def test_a_call_in_training_moves_the_averages_of_a_batch_normalization():
    model = keras.Sequential([keras.layers.Input((6, 6, 1)), keras.layers.BatchNormalization(momentum=0.5)])
    model(X)
    assert model.layers[0].moving_mean == 0
    model(X, training=True)
    np.testing.assert_allclose(model.layers[0].moving_mean, X.mean() / 2, rtol=1e-5)


def test_the_learning_rate_is_a_number_that_may_be_asked_and_set_as_a_variable():
    model = small_model()
    rate = model.optimizer.learning_rate
    assert rate == rate.numpy() == 0.001 and type(rate.numpy()) is float
    rate.assign(0.5)
    assert model.optimizer.lr == 0.5
    assert len(model.optimizer.variables) == 2
    model.fit(X, Y, verbose=0)
    assert [v.size for v in model.optimizer.variables[:2]] == [1, 1] and len(model.optimizer.variables) == 2 + 2 * 4


def test_losses_and_metrics_may_be_a_dictionary_for_the_one_output():
    model = small_model()
    model.compile("adam", {"dense": SPARSE}, metrics={"dense": ["accuracy"]})
    assert list(model.fit(X, Y, verbose=0).history) == ["loss", "accuracy"]
    model.compile("adam", SPARSE, metrics={"dense": keras.metrics.SparseCategoricalAccuracy(name="right")})
    assert model.metrics_names == ["loss", "right"]
    with pytest.raises(ValueError, match=r"metrics: the model has one output, got entries for \['a', 'b'\]"):
        model.compile("adam", SPARSE, metrics={"a": "accuracy", "b": "accuracy"})


def test_parts_made_by_keras_or_tensorflow_become_ones_of_here():
    class SparseCategoricalCrossentropy:
        def get_config(self):
            return {"name": "own", "reduction": "sum_over_batch_size", "from_logits": True, "ignore_class": None}

    class SGD:
        def get_config(self):
            return {"name": "SGD", "learning_rate": 0.25, "momentum": 0.5, "use_ema": False, "loss_scale_factor": None}

    SparseCategoricalCrossentropy.__module__, SGD.__module__ = "keras.src.losses", "tensorflow.python"
    model = small_model()
    with pytest.warns(UserWarning, match="from_logits=True, but the model ends in softmax"):
        model.compile(SGD(), SparseCategoricalCrossentropy())
    assert type(model.optimizer) is keras.optimizers.SGD and model.optimizer.momentum == 0.5
    assert type(model.loss) is keras.losses.SparseCategoricalCrossentropy and model.loss.from_logits


def test_metrics_that_are_no_means_over_batches_are_right_over_all_of_them():
    metrics = keras.metrics
    model, rows = small_model(), np.eye(3)[Y]
    both = [metrics.Precision(thresholds=0.3), metrics.Recall(0.3), metrics.RootMeanSquaredError()]
    model.compile("adam", "categorical_crossentropy", metrics=[*both, metrics.CategoricalCrossentropy()])
    values = model.evaluate(X, rows, batch_size=7, verbose=0, return_dict=True)
    p = model.predict(X, verbose=0)
    above, right = p > 0.3, rows == 1
    assert 0 < above.sum() < above.size
    assert values["precision"] == (above & right).sum() / above.sum()
    assert values["recall"] == (above & right).sum() / right.sum()
    assert values["root_mean_squared_error"] == pytest.approx(np.sqrt(((p - rows) ** 2).mean()), rel=1e-6)
    assert values["categorical_crossentropy"] == pytest.approx(values["loss"], rel=1e-5)
    assert [metric(rows, p) for metric in both] == pytest.approx(
        [values["precision"], values["recall"], values["root_mean_squared_error"]], rel=1e-6
    )
    assert metrics.Precision()(rows, np.zeros((40, 3))) == 0
    with pytest.raises(ValueError, match="precision: npcnn has no top_k=3"):
        metrics.Precision(top_k=3)
    model.compile("adam", "categorical_crossentropy", metrics=[metrics.Precision(0.999999)])
    assert model.evaluate(X, rows, verbose=0)[1] == 0


def test_weighted_metrics_count_examples_as_the_loss_does_and_files_keep_them(tmp_path):
    model, weights = small_model(input_shape=(6, 6, 1)), np.arange(40.0)
    model.compile("sgd", SPARSE, metrics=["accuracy"], weighted_metrics=["accuracy", "acc"])
    right = model.predict(X, verbose=0).argmax(axis=1) == Y
    assert 0 < right.sum() < 40
    share = (right * weights).sum() / weights.sum()
    values = model.evaluate(X, Y, batch_size=7, sample_weight=weights, verbose=0, return_dict=True)
    expected = {"accuracy": right.mean(), "weighted_accuracy": share, "acc": share}
    assert {name: values[name] for name in expected} == pytest.approx(expected) and right.mean() != share
    values = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert values["accuracy"] == values["weighted_accuracy"] == values["acc"] == right.mean()
    history = model.fit(X, Y, class_weight={0: 3.0}, validation_data=(X, Y, weights), verbose=0).history
    assert history["val_weighted_accuracy"] == history["val_acc"] != history["val_accuracy"]
    for name in ("model.keras", "model.h5"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(tmp_path / name)
        same = keras.models.load_model(tmp_path / name)
        assert same.metrics_names == ["loss", "accuracy", "weighted_accuracy", "acc"]
        kept = [each.evaluate(X, Y, sample_weight=weights, verbose=0) for each in (model, same)]
        assert kept[0] == pytest.approx(kept[1])


@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_accuracy_is_called_as_it_was_asked_for_and_another_name_says_what_there_is(name):
    model, seen = small_model(), []
    model.compile("adam", SPARSE, metrics=[name])
    callback = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs.get(name)))
    history = model.fit(X, Y, validation_split=0.5, callbacks=[callback], verbose=0).history
    assert history[name] == seen and len(history[f"val_{name}"]) == 1
    other = {"acc": "accuracy", "accuracy": "acc"}[name]
    with pytest.raises(KeyError, match=f"no '{other}' in the history, only loss, {name}, val_loss, val_{name}"):
        history[other]
    assert history.get(other) is None and dict(history) == history


@pytest.mark.parametrize(("given", "kept"), [(0.9, True), (1, True), (0, False), (True, True)])
def test_nesterov_may_be_a_number(given, kept):
    assert keras.optimizers.SGD(momentum=0.5, nesterov=given).nesterov is kept
