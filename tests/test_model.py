"""Sequential: shapes, names, weights, and every promise of compile, fit, evaluate, predict and summary."""

import io
import os
import signal
import sys
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from npcnn import History, Sequential, layers
from npcnn.console import Progress
from npcnn.kernels import RUNGS
from npcnn.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy
from npcnn.metrics import Accuracy
from npcnn.optimizers import SGD, Adam
from npcnn.threads import _blas_libraries

SPARSE = "sparse_categorical_crossentropy"


def mnist_model(**options):
    return Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        **options,
    )


def linear_model(weights, **options):
    """A model of one dense layer without bias, with these weights and no activation, whose logits are x w."""
    model = Sequential([layers.Input((len(weights),)), layers.Dense(len(weights[0]), use_bias=False)], **options)
    model.set_weights([np.array(weights, "float32")])
    return model


class FirstPixel:
    """A metric that is no share of right answers: the mean of y_pred[:, 0]. It also notes the batches it is given."""

    name = "first"

    def __init__(self):
        self.counts = []

    def __call__(self, y_true, y_pred):
        self.counts.append(len(y_true))
        return y_pred[:, 0].mean()


def assert_same_weights(one, other):
    for w, same in zip(one.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(w, same, strict=True)


# ------------------------------------------------------------------ shapes, names, weights


def test_each_layer_of_the_mnist_model_has_the_shape_and_the_name_that_keras_gives_it():
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


def test_names_that_the_user_gives_are_kept_and_avoided():
    stack = [layers.Dense(2), layers.Dense(2, name="dense"), layers.ReLU(), layers.Softmax(name="out"), layers.Dense(2)]
    model = Sequential([layers.Input((3,)), *stack])
    assert [layer.name for layer in model.layers] == ["dense_1", "dense", "re_lu", "out", "dense_2"]


def test_weights_come_in_the_order_of_keras():
    shapes = [w.shape for w in mnist_model().get_weights()]
    assert shapes == [(3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (1600, 128), (128,), (128, 10), (10,)]


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
    assert_same_weights(one, other)
    assert other.params["conv2d/kernel"] is kernel
    weights[0][...] = 9
    assert (other.params["conv2d/kernel"] != 9).all()


def test_without_an_input_layer_build_makes_the_weights(make_images):
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    assert model.get_weights() == []
    model.build((8, 8, 1))
    assert [w.shape for w in model.get_weights()] == [(64, 3), (3,)]


def test_without_an_input_layer_fit_makes_the_weights_in_the_shape_of_its_data(make_images):
    stack = [layers.Flatten(), layers.Dense(3, activation="softmax")]
    model = Sequential(stack)
    model.compile("sgd", SPARSE)
    model.fit(*make_images(8), verbose=0)
    assert model.input_shape == (8, 8, 1)

    with_input = Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3, activation="softmax")])
    with_input.compile("sgd", SPARSE)
    with_input.fit(*make_images(8), verbose=0)
    assert_same_weights(model, with_input)


def test_the_same_seed_builds_the_same_weights():
    assert_same_weights(mnist_model(seed=3), mnist_model(seed=3))
    one, other = mnist_model(seed=3), mnist_model(seed=4)
    assert (one.get_weights()[0] != other.get_weights()[0]).any()


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


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_predict_returns_examples_in_their_order(threads):
    model = linear_model([[2.0]], threads=threads)
    x = np.arange(101.0)[:, None]
    assert_array_equal(model.predict(x, batch_size=7), 2 * x)


def test_predict_takes_bytes_and_does_not_scale_them():
    model = linear_model([[1.0]])
    assert_array_equal(model.predict(np.array([[0], [255]], "uint8")), [[0], [255]])


def test_evaluate_returns_the_loss_or_a_list_or_a_dictionary_as_keras_does():
    model = linear_model([[1.0, 0], [0, 1]])
    x, y = np.array([[0, np.log(3)], [np.log(3), 0]]), np.array([1, 1])
    expected = -(np.log(0.75) + np.log(0.25)) / 2
    loss = SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-6)
    model.compile("sgd", loss, metrics=["accuracy"])
    assert model.evaluate(x, y, verbose=0) == pytest.approx([expected, 0.5], rel=1e-6)
    values = model.evaluate(x, y, verbose=0, return_dict=True)
    assert values == pytest.approx({"loss": expected, "accuracy": 0.5}, rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 32])
def test_evaluate_weights_a_partial_batch_by_its_examples(batch_size):
    model = linear_model([[1.0, 0], [0, 1]])
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=True), metrics=[FirstPixel()])
    x, y = np.array([[4.0, 0], [0, 0], [0, 0], [0, 0], [2, 0]]), np.array([1, 0, 0, 1, 1])
    loss, first = model.evaluate(x, y, batch_size=batch_size, verbose=0)
    assert first == pytest.approx(6 / 5)
    assert loss == pytest.approx((np.log1p(np.exp(4)) + 3 * np.log(2) + np.log1p(np.exp(2))) / 5, rel=1e-6)


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


def fifty(loss):
    """After one step of SGD(1) from logits [0, 50, 0] with the label 0: the loss, and the kernel's change."""
    model = Sequential([layers.Input((3,)), layers.Dense(3, activation="softmax")])
    model.set_weights([np.eye(3), np.zeros(3)])
    model.compile(SGD(1.0), loss)
    y = np.array([0]) if "parse" in str(loss) else np.array([[1, 0, 0]])
    value = model.evaluate(np.array([[0.0, 50, 0]]), y, verbose=0)
    history = model.fit(np.array([[0.0, 50, 0]]), y, verbose=0).history
    assert history["loss"] == [value]
    return value, np.eye(3) - model.get_weights()[0]


@pytest.mark.parametrize(
    "loss",
    [SPARSE, "categorical_crossentropy", SparseCategoricalCrossentropy(), CategoricalCrossentropy()],
    ids=["sparse by name", "categorical by name", "sparse", "categorical"],
)
def test_a_hopeless_prediction_still_has_its_loss_and_its_gradient(loss):
    # Taken apart, the probability of the label, e^-50, is clipped to 1e-7: a loss of 16.118 and no gradient at all.
    value, dw = fifty(loss)
    assert value == pytest.approx(50, rel=1e-6)
    assert_allclose(dw, [[0, 0, 0], [-50, 50, 0], [0, 0, 0]], atol=1e-5)  # dw = x^T dz, dz = [-1, 1, 0]


def test_a_softmax_layer_is_joined_with_the_loss_as_the_activation_is(make_images):
    x, y = make_images(20)
    weights = []
    for ending in ([layers.Dense(3, activation="softmax")], [layers.Dense(3), layers.Softmax()]):
        model = Sequential([layers.Input((8, 8, 1)), layers.Flatten(), *ending])
        model.compile("sgd", SPARSE)
        model.fit(x, y, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        assert_array_equal(one, other)


def test_metrics_see_probabilities_although_training_starts_from_the_logits(make_images):
    model = Sequential([layers.Input((2,)), layers.Dense(2, activation="softmax", use_bias=False)])
    model.set_weights([np.eye(2)])
    model.compile(SGD(1e-9), SPARSE, metrics=[FirstPixel()])
    x, y = np.array([[0, np.log(3)]]), np.array([0])
    assert model.fit(x, y, verbose=0).history["first"] == pytest.approx([0.25], rel=1e-6)
    assert model.evaluate(x, y, verbose=0) == pytest.approx([np.log(4), 0.25], rel=1e-6)


class Halved(SparseCategoricalCrossentropy):
    """A user's own loss, which knows nothing of logits: half the cross-entropy."""

    def __init__(self):
        super().__init__()

    def forward(self, y_true, y_pred):
        value, cache = super().forward(y_true, y_pred)
        return value / 2, cache

    def backward(self, cache):
        return super().backward(cache) / 2


def test_a_loss_of_the_users_own_is_used_as_it_is(make_model, make_images):
    x, y = make_images(20)
    model = make_model()
    model.compile(SGD(1e-9), SPARSE)
    whole = model.evaluate(x, y, verbose=0)
    model.compile(SGD(1e-9), Halved())
    assert model.evaluate(x, y, verbose=0) == pytest.approx(whole / 2, rel=1e-5)
    assert model.fit(x, y, verbose=0).history["loss"] == pytest.approx([whole / 2], rel=1e-5)


# ------------------------------------------------------------------ fit: batches, means, history


def test_the_last_batch_of_an_epoch_may_be_smaller_and_is_not_dropped():
    # Three examples, batches of two and one, with plain SGD: two updates, worked out by hand.
    # L = log(1 + exp(-x w)) for a logit pair (x w, 0) and label 0; w starts at 0, where p = 1/2.
    model = linear_model([[0.0, 0.0]])
    model.compile(SGD(1.0), SparseCategoricalCrossentropy(from_logits=True))
    x, y = np.array([[1.0], [3.0], [2.0]]), np.array([0, 0, 0])
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    first = (1 + 3) / 2 * 0.5  # the mean of x (1 - p) over the first two
    margin = 2 * (2 * first)  # x times the difference of the two weights
    second = 2 / (1 + np.exp(margin))  # x (1 - p) of the third, alone in its batch
    assert_allclose(model.get_weights()[0], [[first + second, -first - second]], rtol=1e-6)


def test_training_values_are_means_over_examples_with_the_weights_before_each_update():
    model = linear_model([[0.0, 0.0]])
    model.compile(SGD(1.0), SparseCategoricalCrossentropy(from_logits=True), metrics=[FirstPixel()])
    x, y = np.array([[1.0], [3.0], [2.0]]), np.array([0, 0, 0])
    history = model.fit(x, y, batch_size=2, shuffle=False, verbose=0).history
    # Batch one: logits 0, loss log 2, twice. Batch two: the weights are 1 and -1, so logits 2 and -2, once.
    assert history["loss"] == pytest.approx([(2 * np.log(2) + np.log1p(np.exp(-4))) / 3], rel=1e-6)
    assert history["first"] == pytest.approx([2 / 3], rel=1e-6)


def test_the_values_shown_while_training_are_running_means_over_the_examples_so_far(monkeypatch):
    shown = []
    monkeypatch.setattr(Progress, "show", lambda self, values, batches=0: shown.append(values))
    model = linear_model([[1.0, 0.0]])
    model.compile(SGD(1e-9), SparseCategoricalCrossentropy(from_logits=True), metrics=[FirstPixel()])
    model.fit(np.array([[1.0], [3.0], [8.0]]), np.array([0, 0, 0]), batch_size=2, shuffle=False, verbose=0)
    assert [values["first"] for values in shown[:2]] == pytest.approx([(1 + 3) / 2, (1 + 3 + 8) / 3], rel=1e-6)


def test_a_batch_cut_into_shards_is_one_batch():
    # 41 examples are shards of 21 and of 20; the step must be that of the mean over all 41.
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((41, 3)), rng.integers(0, 2, 41)
    w = rng.standard_normal((3, 2))
    model = linear_model(w, dtype="float64")
    w = model.get_weights()[0]
    model.compile(SGD(1.0), SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(x, y, batch_size=41, verbose=0).history
    loss = SparseCategoricalCrossentropy(from_logits=True)
    value, cache = loss.forward(y, x @ w)
    assert_allclose(history["loss"], [value], rtol=1e-12)
    assert_allclose(model.get_weights()[0], w - x.T @ loss.backward(cache), rtol=1e-12)


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


def test_validation_changes_no_bit_of_the_training(make_model, make_images):
    x, y = make_images(30)
    plain, validated = make_model(), make_model()
    plain.fit(x, y, epochs=2, verbose=0)
    validated.fit(x, y, epochs=2, validation_data=make_images(10, seed=1), verbose=0)
    assert_same_weights(plain, validated)


def test_validation_split_takes_the_tail_before_shuffling(make_model, make_images):
    x, y = make_images(30)
    split, data = make_model(), make_model()
    by_split = split.fit(x, y, epochs=2, validation_split=0.3, verbose=0).history
    by_data = data.fit(x[:21], y[:21], epochs=2, validation_data=(x[21:], y[21:]), verbose=0).history
    assert by_split == by_data
    assert_same_weights(split, data)


def test_validation_data_overrides_validation_split(make_model, make_images):
    x, y = make_images(30)
    both, data = make_model(), make_model()
    validation = make_images(10, seed=1)
    one = both.fit(x, y, validation_split=0.5, validation_data=validation, verbose=0).history
    assert one == data.fit(x, y, validation_data=validation, verbose=0).history


def test_fit_again_goes_on_from_where_it_was(make_model, make_images):
    x, y = make_images(30)
    once, twice = make_model(), make_model()
    once.fit(x, y, epochs=3, verbose=0)
    twice.fit(x, y, epochs=1, verbose=0)
    twice.fit(x, y, epochs=2, verbose=0)
    assert_same_weights(once, twice)


def test_fit_changes_neither_the_images_nor_the_labels(make_model, make_images):
    x, y = make_images(20)
    x_before, y_before = x.copy(), y.copy()
    make_model().fit(x, y, epochs=2, verbose=0)
    assert_array_equal(x, x_before)
    assert_array_equal(y, y_before)


def test_bytes_train_as_the_same_numbers_in_float(make_model, make_images):
    x, y = make_images(20)
    x = (x * 4).astype("uint8")
    one, other = make_model(), make_model()
    one.fit(x, y, verbose=0)
    other.fit(x.astype("float64"), y[:, None].astype("float32"), verbose=0)
    assert_same_weights(one, other)


# ------------------------------------------------------------------ fit: the order of the examples, and determinism


def orders(model, count, **options):
    """The order in which each epoch visits examples 0, 1, 2, ...: batches of one, and a metric that notes them."""
    seen = []

    class Note:
        name = "note"

        def __call__(self, y_true, y_pred):
            seen.append(int(round(float(y_pred[0, 0]))))
            return 0.0

    model.compile(SGD(1e-9), SparseCategoricalCrossentropy(from_logits=True), metrics=[Note()])
    model.fit(np.arange(float(count))[:, None], np.zeros(count), batch_size=1, verbose=0, **options)
    return [seen[i : i + count] for i in range(0, len(seen), count)]


def test_every_epoch_visits_every_example_once_in_a_new_order():
    first, second = orders(linear_model([[1.0, 0]]), 20, epochs=2)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert list(range(20)) not in (first, second)


def test_without_shuffling_the_order_is_that_of_the_data():
    assert orders(linear_model([[1.0, 0]]), 9, epochs=2, shuffle=False) == [list(range(9))] * 2


def test_the_seed_of_fit_decides_the_order():
    one, same, other = (orders(linear_model([[1.0, 0]]), 20, seed=seed) for seed in (5, 5, 6))
    assert one == same != other


def test_the_seed_of_the_model_decides_the_order_where_fit_has_none():
    one, same, other = (orders(linear_model([[1.0, 0]], seed=seed), 20) for seed in (5, 5, 6))
    assert one == same != other


@pytest.mark.parametrize("rung", RUNGS[1:])
@pytest.mark.parametrize("threads", [2, 4])
def test_the_number_of_threads_changes_not_one_bit(make_model, make_images, threads, rung):
    x, y = make_images(300)
    one, many = make_model(threads=1, kernels=rung), make_model(threads=threads, kernels=rung)
    # Batches of 150 are three shards; of two, no order of adding up can change a bit.
    options = {"epochs": 2, "batch_size": 150, "validation_split": 0.2, "verbose": 0}
    assert one.fit(x, y, **options).history == many.fit(x, y, **options).history
    assert_same_weights(one, many)
    assert_array_equal(one.predict(x), many.predict(x))
    assert one.evaluate(x, y, verbose=0) == many.evaluate(x, y, verbose=0)


def test_the_same_seed_trains_the_same_weights_bit_for_bit(digits):
    x, y = digits[0]
    models = [mnist_model(seed=1) for _ in range(2)]
    for model in models:
        model.compile("adam", SPARSE, metrics=["accuracy"])
        model.fit(x[:96], y[:96], batch_size=48, verbose=0)
    assert_same_weights(*models)


# ------------------------------------------------------------------ Ctrl-C


class CtrlC:
    """A metric that presses Ctrl-C at its calls of these numbers. A small batch calls it twice, once a shard."""

    name = "ctrl_c"

    def __init__(self, *calls):
        self.calls, self.count = calls, 0

    def __call__(self, y_true, y_pred):
        self.count += 1
        if self.count in self.calls:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0


def test_ctrl_c_stops_after_the_step_at_hand_and_keeps_what_was_learned(make_model, make_images, capsys):
    x, y = make_images(40)
    model, reference = make_model(threads=1), make_model(threads=1)
    model.compile("sgd", SPARSE, metrics=[CtrlC(2 * (5 + 3))])
    handler = signal.getsignal(signal.SIGINT)
    history = model.fit(x, y, batch_size=8, epochs=10, shuffle=False, verbose=2)
    assert signal.getsignal(signal.SIGINT) is handler
    # Five steps an epoch: the second epoch was left after its third step.
    assert history.epoch == [0]
    assert {len(values) for values in history.history.values()} == {1}
    assert "Stopped in epoch 2 after 24 of 40 examples" in capsys.readouterr().out

    reference.compile("sgd", SPARSE)
    reference.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    reference.fit(x[:24], y[:24], batch_size=8, shuffle=False, verbose=0)
    assert_same_weights(model, reference)


@pytest.mark.parametrize("threads", [1, 2])
def test_after_ctrl_c_the_model_trains_on_and_predicts(make_model, make_images, threads):
    x, y = make_images(40)
    model = make_model(threads=threads)
    model.compile("sgd", SPARSE, metrics=[CtrlC(2)])
    model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    assert np.isfinite(model.predict(x)).all()
    assert model.fit(x, y, batch_size=8, epochs=2, verbose=0).epoch == [0, 1]


def test_ctrl_c_in_the_last_step_of_an_epoch_leaves_that_epoch_finished(make_model, make_images):
    x, y = make_images(40)
    model = make_model(threads=1)
    model.compile("sgd", SPARSE, metrics=[CtrlC(2 * 5)])
    history = model.fit(x, y, batch_size=8, epochs=3, validation_data=(x, y), verbose=0)
    assert history.epoch == [0]
    assert len(history.history["val_loss"]) == 1


def test_a_second_ctrl_c_stops_at_once(make_model, make_images):
    x, y = make_images(40)
    model = make_model(threads=1)

    class Impatient:
        name = "impatient"

        def __call__(self, y_true, y_pred):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            return 0.0

    model.compile("sgd", SPARSE, metrics=[Impatient()])
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=8, verbose=0)
    assert signal.getsignal(signal.SIGINT) is handler


def test_fit_works_in_a_thread_which_gets_no_ctrl_c(make_model, make_images):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        history = pool.submit(make_model().fit, *make_images(20), verbose=0).result()
    assert history.epoch == [0]


# ------------------------------------------------------------------ BLAS and its threads


def blas_threads():
    return [library.get_num_threads() for library in _blas_libraries()]


class BlasThreads(FirstPixel):
    """A metric that notes how many threads BLAS may use while the model works."""

    def __call__(self, y_true, y_pred):
        self.counts.append(blas_threads())
        return 0.0


def test_blas_is_held_to_one_thread_during_work_and_put_back_afterwards(make_model, make_images):
    x, y = make_images(20)
    metric, model = BlasThreads(), make_model()
    model.compile("sgd", SPARSE, metrics=[metric])
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        model.fit(x, y, verbose=0)
        model.evaluate(x, y, verbose=0)
        model.predict(x)
        assert blas_threads() == before
    assert {n for counts in metric.counts for n in counts} <= {1}
    assert metric.counts


def test_blas_is_put_back_after_an_error_too(make_model, make_images):
    class Broken(FirstPixel):
        def __call__(self, y_true, y_pred):
            raise ArithmeticError("the metric is broken")

    model = make_model()
    model.compile("sgd", SPARSE, metrics=[Broken()])
    before = model.get_weights()
    with threadpool_limits(2, user_api="blas"):
        threads = blas_threads()
        with pytest.raises(ArithmeticError, match="the metric is broken"):
            model.fit(*make_images(20), verbose=0)
        assert blas_threads() == threads
    for w, same in zip(before, model.get_weights(), strict=True):
        assert_array_equal(w, same)


# ------------------------------------------------------------------ float64


def test_a_float64_model_computes_in_float64_throughout(make_model, make_images):
    x, y = make_images(20)
    model = make_model(dtype="float64")
    model.fit(x, y, verbose=0)
    assert {w.dtype.name for w in model.get_weights()} == {"float64"}
    assert {a.dtype.name for slot in model.optimizer.slots.values() for a in slot.values()} == {"float64"}
    p = model.predict(x)
    assert p.dtype == "float64"
    assert_allclose(p.sum(axis=1), 1, rtol=1e-14)


def test_a_float32_model_stays_float32_whatever_its_data(make_model, make_images):
    x, y = make_images(20)
    model = make_model()
    model.fit(x.astype("float64"), y, verbose=0)
    assert {w.dtype.name for w in model.get_weights()} == {"float32"}
    assert {a.dtype.name for slot in model.optimizer.slots.values() for a in slot.values()} == {"float32"}
    assert model.predict(x.astype("float64")).dtype == "float32"


# ------------------------------------------------------------------ what is printed


def test_the_summary_has_every_layer_its_shape_its_parameters_and_its_multiply_adds():
    lines = []
    mnist_model(name="digits").summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "digits" in text and "(N, 28, 28, 1)" in text and "float32" in text
    rows = {row.split()[0]: row.split() for row in text.splitlines()}
    # 3*3*1*32 + 32 numbers, 26*26*32 outputs of 3*3*1 products
    assert rows["conv2d"][-3:] == ["320", "194,688", "fused"]
    assert rows["conv2d_1"][-3:] == ["18,496", "2,230,272", "fused"]
    assert rows["dense"][-3:] == ["204,928", "204,800", "product"]
    assert rows["dense_1"][-3:] == ["1,290", "1,280", "product"]
    assert rows["max_pooling2d"][-3:] == ["0", "0", "fused"]
    assert "(N, 11, 11, 64)" in text and "(N, 1600)" in text
    assert rows["Total"][-2:] == ["225,034", "2,631,040"]


def test_the_summary_prints(capsys, make_model):
    make_model().summary()
    assert "Total" in capsys.readouterr().out


def fit_output(make_model, make_images, capsys, verbose, **options):
    model = make_model(kernels="im2col")  # a compiled rung says on stderr when it compiles
    history = model.fit(*make_images(20), batch_size=8, epochs=2, verbose=verbose, **options).history
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out, history


def test_verbose_0_is_silent(make_model, make_images, capsys):
    assert fit_output(make_model, make_images, capsys, 0)[0] == ""
    model = make_model(kernels="im2col")
    model.evaluate(*make_images(20), verbose=0)
    model.predict(make_images(20)[0])
    assert capsys.readouterr() == ("", "")


def test_verbose_2_is_a_line_an_epoch_with_batches_time_and_values(make_model, make_images, capsys):
    out, history = fit_output(make_model, make_images, capsys, 2, validation_data=make_images(10, seed=1))
    lines = out.splitlines()
    assert len(lines) == 2
    for epoch, line in enumerate(lines):
        assert line.startswith(f"Epoch {epoch + 1}/2 3/3 - ")
        assert " s - " in line
        for name, values in history.items():
            assert f" {name}: {values[epoch]:.4f}" in line


def test_verbose_1_is_a_bar_that_ends_with_the_values_of_the_epoch(make_model, make_images, capsys):
    out, history = fit_output(make_model, make_images, capsys, 1, validation_data=make_images(10, seed=1))
    lines = out.splitlines()
    for epoch in range(2):
        last = [line for line in out.replace("\n", "\r").split("\r") if line.startswith(f"Epoch {epoch + 1}/2")][-1]
        assert "3/3" in last
        for name, values in history.items():
            assert f"{name}: {values[epoch]:.4f}" in last
    assert lines


def test_verbose_auto_is_a_line_where_there_is_no_terminal_and_a_bar_where_there_is(
    make_model, make_images, capsys, monkeypatch
):
    out, _ = fit_output(make_model, make_images, capsys, "auto")
    assert len(out.splitlines()) == 2 and "\r" not in out

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    make_model().fit(*make_images(20), batch_size=8)
    assert "\r" in terminal.getvalue() and "3/3" in terminal.getvalue()


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
    assert_same_weights(by_name, by_object)


def test_compile_again_forgets_the_optimizer_and_keeps_the_weights(make_model, make_images):
    model = make_model()
    model.fit(*make_images(20), verbose=0)
    weights = model.get_weights()
    model.compile("adam", SPARSE)
    assert model.optimizer.iterations == 0
    for w, same in zip(weights, model.get_weights(), strict=True):
        assert_array_equal(w, same)


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
