"""Who checks the checker? Layers that are wrong on purpose, each in one way, and what has to be said about them."""

import numpy as np
import pytest
from cases import normal, small_batch, small_model, spaced

from npcnn import Sequential, layers, losses
from npcnn.datasets import mnist
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


@pytest.mark.parametrize(("method", "h"), [("central", 1e-5), ("complex", 1e-30), ("adjoint", 1e-30)])
def test_a_right_curve_passes_except_by_exact(method, h):
    result = check_layer(layers.Softmax(), normal((2, 3)), method)
    result.raise_on_failure()
    assert result.h == h
    assert result.max_error < (1e-7 if method == "central" else 1e-12)


def test_backward_may_read_the_parameters():
    class Reads(Scale):
        def forward(self, x, training=False):
            return x * self.params["a"], x

        def backward(self, dy, x):
            return super().backward(dy, (x, self.params["a"]))

    for method in METHODS:
        check_layer(Reads(), normal((3, 4)), method).raise_on_failure()


def test_a_layer_that_is_built_is_checked_with_the_parameters_it_has():
    layer = Scale(dtype="float64")
    layer.build((4,))
    layer.params["a"][...] = [0.5, -3, 7, 11]
    row = check_layer(layer, normal((1, 4)), "complex").rows[0]
    dy = np.random.default_rng([0, 1]).standard_normal((1, 4))
    assert row.checked == 4 and row.analytic in dy * layer.params["a"]


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


def test_what_has_parameters_is_not_built_again():
    class Times(Scale):
        def __init__(self):
            self.params = {"a": np.array([1.0, 2, 3, 4])}

        def build(self, input_shape, rng=None):
            raise AssertionError

    check_layer(Times(), normal((3, 4)), "exact").raise_on_failure()


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


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 0.0])
@pytest.mark.parametrize("method", METHODS)
def test_a_gradient_of_nan_infinity_or_nothing_fails_and_is_located(method, wrong):
    class Wrong(Scale):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            dx[1, 2] = wrong
            return dx, {"a": wrong * grads["a"]}

    with np.errstate(invalid="ignore"):
        for width in (1, 4):
            x, a = check_layer(Wrong(), normal((3, 3 + width)), method).rows
            place = None if method == "adjoint" else (1, 2)
            assert x.wrong == [place] and x.where == place
            assert len(a.wrong) == (1 if method == "adjoint" else 3 + width)
        assert not check_layer(Wrong(), normal((3, 3)), method).passed


@pytest.mark.parametrize("method", ["complex", "central", "adjoint"])
def test_of_a_small_output_a_gradient_of_zeros_is_wrong_too(method):
    class Faint(Scale):
        def forward(self, x, training=False):
            y, cache = super().forward(x)
            return 1e-13 * y, cache

        def backward(self, dy, cache):
            dx, grads = super().backward(self.factor * dy, cache)
            return dx, grads

    for Faint.factor in (1e-13, 0):
        assert check_layer(Faint(), normal((3, 4)), method).passed == (Faint.factor > 0)


@pytest.mark.parametrize("method", METHODS)
def test_dy_is_not_what_anybody_would_draw_for_x(method):
    """With dy equal to x, dw = x^T dy would be symmetric, and its transpose right."""

    class Transposed(layers.Dense):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            return dx, {**grads, "kernel": grads["kernel"].T}

    assert not check_layer(Transposed(4), np.random.default_rng(0).standard_normal((3, 4)), method).passed


def test_where_a_step_leads_to_nan_nothing_is_confirmed():
    class WrongLog(Layer):
        def forward(self, x, training=False):
            return np.log(x), x

        def backward(self, dy, x):
            return 17 * dy, {}

    with np.errstate(invalid="ignore"):
        row = check_layer(WrongLog(), np.array([[1e-6, 3e-6]])).rows[0]
    assert len(row.wrong) == 2 and row.error == np.inf


@pytest.mark.parametrize("method", ["complex", "adjoint"])
@pytest.mark.parametrize("norm", [lambda x: np.abs(x).sum(axis=1), lambda x: np.linalg.norm(x, axis=1), np.std])
def test_a_complex_step_that_does_not_see_everything_is_found_out(norm, method):
    """np.abs and its like are real: their derivative is lost, and a backward pass that forgets it would pass."""

    class Forgets(Layer):
        def forward(self, x, training=False):
            size = np.reshape(norm(x), (-1, 1))
            return x / size, size

        def backward(self, dy, size):
            return dy / size, {}

    result = check_layer(Forgets(), normal((3, 4)), method)
    assert not any(row.wrong for row in result.rows)
    with pytest.raises(GradientError, match="forward is no analytic function of x"):
        result.raise_on_failure()
    assert not check_layer(Forgets(), normal((3, 4)), "central").passed


def test_a_parameter_that_y_ignores_may_have_a_gradient_of_zeros():
    class Idle(Scale):
        def build(self, input_shape, rng=None):
            super().build(input_shape, rng)
            self.params["idle"] = np.ones(2)

        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            return dx, {**grads, "idle": np.zeros(2)}

    for method in METHODS:
        check_layer(Idle(), normal((3, 4)), method).raise_on_failure()


@pytest.mark.parametrize("size", [1e-6, 1, 1e3])
def test_large_and_small_numbers_are_checked_as_well(size):
    for layer in (layers.Dense(3), layers.ReLU(), layers.MaxPool2D(2)):
        x = size * normal((2, 4, 4, 2) if isinstance(layer, layers.MaxPool2D) else (2, 32))
        for method in ("central", "complex", "adjoint"):
            check_layer(layer, x, method).raise_on_failure()


@pytest.mark.parametrize("logit", [10, 15, 18, 20, 30, 100])
def test_a_small_loss_is_no_reason_to_fail(logit):
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    for method in ("central", "complex", "adjoint"):
        check_loss(loss, [0], np.array([[logit, 0.0, 1.0]]), method).raise_on_failure()


def test_what_cancels_is_measured_by_its_neighbours_and_rounding_is_no_error():
    """Softmax far from the middle: slopes of 1e-17, which are the rounding of y = 1, beside others."""
    for seed in range(10):
        check_layer(layers.Softmax(), np.array([[0, 40.0, 3], [700, 0, 1]]), "complex", seed=seed).raise_on_failure()


def test_if_the_rest_of_a_large_array_stands_at_a_corner_a_right_sample_is_not_enough():
    x = spaced((6, 10))
    x[3] = 0
    for method in ("central", "exact"):
        with pytest.raises(GradientError, match="x is checked at 5 places only"):
            check_layer(layers.ReLU(), x, method, entries=5).raise_on_failure()
    check_layer(layers.ReLU(), x, "complex", entries=5).raise_on_failure()


def test_of_a_large_array_a_wrong_row_that_the_sample_may_miss_fails_all_the_same():
    class LastImage(Scale):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            dx[-1] *= 1.001
            return dx, grads

    for method in METHODS:
        result = check_layer(LastImage(), normal((60, 40)), method, entries=1)
        assert None in result.rows[0].wrong
        assert result.rows[1].verdict == "ok"


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


@pytest.mark.parametrize("method", ["central", "exact"])
@pytest.mark.parametrize("distance", [0.3, 1e-3, 9e-5, 3e-6, 2e-7, 1e-8, 1e-12, 0.0])
def test_a_kink_is_found_however_near_it_is(distance, method):
    for x in (distance, -distance):
        result = check_layer(layers.ReLU(), np.array([[x, 1.4]]), method)
        result.raise_on_failure()
        assert result.rows[0].kinks == (distance < result.h)
        assert result.rows[0].measured == (2 if distance > result.h / 1e5 else 1)  # nearer, the smallest step meets it


@pytest.mark.parametrize("pair", [(1, 1 + 3e-9), (1 + 3e-9, 1), (1, 1)])
def test_a_near_tie_is_a_kink_and_large_numbers_beside_it_do_not_count_as_rounding(pair):
    result = check_layer(layers.MaxPool2D((1, 2)), np.array([*pair, 1e3, 0])[None, None, :, None])
    result.raise_on_failure()
    assert (result.rows[0].kinks, result.rows[0].measured) == (2, 2)


def test_a_pool_on_random_numbers_has_kinks_at_every_distance_and_none_of_them_is_an_error():
    for seed in range(5):
        result = check_layer(layers.MaxPool2D(2, 1), normal((2, 6, 7, 3), seed), "exact")
        result.raise_on_failure()
        assert result.rows[0].kinks > 50


def test_where_everything_stands_at_a_corner_nothing_is_proved_and_the_check_fails():
    class Nonsense(layers.ReLU):
        def backward(self, dy, cache):
            return 0.37 * dy, {}

    for layer in (layers.ReLU(), Nonsense()):
        result = check_layer(layer, np.zeros((2, 3)))
        assert not result.passed and result.rows[0].verdict == "kinks only"
        assert result.max_error == np.inf
        with pytest.raises(GradientError, match="x stands at kinks only"):
            result.raise_on_failure()


def test_rounding_is_no_kink():
    """y holds a large number, so that its slope is measured badly: an error of 1e-6 must not hide behind that."""

    class FarOff(Scale):
        def forward(self, x, training=False):
            y, cache = super().forward(x)
            return y + 100, cache

        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            return self.factor * dx, grads

    for FarOff.factor in (1, 1 + 1e-6, 0):
        result = check_layer(FarOff(), normal((3, 4)))
        assert result.passed == (FarOff.factor == 1)
        assert (len(result.rows[0].wrong) > 6) == (FarOff.factor != 1)  # of 12, some of them small


@pytest.mark.parametrize(("method", "error"), [("exact", 1e-11), ("exact", 1e-10), ("central", 3e-7)])
def test_a_small_error_is_no_kink(method, error):
    class SlightlyWrong(layers.Dense):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            return dx * (1 + error), grads

    result = check_layer(SlightlyWrong(3), normal((6, 4)), method)
    assert len(result.rows[0].wrong) > 12  # of 24; the others' are small beside the typical one


def test_a_curve_is_no_kink():
    """Of y = exp(5 x) left and right slope differ by 3e-4 over a step of 1e-5: no room for an error of 1e-6."""

    class Exponential(Layer):
        def forward(self, x, training=False):
            y = np.exp(5 * x)
            return y, y

        def backward(self, dy, y):
            return self.factor * 5 * y * dy, {}

    for Exponential.factor in (1, 1 + 1e-6):
        result = check_layer(Exponential(), normal((3, 4)))
        assert result.passed == (Exponential.factor == 1)
        assert result.rows[0].kinks == 0


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
    class Softplus(Layer):
        def forward(self, x, training=False):
            return np.log(1 + np.exp(x)), x

        def backward(self, dy, x):
            return dy / (1 + np.exp(-x)), {}

    for layer in (layers.Softmax(), Softplus()):
        assert check_layer(layer, normal((2, 12))).passed
        row = check_layer(layer, normal((2, 12)), "exact").rows[0]
        assert len(row.wrong) > 20


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


class ChangesItsInputOnce(layers.ReLU):
    def forward(self, x, training=False):
        np.maximum(x, 0, out=x)
        return super().forward(x.copy())


class RoundsItsParameter(Scale):
    def forward(self, x, training=False):
        np.round(self.params["a"], 1, out=self.params["a"])
        return super().forward(x)


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


class ReusesItsOutput(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        if getattr(self, "y", y[:0]).shape != y.shape:
            self.y = np.empty_like(y)
        self.y[...] = y
        return self.y, cache


class ReusesItsDx(ReusesItsOutput):
    def forward(self, x, training=False):
        return Scale.forward(self, x)

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return ReusesItsOutput.forward(self, dx / self.params["a"])[0], grads


class KeepsTheShape(layers.Flatten):
    def forward(self, x, training=False):
        self.shape = x.shape
        return super().forward(x)

    def backward(self, dy, cache):
        return dy.reshape(self.shape), {}


class LosesTheLastBit(SpendsItsCache):
    def backward(self, dy, cache):
        result = Scale.backward(self, dy, cache)
        cache[0][...] *= 1 + 2.0**-52
        return result


class SpendsItsList(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        return y, list(cache)

    def backward(self, dy, cache):
        a = cache.pop()
        return super().backward(dy, (cache.pop(), a))


class OnlyOneBatchSize(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        return y + np.zeros((3, 4)), cache


class ClipsDy(Scale):
    def backward(self, dy, cache):
        return super().backward(np.clip(dy, -5, 5), cache)


class DropsSmallDy(Scale):
    def backward(self, dy, cache):
        return super().backward(dy * (abs(dy) > 1e-3), cache)


class RemembersInItsCache(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        return y, (cache, {})

    def backward(self, dy, cache):
        cache, remembered = cache
        if not remembered:
            remembered["dx"], remembered["grads"] = super().backward(dy, cache)
        return remembered["dx"], dict(remembered["grads"])


class ReusesItsDictionary(Scale):
    grads = {}

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        self.grads.update(grads)
        return dx, self.grads


class KeepsItsWeightsElsewhere(Scale):
    def build(self, input_shape, rng=None):
        super().build(input_shape, rng)
        self.a = self.params["a"]

    def forward(self, x, training=False):
        return x * self.a, (x, self.a)


class ComputesInFloat32(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        return y.astype("float32").astype("float64") + 100, cache

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return 0 * dx, {"a": 0 * grads["a"]}


class TwoDx(Scale):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return 0 * dx, {**grads, "x": dx}


class AList(Scale):
    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        return dx, {"a": grads["a"].tolist()}


class Dice(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        return y + np.random.default_rng().random(), cache


class ForgetsLater(Scale):
    def forward(self, x, training=False):
        y, cache = super().forward(x)
        return y, [cache, 1]

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache[0])
        cache[1] -= 1
        return dx, grads if cache[1] == 0 else {}


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
        (StateOnTheLayer, "the gradient of a depends on another forward pass: keep state in the cache"),
        (KeepsTheShape, "backward fails after another forward pass; keep state in the cache"),
        (OnlyOneBatchSize, "fails with one more example"),
        (ChangesItsInput, "changed its input x"),
        (ChangesItsInputOnce, "changed its input x"),
        (RoundsItsParameter, "changed its input a"),
        (ChangesItsParameter, "changed its input a"),
        (ChangesDy, "changed its input dy"),
        (SpendsItsCache, "the gradient of a differs when backward runs a second time"),
        (LosesTheLastBit, "the gradient of a differs when backward runs a second time"),
        (SpendsItsList, "backward fails when it runs a second time on the same cache: IndexError"),
        (ForgetsLater, "the gradient of a differs when backward runs a second time"),
        (RemembersInItsCache, "the gradient of x is not proportional to dy"),
        (ClipsDy, "the gradient of a is not proportional to dy"),
        (DropsSmallDy, "the gradient of a is not proportional to dy"),
        (KeepsItsWeightsElsewhere, "forward takes no notice of a change of a"),
        (ComputesInFloat32, "computed in float32"),
        (AddsUp, "the gradient of a differs when backward runs a second time"),
        (ReusesItsBuffer, "the gradient of a is not a fresh array"),
        (ReusesItsOutput, "the output is not a fresh array"),
        (ReusesItsDictionary, "grads is the same dictionary as before"),
        (ReusesItsDx, "the gradient of x is not a fresh array"),
        (Dice, "two results for the same input"),
        (ForgetsAParameter, "the gradient of a is missing"),
        (InventsAParameter, "gradient of 'b', which is not a parameter"),
        (WrongShape, r"the gradient of a is float64 of shape \(4, 1\), not float64 of shape \(4,\)"),
        (WrongFloat, "the gradient of x is float32"),
        (NoDx, "the gradient of x is missing"),
        (TwoDx, "which is not a parameter"),
        (AList, "the gradient of a is a list, not an array"),
    ],
)
def test_a_layer_that_breaks_its_contract_fails_with_the_reason(layer, what):
    result = check_layer(layer(), normal((3, 4)))
    assert not result.passed
    with pytest.raises(GradientError, match=what):
        result.raise_on_failure()


def test_one_mistake_is_said_once():
    assert len(check_layer(KeepsTheShape(), normal((3, 4))).problems) == 1
    assert len(check_layer(LosesTheLastBit(), normal((3, 4))).problems) == 1


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_measured_is_said_and_does_not_stop_the_rest(method):
    for layer in (KeepsItsWeightsElsewhere(), ForgetsAParameter(), WrongShape()):
        result = check_layer(layer, normal((3, 4)), method)
        assert not result.passed and [row.argument for row in result.rows] == ["x"]


def test_state_on_the_layer_is_noticed_where_all_examples_are_alike():
    for x in (np.ones((1, 1)), np.ones((3, 4))):
        with pytest.raises(GradientError, match="the gradient of a depends on another forward pass"):
            check_layer(StateOnTheLayer(), x, "complex").raise_on_failure()


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


def test_float32_inside_is_refused_with_the_reason():
    class Float32(Scale):
        def forward(self, x, training=False):
            y, cache = super().forward(x)
            return y.astype("float32"), cache

    with pytest.raises(ValueError, match="Float32: forward returns float32 .* needs float64 throughout"):
        check_layer(Float32(), normal((3, 4)))


@pytest.mark.parametrize(
    ("x", "what"),
    [
        (np.zeros((0, 3)), r"x holds nothing, shape \(0, 3\)"),
        (np.array([[1, np.nan]]), "x holds NaN or infinity"),
        (np.array([[1, np.inf]]), "x holds NaN or infinity"),
        (np.array([[1j]]), "x is complex128"),
        (np.array([["a"]]), "x is <U1"),
    ],
)
def test_what_has_no_gradient_is_refused(x, what):
    with pytest.raises(ValueError, match=f"ReLU: {what}"):
        check_layer(layers.ReLU(), x)


@pytest.mark.parametrize(("value", "what"), [(2.0, "must be a NumPy array, got float"), (np.arange(4), "is int64")])
def test_a_parameter_is_an_array_of_float64(value, what):
    class Odd(Scale):
        def build(self, input_shape, rng=None):
            super().build(input_shape, rng)
            self.params["a"] = value

    with pytest.raises(ValueError, match=f"Odd: a {what}"):
        check_layer(Odd(), normal((3, 4)))


def test_methods_that_do_not_return_what_a_layers_methods_return_are_told_so():
    class NoCache(Scale):
        def forward(self, x, training=False):
            return super().forward(x)[0]

    class NoGrads(Scale):
        def backward(self, dy, cache):
            return super().backward(dy, cache)[0]

    class NoDictionary(Scale):
        def backward(self, dy, cache):
            return super().backward(dy, cache)[0], None

    class Endless(Scale):
        def forward(self, x, training=False):
            y, cache = super().forward(x)
            return y / 0, cache

    class Three(Scale):
        def forward(self, x, training=False):
            return (*super().forward(x), None)

    with pytest.raises(TypeError, match=r"Three: forward must return \(y, cache\), got tuple"):
        check_layer(Three(), normal((3, 4)))
    for layer, what in ((NoCache, r"forward must return \(y, cache\)"), (NoGrads, r"must return \(dx, grads\)")):
        with pytest.raises(TypeError, match=f"{layer.__name__}: .*{what}, got ndarray"):
            check_layer(layer(), normal((3, 4)))
    with pytest.raises(TypeError, match="NoDictionary: grads must be a dictionary"):
        check_layer(NoDictionary(), normal((3, 4)))
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match="Endless: forward returns NaN or infinity"):
        check_layer(Endless(), normal((3, 4)))
    with pytest.raises(TypeError, match=r"takes a layer, an object with .*, got <class '.*Scale'>"):
        check_layer(Scale, normal((3, 4)))
    with pytest.raises(ValueError, match="x must be a batch of inputs"):
        check_layer(Scale(), np.float64(1))
    with pytest.raises(TypeError, match="takes a layer, .* got 'relu'"):
        check_layer("relu", normal((3, 4)))


def test_a_parameter_cannot_be_called_as_the_input_is():
    layer = Scale()
    layer.build((4,))
    layer.params = {"x": layer.params["a"]}
    with pytest.raises(ValueError, match="'x' is what the input is called here"):
        check_layer(layer, normal((3, 4)))


@pytest.mark.parametrize("options", [{"entries": 0}, {"tolerance": 0.0}, {"tolerance": np.nan}, {"tolerance": np.inf}])
def test_options_that_would_let_everything_pass_are_refused(options):
    with pytest.raises(ValueError, match=f"{list(options)[0]} must be"):
        check_layer(layers.Softmax(), normal((2, 3)), **options)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="got \\['central'\\]"):
        check_layer(layers.ReLU(), normal((3, 4)), ["central"])
    with pytest.raises(ValueError, match="method must be one of 'central', 'exact', 'complex', 'adjoint', got 'magic'"):
        check_layer(layers.ReLU(), normal((3, 4)), "magic")


def test_the_complex_step_is_refused_on_the_fused_rung():
    with pytest.raises(ValueError, match="fused kernels take no complex numbers; use 'exact'"):
        check_model(small_model("fused"), *small_batch(), "complex")
    result = check_model(small_model("fused"), *small_batch())  # by dot products of differences
    assert result.passed and (result.h, result.tolerance) == (1e-6, 1e-7)


def test_on_the_fused_rung_the_complex_step_is_refused_only_where_three_layers_are_fused():
    check_layer(layers.Conv2D(2, 3, kernels="fused"), normal((1, 4, 5, 1)), "complex").raise_on_failure()
    stack = [layers.Input((5, 4, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3, activation="softmax")]
    model = Sequential(stack, kernels="fused", dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy")
    check_model(model, normal((3, 5, 4, 1)), [0, 1, 2], "complex").raise_on_failure()


def test_a_layer_that_drops_the_imaginary_part_is_told_so():
    class Drops(Scale):
        def forward(self, x, training=False):
            y, cache = super().forward(x)
            return y.real, cache

    class TakesNone(Scale):
        def forward(self, x, training=False):
            return np.logaddexp(x, 0), (x, self.params["a"])

    with pytest.raises(TypeError, match="Drops: forward drops the imaginary part of x; use method='central'"):
        check_layer(Drops(), normal((3, 4)), "complex")
    with pytest.raises(TypeError, match="TakesNone: forward takes no complex numbers .* use method='central'"):
        check_layer(TakesNone(), normal((3, 4)), "complex")


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


@pytest.mark.parametrize("what", ["x", "scale/a"])
def test_what_a_layer_of_a_model_changes_is_found_out_and_the_users_arrays_are_not_changed(what):
    class Grabs(Scale):
        default_name = "scale"

        def forward(self, x, training=False):
            np.round(x if what == "x" else self.params["a"], 1, out=x if what == "x" else self.params["a"])
            return super().forward(x.copy())

    model = Sequential([layers.Input((4,)), Grabs(), layers.Dense(3, activation="softmax")], dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy")
    x, weights = normal((3, 4)), model.get_weights()
    before = x.copy()
    result = check_model(model, x, [0, 1, 2], "central")
    if what != "x":  # of that, a training step gives the layers copies
        assert f"forward or backward changed its input {what}" in result.problems
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_state_on_a_layer_is_found_out_in_a_model():
    model = Sequential([layers.Input((3, 4)), KeepsTheShape(), layers.Dense(3, activation="softmax")], dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy")
    with pytest.raises(RuntimeError, match="a layer keeps what belongs into the cache"):
        check_model(model, normal((3, 3, 4)), [0, 1, 2])


def test_a_model_is_checked_in_training_and_by_its_input_too():
    class OnlyInTraining(Scale):
        def forward(self, x, training=False):
            y, cache = super().forward(x)
            return (y if training else 0 * y), cache

    class WrongDx(Scale):
        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            return 2 * dx, grads

    for layer in (OnlyInTraining(), WrongDx()):
        model = Sequential([layers.Input((4,)), layer, layers.Dense(3, activation="softmax")], dtype="float64")
        model.compile(loss="sparse_categorical_crossentropy")
        x, *others = check_model(model, normal((3, 4)), [0, 1, 2], "complex").rows
        assert x.verdict == ("ok" if isinstance(layer, OnlyInTraining) else "FAIL in 12")
        assert all(row.verdict == "ok" for row in others)


@pytest.mark.parametrize("rung", ["jit", "fused"])
def test_on_real_digits_full_of_corners_a_right_model_has_no_wrong_gradient(rung):
    """Their black background puts whole images at ReLU's corner and into ties; the complex step alone can see there."""
    (x, y), _ = mnist.load_data("sample")
    stack = [layers.Input((28, 28, 1)), layers.Conv2D(3, 3, activation="relu"), layers.MaxPool2D(2)]
    stack += [layers.Flatten(), layers.Dense(10, activation="softmax")]
    model = Sequential(stack, kernels=rung, dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy")
    x, y = x[:5, ..., None] / 255, y[:5]
    result = check_model(model, x, y)
    assert not any(row.wrong for row in result.rows)
    assert result.passed == (rung == "jit")
    assert rung == "jit" or "use method='complex' and kernels='jit'" in str(result)
    for row in check_model(model, x, y, "central", entries=20).rows:
        assert not row.wrong


def test_a_layer_that_looks_at_the_whole_batch_sees_a_shard_in_a_model_and_is_checked_so():
    class Centred(Scale):
        def forward(self, x, training=False):
            return super().forward(x - x.mean(axis=0))

        def backward(self, dy, cache):
            dx, grads = super().backward(dy, cache)
            return dx - dx.mean(axis=0), grads

    model = Sequential([layers.Input((4,)), Centred(), layers.Dense(3, activation="softmax")], dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy")
    check_model(model, normal((5, 4)), [0, 1, 2, 0, 1], "complex").raise_on_failure()


def test_training_is_passed_on():
    class InTraining(Scale):
        def forward(self, x, training=False):
            y, (x, a) = super().forward(x)
            return (2 * y, (2 * x, 2 * a)) if training else (y, (x, a * 3))

    assert check_layer(InTraining(), normal((3, 4)), training=True).passed
    assert not check_layer(InTraining(), normal((3, 4))).passed


def test_images_of_bytes_are_checked_as_float64():
    x = np.random.default_rng(0).integers(0, 256, (1, 4, 5, 1), dtype=np.uint8)
    check_layer(layers.Conv2D(2, 3), x, "exact").raise_on_failure()


def test_of_large_arrays_a_seeded_sample_is_measured():
    result = check_layer(layers.Dense(6), normal((2, 7)), entries=5)
    assert [row.checked for row in result.rows] == [6, 6, 6]  # the sample, and all at once
    assert str(result) == str(check_layer(layers.Dense(6), normal((2, 7)), entries=5))
    assert str(result) != str(check_layer(layers.Dense(6), normal((2, 7)), entries=5, seed=1))


def test_up_to_500_entries_are_measured_one_by_one():
    for size, checked in ((500, 500), (501, 501), (502, 501)):
        assert check_layer(layers.ReLU(), spaced((1, size)), "exact").rows[0].checked == checked


def test_the_tolerance_may_be_chosen():
    assert not check_layer(layers.Softmax(), normal((2, 3)), "complex", tolerance=1e-18).passed


def test_the_table_names_every_argument_with_its_worst_entry():
    lines = str(check_layer(layers.Dense(2), normal((3, 4)), "complex")).splitlines()
    assert lines[0].startswith("Dense, complex, h = 1e-30: ok (largest error ")
    assert lines[1].split()[:5] == ["argument", "shape", "checked", "error", "where"]
    assert lines[1].split()[5:] == ["analytic", "numeric", "kinks", "verdict"]
    assert [line.split()[0] for line in lines[2:]] == ["x", "kernel", "bias"]
    assert all(line.endswith("  0  ok") for line in lines[2:])


class SquaredDistance:
    def forward(self, y_true, y_pred):
        return ((y_pred - y_true) ** 2).mean(), (y_true, y_pred)

    def backward(self, cache):
        y_true, y_pred = cache
        return 2 * (y_pred - y_true) / y_pred.size


@pytest.mark.parametrize("method", ["central", "complex", "adjoint"])
def test_a_loss_of_your_own_may_return_a_number_of_any_kind(method):
    class Number(SquaredDistance):
        def forward(self, y_true, y_pred):
            value, cache = super().forward(y_true, y_pred)
            return value.item(), cache

    for loss in (SquaredDistance(), Number()):
        check_loss(loss, normal((2, 3)), normal((2, 3), 2), method).raise_on_failure()


def test_labels_may_be_a_single_number_or_row():
    for y_true in (np.array(0.5), normal((1, 3))):
        check_loss(SquaredDistance(), y_true, normal((4, 3), 2)).raise_on_failure()


def test_a_loss_that_changes_the_labels_is_found_out_and_they_are_not_changed():
    class Clips(SquaredDistance):
        def forward(self, y_true, y_pred):
            np.clip(y_true, 0, 1, out=y_true)
            return super().forward(y_true, y_pred)

    y_true = normal((2, 3))
    before = y_true.copy()
    result = check_loss(Clips(), y_true, normal((2, 3), 2))
    assert "forward or backward changed its input y_true" in result.problems
    np.testing.assert_array_equal(y_true, before)


def test_a_loss_is_one_number():
    class OneEach(SquaredDistance):
        def forward(self, y_true, y_pred):
            return ((y_pred - y_true) ** 2).mean(axis=1), (y_true, y_pred)

    with pytest.raises(TypeError, match=r"OneEach: a loss is one number, got an array of shape \(2,\)"):
        check_loss(OneEach(), normal((2, 3)), normal((2, 3), 2))


def test_of_a_direction_the_table_says_that_it_meets_all_at_once_and_of_kinks_only_nothing():
    assert "  all at once  " in str(check_layer(layers.ReLU(), normal((3, 4)), "adjoint"))
    assert "  -  " in str(check_layer(layers.ReLU(), np.zeros((3, 4))))


def test_a_wrong_loss_gradient_fails():
    class MeanTwice(losses.SparseCategoricalCrossentropy):
        def backward(self, cache):
            return super().backward(cache) / len(cache[0])

    assert not check_loss(MeanTwice(from_logits=True), [0, 2], normal((2, 3))).passed
