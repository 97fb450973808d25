"""Who checks the checker? Layers that are wrong on purpose, each in one way, and what has to be said about them."""

import numpy as np
import pytest
from cases import normal, small_batch, small_model, spaced

from npcnn import Sequential, layers, losses
from npcnn.gradient_check import METHODS, GradientError, check_layer, check_loss, check_model
from npcnn.layers.layer import Layer


class Scale(Layer):
    """A right layer to make wrong ones of: y = a x, one a for each feature."""

    def build(self, input_shape, rng=None):
        super().build(input_shape)
        self.params = {"a": np.linspace(1, 2, input_shape[-1]).astype(self.dtype or "float32")}

    def forward(self, x, training=False):
        return x * self.params["a"], (x, self.params["a"])

    def backward(self, dy, cache):
        x, a = cache
        return dy * a, {"a": (dy * x).sum(axis=0)}


@pytest.mark.parametrize("method", METHODS)
def test_a_right_layer_of_your_own_passes(method):
    result = check_layer(Scale(), normal((3, 4)), method)
    result.raise_on_failure()
    assert result.passed and result.max_error < result.tolerance
    assert [row.argument for row in result.rows] == ["x", "a"]
    assert [row.checked for row in result.rows] == ([1, 1] if method == "adjoint" else [12, 4])


def test_a_class_that_inherits_nothing_may_be_checked():
    class Double:
        params = {}

        def build(self, input_shape, rng):
            pass

        def forward(self, x, training=False):
            return 2 * x, None

        def backward(self, dy, cache):
            return 2 * dy, {}

    check_layer(Double(), normal((3, 4)), "exact").raise_on_failure()


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_gradient_fails_and_is_located(method):
    class Wrong(Scale):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            grads["a"][2] *= 1.00001
            return dx, grads

    result = check_layer(Wrong(), normal((3, 4)), method)
    assert not result.passed
    x, a = result.rows
    assert x.verdict == "ok" and a.verdict == "FAIL in 1"
    assert a.where == (None if method == "adjoint" else (2,))
    assert a.wrong == [a.where]
    if method != "adjoint":
        np.testing.assert_allclose(a.analytic / a.numeric, 1.00001)
    with pytest.raises(GradientError, match=r"FAIL[\s\S]*a  .*FAIL in 1"):
        result.raise_on_failure()


def test_one_wrong_entry_of_relative_size_1e_11_is_found_by_the_complex_step():
    class SlightlyWrong(layers.Dense):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            grads["kernel"][1, 0] *= 1 + 1e-11
            return dx, grads

    result = check_layer(SlightlyWrong(3, dtype="float64"), normal((5, 4)), "complex")
    assert [row.wrong for row in result.rows] == [[], [(1, 0)], []]


def test_a_softmax_whose_backward_returns_zeros_does_not_pass():
    """It would, if the upstream gradient were all ones: the sum of a softmax is always 1."""

    class Zeros(layers.Softmax):
        def backward(self, dy, cache):
            return np.zeros_like(dy), {}

    assert not check_layer(Zeros(), normal((2, 3))).passed
    assert not check_layer(Zeros(), normal((2, 3)), "complex").passed


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_a_gradient_of_nan_infinity_or_nothing_fails(wrong):
    class Wrong(Scale):
        def backward(self, dy, cache):
            return np.full_like(dy, wrong), super().backward(dy, cache)[1]

    for method in METHODS:
        with np.errstate(invalid="ignore"):
            assert not check_layer(Wrong(), normal((3, 4)), method).passed


# ------------------------------------------------------------------ kinks


def test_a_step_across_the_corner_of_relu_is_called_a_kink_not_an_error():
    result = check_layer(layers.ReLU(), np.array([[-1.0, 1e-6, 2.0, -4e-6, 0.0]]))
    result.raise_on_failure()
    assert result.rows[0].kinks == 3
    assert "kinks" in str(result)


def test_a_step_that_changes_the_winner_of_a_pool_is_called_a_kink_not_an_error():
    x = np.array([1.0, 2, 2 + 3e-6, 0])[None, None, :, None]
    result = check_layer(layers.MaxPool2D((1, 2), 1), x)
    result.raise_on_failure()
    assert result.rows[0].kinks == 2


def test_where_everything_is_a_kink_the_verdict_says_so():
    result = check_layer(layers.ReLU(), np.zeros((2, 3)))
    assert result.passed and result.rows[0].verdict == "kinks only"


@pytest.mark.parametrize("method", ["central", "exact"])
def test_a_wrong_gradient_near_a_kink_is_still_an_error(method):
    """The step meets the corner, but the smaller step does not, and disagrees too."""

    class Wrong(layers.ReLU):
        def backward(self, dy, cache):
            return super().backward(dy, cache)[0] * 1.01, {}

    result = check_layer(Wrong(), np.array([[3e-6, 0.2]]), method)
    assert result.rows[0].wrong == [(0, 0), (0, 1)]


def test_beyond_a_corner_a_gradient_is_not_excused():
    """At the corner itself anything between the slopes on both sides (0 and 1) may be right, and nothing else."""

    class Wrong(layers.ReLU):
        def backward(self, dy, cache):
            return 1.5 * dy, {}

    assert not check_layer(Wrong(), np.zeros((1, 4))).passed


def test_exact_fails_what_is_not_linear():
    assert not check_layer(layers.Softmax(), normal((2, 3)), "exact").passed


def test_exact_steps_back_from_the_kinks_of_a_piecewise_linear_layer():
    result = check_layer(layers.MaxPool2D(2, 1), normal((1, 5, 4, 2)), "exact")
    result.raise_on_failure()
    assert result.rows[0].kinks > 0
    assert check_layer(layers.MaxPool2D(2, 1), spaced((1, 5, 4, 2)), "exact").rows[0].kinks == 0


# ------------------------------------------------------------------ broken promises


class StateOnTheLayer(Scale):
    def forward(self, x, training=False):
        self.x = x
        return super().forward(x)

    def backward(self, dy, cache):
        return super().backward(dy, (self.x, cache[1]))


class ChangesItsInput(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x.copy())
        x *= 2
        return y, cache


class ChangesItsParameter(Scale):
    def backward(self, dy, cache):
        result = super().backward(dy, cache)
        self.params["a"] += 1
        return result


class ChangesDy(Scale):
    def backward(self, dy, cache):
        result = super().backward(dy, cache)
        dy *= 2
        return result


class SpendsItsCache(Scale):
    def backward(self, dy, cache):
        result = super().backward(dy, cache)
        cache[0][...] = 0
        return result

    def forward(self, x, training=False):
        return super().forward(x.copy())


class AddsUp(Scale):
    def build(self, input_shape, rng=None):
        super().build(input_shape, rng)
        self.total = np.zeros(input_shape[-1])

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        self.total += grads["a"]
        return dx, {"a": self.total}


class ReusesItsBuffer(Scale):
    def build(self, input_shape, rng=None):
        super().build(input_shape, rng)
        self.buffer = np.zeros(input_shape[-1])

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        self.buffer[...] = grads["a"]
        return dx, {"a": self.buffer}


class Dice(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        return y + np.random.default_rng().random(), cache


class ForgetsAParameter(Scale):
    def backward(self, dy, cache):
        return super().backward(dy, cache)[0], {}


class InventsAParameter(Scale):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return dx, {**grads, "b": dx}


class WrongShape(Scale):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return dx, {"a": grads["a"][:, None]}


class WrongFloat(Scale):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return dx.astype("float32"), grads


class NoDx(Scale):
    def backward(self, dy, cache):
        return None, super().backward(dy, cache)[1]


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (StateOnTheLayer, "the gradient of a depends on a forward pass in between"),
        (ChangesItsInput, "changed its input x"),
        (ChangesItsParameter, "changed its input a"),
        (ChangesDy, "changed its input dy"),
        (SpendsItsCache, "the gradient of a differs when backward runs a second time"),
        (AddsUp, "the gradient of a differs when backward runs a second time"),
        (ReusesItsBuffer, "the gradient of a is not a fresh array"),
        (Dice, "two results for the same input"),
        (ForgetsAParameter, "no gradient of a"),
        (InventsAParameter, "gradient of 'b', which is not a parameter"),
        (WrongShape, r"the gradient of a is float64 of shape \(4, 1\); a has shape \(4,\)"),
        (WrongFloat, "the gradient of x is float32"),
        (NoDx, "no gradient of x"),
    ],
)
def test_a_layer_that_breaks_its_contract_fails_with_the_reason(layer, what):
    result = check_layer(layer(), normal((3, 4)))
    assert not result.passed
    with pytest.raises(GradientError, match=what):
        result.raise_on_failure()


# ------------------------------------------------------------------ what it refuses, and what it leaves alone


def test_float32_is_refused_with_the_reason():
    with pytest.raises(ValueError, match='kernel is float32; gradients are checked in float64.*dtype="float64"'):
        check_layer(layers.Dense(2, dtype="float32"), normal((3, 4)))
    with pytest.raises(ValueError, match="x is float32"):
        check_layer(layers.ReLU(), normal((3, 4)).astype("float32"))
    with pytest.raises(ValueError, match="y_pred is float32"):
        check_loss("sparse_categorical_crossentropy", [0, 1], normal((2, 3)).astype("float32"))
    with pytest.raises(ValueError, match="conv2d/kernel is float32"):
        check_model(small_model(dtype="float32"), *small_batch())


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method must be one of 'central', 'exact', 'complex', 'adjoint', got 'magic'"):
        check_layer(layers.ReLU(), normal((3, 4)), "magic")


def test_the_complex_step_is_refused_on_the_fused_rung():
    with pytest.raises(ValueError, match="fused kernels take no complex numbers; use 'exact'"):
        check_model(small_model("fused"), *small_batch(), "complex")


def test_a_layer_that_drops_the_imaginary_part_is_told_so():
    class Drops(Scale):
        def forward(self, x, training=False):
            y, cache = super().forward(x)
            return y.real, cache

    with pytest.raises(TypeError, match="Drops: forward drops the imaginary part of x; use method='central'"):
        check_layer(Drops(), normal((3, 4)), "complex")


def test_a_model_must_be_built_and_compiled():
    with pytest.raises(RuntimeError, match="must be built and compiled first"):
        check_model(Sequential([layers.Input((2,)), layers.Dense(2)], dtype="float64"), normal((1, 2)), [0])
    model = Sequential([layers.Dense(2)], dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy")
    with pytest.raises(RuntimeError, match="must be built and compiled first"):
        check_model(model, normal((1, 2)), [0])


def test_checking_leaves_layer_model_and_data_as_they_were():
    layer, x = layers.Dense(3, dtype="float64"), normal((2, 4))
    before = x.copy()
    check_layer(layer, x)
    assert layer.params == {}  # a copy was built
    np.testing.assert_array_equal(x, before)
    layer.build((4,), 0)
    weights = layer.params["kernel"].copy()
    check_layer(layer, x)
    np.testing.assert_array_equal(layer.params["kernel"], weights)
    model, (x, y) = small_model(), small_batch()
    weights = model.get_weights()
    check_model(model, x, y, "central", entries=3)
    for w, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(w, before)


def test_images_of_bytes_are_checked_as_float64():
    x = np.random.default_rng(0).integers(0, 256, (1, 4, 5, 1), dtype=np.uint8)
    check_layer(layers.Conv2D(2, 3), x, "exact").raise_on_failure()


def test_of_large_arrays_a_seeded_sample_is_measured():
    result = check_layer(layers.Dense(6), normal((2, 7)), entries=5)
    assert [row.checked for row in result.rows] == [5, 5, 5]
    assert str(result) == str(check_layer(layers.Dense(6), normal((2, 7)), entries=5))
    assert str(result) != str(check_layer(layers.Dense(6), normal((2, 7)), entries=5, seed=1))


def test_the_tolerance_may_be_chosen():
    assert not check_layer(layers.Softmax(), normal((2, 3)), "complex", tolerance=1e-18).passed


def test_the_table_names_every_argument_with_its_worst_entry():
    lines = str(check_layer(layers.Dense(2), normal((3, 4)), "complex")).splitlines()
    assert lines[0].startswith("Dense, complex, h = 1e-30: ok (largest error ")
    assert lines[1].split()[:5] == ["argument", "shape", "checked", "error", "where"]
    assert lines[1].split()[5:] == ["analytic", "numeric", "kinks", "verdict"]
    assert [line.split()[0] for line in lines[2:]] == ["x", "kernel", "bias"]
    assert all(line.endswith("  0  ok") for line in lines[2:])


def test_a_wrong_loss_gradient_fails():
    class MeanTwice(losses.SparseCategoricalCrossentropy):
        def backward(self, cache):
            return super().backward(cache) / len(cache[0])

    assert not check_loss(MeanTwice(from_logits=True), [0, 2], normal((2, 3))).passed
