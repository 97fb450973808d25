"""Keras opens our files and we open Keras', with the same predictions, and training goes on in the other alike.

Weights and the optimizer's state are compared exactly: they are copied. Predictions of the two agree to 1e-5, the sums
behind them being taken in another order; weights after further steps agree to 1e-4 of the largest change, or a few
units in the last place where that is more.
"""

import json
import os
import warnings

import numpy as np
import pytest
import random_models
from numpy.testing import assert_allclose, assert_array_equal

import npcnn
from npcnn import Sequential, initializers, kernels, layers, load_model, losses, optimizers, regularizers
from npcnn.errors import FileFormatError
from npcnn.model import model_from_json

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


def dense_stack(kind, **first):
    """Two layers, for what does not depend on which they are."""
    first = kind.Dense(4, activation="relu", **first)
    return [kind.Input((12, 12, 1)), kind.Flatten(), first, kind.Dense(3, activation="softmax")]


def data(count=32, shape=(12, 12, 1), classes=3):
    rng = np.random.default_rng(0)
    return rng.random((count, *shape), dtype="float32"), rng.integers(0, classes, count)


def trained(model, optimizer, loss=SPARSE, **arguments):
    """The model, of npcnn or Keras, after two steps."""
    model.compile(optimizer, loss, **arguments)
    train(model, *data(), steps=2)
    return model


def train(model, x, y, steps):
    """Take a few steps, which are too few for Keras to compile for, or to set up its way of feeding data."""
    model.run_eagerly = True
    for _ in range(steps):
        model.train_on_batch(x, y)


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
        iterations, *slots = (variable.numpy() for variable in theirs.optimizer.variables)
        assert iterations == ours.optimizer.iterations
        if not ours.optimizer.is_scheduled:
            assert np.float32(slots.pop(0)) == np.float32(ours.optimizer.learning_rate)
        assert float(theirs.optimizer.learning_rate) == pytest.approx(ours.optimizer.learning_rate)
        ours_in_order = [
            ours.optimizer.slots[name][key] for name, key in ours.optimizer.slots_in_order(ours.trainable_params)
        ]
        numbers = [slots.pop() for _ in ours.optimizer.numbers]
        assert_allclose(list(ours.optimizer.numbers.values()), numbers[::-1], rtol=1e-5)
        for slot, same in zip(ours_in_order, slots, strict=True):
            assert_array_equal(slot, same, strict=True)


def assert_same_further_training(ours, theirs, x, y):
    before = ours.get_weights()
    for model in (ours, theirs):
        train(model, x, y, steps=3)
    for start, w, same in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
        assert_allclose(w, same, rtol=1e-6, atol=1e-4 * np.abs(w - start).max())
    theirs.reset_metrics()
    assert_allclose(ours.evaluate(x, y, verbose=0), theirs.test_on_batch(x, y), rtol=1e-5)


def pytest_generate_tests(metafunc):
    if "drawn" in metafunc.fixturenames:
        metafunc.parametrize("drawn", range(metafunc.config.getoption("--random-models")))


def random_model(rng):
    """A compiled model; drawn anew until its layers fit together."""
    while True:
        shape, stack = (*rng.integers(6, 12, 2), rng.integers(1, 4)), random_models.draw(rng)
        optimizer = random_models.pick(rng, "adam", "sgd", optimizers.SGD(momentum=0.9, nesterov=True))
        # Adam makes a step of a gradient that is nothing but rounding, too, unless it is far below epsilon.
        dtype = "float64" if optimizer == "adam" else random_models.pick(rng, "float32", "float64")
        try:
            behind = [random_models.make(layer, layers) for layer in stack]
            model = Sequential([layers.Input(shape), *behind], dtype=dtype)
        except ValueError:
            continue
        model.compile(optimizer, SPARSE, metrics=["accuracy"])
        return model


def test_a_random_model_goes_to_keras_and_back_and_trains_alike_in_both(keras, path, drawn):
    ours = random_model(np.random.default_rng(drawn))
    x, y = data(16, ours.input_shape)
    ours.fit(x, y, batch_size=8, verbose=0)
    theirs = in_keras(keras, ours, path)
    for steps in (10, 1):
        assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)
        if not any(getattr(layer, "rate", 0) for layer in ours.layers):  # no two libraries drop the same
            for model in (ours, theirs):
                train(model, x, y, steps)
            for w, same in zip(ours.get_weights(), theirs.get_weights(), strict=True):
                assert_allclose(w, same, rtol=1e-4, atol=1e-4)
        ours = with_us(theirs, path)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_weights_files_go_both_ways_with_the_optimizers_state(keras, tmp_path, optimizer):
    path = tmp_path / "some.weights.h5"
    ours, theirs = trained(Sequential(small_stack(layers)), optimizer), keras.Sequential(small_stack(keras.layers))
    theirs.compile(optimizer, SPARSE)
    theirs.optimizer.build(theirs.trainable_variables)  # else Keras leaves the optimizer's state in the file
    ours.save_weights(path)
    theirs.load_weights(path)
    x, y = data()
    assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)
    assert_same_further_training(ours, theirs, x, y)
    theirs.save_weights(path)
    same = Sequential(small_stack(layers), name="another")
    same.compile(optimizer, SPARSE)
    same.load_weights(path)
    assert same.optimizer.iterations == theirs.optimizer.iterations
    assert_same_further_training(same, theirs, x, y)


def test_the_older_form_goes_both_ways(keras, tmp_path):
    path = tmp_path / "some.h5"
    ours = Sequential(small_stack(layers, name="first"), name="digits")
    trained(ours, optimizers.SGD(0.1), metrics=["accuracy"])
    with pytest.warns(UserWarning, match="older format"):
        ours.save(path)
    theirs = keras.saving.load_model(path)
    assert [layer.name for layer in theirs.layers] == [layer.name for layer in ours.layers]
    x, y = data()
    assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)
    ours.optimizer.iterations = 0
    assert_same_further_training(ours, theirs, x, y)
    theirs = trained(keras.Sequential(small_stack(keras.layers)), "adam", metrics=["acc"])
    theirs.save(path)
    assert_same_model(ours := load_model(path), theirs)
    assert [metric.name for metric in ours.metrics] == ["acc"]
    assert_same_further_training(ours, theirs, x, y)
    assert np.abs(ours.get_weights()[0] - load_model(path).get_weights()[0]).max() > 0
    ours.load_weights(path)  # of a whole model, the weights alone
    assert_array_equal(ours.get_weights()[0], load_model(path).get_weights()[0])


def test_descriptions_in_json_go_both_ways(keras):
    ours = Sequential(small_stack(layers, kernel_initializer="he_normal"), name="digits")
    ours.compile(optimizers.SGD(0.5), SPARSE, metrics=["accuracy"])
    theirs = keras.models.model_from_json(ours.to_json())
    assert theirs.optimizer.name == "sgd" and theirs.loss.name == SPARSE
    theirs.set_weights(ours.get_weights())
    assert_same_model(ours, theirs)
    same = model_from_json(theirs.to_json())
    assert same.get_config() == ours.get_config() and same.optimizer.get_config() == ours.optimizer.get_config()
    same = Sequential.from_config(json.loads(json.dumps(keras.Sequential.from_config(ours.get_config()).get_config())))
    assert same.get_config() == ours.get_config() and same.loss is None


def test_keras_goes_on_training_our_model_as_we_do(keras, path, optimizer):
    name, arguments = optimizer
    ours = Sequential(dense_stack(layers), name="digits")
    trained(ours, getattr(optimizers, name)(**arguments), metrics=["accuracy"])
    assert_same_further_training(ours, in_keras(keras, ours, path), *data())


SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 2, "decay_rate": 0.9, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 2, "decay_rate": 0.9}),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.0, "decay_steps": 9, "alpha": 0.1, "warmup_target": 0.1, "warmup_steps": 3},
    ),
    ("PiecewiseConstantDecay", {"boundaries": [1, 4], "values": [0.1, 0.05, 0.01]}),
]


@pytest.mark.parametrize(("name", "arguments"), SCHEDULES)
def test_a_schedule_and_penalties_go_on_in_keras_and_here(keras, path, name, arguments):
    ours, theirs = (
        place.Sequential(dense_stack(place.layers, kernel_regularizer=penalty))
        for place, penalty in ((npcnn, regularizers.L2(0.02)), (keras, keras.regularizers.L1L2(0.01, 0.02)))
    )
    schedule = getattr(optimizers.schedules, name)(**arguments)
    trained(ours, optimizers.RMSprop(schedule, momentum=0.5))
    assert_same_further_training(ours, in_keras(keras, ours, path), *data())
    trained(theirs, keras.optimizers.Adam(getattr(keras.optimizers.schedules, name)(**arguments)))
    assert_same_further_training(with_us(theirs, path), theirs, *data())


@pytest.mark.parametrize(
    "loss, named",
    [
        ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
        ("BinaryCrossentropy", {"label_smoothing": 0.1, "from_logits": True}),
        ("MeanSquaredError", {}),
        ("MeanAbsoluteError", {}),
    ],
)
def test_losses_and_metrics_are_the_same_on_both_sides(keras, path, loss, named):
    x, y = data(shape=(5,))
    y, activation = np.eye(3, dtype="float32")[y], "linear" if "from_logits" in named else "softmax"
    for place, other in ((npcnn, in_keras), (keras, lambda _, model, path: with_us(model, path))):
        model = place.Sequential([place.layers.Input((5,)), place.layers.Dense(3, activation=activation)])
        metrics = ["accuracy", "mae", place.metrics.MeanSquaredError("m"), place.metrics.TopKCategoricalAccuracy(2)]
        own = getattr(place.losses, loss)(**named)
        model.compile("sgd", own, metrics=metrics, weighted_metrics=["accuracy", "mse"])
        train(model, x, y, steps=1)
        again = other(keras, model, path)
        values, weights = [], np.linspace(0, 2, len(x))
        for each in (model, again):
            each.run_eagerly = True
            values.append(each.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True))
        assert values[0].keys() == values[1].keys()
        assert_allclose(list(values[0].values()), [values[1][name] for name in values[0]], rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keras_reads_every_layer(keras, path, stack, dtype):
    in_keras(keras, Sequential([layers.Input((9, 8, 2)), *stack], dtype=dtype), path)


@pytest.mark.parametrize("loss", [losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy])
@pytest.mark.parametrize("from_logits", [False, True])
def test_keras_takes_our_losses_for_its_own(keras, path, loss, from_logits):
    ours = Sequential([layers.Input((5,)), layers.Dense(3, activation=None if from_logits else "softmax")])
    ours.compile("adam", loss(from_logits=from_logits), metrics=["accuracy"])
    theirs, (x, y) = in_keras(keras, ours, path), data(shape=(5,))
    assert not any(variable.numpy().any() for variable in theirs.optimizer.variables[2:])
    assert_same_further_training(ours, theirs, x, y if loss is losses.SparseCategoricalCrossentropy else np.eye(3)[y])


def test_a_float64_model_goes_on_in_keras_with_its_state(keras, path):
    in_keras(keras, trained(Sequential(small_stack(layers), dtype="float64"), "adam"), path)


def test_we_go_on_training_keras_model_as_keras_does(keras, path, optimizer):
    name, arguments = optimizer
    theirs = keras.Sequential(dense_stack(keras.layers, name="first"), name="digits")
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
    theirs.compile("sgd", keras.losses.SparseCategoricalCrossentropy(), run_eagerly=True)
    theirs.fit(*data(), verbose=0)
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
    assert ours.layers[3].kernel_initializer.get_config() == {"seed": 1}
    assert_same_further_training(ours, theirs, x, np.eye(4)[y])


def test_we_read_a_float64_model_of_keras(keras, path):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        theirs = trained(keras.Sequential(small_stack(keras.layers)), keras.optimizers.Adam(0.1 + 1e-12))
        ours = with_us(theirs, path)
        in_keras(keras, ours, path)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    assert ours.dtype == "float64" and ours.optimizer.learning_rate == 0.1 + 1e-12


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_losses_and_metrics_may_be_functions_and_in_lists(keras, tmp_path, ending):
    theirs = keras.Sequential(small_stack(keras.layers))
    theirs.compile("adam", [keras.losses.sparse_categorical_crossentropy], metrics=[["accuracy"]])
    theirs.save(tmp_path / f"some{ending}")
    ours = load_model(tmp_path / f"some{ending}")
    assert ours.loss.name == SPARSE and [metric.name for metric in ours.metrics] == ["accuracy"]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda kind: kind.GroupNormalization(2, name="n"), "layer 1, .* 'n': npcnn has no 'GroupNormalization', only"),
        (lambda kind: kind.Lambda(lambda x: x, name="code"), "Lambda 'code'"),
        (lambda kind: kind.Conv2D(2, 2, groups=2), "groups must be 1, got 2"),
        (lambda kind: kind.MaxPool2D(2, data_format="channels_first"), "data_format must be 'channels_last'"),
        (lambda kind: kind.Conv2D(2, 2, activation="celu"), "activation must be .*'relu'.*got 'celu'"),
        (lambda kind: kind.Conv2D(2, 2, dtype="mixed_float16"), "dtype must be .*'mixed_float16'"),
        (lambda kind: kind.Softmax(axis=1), "axis must be the last, -1 or 3"),
        (lambda kind: kind.BatchNormalization(axis=1), "axis must be the last, -1 or 3"),
        (lambda kind: kind.BatchNormalization(renorm=True), "renorm must be False"),
        (lambda kind: kind.Dense(2, activation=kind.PReLU()), "activation, PReLU .*: npcnn has no 'PReLU'"),
        (lambda kind: kind.Dense(2, activation=kind.Dropout(0.5)), "activation must be None"),
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
        (lambda keras: {"optimizer": "ftrl"}, "Ftrl"),
        (lambda keras: {"optimizer": keras.optimizers.SGD(use_ema=True)}, "use_ema must be False"),
        (
            lambda keras: {"optimizer": keras.optimizers.SGD(keras.optimizers.schedules.CosineDecayRestarts(0.1, 9))},
            "learning_rate 'CosineDecayRestarts' is not supported",
        ),
        (lambda keras: {"loss": "hinge"}, "'hinge'"),
        (lambda keras: {"loss": keras.losses.CategoricalCrossentropy(axis=1)}, "axis must be -1"),
        (lambda keras: {"metrics": [keras.metrics.AUC()]}, "AUC"),
        (lambda keras: {"metrics": ["auc"]}, "'auc'"),
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


def test_initializers_travel_both_ways_with_their_arguments(keras, path):
    """In Keras' files, from Keras to us and back again, as they were."""
    made = [getattr(keras.initializers, name)() for name in initializers.CLASSES]
    made += [keras.initializers.RandomNormal(1, 0.1, 2), keras.initializers.VarianceScaling(3, "fan_avg", "uniform")]
    stack = [keras.layers.Dense(2, kernel_initializer=each) for each in made]
    theirs = keras.Sequential([keras.layers.Input((3,)), *stack])
    again = in_keras(keras, with_us(theirs, path), path)
    for ours, layer in zip(made, again.layers, strict=True):
        assert layer.kernel_initializer.get_config() == ours.get_config()
        assert type(layer.kernel_initializer) is type(ours)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda kind: kind.Conv2D(2, 2, kernel_constraint="non_neg"), "kernel_constraint .*NonNeg"),
        (lambda kind: kind.Conv2D(2, 2, activity_regularizer="l2"), "activity_regularizer .*L2"),
        (lambda kind: kind.GaussianDropout(0.1, name="noise"), "GaussianDropout 'noise'.*left out"),
    ],
)
def test_a_layer_that_only_trains_otherwise_predicts_and_says_so(keras, path, make, words):
    theirs = keras.Sequential([keras.layers.Input((6, 6, 2)), make(keras.layers), *small_stack(keras.layers)[5:]])
    theirs.compile("adam", SPARSE)
    theirs.save(path)
    with pytest.warns(UserWarning, match=f"{words}.*The model can predict; compile it"):
        ours = load_model(path)
    assert ours.optimizer is None
    x, _ = data(20, (6, 6, 2))
    assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)


def partly_frozen(kind, sequential):
    """A frozen layer, a model with a frozen one behind one that is trained, and a frozen model."""
    inner = [kind.BatchNormalization(), kind.Conv2D(3, 3), kind.BatchNormalization(trainable=False)]
    frozen = sequential([kind.BatchNormalization(), kind.Dense(5, activation="relu")])
    frozen.trainable = False
    drop = kind.SpatialDropout2D(0.0)
    drop.trainable = False
    first = [kind.Input((7, 6, 2)), kind.Conv2D(4, 3, trainable=False), drop]
    return sequential([*first, sequential(inner), kind.Flatten(), frozen, kind.Dense(3, "softmax")])


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.filterwarnings("ignore:.*older format")
def test_frozen_layers_go_both_ways_and_stay_frozen(keras, tmp_path, ending):
    path, (x, y) = tmp_path / f"some{ending}", data(16, (7, 6, 2))
    ours = trained_on(partly_frozen(layers, Sequential), x, y)
    if ending == ".weights.h5":
        ours.save_weights(path)
        theirs = trained_on(partly_frozen(keras.layers, keras.Sequential), x, y)
        theirs.load_weights(path)
    else:
        ours.save(path)
        theirs = keras.saving.load_model(path)
    if ending == ".h5":  # Keras does not read our optimizer's state in these
        ours.optimizer = optimizers.Adam()
    for model in (ours, theirs):
        assert [w.ndim for w in model.trainable_weights] == [1, 1, 4, 1, 2, 1] and len(model.weights) == 20
    assert_same_further_training_of_weights_not_frozen(ours, theirs, x, y)
    if ending == ".weights.h5":
        theirs.save_weights(path)
        ours.load_weights(path)
    else:
        theirs.save(path)
        ours = load_model(path)
    assert ours.optimizer.iterations == int(theirs.optimizer.iterations) > 0
    assert_same_further_training_of_weights_not_frozen(ours, theirs, x, y)


def trained_on(model, x, y):
    model.compile("adam", SPARSE)
    train(model, x, y, steps=2)
    return model


def assert_same_further_training_of_weights_not_frozen(ours, theirs, x, y):
    before = ours.get_weights()
    for model in (ours, theirs):
        train(model, x, y, steps=2)
    for start, w, same in zip(before, ours.get_weights(), theirs.get_weights(), strict=True):
        assert_allclose(w, same, rtol=1e-4, atol=1e-5)
        assert (w == start).all() == (same == start).all()


def test_an_optimizer_that_began_before_layers_were_frozen_is_left_out_with_a_warning(keras, path):
    theirs = trained(keras.Sequential(small_stack(keras.layers)), "adam")
    theirs.layers[0].trainable = False
    theirs.save(path)
    with pytest.warns(UserWarning, match="holds 18 arrays, not 14: .* layers were frozen.*stays as it is") as caught:
        ours = load_model(path)
    assert caught[0].filename == __file__
    assert not ours.layers[0].trainable and ours.optimizer.iterations == 0
    x, _ = data(20)
    assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)


def test_an_initializer_that_we_lack_is_replaced_with_a_warning(keras, path):
    dense = keras.layers.Dense(2, kernel_initializer="identity", bias_initializer="he_normal")
    theirs = keras.Sequential([keras.layers.Input((3,)), dense])
    theirs.save(path)
    with pytest.warns(UserWarning, match="kernel_initializer 'Identity' is not supported") as caught:
        ours = load_model(path)
    assert caught[0].filename == __file__
    assert_same_model(ours, theirs)


def test_other_kinds_of_keras_models_are_refused(keras, path):
    x = keras.layers.Input((3,))
    keras.Model(x, keras.layers.Dense(2)(x)).save(path)
    with pytest.raises(FileFormatError, match="'Functional', which npcnn does not know"):
        load_model(path)


@pytest.mark.skipif(not issubclass(Sequential, layers.Layer), reason="a model is no layer")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:.*older format")
def test_models_within_a_model_go_both_ways(keras, tmp_path, ending):
    def stack(kind, sequential):
        inner = [kind.Dense(5, activation="relu"), sequential([kind.Dense(4)], name="innermost"), kind.Dense(3)]
        return [*small_stack(kind)[:-2], kind.Dense(7), sequential(inner), kind.Softmax()]

    path, x = tmp_path / f"some{ending}", data()[0]
    ours = Sequential(stack(layers, Sequential))
    ours.compile("sgd", SPARSE)
    ours.save(path)
    theirs = keras.saving.load_model(path)
    assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)
    theirs = trained(keras.Sequential(stack(keras.layers, keras.Sequential)), "sgd")
    theirs.save(path)
    ours = load_model(path)
    assert_allclose(ours.predict(x), theirs(x).numpy(), atol=1e-5)
    assert_same_further_training(ours, theirs, *data())
