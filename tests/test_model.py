"""Sequential: shapes, names, weights, and every promise of compile, fit, evaluate, predict and summary."""

import sys
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal, assert_equal

from npcnn import History, Sequential, layers
from npcnn.console import Progress
from npcnn.gradient_check import check_model
from npcnn.kernels import RUNGS
from npcnn.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from npcnn.metrics import Accuracy
from npcnn.optimizers import SGD, Adam

SPARSE = "sparse_categorical_crossentropy"


def linear_model(weights, optimizer="sgd", metrics=(), **options):
    """A compiled model of one dense layer without bias, with these weights: its outputs, the logits, are x w."""
    model = Sequential([layers.Input((len(weights),)), layers.Dense(len(weights[0]), use_bias=False)], **options)
    model.set_weights([np.array(weights, "float32")])
    model.compile(optimizer, SparseCategoricalCrossentropy(from_logits=True), metrics=metrics)
    return model


def first(y_true, y_pred):
    """A metric that is no share of right answers: the mean of y_pred[:, 0]."""
    return y_pred[:, 0].mean()


first.name = "first"


@pytest.fixture
def trained(make_model):
    """A function (x, y, **options of fit) -> history and weights of a new small model after `fit`."""

    def train(x, y, **options):
        model = make_model()
        return model.fit(x, y, verbose=0, **options).history, model.get_weights()

    return train


# ------------------------------------------------------------------ shapes, names, weights


def test_shapes_names_and_the_order_of_weights_in_the_mnist_model_are_those_of_keras(mnist_model):
    model = mnist_model()
    assert [(layer.name, layer.output_shape) for layer in model.layers] == [
        ("conv2d", (26, 26, 32)),
        ("max_pooling2d", (13, 13, 32)),
        ("conv2d_1", (11, 11, 64)),
        ("max_pooling2d_1", (5, 5, 64)),
        ("flatten", (1600,)),
        ("dense", (128,)),
        ("dense_1", (10,)),
    ]
    assert model.input_shape == (28, 28, 1)
    assert model.output_shape == (10,)
    shapes = [w.shape for w in model.get_weights()]
    assert shapes == [(3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (1600, 128), (128,), (128, 10), (10,)]


def test_names_that_the_user_gives_are_kept_and_avoided():
    stack = [layers.Dense(2), layers.Dense(2, name="dense"), layers.ReLU(), layers.Softmax(name="out"), layers.Dense(2)]
    model = Sequential([layers.Input((3,)), *stack])
    assert [layer.name for layer in model.layers] == ["dense_1", "dense", "re_lu", "out", "dense_2"]


def test_params_are_the_arrays_of_the_layers_themselves_and_get_weights_are_copies(make_model):
    model = make_model()
    assert list(model.params) == ["conv2d/kernel", "conv2d/bias", "dense/kernel", "dense/bias"]
    assert model.params["conv2d/kernel"] is model.layers[0].params["kernel"]
    weights = model.get_weights()
    model.params["dense/bias"][...] = 5
    assert_array_equal(weights[3], 0)


def test_set_weights_copies_what_get_weights_returned(make_model):
    one, other = make_model(seed=0), make_model(seed=1)
    kernel, weights = other.params["conv2d/kernel"], one.get_weights()
    other.set_weights(weights)
    assert_equal(one.get_weights(), other.get_weights())
    assert other.params["conv2d/kernel"] is kernel
    weights[0][...] = 9
    assert (other.params["conv2d/kernel"] != 9).all()


def test_without_an_input_layer_build_or_fit_makes_the_weights_in_the_shape_of_the_data(make_images):
    starts = [layers.Input((8, 8, 1))], [], []
    models = [Sequential([*start, layers.Flatten(), layers.Dense(3, activation="softmax")]) for start in starts]
    with_input, built, fitted = models
    assert built.get_weights() == []
    built.build((None, 8, 8, 1))
    assert_equal(built.get_weights(), with_input.get_weights())
    for model in (fitted, with_input):
        model.compile("sgd", SPARSE)
        model.fit(*make_images(8), verbose=0)
    assert fitted.input_shape == (8, 8, 1)
    assert_equal(fitted.get_weights(), with_input.get_weights())


# ------------------------------------------------------------------ a model that grows, and models in models


def small_stack():
    return [
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]


@pytest.mark.parametrize("first", [layers.Input((8, 8, 1)), None])
def test_layers_that_are_added_one_by_one_make_the_same_model_as_a_list(first):
    expected, grown = Sequential([layers.Input((8, 8, 1)), *small_stack()]), Sequential()
    if first:
        grown.add(first)
    for layer in small_stack():
        if layer.default_name == "conv2d" and not first:
            layer = layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1))
        grown.add(layer)
        assert grown.output_shape == layer.output_shape is not None  # the weights are made at once
    assert grown.params.keys() == expected.params.keys()
    assert_equal(grown.get_weights(), expected.get_weights())


def test_the_last_layer_can_be_taken_out_and_another_put_in_its_place(make_images):
    model = Sequential([layers.Input((8, 8, 1)), *small_stack()])
    weights, last = model.get_weights(), model.layers[-1]
    assert model.pop() is last and model.output_shape == (36,)
    model.add(layers.Dense(2))
    assert model.layers[-1].name == "dense" and model.predict(make_images(5)[0], verbose=0).shape == (5, 2)
    assert_equal(model.get_weights()[:2], weights[:2])


def test_a_layer_that_does_not_fit_is_not_added():
    model, before = Sequential([layers.Input((8, 8, 1)), layers.Flatten()]), dict(vars(layers.MaxPool2D(3)))
    pool = layers.MaxPool2D(3)
    with pytest.raises(ValueError, match="H, W, C"):
        model.add(pool)
    assert len(model.layers) == 1 and model.output_shape == (64,) and vars(pool) == before


def test_a_layer_is_found_by_its_name_or_its_place(make_model):
    model = make_model()
    assert model.get_layer("flatten") is model.get_layer(index=2) is model.layers[2]
    assert model.get_layer(name="dense") is model.get_layer(index=-1)


def test_a_layer_gives_and_takes_its_weights(make_model):
    one, other = make_model(seed=0), make_model(seed=1)
    other.layers[0].set_weights(one.layers[0].get_weights())
    assert_equal(other.get_weights()[:2], one.get_weights()[:2])
    assert one.layers[0].weights[0] is one.params["conv2d/kernel"]
    assert one.layers[1].get_weights() == [] and one.layers[1].count_params() == 0
    assert one.layers[0].count_params() == 40 and one.count_params() == 40 + 36 * 3 + 3
    assert_equal(one.trainable_weights, one.weights)


def test_state_stands_behind_the_parameters_of_its_layer_among_the_weights_and_not_among_the_parameters():
    class Counter(layers.Layer):
        def build(self, input_shape, rng=None):
            self.params, self.state = {"a": np.ones(1, self.dtype)}, {"steps": np.zeros((), self.dtype)}
            self.output_shape = input_shape

        def forward(self, x, training=False):
            return self.params["a"] * x, x

        def backward(self, dy, cache):
            return self.params["a"] * dy, {"a": np.sum(dy * cache, keepdims=True).reshape(1)}

        def update_state(self, cache):
            self.state["steps"] += 1

    inner = Sequential([Counter()])
    model = Sequential([layers.Input((2,)), inner, layers.Dense(3, use_bias=False)])
    assert list(model.variables) == ["sequential/counter/a", "sequential/counter/steps", "dense/kernel"]
    assert [w.shape for w in model.get_weights()] == [(1,), (), (2, 3)]
    assert list(model.params) == ["sequential/counter/a", "dense/kernel"]
    assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) == 1
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=True))
    model.fit(np.ones((6, 2)), np.zeros(6), batch_size=2, verbose=0)
    assert inner.layers[0].state["steps"] == 3
    model.set_weights([np.ones(1), np.array(7.0), np.ones((2, 3))])
    assert inner.layers[0].state["steps"] == 7 and model.count_params() == 8


@pytest.mark.parametrize("rung", RUNGS)
def test_a_model_in_a_model_trains_as_its_layers_in_line(rung, make_images):
    x, y = make_images(20)
    stack = [layers.Input((8, 8, 1)), *small_stack()]
    plain = Sequential(stack, kernels=rung)
    first, last = Sequential(small_stack()[:2]), Sequential(small_stack()[2:])
    nested = Sequential([layers.Input((8, 8, 1)), first, last], kernels=rung)
    assert [layer.name for layer in nested.layers] == ["sequential", "sequential_1"]
    assert list(nested.params)[:3] == [
        "sequential/conv2d/kernel",
        "sequential/conv2d/bias",
        "sequential_1/dense/kernel",
    ]
    assert_equal(nested.get_weights(), plain.get_weights())
    for model in (plain, nested):
        model.compile("adam", SPARSE, metrics=["accuracy"])
    options = {"epochs": 2, "batch_size": 8, "verbose": 0}
    assert nested.fit(x, y, **options).history == plain.fit(x, y, **options).history
    assert_equal(nested.get_weights(), plain.get_weights())
    assert_array_equal(nested.predict(x, verbose=0), plain.predict(x, verbose=0))
    # The inner model is part of it, and shares its weights.
    assert_allclose(last.predict(first.predict(x, verbose=0), verbose=0), nested.predict(x, verbose=0), rtol=1e-5)


def test_a_model_in_a_model_is_shown_as_one_row_or_layer_by_layer():
    inner = Sequential([layers.Flatten(), layers.Dense(5)], name="head")
    model, tables = Sequential([layers.Input((2, 2)), inner]), []
    model.summary(print_fn=tables.append)
    model.summary(print_fn=tables.append, expand_nested=True)
    assert "head (Sequential)" in tables[0] and "head/dense" not in tables[0]
    assert "head/dense (Dense)" in tables[1]
    for table in tables:
        assert table.splitlines()[-1].split() == ["Total", "25", "20"]


def test_the_gradient_of_a_model_in_a_model_is_checked_as_any():
    inner = Sequential([layers.Dense(4, "relu"), layers.Dense(3)], dtype="float64")
    model = Sequential([layers.Input((5,)), inner, layers.Softmax()], dtype="float64")
    model.compile("sgd", SPARSE)
    rng = np.random.default_rng(0)
    result = check_model(model, rng.standard_normal((6, 5)), rng.integers(0, 3, 6), "central")
    assert result.passed, result


def test_a_model_in_a_model_must_be_of_its_float_type():
    with pytest.raises(ValueError, match="'sequential' is of dtype float32, the model around it of float64"):
        Sequential([Sequential([layers.Flatten()])], dtype="float64")


def test_the_summary_of_a_model_without_shapes_says_so(capsys):
    Sequential([layers.Flatten(), layers.Dense(3)]).summary()
    rows = capsys.readouterr().out.splitlines()
    assert "input ?" in rows[0] and rows[4].split() == ["flatten", "(Flatten)", "?", "0", "?"]


def test_in_training_a_call_draws_and_otherwise_it_does_not():
    class Noise(layers.Layer):
        draws = True

        def forward(self, x, training=False, rng=None):
            return (x + rng.standard_normal(x.shape) if training else x), None

    x, models = np.ones((3, 2)), [Sequential([layers.Input((2,)), Noise()], seed=seed) for seed in (0, 0, 1)]
    assert_array_equal(models[0](x), x)
    one, same, other = (model(x, training=True) for model in models)
    assert_array_equal(one, same)
    assert (one != other).all() and (one != x).all()


# ------------------------------------------------------------------ predict and evaluate


def test_predict_is_the_layers_one_after_the_other(make_model, make_images):
    model = make_model()
    x, _ = make_images(7)
    y = x
    for layer in model.layers:
        y, _ = layer.forward(y)
    # Whole batch or pieces, BLAS may add in another order: the last bits of float32.
    assert_allclose(model.predict(x, batch_size=3), y, rtol=1e-5)
    assert_allclose(model.predict(x).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("is_built", [True, False])
def test_a_list_of_one_array_is_that_array_and_a_list_of_one_example_a_batch_of_one(make_images, is_built):
    x, y = make_images(6)
    plain, listed = (Sequential([layers.Flatten(), layers.Dense(3, "softmax")]) for _ in range(2))
    for model in (plain, listed):
        model.compile("sgd", "sparse_categorical_crossentropy", metrics="accuracy")
        if is_built:
            model.build((8, 8, 1))
    histories = plain.fit(x, y, validation_data=(x, y), verbose=0), listed.fit([x], [y], validation_data=([x], [y]))
    assert histories[0].history == histories[1].history
    assert_array_equal(listed.predict([x]), plain.predict(x))
    assert_array_equal(listed.predict_on_batch((x[..., 0],)), plain.predict_on_batch(x))
    assert_array_equal(listed.predict([x[0]]), plain.predict(x[:1]))
    assert_array_equal(listed.predict([x[0, :, :, 0]]), plain.predict(x[:1]))
    assert listed.evaluate([x], [y[:, None]]) == plain.evaluate(x, y)
    assert listed.evaluate([x[0]], [y[0]]) == listed.evaluate([x[:1]], [y[:1]]) == plain.evaluate(x[:1], y[:1])


@pytest.mark.parametrize("metric", ["mae", "mse", "accuracy", "sparse_categorical_accuracy"])
def test_a_metric_by_name_need_not_be_in_a_list(make_images, metric):
    x, y = make_images(6)
    model = Sequential([layers.Flatten(), layers.Dense(1 if metric[0] == "m" else 3)])
    for metrics in (metric, [metric]):
        model.compile("sgd", "mse" if metric[0] == "m" else "sparse_categorical_crossentropy", metrics=metrics)
        assert list(model.fit(x, y, verbose=0).history) == ["loss", metric]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_predict_returns_examples_in_their_order_and_does_not_scale_bytes(threads):
    model = linear_model([[2.0]], threads=threads)
    x = np.arange(101, dtype="uint8")[:, None]
    assert_array_equal(model.predict(x, batch_size=7), 2 * x)


def test_evaluate_returns_the_loss_or_a_list_or_a_dictionary_as_keras_does():
    x, y = np.array([[0, np.log(3)], [np.log(3), 0]]), np.array([1, 1])
    expected = -(np.log(0.75) + np.log(0.25)) / 2
    assert linear_model(np.eye(2)).evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-6)
    model = linear_model(np.eye(2), metrics=["accuracy"])
    assert model.evaluate(x, y, verbose=0) == pytest.approx([expected, 0.5], rel=1e-6)
    values = model.evaluate(x, y, verbose=0, return_dict=True)
    assert values == pytest.approx({"loss": expected, "accuracy": 0.5}, rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 32])
def test_evaluate_weights_a_partial_batch_by_its_examples(batch_size):
    x, y = np.array([[4.0, 0], [0, 0], [0, 0], [0, 0], [2, 0]]), np.array([1, 0, 0, 1, 1])
    values = linear_model(np.eye(2), metrics=[first]).evaluate(x, y, batch_size=batch_size, verbose=0)
    loss = (np.log1p(np.exp(4)) + 3 * np.log(2) + np.log1p(np.exp(2))) / 5
    assert values == pytest.approx([loss, 6 / 5], rel=1e-6)


def test_one_hot_labels_give_the_same_loss_and_accuracy(make_model, make_images):
    x, y = make_images(20)
    sparse, one_hot = make_model(), make_model()
    one_hot.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    expected = sparse.fit(x, y, epochs=2, verbose=0).history
    history = one_hot.fit(x, np.eye(3)[y], epochs=2, verbose=0).history
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["accuracy"] == expected["accuracy"]


def test_accuracy_is_the_share_of_rows_whose_largest_score_is_the_right_one():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5], [0.3, 0.7]])
    for labels in ([1, 1, 0, 1], [[1], [1], [0], [1]], [[0, 1], [0, 1], [1, 0], [0, 1]]):
        assert Accuracy()(np.array(labels), scores) == 0.75  # the tie goes to the first class, which is right


# ------------------------------------------------------------------ softmax and cross-entropy, joined


@pytest.mark.parametrize(
    "loss", [SPARSE, "categorical_crossentropy", SparseCategoricalCrossentropy(), CategoricalCrossentropy()]
)
def test_a_hopeless_prediction_still_has_its_loss_and_its_gradient(loss):
    # Taken apart, the probability of the label, e^-50, is clipped to 1e-7: a loss of 16.118 and no gradient at all.
    model = Sequential([layers.Input((3,)), layers.Dense(3, activation="softmax")])
    model.set_weights([np.eye(3), np.zeros(3)])
    model.compile(SGD(1.0), loss)
    x, y = np.array([[0.0, 50, 0]]), np.array([0] if "parse" in str(loss) else [[1, 0, 0]])
    value = model.evaluate(x, y, verbose=0)
    assert value == pytest.approx(50, rel=1e-6)
    assert model.fit(x, y, verbose=0).history["loss"] == [value]
    dw = np.eye(3) - model.get_weights()[0]
    assert_allclose(dw, [[0, 0, 0], [-50, 50, 0], [0, 0, 0]], atol=1e-5)  # dw = x^T dz, dz = [-1, 1, 0]


def test_a_softmax_layer_is_joined_with_the_loss_as_the_activation_is(make_images):
    x, y = make_images(20)
    endings = [layers.Dense(3, activation="softmax")], [layers.Dense(3), layers.Softmax()]
    models = [Sequential([layers.Input((8, 8, 1)), layers.Flatten(), *ending]) for ending in endings]
    for model in models:
        model.compile("sgd", SPARSE)
        model.fit(x, y, epochs=2, verbose=0)
    assert_equal(*(model.get_weights() for model in models))


def test_metrics_see_probabilities_although_training_starts_from_the_logits():
    model = Sequential([layers.Input((2,)), layers.Dense(2, activation="softmax", use_bias=False)])
    model.set_weights([np.eye(2)])
    model.compile(SGD(1e-9), SPARSE, metrics=[first])
    x, y = np.array([[0, np.log(3)]]), np.array([0])
    assert model.fit(x, y, verbose=0).history["first"] == pytest.approx([0.25], rel=1e-6)
    assert model.evaluate(x, y, verbose=0) == pytest.approx([np.log(4), 0.25], rel=1e-6)


def test_a_loss_of_the_users_own_is_used_as_it_is(make_model, make_images):
    class Halved(SparseCategoricalCrossentropy):
        def forward(self, y_true, y_pred):
            value, cache = super().forward(y_true, y_pred)
            return value / 2, cache

    x, y = make_images(20)
    model = make_model()
    whole = model.evaluate(x, y, verbose=0)[0]
    model.compile(SGD(1e-9), Halved())
    assert model.evaluate(x, y, verbose=0) == pytest.approx(whole / 2, rel=1e-5)
    assert model.fit(x, y, verbose=0).history["loss"] == pytest.approx([whole / 2], rel=1e-5)


# ------------------------------------------------------------------ fit: batches, means, history


def test_a_smaller_last_batch_counts_and_values_are_means_over_examples_with_the_weights_before_each_update():
    # Three examples, batches of two and one, with plain SGD: two updates, worked out by hand.
    # L = log(1 + exp(-x w)) for a logit pair (x w, 0) and label 0; w starts at 0, where p = 1/2.
    model = linear_model([[0.0, 0.0]], SGD(1.0), [first])
    x, y = np.array([[1.0], [3.0], [2.0]]), np.array([0, 0, 0])
    history = model.fit(x, y, batch_size=2, shuffle=False, verbose=0).history
    step = (1 + 3) / 2 * 0.5  # the mean of x (1 - p) over the first two
    margin = 2 * (2 * step)  # x times the difference of the two weights
    last = 2 / (1 + np.exp(margin))  # x (1 - p) of the third, alone in its batch
    assert_allclose(model.get_weights()[0], [[step + last, -step - last]], rtol=1e-6)
    # Batch one: logits 0, loss log 2, twice. Batch two: the weights are 1 and -1, so logits 2 and -2, once.
    assert history["loss"] == pytest.approx([(2 * np.log(2) + np.log1p(np.exp(-4))) / 3], rel=1e-6)
    assert history["first"] == pytest.approx([2 / 3], rel=1e-6)


def test_the_values_shown_while_training_are_running_means_over_the_examples_so_far(monkeypatch):
    shown = []
    monkeypatch.setattr(Progress, "show", lambda self, values, batches=0: shown.append(values))
    model = linear_model([[1.0, 0.0]], SGD(1e-9), [first])
    model.fit(np.array([[1.0], [3.0], [8.0]]), np.array([0, 0, 0]), batch_size=2, shuffle=False, verbose=0)
    assert [values["first"] for values in shown[:2]] == pytest.approx([(1 + 3) / 2, (1 + 3 + 8) / 3], rel=1e-6)


def test_a_step_follows_the_gradient_of_the_mean_over_the_batch():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((41, 3)), rng.integers(0, 2, 41)
    model = linear_model(rng.standard_normal((3, 2)), SGD(1.0), dtype="float64")
    w = model.get_weights()[0]
    history = model.fit(x, y, batch_size=41, verbose=0).history
    value, cache = model.loss.forward(y, x @ w)
    assert_allclose(history["loss"], [value], rtol=1e-12)
    assert_allclose(model.get_weights()[0], w - x.T @ model.loss.backward(cache), rtol=1e-12)


def test_history_has_every_epoch_and_validation_beside_training(make_model, make_images):
    model = make_model()
    x, y = make_images(30)
    xv, yv = make_images(10, seed=1)
    history = model.fit(x, y, epochs=3, validation_data=(xv, yv), verbose=0)
    assert isinstance(history, History)
    assert model.history is history
    assert history.epoch == [0, 1, 2]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(len(values) == 3 and all(type(v) is float for v in values) for values in history.history.values())
    # Validation is taken with the weights at the end of the epoch: those the model still has.
    assert model.evaluate(xv, yv, verbose=0) == [history.history["val_loss"][2], history.history["val_accuracy"][2]]


def test_validation_changes_no_bit_of_the_training(trained, make_images):
    x, y = make_images(30)
    _, weights = trained(x, y, epochs=2)
    assert_equal(trained(x, y, epochs=2, validation_data=make_images(10, seed=1))[1], weights)


def test_validation_split_takes_the_tail_before_shuffling(trained, make_images):
    x, y = make_images(30)
    by_data = trained(x[:21], y[:21], epochs=2, validation_data=(x[21:], y[21:]))
    assert_equal(trained(x, y, epochs=2, validation_split=0.3), by_data)


def test_validation_data_overrides_validation_split(trained, make_images):
    (x, y), data = make_images(30), make_images(10, seed=1)
    assert_equal(trained(x, y, validation_split=0.5, validation_data=data), trained(x, y, validation_data=data))


def test_fit_again_goes_on_from_where_it_was(make_model, make_images):
    x, y = make_images(30)
    once, twice = make_model(), make_model()
    once.fit(x, y, epochs=3, verbose=0)
    twice.fit(x, y, epochs=1, verbose=0)
    twice.fit(x, y, epochs=2, verbose=0)
    assert_equal(once.get_weights(), twice.get_weights())


def test_fit_changes_neither_the_images_nor_the_labels(trained, make_images):
    x, y = make_images(20)
    trained(x, y, epochs=2)
    assert_equal((x, y), make_images(20))


def test_bytes_train_as_the_same_numbers_in_float(trained, make_images):
    x, y = make_images(20)
    x = (x * 4).astype("uint8")
    assert_equal(trained(x, y), trained(x.astype("float64"), y[:, None].astype("float32")))


# ------------------------------------------------------------------ fit: the order of the examples, and determinism


def orders(count=20, model_seed=0, **options):
    """The order in which each epoch visits examples 0, 1, 2, ...: batches of one, and a metric that notes them."""
    seen = []

    def note(y_true, y_pred):
        seen.append(round(float(y_pred[0, 0])))
        return 0.0

    note.name = "note"
    model = linear_model([[1.0, 0]], SGD(1e-9), [note], seed=model_seed)
    model.fit(np.arange(float(count))[:, None], np.zeros(count), batch_size=1, verbose=0, **options)
    return [seen[i : i + count] for i in range(0, len(seen), count)]


def test_every_epoch_visits_every_example_once_in_a_new_order():
    one, other = orders(epochs=2)
    assert sorted(one) == sorted(other) == list(range(20))
    assert one != other
    assert list(range(20)) not in (one, other)


def test_without_shuffling_the_order_is_that_of_the_data():
    assert orders(9, epochs=2, shuffle=False) == [list(range(9))] * 2
    assert orders(9, epochs=2, shuffle=0) == [list(range(9))] * 2
    assert orders(9, epochs=2, shuffle=1) == orders(9, epochs=2)


@pytest.mark.parametrize("which", ["seed", "model_seed"])
def test_the_seed_of_fit_or_else_that_of_the_model_decides_the_order(which):
    one, same, other = (orders(**{which: seed}) for seed in (5, 5, 6))
    assert one == same != other


@pytest.mark.parametrize("rung", RUNGS[1:])
def many_layers(**options):
    stack = [
        layers.Input((8, 8, 1)),
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.SpatialDropout2D(0.2),
        layers.AveragePooling2D(),
        layers.Flatten(),
        layers.Dropout(0.3, seed=5),
        layers.Dense(3, activation="softmax"),
    ]
    model = Sequential(stack, **options)
    model.compile("adam", SPARSE, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("threads", [2, 4])
def test_nor_does_it_where_layers_draw_random_numbers_and_look_at_the_whole_batch(make_images, threads, rung):
    x, y = make_images(40)
    one, many = many_layers(threads=1, kernels=rung), many_layers(threads=threads, kernels=rung)
    histories = [model.fit(x, y, epochs=2, batch_size=32, verbose=0).history for model in (one, many)]
    assert histories[0] == histories[1]
    assert_equal(one.get_weights(), many.get_weights())
    assert_equal(one.predict(x), many.predict(x))
    other = many_layers(threads=1, kernels=rung, seed=1)
    assert other.fit(x, y, verbose=0).history != histories[0]


def test_weights_are_in_keras_order_with_what_no_gradient_moves_behind_what_one_moves(make_images, capsys):
    model = many_layers()
    names = "conv2d/kernel conv2d/bias batch_normalization/gamma batch_normalization/beta dense/kernel dense/bias"
    assert list(model.params) == names.split()
    weights = model.get_weights()
    assert [w.shape for w in weights] == [(3, 3, 1, 4), (4,), (4,), (4,), (4,), (4,), (36, 3), (3,)]
    assert_equal(weights[2:6], [[1] * 4, [0] * 4, [0] * 4, [1] * 4])  # gamma, beta, moving mean and variance
    model.fit(*make_images(40), verbose=0)
    moved = model.get_weights()
    assert (moved[4] != 0).all() and (moved[5] != 1).all()
    fresh = many_layers()
    fresh.set_weights(moved)
    assert_equal(fresh.get_weights(), moved)
    assert_equal(fresh.layers[1].state["moving_mean"], moved[4])
    model.summary()
    text = capsys.readouterr().out
    assert "8 of the parameters are not trained by gradients" in text
    rows = {row.split()[0]: row.split() for row in text.splitlines() if row.strip()}
    assert rows["batch_normalization"][-2:] == ["16", "0"] and rows["Total"][1] == "167"


def test_softmax_as_an_activation_layer_is_joined_with_its_loss():
    plans = []
    for end in ([layers.Dense(3, activation="softmax")], [layers.Dense(3), layers.Activation("softmax")]):
        model = Sequential([layers.Input((4,)), *end])
        model.compile(loss=SPARSE)
        plans.append(model._plan())
    assert plans[0].joined and plans[1].joined
    assert [len(plan.steps) for plan in plans] == [1, 1]


def test_the_number_of_threads_changes_not_one_bit(make_model, make_images, rung):
    x, y = make_images(300)
    one = make_model(threads=1, kernels=rung)
    # Batches of 150 are fifteen parts; of two, no order of adding up can change a bit.
    options = {"batch_size": 150, "validation_split": 0.2, "verbose": 0}
    history, (x_few, y_few) = one.fit(x, y, **options).history, (x[:150], y[:150])
    predicted, evaluated = one.predict(x_few), one.evaluate(x_few, y_few, verbose=0)
    for threads in (2, 3, 4, 8):
        many = make_model(threads=threads, kernels=rung)
        assert many.fit(x, y, **options).history == history
        assert_equal(many.get_weights(), one.get_weights())
        assert_array_equal(many.predict(x_few), predicted)
        assert many.evaluate(x_few, y_few, verbose=0) == evaluated


def test_the_same_seed_makes_and_trains_the_same_weights_bit_for_bit(mnist_model, digits):
    x, y = digits[0]
    *models, other = (mnist_model(seed=seed) for seed in (1, 1, 2))
    assert (models[0].get_weights()[0] != other.get_weights()[0]).any()
    for model in models:
        model.compile("adam", SPARSE, metrics=["accuracy"])
        model.fit(x[:96], y[:96], batch_size=48, verbose=0)
    assert_equal(*(model.get_weights() for model in models))


# ------------------------------------------------------------------ float types


@pytest.mark.parametrize(("dtype", "rtol", "given"), [("float32", 1e-6, "float64"), ("float64", 1e-14, "float32")])
def test_a_model_computes_in_its_own_float_type_whatever_its_data(make_model, make_images, dtype, rtol, given):
    x, y = make_images(20)
    model = make_model(dtype=dtype)
    model.fit(x.astype(given), y, verbose=0)
    assert {w.dtype.name for w in model.get_weights()} == {dtype}
    assert {a.dtype.name for slot in model.optimizer.slots.values() for a in slot.values()} == {dtype}
    p = model.predict(x.astype(given))
    assert p.dtype == dtype
    assert_allclose(p.sum(axis=1), 1, rtol=rtol)


# ------------------------------------------------------------------ what is printed


def test_the_summary_has_every_layer_its_shape_its_parameters_and_its_multiply_adds(mnist_model, capsys):
    mnist_model(name="digits").summary()
    text = capsys.readouterr().out
    assert "digits" in text and "(N, 28, 28, 1)" in text and "float32" in text
    rows = {row.split()[0]: row.split() for row in text.splitlines() if row.strip()}
    # 3*3*1*32 + 32 numbers, 26*26*32 outputs of 3*3*1 products
    assert rows["conv2d"][-3:] == ["320", "194,688", "fused"]
    assert rows["conv2d_1"][-3:] == ["18,496", "2,230,272", "fused"]
    assert rows["dense"][-3:] == ["204,928", "204,800", "product"]
    assert rows["dense_1"][-3:] == ["1,290", "1,280", "product"]
    assert rows["max_pooling2d"][-3:] == ["0", "0", "fused"]
    assert "(N, 11, 11, 64)" in text and "(N, 1600)" in text
    assert rows["Total"][-2:] == ["225,034", "2,631,040"]


@pytest.fixture
def printed(make_model, make_images, capsys):
    """A function (verbose, **options of fit) -> what two epochs print, and their history."""

    def fit(verbose, **options):
        model = make_model(kernels="im2col")  # a compiled rung says on stderr when it compiles
        history = model.fit(*make_images(20), batch_size=8, epochs=2, verbose=verbose, **options).history
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out, history

    return fit


def test_verbose_0_is_silent(printed, make_model, make_images, capsys):
    assert printed(0)[0] == ""
    model = make_model(kernels="im2col")
    model.evaluate(*make_images(20), verbose=0)
    model.predict(make_images(20)[0], verbose=0)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("verbose", "time"), [(1, "| 00:0"), (2, " s - ")])
def test_a_bar_or_a_line_an_epoch_ends_with_batches_time_and_values(printed, make_images, verbose, time):
    out, history = printed(verbose, validation_data=make_images(10, seed=1))
    lines = out.splitlines()
    assert verbose == 1 or len(lines) == 2
    for epoch in range(2):
        last = [line for line in lines if line.startswith(f"Epoch {epoch + 1}/2 3/3 ")][-1]
        assert time in last
        for name, values in history.items():
            assert f" {name}: {values[epoch]:.4f}" in last


def test_verbose_auto_is_a_line_where_there_is_no_terminal_and_a_bar_where_there_is(printed, monkeypatch):
    out, _ = printed("auto")
    assert len(out.splitlines()) == 2 and "\r" not in out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out, _ = printed("auto")
    assert "\r" in out and "3/3" in out


def test_evaluate_prints_its_values(make_model, make_images, capsys):
    loss, accuracy = make_model().evaluate(*make_images(20), batch_size=8, verbose=2)
    out = capsys.readouterr().out
    assert out.startswith("Evaluate 3/3 - ") and f"loss: {loss:.4f} - accuracy: {accuracy:.4f}" in out


# ------------------------------------------------------------------ compile


def test_names_and_objects_are_taken_alike(make_model, make_images):
    x, y = make_images(20)
    by_name, by_object = make_model(), make_model()
    by_object.compile(optimizer=Adam(), loss=SparseCategoricalCrossentropy(), metrics=[Accuracy()])
    assert by_name.fit(x, y, verbose=0).history == by_object.fit(x, y, verbose=0).history
    assert_equal(by_name.get_weights(), by_object.get_weights())


def test_compile_again_forgets_the_optimizer_and_keeps_the_weights(make_model, make_images):
    model = make_model()
    model.fit(*make_images(20), verbose=0)
    weights = model.get_weights()
    model.compile("adam", SPARSE)
    assert model.optimizer.iterations == 0
    assert_equal(model.get_weights(), weights)


@pytest.mark.parametrize("stack", [lambda: [layers.Flatten(), layers.Softmax()], lambda: [layers.Flatten()]])
def test_a_model_without_parameters_may_be_trained_in_vain(stack):
    model = Sequential([layers.Input((1, 3)), *stack()])
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=len(model.layers) == 1))
    history = model.fit(np.zeros((4, 1, 3)), np.zeros(4), epochs=2, verbose=0).history
    assert history["loss"] == pytest.approx([np.log(3)] * 2)


# ------------------------------------------------------------------ memory


def peak_memory(function):
    """The most that function() had allocated at a time, in bytes, beside what was there before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_images_of_any_type_are_neither_copied_nor_converted_as_a_whole(dtype):
    x = np.zeros((40_000, 8, 8, 1), dtype)
    model = Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2, "softmax")], threads=1)
    model.compile("sgd", SPARSE)
    y = np.zeros(len(x), "uint8")
    fit = peak_memory(lambda: model.fit(x, y, batch_size=4000, validation_split=0.5, verbose=0))
    predict = peak_memory(lambda: model.predict(x, batch_size=4000))
    # Labels and an order of integers, 16 bytes an example; a look for NaN at 2^20 numbers; and the batch at hand.
    assert max(fit, predict) < 3 * len(x) * 16 + 2**20 + 3 * x[:4000].nbytes < x.astype("float32").nbytes


def test_the_first_nan_of_many_is_found_in_little_memory():
    x = np.full((20_000, 10, 10, 1), np.nan, "float32")
    x[:150] = 0
    model = Sequential([layers.Input((10, 10, 1)), layers.Flatten(), layers.Dense(2)])

    def predict():
        with pytest.raises(ValueError, match=r"got nan at index \(150, 0, 0, 0\)"):
            model.predict(x)

    assert peak_memory(predict) < x.nbytes / 2
