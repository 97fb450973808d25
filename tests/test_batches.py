"""Where batches come from: arrays and iterables give the same training, and weights say how much examples count."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal, assert_equal

from npcnn import Sequential, layers
from npcnn.batches import ArrayBatches, StreamBatches, class_weights
from npcnn.optimizers import SGD

SPARSE = "sparse_categorical_crossentropy"


class Numbered:
    """Batches told apart by number, as Keras' Sequence gives them: past the end it gives empty ones, and no error."""

    def __init__(self, x, y, size, *weights):
        self.arrays, self.size, self.ends = (x, y, *weights), size, 0

    def __len__(self):
        return -(-len(self.arrays[0]) // self.size)

    def __getitem__(self, i):
        return tuple(array[i * self.size : (i + 1) * self.size] for array in self.arrays)

    def on_epoch_end(self):
        self.ends += 1


class Anew:
    """An iterable that has no length, and gives its batches each time it is asked."""

    def __init__(self, numbered):
        self.numbered = numbered

    def __iter__(self):
        return (list(self.numbered[i]) for i in range(len(self.numbered)))


def forever(numbered):
    while True:
        yield from (numbered[i] for i in range(len(numbered)))


def once(numbered):
    yield from (numbered[i] for i in range(len(numbered)))


class WeightedError:
    """Half the squared error of each example, times its weight, divided by N: a loss simple enough to check by hand."""

    name = "weighted_error"

    def forward(self, y_true, y_pred, weights=None):
        weights = np.ones(len(y_true)) if weights is None else weights
        error = y_pred - np.reshape(y_true, (-1, 1))
        return (weights[:, None] * error**2 / 2).mean(), (weights, error)

    def backward(self, cache):
        weights, error = cache
        return weights[:, None] * error / len(error)


def line(w=1.0, **options):
    """A model y = w x with that loss."""
    model = Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))], **options)
    model.set_weights([np.array([[w]])])
    model.compile(SGD(0.125), WeightedError())
    return model


X, Y = np.arange(1.0, 8.0)[:, None], np.array([0, 1, 0, 1, 1, 0, 2])


# ------------------------------------------------------------------ epochs


def firsts(batches):
    return [float(x[0, 0]) for x, _, _ in batches.epoch()]


@pytest.mark.parametrize(
    "batches", [ArrayBatches(X, Y, None, 2, 3), StreamBatches(Numbered(X, Y, 2), lambda i, b: (*b, None), 3)]
)
def test_with_steps_an_epoch_goes_on_behind_the_last_one_and_starts_anew_behind_the_end(batches):
    assert batches.steps == 3 and batches.length == 4
    assert firsts(batches) == [1, 3, 5]
    with pytest.warns(UserWarning, match="ended after 1 of 3 steps"):
        assert firsts(batches) == [7]
    assert firsts(batches) == [1, 3, 5]


def test_a_pass_that_ends_with_an_epoch_is_followed_by_another_without_a_warning(recwarn):
    batches = ArrayBatches(X, Y, None, 2, 2)
    assert [firsts(batches) for _ in range(4)] == [[1, 3], [5, 7], [1, 3], [5, 7]]
    assert not recwarn


def test_a_stream_is_read_no_further_than_it_is_asked_for():
    read = []

    def source():
        for i in range(100):
            read.append(i)
            yield np.full((1, 1), float(i)), np.zeros(1)

    model = line()
    model.fit(source(), steps_per_epoch=3, epochs=2, verbose=0)
    assert read == [0, 1, 2, 3, 4, 5]
    model.evaluate(source(), steps=2, verbose=0)
    assert read[6:] == [0, 1]


@pytest.mark.parametrize("source", [Numbered, lambda *a: Anew(Numbered(*a)), lambda *a: forever(Numbered(*a))])
def test_an_iterable_of_batches_trains_as_the_arrays_they_are_cut_from(source, make_model, make_images):
    (x, y), (xv, yv) = make_images(20), make_images(10, seed=1)
    expected, model = make_model(), make_model()
    history = expected.fit(x, y, 8, epochs=2, shuffle=False, validation_data=(xv, yv), verbose=0).history
    steps = {} if source is Numbered else {"steps_per_epoch": 3, "validation_steps": 2}
    options = {"epochs": 2, "shuffle": False, "validation_data": source(xv, yv, 8), "verbose": 0}
    assert model.fit(source(x, y, 8), **options, **steps).history == history
    assert_equal(model.get_weights(), expected.get_weights())
    assert model.evaluate(Numbered(x, y, 8), verbose=0) == expected.evaluate(x, y, 8, verbose=0)
    assert_array_equal(model.predict(Numbered(x, y, 8), verbose=0), expected.predict(x, 8, verbose=0))
    assert_array_equal(model.predict(iter([x[:8], (x[8:16],)]), verbose=0), expected.predict(x[:16], 8, verbose=0))


def test_numbered_batches_are_shuffled_and_told_when_an_epoch_ends():
    seen = []

    class Noting(Numbered):
        def __getitem__(self, i):
            seen.append(i)
            return super().__getitem__(i)

    source = Noting(X, Y, 1)
    line().fit(source, epochs=2, verbose=0)
    first, one, other = seen[0], seen[1:8], seen[8:]
    assert first == 0  # looked at before anything begins
    assert sorted(one) == sorted(other) == list(range(7)) and one != other != sorted(other)
    assert source.ends == 2


def test_a_generator_that_has_given_all_it_has_ends_the_training():
    with pytest.warns(UserWarning, match="no more batches"):
        history = line().fit(once(Numbered(X, Y, 2)), epochs=3, verbose=0)
    assert history.epoch == [0]


def test_the_first_batch_of_a_generator_builds_the_model_and_is_trained_on_too():
    model = Sequential([layers.Dense(1, use_bias=False)])
    model.compile(SGD(0.1), WeightedError())
    model.fit(once(Numbered(X, Y, 3)), verbose=0)
    assert model.input_shape == (1,) and model.optimizer.iterations == 3


def test_a_wrong_batch_is_named_by_its_number():
    with pytest.raises(ValueError, match=r"batch 2: x must have shape \(N, 1\), got \(2, 3\)"):
        line().fit(iter([(X, Y), (X, Y), (np.ones((2, 3)), Y[:2])]), verbose=0)


@pytest.mark.parametrize("verbose", [1, 2])
def test_batches_of_unknown_number_are_counted(verbose, capsys):
    line().fit(once(Numbered(X, Y, 2)), verbose=verbose)
    assert "Epoch 1/1 4/" in capsys.readouterr().out


# ------------------------------------------------------------------ weights


def test_a_step_follows_the_weighted_gradient_and_the_loss_is_the_weighted_sum_divided_by_n():
    x, y, weights = np.array([[1.0], [2.0], [3.0]]), np.array([0, 1, 0]), np.array([1.0, 0.0, 2.0])
    model = line()
    # Errors 1, 1, 3; the gradient with respect to w is the mean of weight * error * x.
    assert model.fit(x, y, sample_weight=weights, verbose=0).history["loss"] == [(1 / 2 + 2 * 9 / 2) / 3]
    np.testing.assert_allclose(model.get_weights()[0], [[1 - 0.125 * (1 + 2 * 3 * 3) / 3]], rtol=1e-6)


def test_weights_of_classes_and_of_examples_are_multiplied():
    by_class, by_hand = line(), line()
    weights = np.linspace(0.5, 2, 7)
    options = {"batch_size": 3, "epochs": 2, "verbose": 0}
    history = by_class.fit(X, Y, class_weight={1: 3.0, 2: 0.5}, sample_weight=weights, **options).history
    table = np.array([1, 3, 0.5])
    assert by_hand.fit(X, Y, sample_weight=weights * table[Y], **options).history == history
    assert_equal(by_class.get_weights(), by_hand.get_weights())


def test_a_class_counts_alike_as_a_number_and_as_a_one_hot_row():
    for y in (Y, Y[:, None], Y.astype("float32"), np.eye(3)[Y]):
        assert_array_equal(class_weights(y, {1: 3.0, 2: 0.5}), [1, 3, 1, 3, 3, 1, 0.5])


def test_weights_come_in_the_batches_of_an_iterable_and_with_validation_data_too():
    weights = np.linspace(0.5, 2, 7)
    arrays, stream = line(), line()
    options = {"shuffle": False, "class_weight": {1: 2.0}, "verbose": 0}
    history = arrays.fit(X, Y, 2, sample_weight=weights, validation_data=(X, Y, weights), **options).history
    source = Numbered(X, Y, 2, weights)
    assert stream.fit(source, validation_data=source, **options).history == history
    assert history["val_loss"] == [arrays.evaluate(X, Y, 2, sample_weight=weights, verbose=0)]
    assert history["val_loss"] != [arrays.evaluate(X, Y, 2, verbose=0)]


def test_validation_split_cuts_the_weights_too():
    weights = np.linspace(0.5, 2, 7)
    split, given = line(), line()
    history = split.fit(X, Y, sample_weight=weights, validation_split=0.3, verbose=0).history
    data = X[4:], Y[4:], weights[4:]
    assert given.fit(X[:4], Y[:4], sample_weight=weights[:4], validation_data=data, verbose=0).history == history


def test_steps_count_the_batches_that_validation_split_leaves():
    model = line()
    assert model.fit(X, Y, 1, epochs=2, steps_per_epoch=2, validation_split=0.3, verbose=0).params["steps"] == 2
    assert model.optimizer.iterations == 4


# ------------------------------------------------------------------ a batch at a time, and the other options of fit


def test_train_on_batch_takes_the_step_of_fit_and_returns_the_values_before_it():
    one, other = line(), line()
    loss = one.fit(X, Y, 7, sample_weight=np.arange(7), shuffle=False, verbose=0).history["loss"]
    assert [other.train_on_batch(X, Y, sample_weight=np.arange(7))] == loss
    assert_equal(one.get_weights(), other.get_weights())
    assert other.train_on_batch(X, Y, return_dict=True).keys() == {"loss"}
    assert one.test_on_batch(X, Y) == one.evaluate(X, Y, verbose=0)
    assert_array_equal(one.predict_on_batch(X), one.predict(X, verbose=0))
    assert_array_equal(one(X), one.predict(X, verbose=0))


def test_train_on_batch_builds_the_model():
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", WeightedError())
    model.train_on_batch(X, Y)
    assert model.input_shape == (1,)


def test_epochs_are_numbered_from_initial_epoch():
    assert line().fit(X, Y, initial_epoch=2, epochs=5, verbose=0).epoch == [2, 3, 4]


@pytest.mark.parametrize(("frequency", "count"), [(1, 5), (2, 2), ([1, 2, 4], 3)])
def test_validation_comes_after_so_many_epochs_or_after_those_in_a_list(frequency, count):
    history = line().fit(X, Y, epochs=5, validation_data=(X, Y), validation_freq=frequency, verbose=0).history
    assert len(history["loss"]) == 5 and len(history["val_loss"]) == count


def test_a_channel_axis_of_one_is_added_or_taken_off(make_model, make_images):
    x, y = make_images(10)
    model, other = make_model(), make_model()
    history = model.fit(x[..., 0], y, validation_data=(x[..., 0], y), verbose=0).history
    assert other.fit(x, y, validation_data=(x, y), verbose=0).history == history
    assert_array_equal(model.predict(x[..., 0], verbose=0), model.predict(x, verbose=0))
    assert_array_equal(line().predict(X[:, 0], verbose=0), line().predict(X, verbose=0))
    flat = Sequential([layers.Flatten(input_shape=(8, 8)), layers.Dense(3)])
    assert_array_equal(flat.predict(x, verbose=0), flat.predict(x[..., 0], verbose=0))
