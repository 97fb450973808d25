"""A user's own layer, loss and optimizer, written as the contract says, work in a model."""

import numpy as np
import pytest

from npcnn import Sequential, layers, losses, training


class Scale(layers.Layer):
    """y = a x, with one number a: the shortest layer that learns, and all that the contract asks for."""

    def build(self, input_shape, rng=None):
        self.params = {"a": np.ones(1, self.dtype or "float32")}
        self.output_shape = input_shape

    def forward(self, x, training=False):
        return self.params["a"] * x, x

    def backward(self, dy, cache):
        return self.params["a"] * dy, {"a": np.array([(dy * cache).sum()])}


class MeanSquaredError:
    name = "mean_squared_error"

    def forward(self, y_true, y_pred):
        error = y_pred - y_true
        return (error**2).mean(), error

    def backward(self, error):
        return 2 * error / error.size


class Downhill:
    def update(self, params, grads):
        for key, w in params.items():
            w -= 0.1 * grads[key]


class BestScore:
    """A metric that sorts what it is given, in place, as who wants the best three would."""

    name = "best_score"

    def __call__(self, y_true, y_pred):
        y_pred.sort(axis=1)
        return y_pred[:, -1].mean()


def test_a_metric_may_change_what_it_is_given_without_changing_what_is_learned():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)), rng.integers(0, 3, 20)
    learned = []
    for metrics in ([], [BestScore()]):
        model = Sequential([layers.Input((4,)), layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=metrics)
        model.fit(x, y, epochs=3, verbose=0)
        learned.append(model.get_weights()[0])
    np.testing.assert_array_equal(*learned)


@pytest.mark.parametrize("behind", [[], [layers.Flatten()]])
def test_a_layer_loss_and_optimizer_of_ones_own_learn(behind):
    model = Sequential([layers.Input((1,)), *behind, Scale()])
    model.compile(Downhill(), MeanSquaredError())
    x = np.array([[1.0], [2.0], [3.0]])
    model.fit(x, 4 * x, epochs=50, batch_size=3, verbose=0)
    np.testing.assert_allclose(model.predict([[1.0]]), [[4.0]], rtol=1e-3)
    weights = model.get_weights()
    model.build((1,))
    np.testing.assert_array_equal(model.get_weights(), weights)


def test_the_gradient_of_a_loss_in_float64_goes_back_in_the_models_float_type():
    seen = []

    class Watch(Scale):
        def backward(self, dy, cache):
            seen.append(dy.dtype)
            return super().backward(dy, cache)

    model = Sequential([layers.Input((2,)), Watch()])
    model.compile("sgd", MeanSquaredError())
    model.fit(np.ones((4, 2)), np.ones((4, 2), int), verbose=0)
    assert set(seen) == {np.dtype("float32")}  # one a shard


def test_a_subclass_of_softmax_is_not_joined_with_the_loss():
    class Cool(layers.Softmax):
        def forward(self, x, training=False):
            return super().forward(x / 10, training)

    model = Sequential([layers.Input((3,)), layers.Dense(4), Cool()])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).normal(size=(8, 3)).astype("f4"), np.arange(8) % 4
    loss, _ = losses.SparseCategoricalCrossentropy().forward(y, model.predict(x))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(loss, rel=1e-5)


def test_a_layer_that_forgets_a_gradient_is_named():
    class Forgetful(Scale):
        def backward(self, dy, cache):
            return dy, {}

    model = Sequential([layers.Input((2,)), Forgetful(name="f")])
    model.compile("sgd", MeanSquaredError())
    with pytest.raises(ValueError, match="Forgetful 'f': backward gave gradients for .*'a'"):
        model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)


def test_a_layer_that_names_no_rung_takes_that_of_the_model_it_is_in_now():
    dense = layers.Dense(2)
    first = Sequential([layers.Input((2,)), dense], kernels="loops")
    second = Sequential([layers.Input((2,)), dense], kernels="im2col")
    assert dense.kernels is None and dense.rung == "im2col"
    assert first.params["dense/kernel"] is second.params["dense/kernel"]  # shared, as in Keras


def test_a_fit_that_is_refused_leaves_an_unbuilt_model_unbuilt():
    model, fresh = (Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")]) for _ in range(2))
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        model.fit(np.ones((5, 28)), [9] * 5, verbose=0)
    assert model.input_shape is None and model.layers[1].params == {}
    for m in (model, fresh):
        m.build((4, 4))
    np.testing.assert_array_equal(model.get_weights()[0], fresh.get_weights()[0])


def test_blas_is_put_back_when_two_models_work_at_once():
    from threadpoolctl import threadpool_info

    def blas_threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = blas_threads()
    first, second = training.Workers(1), training.Workers(1)
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert set(blas_threads()) == {1}
    second.__exit__()
    assert blas_threads() == before


def test_a_softmax_in_front_of_a_loss_from_logits_is_warned_of():
    model = Sequential([layers.Input((2,)), layers.Dense(3, activation="softmax")])
    with pytest.warns(UserWarning, match="from_logits=True"):
        model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
