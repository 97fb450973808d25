"""A user's own layer, loss and optimizer, written as the contract says, work in a model."""

import weakref

import numpy as np
import pytest

from npcnn import Sequential, layers, losses, optimizers

SPARSE = "sparse_categorical_crossentropy"


class Scale(layers.Layer):
    """y = a x, with one number a: the shortest layer that learns, and all that the contract asks for."""

    shape = (1,)

    def build(self, input_shape, rng=None):
        self.params = {"a": np.ones(self.shape, self.dtype)}
        self.output_shape = input_shape

    def forward(self, x, training=False):
        return self.params["a"] * x, x

    def backward(self, dy, cache):
        return self.params["a"] * dy, {"a": np.reshape((dy * cache).sum(), self.shape)}


class Watched(Scale):
    """A Scale that notes the arguments of its calls, and the gradient it returns with a copy."""

    def __init__(self):
        super().__init__()
        self.shapes, self.training, self.types, self.grads = [], [], [], []

    def build(self, input_shape, rng=None):
        self.shapes.append(input_shape)
        super().build(input_shape)

    def forward(self, x, training=False):
        self.training.append(training)
        return super().forward(x, training)

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        self.types.append(dy.dtype)
        self.grads.append((grads["a"], grads["a"].copy()))
        return dx, grads


class MeanSquaredError:
    name = "mean_squared_error"

    def forward(self, y_true, y_pred):
        error = y_pred - y_true
        return (error**2).mean(), error

    def backward(self, error):
        return 2 * error / error.size


def compiled(*stack, width=2, optimizer="sgd", loss=None, metrics=(), **options):
    """A model of these layers, on examples of `width` numbers, with a loss of one's own unless another is given."""
    model = Sequential([layers.Input((width,)), *stack], **options)
    model.compile(optimizer, loss or MeanSquaredError(), metrics=metrics)
    return model


class Downhill:
    def update(self, params, grads):
        for key, w in params.items():
            w -= 0.1 * grads[key]


def best_score(y_true, y_pred):
    """A metric that sorts what it is given, in place, as who wants the best three would."""
    y_pred.sort(axis=1)
    return y_pred[:, -1].mean()


best_score.name = "best_score"


def test_a_metric_may_change_what_it_is_given_without_changing_what_is_learned():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)), rng.integers(0, 3, 20)
    learned = []
    for metrics in ([], [best_score]):
        model = compiled(layers.Dense(3, activation="softmax"), width=4, loss=SPARSE, metrics=metrics)
        model.fit(x, y, epochs=3, verbose=0)
        learned.append(model.get_weights()[0])
    np.testing.assert_array_equal(*learned)


@pytest.mark.parametrize("behind", [[], [layers.Flatten()]])
def test_a_layer_loss_and_optimizer_of_ones_own_learn(behind):
    model = compiled(*behind, Scale(), width=1, optimizer=Downhill())
    x = np.array([[1.0], [2.0], [3.0]])
    model.fit(x, 4 * x, epochs=50, batch_size=3, verbose=0)
    np.testing.assert_allclose(model.predict([[1.0]]), [[4.0]], rtol=1e-3)
    weights = model.get_weights()
    model.build((1,))
    np.testing.assert_array_equal(model.get_weights(), weights)


def test_the_gradient_of_a_loss_in_float64_goes_back_in_the_models_float_type():
    layer = Watched()
    compiled(layer).fit(np.ones((4, 2)), np.ones((4, 2), int), verbose=0)
    assert set(layer.types) == {np.dtype("float32")}  # one a step


def test_a_subclass_of_softmax_is_not_joined_with_the_loss():
    class Cool(layers.Softmax):
        def forward(self, x, training=False):
            return super().forward(x / 10, training)

    model = compiled(layers.Dense(4), Cool(), width=3, loss=SPARSE)
    x, y = np.random.default_rng(0).normal(size=(8, 3)).astype("f4"), np.arange(8) % 4
    loss, _ = losses.SparseCategoricalCrossentropy().forward(y, model.predict(x))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(loss, rel=1e-5)


def test_a_layer_may_return_one_array_as_two_gradients():
    class Sum(Scale):  # of y = a + b, both gradients are the sum of dy
        def build(self, input_shape, rng=None):
            self.params = {key: np.zeros(1, self.dtype) for key in "ab"}
            self.output_shape = input_shape

        def forward(self, x, training=False):
            return x + self.params["a"] + self.params["b"], None

        def backward(self, dy, cache):
            g = dy.sum(keepdims=True).reshape(1)
            return dy, {"a": g, "b": g}

    model = compiled(Sum(), width=1, optimizer=optimizers.SGD(0.5))
    model.fit(np.zeros((3, 1)), np.full((3, 1), 1.0), batch_size=3, verbose=0)
    np.testing.assert_allclose(model.get_weights(), [[1.0], [1.0]])  # 0.5 * 2 * the error, which is 1


def test_gradients_that_a_layer_keeps_are_not_changed():
    layer = Watched()
    compiled(layer).fit(np.ones((300, 2)), np.zeros((300, 2)), batch_size=100, verbose=0)
    assert len(layer.grads) == 3  # steps
    for array, copy in layer.grads:
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_in_training_a_layer_sees_the_whole_batch_at_once_however_many_threads_there_are(threads):
    class Centred(Scale):
        sizes = ()

        def forward(self, x, training=False):
            self.sizes = (*self.sizes, len(x))
            return super().forward(x - x.mean(axis=0))

    layer = Centred()
    compiled(layer, threads=threads).fit(np.ones((200, 2)), np.zeros((200, 2)), batch_size=150, verbose=0)
    assert layer.sizes == (150, 50)


def test_an_optimizer_gets_parameters_and_gradients_in_the_same_order():
    class Noted(Downhill):
        def update(self, params, grads):
            self.orders = list(params), list(grads)

    optimizer = Noted()
    model = compiled(layers.Dense(2), Scale(), layers.Dense(2), optimizer=optimizer)
    model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)
    assert optimizer.orders == (list(model.params), list(model.params))


def test_what_a_layer_cached_is_released_once_its_backward_is_over():
    class Cache:
        pass

    class Kept(Scale):
        alive = []

        def forward(self, x, training=False):
            cache = Cache()
            cache.x = x
            self.alive.append(weakref.ref(cache))
            return super().forward(x)[0], cache

        def backward(self, dy, cache):
            assert [ref() is not None for ref in self.alive] == [i <= self.number for i in range(3)]
            return super().backward(dy, cache.x)

    stack = [Kept() for _ in range(3)]
    for i, layer in enumerate(stack):
        layer.number = i
    compiled(*stack).fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)
    assert len(Kept.alive) == 3


class Noise(Scale):
    """y = a x + noise in training: a layer that draws."""

    draws = True

    def forward(self, x, training=False, rng=None):
        y, cache = super().forward(x)
        return (y + rng.standard_normal(x.shape) if training else y), cache


class Counted(Scale):
    """A Scale that keeps the largest x it was trained on: a layer with state."""

    def build(self, input_shape, rng=None):
        super().build(input_shape)
        self.state = {"largest": np.zeros((), self.dtype)}

    def update_state(self, cache):
        np.maximum(self.state["largest"], cache.max(), out=self.state["largest"])


def test_a_layer_of_ones_own_may_draw_random_numbers_and_the_models_seed_says_which():
    x, y = np.ones((20, 2)), np.zeros((20, 2))
    learned = []
    for seed, threads in ((0, 1), (0, 2), (1, 1)):
        layer = Noise()
        model = Sequential([layers.Input((2,)), layer], seed=seed, threads=threads)
        model.compile("sgd", MeanSquaredError())
        model.fit(x, y, batch_size=5, verbose=0)
        assert model.predict(x).std() == 0
        learned.append(float(layer.params["a"][0]))
    assert learned[0] == learned[1] != learned[2]


def test_a_layer_of_ones_own_may_have_state_that_training_moves_and_predicting_does_not():
    layer = Counted()
    model = compiled(layer)
    x = np.arange(20.0).reshape(10, 2)
    model.predict(x)
    assert layer.state["largest"] == 0
    model.fit(x, x, validation_data=(100 * x, x), batch_size=4, verbose=0)
    assert layer.state["largest"] == 19
    assert [w.shape for w in model.get_weights()] == [(1,), ()]
    model.set_weights([np.ones(1), 5.0])
    assert layer.state["largest"] == 5


def test_only_fit_runs_layers_in_training():
    layer, x, y = Watched(), np.ones((4, 2)), np.ones((4, 2))
    model = compiled(layer)
    model.predict(x)
    model.evaluate(x, y, verbose=0)
    assert set(layer.training) == {False}
    layer.training.clear()
    model.fit(x, y, verbose=0)
    assert set(layer.training) == {True}
    model.fit(x, y, validation_data=(x, y), verbose=0)
    assert set(layer.training) == {True, False}


@pytest.mark.parametrize("behind", [[], [layers.Dense(3, "softmax")]])
def test_a_layers_own_attributes_may_have_any_name(behind):
    class Named(Scale):
        activation, operation, geometry, conv, joined = "tanh", "add", (1,), None, True

    model = compiled(Named(name="n"), *behind)
    model.fit(np.ones((4, 2)), np.ones((4, model.output_shape[0])), verbose=0)
    printed = []
    model.summary(print_fn=printed.append)
    assert "n (Named)" in printed[0]


def test_predict_sees_what_a_user_changes_on_a_layer():
    class Times(Scale):
        rate = 1

        def forward(self, x, training=False):
            return self.rate * x, None

    times, dense = Times(), layers.Dense(1, kernel_initializer="ones")
    model = Sequential([layers.Input((1,)), times, dense])
    assert model.predict([[-1.0]]) == -1
    times.rate = 5
    assert model.predict([[-1.0]]) == -5
    dense.activation = layers.ReLU()
    dense.activation.build((1,))
    assert model.predict([[-1.0]]) == 0
    dense.params["bias"][:] = 6
    assert model.predict([[-1.0]]) == 1
    dense.use_bias = False
    assert model.predict([[-1.0]]) == 0


def test_a_parameter_without_axes_learns():
    layer = Scale()
    layer.shape = ()
    model = compiled(layer, width=1, optimizer=optimizers.SGD(0.5))
    model.fit(np.ones((200, 1)), np.zeros((200, 1)), batch_size=200, verbose=0)
    np.testing.assert_allclose(model.get_weights(), [0], atol=1e-6)  # 1 - 0.5 * 2 * the error, which is 1


def test_a_layer_of_ones_own_is_named_where_it_cannot_be_saved_whatever_its_arguments(tmp_path):
    class Power(Scale):
        def __init__(self, exponent, **common):
            super().__init__(**common)

    with pytest.raises(ValueError, match="Power 'power' cannot be saved"):
        compiled(Power(2)).save(tmp_path / "model.keras")


def test_a_model_that_is_refused_leaves_its_layers_as_they_were():
    conv = layers.Conv2D(2, 9)
    before = dict(vars(conv))
    with pytest.raises(ValueError, match="larger than the 4 x 4 input"):
        Sequential([layers.Input((4, 4, 1)), conv], dtype="float64", kernels="loops")
    assert vars(conv) == before


def test_fit_builds_a_model_without_input_once():
    model = Sequential([Watched()])
    model.compile("sgd", MeanSquaredError())
    model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)
    assert model.layers[0].shapes == [(2,)]


def build_in_float64(self, input_shape, rng=None):
    self.params, self.output_shape = {"a": np.ones(1)}, input_shape


def state_in_float64(self, input_shape, rng=None):
    Scale.build(self, input_shape)
    self.state = {"s": np.ones(1)}


@pytest.mark.parametrize(
    ("name", "method", "error", "said"),
    [
        ("build", state_in_float64, ValueError, "Wrong 'w': build made 's' a float64 array.*float32; use self.dtype"),
        ("__init__", lambda self, name: None, TypeError, r"Wrong.__init__ must call super\(\).__init__\(\)"),
        ("build", build_in_float64, ValueError, "Wrong 'w': build made 'a' a float64 array.*float32; use self.dtype"),
        (
            "forward",
            lambda self, x, training: x,
            TypeError,
            r"Wrong 'w': forward must return \(y, cache\), got ndarray",
        ),
        ("backward", lambda self, dy, cache: dy, TypeError, r"Wrong 'w': .* must return \(dx, grads\), got ndarray"),
        ("backward", lambda self, dy, cache: (dy, {}), ValueError, "Wrong 'w': backward gave gradients for .*'a'"),
    ],
)
def test_a_layer_that_breaks_the_contract_is_named(name, method, error, said):
    layer = type("Wrong", (Scale,), {name: method})(name="w")
    with pytest.raises(error, match=said):
        compiled(layer).fit(np.ones((2, 2)), np.ones((2, 2)), verbose=0)


def test_labels_are_checked_once_a_call_and_not_once_a_step(monkeypatch):
    checks = []
    check = losses.SparseCategoricalCrossentropy.check_labels
    counting = lambda self, labels, shape: checks.append(shape) or check(self, labels, shape)  # noqa: E731
    monkeypatch.setattr(losses.SparseCategoricalCrossentropy, "check_labels", counting)
    model = compiled(layers.Dense(3, activation="softmax"), loss=SPARSE)
    model.fit(np.ones((40, 2)), np.zeros(40, int), batch_size=4, epochs=2, verbose=0)
    assert checks == [(40, 3)]


def test_a_layer_in_two_models_shares_its_weights_and_runs_on_each_models_own_rung():
    # As in Keras: a model of another's first layers shows what these see. It must not change the other.
    dense = layers.Dense(2)
    first = Sequential([layers.Input((2,)), dense], kernels="loops")
    second = Sequential(first.layers, kernels="im2col")
    assert first.params["dense/kernel"] is second.params["dense/kernel"]
    printed = []
    for model in (first, second):
        model.summary(print_fn=printed.append)
    assert [table.count("loops") for table in printed] == [1, 0]
    assert [model._plan_of_predict().steps[0].rung for model in (first, second)] == ["loops", "im2col"]
    assert dense.kernels is None and dense.rung == "loops"  # on its own, a layer runs as in the first


def test_a_fit_that_is_refused_leaves_an_unbuilt_model_unbuilt():
    model, fresh = (Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")]) for _ in range(2))
    model.compile("adam", SPARSE)
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        model.fit(np.ones((5, 28)), [9] * 5, verbose=0)
    assert model.input_shape is None and model.layers[1].params == {}
    for m in (model, fresh):
        m.build((4, 4))
    np.testing.assert_array_equal(model.get_weights()[0], fresh.get_weights()[0])


def test_a_softmax_in_front_of_a_loss_from_logits_is_warned_of():
    with pytest.warns(UserWarning, match="from_logits=True"):
        compiled(layers.Dense(3, activation="softmax"), loss=losses.SparseCategoricalCrossentropy(from_logits=True))
