"""Keras opens our files and we open Keras', with the same predictions, and training goes on in the other alike.

Weights and the optimizer's state are compared exactly: they are copied. Predictions of the two agree to 1e-5, the sums
behind them being taken in another order; weights after further steps agree to 1e-4 of the largest change, or a few
units in the last place where that is more.
"""

import os
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import Sequential, kernels, layers, load_model, losses, optimizers
from npcnn.errors import FileFormatError

SPARSE = "sparse_categorical_crossentropy"
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own


@pytest.fixture
def keras():
    """The real one, on TensorFlow, seeded and without its chatter."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    for name in ("tensorflow", "keras"):
        pytest.importorskip(name, reason=f"compares with real Keras, and {name} is not installed")
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip(f"compares with Keras on TensorFlow; KERAS_BACKEND is {keras.backend.backend()}")
    keras.utils.set_random_seed(0)
    return keras


def small_stack(kind, **first):
    """The layers of the MNIST model, smaller; `kind` is a module, `npcnn.layers` or `keras.layers`."""
    return [
        kind.Input((12, 12, 1)),
        kind.Conv2D(4, 3, activation="relu", **first),
        kind.MaxPooling2D(2),
        kind.Conv2D(6, 3, activation="relu"),
        kind.MaxPooling2D(2),
        kind.Flatten(),
        kind.Dense(8, activation="relu"),
        kind.Dense(3, activation="softmax"),
    ]


def data(count=32, shape=(12, 12, 1), classes=3):
    rng = np.random.default_rng(0)
    return rng.random((count, *shape), dtype="float32"), rng.integers(0, classes, count)


def trained(model, optimizer, loss=SPARSE, **arguments):
    """The model, of npcnn or Keras, after two epochs."""
    model.compile(optimizer, loss, **arguments)
    model.run_eagerly = True  # a few steps are too few for Keras to compile for
    model.fit(*data(), epochs=2, verbose=0)
    return model


def in_keras(keras, ours, path):
    ours.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras only warns when it leaves an optimizer's state out
        theirs = keras.saving.load_model(path)
    assert_same_model(ours, theirs)
    return theirs


def with_us(theirs, path):
    theirs.save(path)
    ours = load_model(path)
    assert_same_model(ours, theirs)
    assert (ours.history, ours.kernels, ours.threads, ours.seeded) == (None, kernels.DEFAULT, None, False)
    return ours


def assert_same_model(ours, theirs):
    """The same names, weights, predictions and, if it was trained, the same state of the optimizer."""
    assert theirs.name == ours.name
    assert ours.input_shape == theirs.input_shape[1:] and ours.output_shape == theirs.output_shape[1:]
    for layer, same in zip(ours.layers, theirs.layers, strict=True):
        assert (same.name, same.dtype) == (layer.name, layer.dtype)
    for w, same in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_array_equal(w, same, strict=True)
    x, _ = data(20, ours.input_shape)
    assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)
    if ours.optimizer and ours.optimizer.iterations:
        iterations, learning_rate, *slots = (variable.numpy() for variable in theirs.optimizer.variables)
        assert iterations == ours.optimizer.iterations
        assert learning_rate == np.float32(ours.optimizer.learning_rate)
        ours_in_order = [slot[key] for key in ours.params for slot in ours.optimizer.slots.values()]
        for slot, same in zip(ours_in_order, slots, strict=True):
            assert_array_equal(slot, same, strict=True)


def assert_same_further_training(ours, theirs, x, y):
    before = ours.get_weights()
    theirs.run_eagerly = True
    for model in (ours, theirs):
        model.fit(x, y, epochs=3, batch_size=len(x), shuffle=False, verbose=0)
    for start, w, same in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
        assert_allclose(w, same, rtol=1e-6, atol=1e-4 * np.abs(w - start).max())
    assert_allclose(ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), rtol=1e-5)


def test_keras_goes_on_training_our_model_as_we_do(keras, path, optimizer):
    name, arguments = optimizer
    ours = Sequential(small_stack(layers), name="digits")
    trained(ours, getattr(optimizers, name)(**arguments), metrics=["accuracy"])
    assert_same_further_training(ours, in_keras(keras, ours, path), *data())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keras_reads_every_layer(keras, path, stack, dtype):
    in_keras(keras, Sequential([layers.Input((9, 8, 2)), *stack], dtype=dtype), path)


@pytest.mark.parametrize("loss", [losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy])
@pytest.mark.parametrize("from_logits", [False, True])
def test_keras_takes_our_losses_for_its_own(keras, path, loss, from_logits):
    ours = Sequential([layers.Input((5,)), layers.Dense(3, activation=None if from_logits else "softmax")])
    ours.compile("adam", loss(from_logits=from_logits), ["accuracy"])
    theirs, (x, y) = in_keras(keras, ours, path), data(shape=(5,))
    assert not any(variable.numpy().any() for variable in theirs.optimizer.variables[2:])
    assert_same_further_training(ours, theirs, x, y if loss is losses.SparseCategoricalCrossentropy else np.eye(3)[y])


def test_a_float64_model_goes_on_in_keras_with_its_state(keras, path):
    in_keras(keras, trained(Sequential(small_stack(layers), dtype="float64"), "adam"), path)


def test_we_go_on_training_keras_model_as_keras_does(keras, path, optimizer):
    name, arguments = optimizer
    theirs = keras.Sequential(small_stack(keras.layers, name="first"), name="digits")
    trained(theirs, getattr(keras.optimizers, name)(**arguments), metrics=["accuracy"])
    ours = with_us(theirs, path)
    assert_same_further_training(ours, theirs, *data())
    in_keras(keras, ours, path)


def test_we_read_a_keras_model_that_was_not_compiled_or_not_trained(keras, path):
    theirs = keras.Sequential(small_stack(keras.layers))
    assert with_us(theirs, path).optimizer is None
    theirs.compile("adam", SPARSE)
    ours = with_us(theirs, path)
    assert ours.optimizer.iterations == 0
    assert_same_further_training(ours, theirs, *data())


def test_we_read_a_keras_model_that_got_its_shape_from_fit(keras, path):
    theirs = keras.Sequential(small_stack(keras.layers)[1:])
    trained(theirs, "sgd", keras.losses.SparseCategoricalCrossentropy())
    assert_same_further_training(with_us(theirs, path), theirs, *data())


def test_we_read_kerass_layers_with_all_their_arguments(keras, path):
    kind = keras.layers
    theirs = keras.Sequential(
        [
            kind.Input((13, 12, 2), name="images"),
            kind.Conv2D(3, (2, 3), strides=(2, 1), padding="same", kernel_initializer="he_uniform", name="edges"),
            kind.ReLU(),
            kind.MaxPool2D((2, 3), strides=1, padding="same", name="pool"),
            kind.Conv2D(2, 2, dilation_rate=2, use_bias=False, kernel_initializer=keras.initializers.HeNormal(seed=1)),
            kind.Flatten(name="row"),
            kind.Dense(4, kernel_initializer="glorot_normal", bias_initializer="ones"),
            kind.Softmax(),
        ]
    )
    theirs.compile("sgd", keras.losses.CategoricalCrossentropy(), metrics=["acc"])
    ours, (x, y) = with_us(theirs, path), data(32, (13, 12, 2), 4)
    assert ours.layers[3].kernel_initializer.__name__ == "he_normal"
    assert_same_further_training(ours, theirs, x, np.eye(4)[y])


def test_we_read_a_float64_model_of_keras(keras, path):
    keras.config.set_dtype_policy("float64")
    try:
        theirs = keras.Sequential(small_stack(keras.layers))
    finally:
        keras.config.set_dtype_policy("float32")
    assert with_us(theirs, path).dtype == "float64"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda kind: kind.Dropout(0.5, name="drop"), "layer 1, Dropout 'drop': npcnn has no 'Dropout', only Conv2D"),
        (lambda kind: kind.Lambda(lambda x: x, name="code"), "Lambda 'code'"),
        (lambda kind: kind.Conv2D(2, 2, groups=2), "groups must be 1, got 2"),
        (lambda kind: kind.MaxPool2D(2, data_format="channels_first"), "data_format must be 'channels_last'"),
        (lambda kind: kind.Conv2D(2, 2, kernel_regularizer="l2"), "kernel_regularizer must be None"),
        (lambda kind: kind.Conv2D(2, 2, bias_constraint="non_neg"), "bias_constraint must be None"),
        (lambda kind: kind.Conv2D(2, 2, activation="gelu"), "activation must be .*'relu'.*got 'gelu'"),
        (lambda kind: kind.Conv2D(2, 2, trainable=False), "trainable must be True"),
        (lambda kind: kind.Conv2D(2, 2, dtype="mixed_float16"), "dtype must be .*'mixed_float16'"),
        (lambda kind: kind.ReLU(max_value=6), "max_value must be None"),
        (lambda kind: kind.ReLU(negative_slope=0.1), "negative_slope must be 0"),
        (lambda kind: kind.Softmax(axis=1), "axis must be -1"),
        (lambda kind: kind.Dense(3), "Dense.*Flatten"),
    ],
)
def test_what_changes_predictions_and_we_lack_is_refused_and_named(keras, path, make, words):
    keras.Sequential([keras.layers.Input((6, 6, 2)), make(keras.layers)]).save(path)
    with pytest.raises(FileFormatError, match=words) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda keras: {"optimizer": "rmsprop"}, "RMSprop"),
        (lambda keras: {"optimizer": keras.optimizers.SGD(weight_decay=0.1)}, "weight_decay must be None"),
        (
            lambda keras: {"optimizer": keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.9))},
            "learning_rate 'ExponentialDecay' is not supported",
        ),
        (lambda keras: {"loss": "mse"}, "'mse'"),
        (lambda keras: {"loss": keras.losses.CategoricalCrossentropy(label_smoothing=0.1)}, "label_smoothing must be"),
        (lambda keras: {"metrics": [keras.metrics.TopKCategoricalAccuracy(5)]}, "TopKCategoricalAccuracy"),
        (lambda keras: {"loss_weights": [0.5]}, "loss_weights must be None"),
    ],
)
def test_what_only_training_needs_and_we_lack_is_left_out_with_a_warning(keras, path, make, words):
    theirs = keras.Sequential(small_stack(keras.layers))
    theirs.compile(**{"optimizer": "adam", "loss": "categorical_crossentropy", **make(keras)})
    theirs.save(path)
    with pytest.warns(UserWarning, match=words) as caught:
        ours = load_model(path)
    assert caught[0].filename == __file__
    assert ours.optimizer is None and ours.loss is None
    assert_same_model(ours, theirs)


def test_an_initializer_that_we_lack_is_replaced_with_a_warning(keras, path):
    dense = keras.layers.Dense(2, kernel_initializer="random_normal", bias_initializer="he_normal")
    theirs = keras.Sequential([keras.layers.Input((3,)), dense])
    theirs.save(path)
    with pytest.warns(UserWarning, match="kernel_initializer 'RandomNormal' is not supported") as caught:
        ours = load_model(path)
    assert caught[0].filename == __file__
    assert_same_model(ours, theirs)


def test_other_kinds_of_keras_models_are_refused(keras, path):
    x = keras.layers.Input((3,))
    keras.Model(x, keras.layers.Dense(2)(x)).save(path)
    with pytest.raises(FileFormatError, match="'Functional', which npcnn does not know"):
        load_model(path)
