"""Who checks the checker? Layers that are wrong on purpose, each in one way, and what has to be said about them."""

import copy
import inspect

import numpy as np
import pytest
from cases import Made, elementwise, normal, small_batch, small_model, spaced

from npcnn import Sequential, layers, losses
from npcnn.datasets import mnist
from npcnn.gradient_check import METHODS, GradientError, Row, check_layer, check_loss, check_model
from npcnn.layers.layer import Layer

F64, X = {"dtype": "float64"}, normal((3, 4))


class Scale(Layer):
    """A right layer to make wrong ones of: y = a x, one a for each feature."""

    def build(self, input_shape, rng=None):
        super().build(input_shape)
        self.params = {"a": np.linspace(1, 2, input_shape[-1]).astype(self.dtype or "float32")}

    def forward(self, x, training=False):
        a = self.params["a"]
        y, cache = x * a, {"x": x.copy(), "a": a}
        return y, cache

    def backward(self, dy, cache):
        x, a = cache["x"], cache["a"]
        dx, grads = dy * a, {"a": (dy * x).sum(axis=0)}
        return dx, grads


def scale(*replacements):
    """Return a Scale with the first of each two texts in its source replaced by the second."""
    source, names = inspect.getsource(Scale), dict(globals())
    for old, new in zip(replacements[::2], replacements[1::2], strict=True):
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    exec(source, names)
    return names["Scale"]()


def returning(what):
    """Return a Scale whose backward pass returns this instead of dx, grads."""
    return scale("return dx, grads", f"return {what}")


def size(norm, x):
    """Return the norm of every row."""
    return norm(x, axis=1, keepdims=True)


def model_with(layer):
    stack = [layers.Input((4,)), copy.deepcopy(layer), layers.Dense(3, activation="softmax")]
    model = Sequential(stack, dtype="float64")
    model.compile(loss="sparse_categorical_crossentropy")
    return model


# ------------------------------------------------------------------ right and wrong numbers


@pytest.mark.parametrize(("method", "h"), [("central", 1e-5), ("exact", 1), ("complex", 1e-30), ("adjoint", 1e-30)])
def test_a_right_layer_passes(method, h):
    result = check_layer(Scale(), X, method)
    result.raise_on_failure()
    assert result.passed and result.max_error < result.tolerance and result.h == h
    assert [row.argument for row in result.rows] == ["x", "a"]
    assert [row.checked for row in result.rows] == ([1, 1] if method == "adjoint" else [12, 4])


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_gradient_fails_and_is_located(method):
    result = check_layer(returning('dx, {"a": grads["a"] * [1, 1, 1.00001, 1]}'), X, method)
    x, a = result.rows
    assert x.verdict == "ok" and a.verdict == "FAIL in 1"
    assert a.where == (None if method == "adjoint" else (2,))
    assert a.wrong == [a.where]
    if method != "adjoint":
        np.testing.assert_allclose(a.analytic / a.numeric, 1.00001)
    with pytest.raises(GradientError, match=r"FAIL[\s\S]*a  .*FAIL in 1"):
        result.raise_on_failure()


@pytest.mark.parametrize("wrong", ["nan", "inf", "-inf", "0"])
@pytest.mark.parametrize("method", METHODS)
def test_a_gradient_of_nan_infinity_or_nothing_fails_and_is_located(method, wrong):
    layer = scale("return dx, grads", f'dx[1, 2] = w = float("{wrong}"); return dx, {{"a": w * grads["a"]}}')
    with np.errstate(invalid="ignore"):
        x, a = check_layer(layer, X, method).rows
    place = None if method == "adjoint" else (1, 2)
    assert x.wrong == [place] and x.where == place
    assert len(a.wrong) == (1 if method == "adjoint" else 4)


@pytest.mark.parametrize(("method", "error"), [("complex", 1e-11), ("exact", 1e-11), ("central", 3e-7)])
@pytest.mark.parametrize("size", [0.01, 1, 100])
def test_so_small_an_error_is_found_however_large_the_gradient_is(size, method, error):
    layer = elementwise(lambda x: size * x, lambda x: size * (1 + error))
    assert len(check_layer(layer, normal((6, 4)), method).rows[0].wrong) > 12  # of 24; small ones have a small error


WRONG_NUMBERS = {  # (layer, options)
    # The sum of a softmax is always 1: with an upstream gradient of ones it would pass.
    "softmax returns zeros": (elementwise(lambda x: np.exp(x) / size(np.sum, np.exp(x)), lambda x: 0), {}),
    # With dy = x, which everybody draws from seed 0, x^T dy would be symmetric, and its transpose right.
    "transposed": (Made(np.matmul, lambda dy, x, w: (dy @ w.T, dy.T @ x), w=(4, 4)), {}),
    "a row that a sample may miss": (scale("return dx, grads", "dx[-1] *= 1.001; return dx, grads"), {"entries": 1}),
    "a kept elsewhere": (scale('a = self.params["a"]', 'a = self.a = getattr(self, "a", self.params["a"])'), {}),
    "float32 inside": (scale("return y,", 'return y.astype("float32").astype("float64") + 100,'), {}),
}


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WRONG_NUMBERS)
def test_wrong_numbers_fail(name, method):
    layer, options = WRONG_NUMBERS[name]
    assert any(row.wrong for row in check_layer(layer, normal((4, 4), seed=0), method, **options).rows)


def test_where_a_step_leads_to_nan_nothing_is_confirmed():
    with np.errstate(invalid="ignore"):
        row = check_layer(elementwise(np.log, lambda x: 17), np.array([[1e-6, 3e-6]])).rows[0]
    assert len(row.wrong) == 2 and row.error == np.inf


@pytest.mark.parametrize("method", ["complex", "adjoint"])
@pytest.mark.parametrize(
    ("f", "seen"),
    [
        (lambda x: x / size(np.linalg.norm, x), lambda x: 1 / size(np.linalg.norm, x)),
        (lambda x: x / size(np.std, x), lambda x: 1 / size(np.std, x)),
        (lambda x: np.abs(x) / size(np.sum, np.abs(x)), lambda x: 0 * x),
        (lambda x: x.real, lambda x: 0 * x),
    ],
)
def test_a_complex_step_that_does_not_see_everything_is_found_out(f, seen, method):
    """np.abs and its like are real: their derivative is lost, and a backward pass that forgets it would pass."""
    result = check_layer(elementwise(f, seen), X, method)
    assert not any(row.wrong for row in result.rows)
    with pytest.raises(GradientError, match="forward is not an analytic function of x"):
        result.raise_on_failure()
    assert not check_layer(elementwise(f, seen), X, "central").passed


def test_exact_fails_what_is_not_linear():
    softplus = elementwise(lambda x: np.log(1 + np.exp(x)), lambda x: 1 / (1 + np.exp(-x)))
    for layer in (layers.Softmax(), softplus):
        assert check_layer(layer, normal((2, 12))).passed
        assert len(check_layer(layer, normal((2, 12)), "exact").rows[0].wrong) > 20


# ------------------------------------------------------------------ small, large, many


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


def test_of_large_arrays_a_seeded_sample_is_measured():
    result = check_layer(layers.Dense(6), normal((2, 7)), entries=5)
    assert [row.checked for row in result.rows] == [6, 6, 6]  # the sample, and all at once
    assert str(result) == str(check_layer(layers.Dense(6), normal((2, 7)), entries=5))
    assert str(result) != str(check_layer(layers.Dense(6), normal((2, 7)), entries=5, seed=1))
    for size, checked in ((500, 500), (501, 501), (502, 501)):
        assert check_layer(layers.ReLU(), spaced((1, size)), "exact").rows[0].checked == checked


# ------------------------------------------------------------------ kinks


@pytest.mark.parametrize("method", ["central", "exact"])
@pytest.mark.parametrize("distance", [0.3, 1e-3, 9e-5, 3e-6, 2e-7, 1e-8, 1e-12, 0.0])
def test_the_step_goes_round_a_kink_unless_x_stands_on_it(distance, method):
    for x in (distance, -distance):
        result = check_layer(layers.ReLU(), np.array([[x, 1.4]]), method)
        result.raise_on_failure()
        assert result.rows[0].kinks == (distance < result.h / 1e4)  # the smallest step


@pytest.mark.parametrize("pair", [(1, 1 + 3e-10), (1 + 3e-10, 1), (1, 1)])
def test_a_tie_is_a_kink(pair):
    result = check_layer(layers.MaxPool2D((1, 2)), np.array([*pair, 1e3, 0])[None, None, :, None])
    result.raise_on_failure()
    assert (result.rows[0].kinks, result.rows[0].measured) == (2, 2)


@pytest.mark.parametrize("offset", [np.array([1000, 0]), np.array([0, 1e6])])
def test_rounding_is_allowed_for_where_y_is_large_but_not_for_outputs_that_stand_still(offset):
    layer = elementwise(lambda x: np.maximum(x, 0) * [1, 0] + offset, lambda x: (x > 0) * [1, 0])
    for distance in (3e-8, -3e-8, 3e-9, -3e-9) if offset[1] else (3e-8, -3e-8):
        result = check_layer(layer, np.array([[distance, 1.4]]))
        result.raise_on_failure()
        assert result.rows[0].kinks == 0


def test_a_pool_on_random_numbers_has_kinks_at_every_distance_and_none_of_them_is_an_error():
    for seed in range(5):
        check_layer(layers.MaxPool2D(2, 1), normal((2, 6, 7, 3), seed), "exact").raise_on_failure()


@pytest.mark.parametrize(("method", "distance"), [("central", 3e-6), ("exact", 3e-3)])
def test_a_wrong_gradient_near_a_kink_is_still_an_error(method, distance):
    layer = elementwise(lambda x: np.maximum(x, 0), lambda x: 1.01 * (x > 0))
    assert check_layer(layer, np.array([[distance, 0.2]]), method).rows[0].wrong == [(0, 0), (0, 1)]


@pytest.mark.parametrize("layer", [layers.ReLU(), elementwise(lambda x: np.maximum(x, 0), lambda x: 17)])
def test_where_everything_stands_at_a_kink_nothing_is_proved_and_the_check_fails(layer):
    result = check_layer(layer, np.zeros((2, 3)))
    assert not result.passed and result.rows[0].verdict == "kinks only"
    assert result.max_error == np.inf and "  -  " in str(result)
    with pytest.raises(GradientError, match="x is measured at 0 places only, and the rest stands at kinks"):
        result.raise_on_failure()


def test_if_the_rest_of_a_large_array_stands_at_a_kink_a_right_sample_is_not_enough():
    x = spaced((6, 10))
    x[3] = 0
    for method in ("central", "exact"):
        with pytest.raises(GradientError, match="x is measured at [345] places only"):
            check_layer(layers.ReLU(), x, method, entries=5).raise_on_failure()
    check_layer(layers.ReLU(), x, "complex", entries=5).raise_on_failure()


# A curve, of whose slopes on both sides the last four digits differ; and large numbers, whose rounding hides the tenth.
@pytest.mark.parametrize(
    ("f", "slope"), [(lambda x: np.exp(5 * x), lambda x: 5 * np.exp(5 * x)), (lambda x: 2 * x + 100, lambda x: 2)]
)
@pytest.mark.parametrize("factor", [1, 1 + 1e-6, 0])
def test_neither_a_curve_nor_rounding_is_taken_for_a_kink(f, slope, factor):
    row = check_layer(elementwise(f, lambda x: factor * slope(x)), X).rows[0]
    assert row.kinks == 0 and (row.wrong == []) == (factor == 1)


def test_where_rounding_hides_the_slope_nothing_is_confirmed():
    assert len(check_layer(elementwise(lambda x: 2 * x + 1e9, lambda x: 0), X).rows[0].wrong) == 12


# ------------------------------------------------------------------ broken promises


def reuse(layer, array):
    """Return a copy of `array`, in the memory of the last one if that had the same shape."""
    if getattr(layer, "memory", array[:0]).shape != array.shape:
        layer.memory = np.empty_like(array)
    layer.memory[...] = array
    return layer.memory


def one_array_twice(dy, x, a, b):
    return dy * (a + b), *[(dy * x).sum(axis=0)] * 2


KEPT = {}
FORWARD, Y, BACKWARD, DX = "y, cache =", "return y, cache", 'x, a = cache["x"], cache["a"]', "return dx, grads"
# what is wrong: (the layer, what has to be said)
# fmt: off
PROMISES = {
    "x on the layer": (
        scale(FORWARD, "self.x = x; y, cache =", BACKWARD, 'x, a = self.x, cache["a"]'), "keep state in the cache"),
    "shape on the layer": (
        scale(Y, "self.N = len(x); return y, cache", DX, "return dx.reshape(self.N, 4), grads"),
        r"fails when it runs again, or with one more example \(ValueError: .*; keep state in the cache"),
    "one batch size": (scale(Y, "return y + np.zeros((3, 4)), cache"), r"with one more example \(ValueError: operands"),
    "changes x": (scale(FORWARD, "np.maximum(x, 0, out=x); y, cache ="), "changed its input x"),
    "changes a": (scale(FORWARD, "np.round(a, 1, out=a); y, cache ="), "changed its input a"),
    "changes dy": (scale(DX, "dy *= 2; return dx, grads"), "changed its input dy"),
    "changes its cache": (scale(DX, "x *= 1 + 1e-9; return dx, grads"), "the gradient of a differs when"),
    "spends its cache": (scale(BACKWARD, 'x, a = cache.pop("x"), cache["a"]'), r"fails when it runs again.*KeyError"),
    "forgets later": (
        scale(DX, 'return dx, {} if cache.pop("used", 0) else cache.update(used=1) or grads'), "of a differs when"),
    "remembers": (returning('cache.setdefault("dx", dx), grads'), "the gradient of x is not proportional to dy"),
    "clips dy": (scale(BACKWARD, BACKWARD + "; dy = dy.clip(-5, 5)"), "the gradient of a is not proportional to dy"),
    "drops small dy": (scale(BACKWARD, BACKWARD + "; dy = dy * (abs(dy) > 1e-3)"), "of a is not proportional to dy"),
    "adds up": (
        scale(DX, 'self.a = getattr(self, "a", 0) + grads["a"]; return dx, {"a": self.a}'), "of a differs when"),
    "reuses y": (scale(Y, "return reuse(self, y), cache"), "the output is not a fresh array"),
    "reuses dx": (returning("reuse(self, dx), grads"), "the gradient of x is not a fresh array"),
    "reuses da": (returning('dx, {"a": reuse(self, grads["a"])}'), "the gradient of a is not a fresh array"),
    "reuses grads": (scale(DX, "KEPT.update(grads); return dx, KEPT"), "the gradient of a is not a fresh array"),
    "one array twice": (
        Made(lambda x, a, b: x * (a + b), one_array_twice, a=(4,), b=(4,)),
        "the gradient of b shares memory with the gradient of a, and training adds to it in place"),
    "da is a": (returning('dx, {"a": a}'), "the gradient of a shares memory with a,"),
    "da is dy": (returning('dx, {"a": dy[0]}'), "the gradient of a shares memory with dy,"),
    "dice": (scale(Y, "return y + np.random.default_rng().random(), cache"), "two results for the same input"),
    "no dx": (returning("None, grads"), "return float64 .* as the gradient of x, got nothing"),
    "no da": (returning("dx, {}"), r"must return float64 of shape \(4,\) as the gradient of a, got nothing"),
    "one too many": (returning('dx, {**grads, "b": dx}'), "return nothing as the gradient of b, got float64"),
    "wrong shape": (returning('dx, {"a": grads["a"][:, None]}'), r"gradient of a, got float64 of shape \(4, 1\)"),
    "float32": (returning('dx.astype("float32"), grads'), "as the gradient of x, got float32"),
    "a list": (returning('dx, {"a": [*grads["a"]]}'), "as the gradient of a, got a list"),
    "no output_shape": (scale("super().build(input_shape)", "pass"), r"must set output_shape to \(4,\), .* it is None"),
    "wrong output_shape": (scale("super().build(input_shape)", "super().build((2, *input_shape))"), r"it is \(2, 4\)"),
}
# fmt: on


@pytest.mark.parametrize("name", PROMISES)
def test_a_layer_that_breaks_its_contract_fails_with_the_reason(name):
    layer, what = PROMISES[name]
    result = check_layer(layer, X)
    assert not result.passed
    with pytest.raises(GradientError, match=what):
        result.raise_on_failure()


def test_one_mistake_is_said_once():
    for name in ("shape on the layer", "changes its cache", "one array twice", "no da"):
        assert len(check_layer(PROMISES[name][0], X).problems) == 1


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_measured_is_said_and_does_not_stop_the_rest(method):
    for name in ("no da", "wrong shape"):
        result = check_layer(PROMISES[name][0], X, method)
        assert not result.passed and [row.verdict for row in result.rows] == ["ok"]


def test_state_on_the_layer_is_noticed_where_all_examples_are_alike():
    for x in (np.ones((1, 1)), np.ones((3, 4))):
        assert "keep state in the cache" in str(check_layer(PROMISES["x on the layer"][0], x, "complex"))


# ------------------------------------------------------------------ layers, losses and models of all kinds


def test_a_layer_that_is_built_is_checked_with_the_parameters_it_has():
    layer = Scale(**F64)
    layer.build((4,))
    layer.params["a"][...] = [0.5, -3, 7, 11]
    row = check_layer(layer, normal((1, 4)), "complex").rows[0]
    dy = np.random.default_rng([0, 1]).standard_normal((1, 4))
    assert row.checked == 4 and row.analytic in dy * layer.params["a"]


class Double:
    """Inherits nothing, and needs no building."""

    def forward(self, x, training=False):
        return 2 * x, None

    def backward(self, dy, cache):
        return 2 * dy, {}


class BuildsNothing(Double):
    def build(self, input_shape, rng):
        pass


class HasParameters(Scale):
    def __init__(self):
        self.params = {"a": np.array([1.0, 2, 3, 4])}

    def build(self, input_shape, rng=None):
        raise AssertionError


def test_a_class_that_inherits_nothing_may_be_checked_and_what_has_parameters_is_not_built_again():
    for layer in (Double(), HasParameters()):
        check_layer(layer, X, "exact").raise_on_failure()
    assert "build must set output_shape" in str(check_layer(BuildsNothing(), X, "exact"))


def test_training_is_passed_on():
    layer = scale("return y, cache", "return y if training else 2 * y, cache")
    assert check_layer(layer, X, training=True).passed
    assert not check_layer(layer, X).passed


def test_images_of_bytes_are_checked_as_float64():
    x = np.random.default_rng(0).integers(0, 256, (1, 4, 5, 1), dtype=np.uint8)
    check_layer(layers.Conv2D(2, 3), x, "exact").raise_on_failure()


class SquaredDistance:
    def __init__(self, change=lambda value, y_true: value):
        self.change = change

    def forward(self, y_true, y_pred):
        return self.change(((y_pred - y_true) ** 2).mean(), y_true), (y_true, y_pred)

    def backward(self, cache):
        y_true, y_pred = cache
        return 2 * (y_pred - y_true) / y_pred.size


@pytest.mark.parametrize("method", ["central", "complex", "adjoint"])
def test_a_loss_of_your_own_may_return_a_number_of_any_kind(method):
    for loss in (SquaredDistance(), SquaredDistance(lambda value, _: value.item())):
        check_loss(loss, normal((2, 3)), normal((2, 3), 2), method).raise_on_failure()


def test_labels_may_be_a_single_number_or_row():
    for y_true in (np.array(0.5), normal((1, 3))):
        check_loss(SquaredDistance(), y_true, normal((4, 3), 2)).raise_on_failure()


def test_a_loss_that_changes_the_labels_is_found_out_and_they_are_not_changed():
    y_true = normal((2, 3))
    before = y_true.copy()
    clips = SquaredDistance(lambda value, y_true: value + 0 * np.clip(y_true, 0, 1, out=y_true).sum())
    result = check_loss(clips, y_true, normal((2, 3), 2))
    assert "forward or backward changed its input y_true" in result.problems
    np.testing.assert_array_equal(y_true, before)


def test_a_wrong_loss_gradient_fails():
    class MeanTwice(losses.SparseCategoricalCrossentropy):
        def backward(self, cache):
            return super().backward(cache) / len(cache[0])

    assert not check_loss(MeanTwice(from_logits=True), [0, 2], normal((2, 3))).passed


def test_the_complex_step_is_refused_only_where_three_layers_are_fused():
    with pytest.raises(ValueError, match="fused kernels take no complex numbers; use 'exact'"):
        check_model(small_model("fused"), *small_batch(), "complex")
    result = check_model(small_model("fused"), *small_batch())  # by dot products of differences
    assert result.passed and (result.h, result.tolerance) == METHODS["central"]
    check_layer(layers.Conv2D(2, 3, kernels="fused"), normal((1, 4, 5, 1)), "complex").raise_on_failure()
    check_model(model_with(layers.Dense(2, activation="relu")), X, [0, 1, 2], "complex").raise_on_failure()


def test_checking_leaves_layer_model_and_data_as_they_were():
    layer, x = layers.Dense(3, **F64), normal((2, 4))
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


def test_what_a_layer_of_a_model_changes_is_found_out_and_the_users_arrays_are_not_changed():
    for what in ("changes x", "changes a"):
        model, x = model_with(PROMISES[what][0]), X.copy()
        weights = model.get_weights()
        result = check_model(model, x, [0, 1, 2], "central")
        if what == "changes a":  # of x, a training step gives the layers copies
            assert "forward or backward changed its input scale/a" in result.problems
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_state_on_a_layer_is_found_out_in_a_model():
    result = check_model(model_with(PROMISES["shape on the layer"][0]), X, [0, 1, 2])
    assert any("keep state in the cache" in problem for problem in result.problems), result


def test_a_model_is_checked_in_training_and_with_respect_to_its_input_too():
    in_training = scale(Y, "return (y if training else 0 * y), cache")
    over_the_batch = scale(FORWARD, "x = x - x.mean(axis=0); y, cache =", DX, "return dx - dx.mean(axis=0), grads")
    for layer in (in_training, over_the_batch):
        check_model(model_with(layer), normal((5, 4)), [0, 1, 2, 0, 1], "complex").raise_on_failure()
    rows = check_model(model_with(returning("2 * dx, grads")), X, [0, 1, 2], "complex").rows
    assert [row.verdict for row in rows] == ["FAIL in 12", "ok", "ok", "ok"]


@pytest.mark.parametrize("rung", ["jit", "fused"])
def test_on_real_digits_full_of_kinks_a_right_model_has_no_wrong_gradient(rung):
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
    assert not any(row.wrong for row in check_model(model, x, y, "central", entries=20).rows)


# ------------------------------------------------------------------ what it refuses


PARAMS = 'self.params = {"a": np.linspace(1, 2, input_shape[-1]).astype(self.dtype or "float32")}'
REFUSED = [  # (layer, x, options, error, message)
    (layers.Dense(2, dtype="float32"), X, {}, ValueError, "kernel must .* float64, got float32.*dtype='float64'"),
    (layers.ReLU(), X.astype("float32"), {}, ValueError, "ReLU: x must be an array of float64, got float32"),
    (layers.ReLU(), X[:0], {}, ValueError, r"x must hold finite numbers, got .* none at all, shape \(0, 4\)"),
    (layers.ReLU(), np.array([[1, np.nan]]), {}, ValueError, "x must hold finite numbers, got NaN"),
    (layers.ReLU(), np.array([[1, np.inf]]), {}, ValueError, "x must hold finite numbers, got NaN, infinity"),
    (layers.ReLU(), np.array([[1j]]), {}, ValueError, "x must be an array of float64, got complex128"),
    (layers.ReLU(), np.array([["a"]]), {}, ValueError, "x must be an array of float64, got <U1"),
    (layers.ReLU(), np.float64(1), {}, ValueError, "x must be a batch of inputs"),
    (scale(PARAMS, "self.params = {'a': 2.0}"), X, {}, ValueError, "a must be an array of float64, got a float"),
    (scale(PARAMS, "self.params = {'a': np.arange(4)}"), X, {}, ValueError, "a must be an array of float64, got int64"),
    (scale(PARAMS, "self.params = {'x': np.ones(4)}"), X, {}, ValueError, "'x' is what the input is called here"),
    (Scale, X, {}, TypeError, "takes a layer, an object with .*, got <class '.*Scale'>"),
    ("relu", X, {}, TypeError, "takes a layer, .* got 'relu'"),
    (scale(Y, "return y"), X, {}, TypeError, r"forward must return \(y, cache\), got ndarray"),
    (scale(Y, "return y, cache, 0"), X, {}, TypeError, r"forward must return .*, got tuple"),
    (scale(Y, "return y / 0, cache"), X, {}, ValueError, "forward returns must hold finite numbers"),
    (scale(Y, "return y.astype('f'), cache"), X, {}, ValueError, "forward returns must be .*, got float32"),
    (returning("dx"), X, {}, TypeError, r"backward must return \(dx, grads\), got ndarray"),
    (returning("dx, None"), X, {}, TypeError, "grads must be a dictionary"),
    (returning('dx, {**grads, "x": dx}'), X, {}, TypeError, "grads must be a .* with the keys of params"),
    (elementwise(lambda x: np.logaddexp(x, 0), np.exp), X, {"method": "complex"}, TypeError, "no complex numbers"),
    (Scale(), X, {"entries": 0}, ValueError, "entries must be"),
    (Scale(), X, {"tolerance": 0.0}, ValueError, "tolerance must be"),
    (Scale(), X, {"tolerance": np.nan}, ValueError, "tolerance must be"),
    (Scale(), X, {"tolerance": np.inf}, ValueError, "tolerance must be"),
    (Scale(), X, {"method": ["central"]}, ValueError, r"got \['central'\]"),
    (Scale(), X, {"method": "magic"}, ValueError, "be one of 'central', 'exact', 'complex', 'adjoint', got 'magic'"),
]


@pytest.mark.parametrize(("layer", "x", "options", "error", "message"), REFUSED)
def test_a_wrong_call_gets_one_clear_error(layer, x, options, error, message):
    with np.errstate(divide="ignore"), pytest.raises(error, match=message):
        check_layer(layer, x, **options)


def test_a_wrong_call_for_a_loss_or_model_gets_one_clear_error():
    with pytest.raises(ValueError, match="y_pred must be an array of float64, got float32"):
        check_loss("sparse_categorical_crossentropy", [0, 1], normal((2, 3)).astype("float32"))
    with pytest.raises(TypeError, match=r"a loss is one number, got an array of shape \(2,\)"):
        check_loss(SquaredDistance(lambda value, y_true: value + y_true[:, 0]), normal((2, 3)), normal((2, 3), 2))
    with pytest.raises(ValueError, match="conv2d/kernel must be an array of float64, got float32"):
        check_model(small_model(dtype="float32"), *small_batch())
    not_compiled, not_built = Sequential([layers.Input((2,)), layers.Dense(2)]), Sequential([layers.Dense(2)])
    not_built.compile(loss="sparse_categorical_crossentropy")
    for model in (not_compiled, not_built):
        with pytest.raises(RuntimeError, match="must be built and compiled first"):
            check_model(model, normal((1, 2)), [0])


# ------------------------------------------------------------------ what it prints


def test_the_table_names_every_argument_with_its_worst_entry():
    lines = str(check_layer(layers.Dense(2), X, "complex")).splitlines()
    assert lines[0].startswith("Dense, complex, h = 1e-30: ok (largest error ")
    assert lines[1].split()[:5] == ["argument", "shape", "checked", "error", "where"]
    assert lines[1].split()[5:] == ["analytic", "numeric", "kinks", "verdict"]
    assert [line.split()[0] for line in lines[2:]] == ["x", "kernel", "bias"]
    assert all(line.endswith("  0  ok") for line in lines[2:])
    assert "  all at once  " in str(check_layer(layers.ReLU(), X, "adjoint"))


class Spoilt(layers.Conv2D):
    """A convolution of which two numbers of dx and one filter's dw are wrong."""

    def backward(self, dy, cache):
        dx, grads = super().backward(dy, cache)
        dx[:, 0, 1, 0] += 1
        dx[1, 2, 3, 0] += 1
        return dx, {"kernel": grads["kernel"] * [1, 2], "bias": grads["bias"]}


def test_a_drawing_shows_where_each_wrong_gradient_is_wrong_and_nothing_of_the_others():
    result = check_layer(Spoilt(2, 2), normal((3, 3, 4, 2)), "exact")
    assert result.drawing().splitlines() == [
        "  gradient of x, shape (3, 3, 4, 2), axes 1 and 2: 'x' is wrong, '.' right",
        "  (along axis 3, wrong only at 0)",
        "    . x . .",
        "    . . . .",
        "    . . . x",
        "  gradient of kernel, shape (2, 2, 2, 2), axes 0 and 1: 'x' is wrong, '.' right",
        "  (along axis 3, wrong only at 1)",
        "    x x",
        "    x x",
    ]
    assert check_layer(layers.Conv2D(2, 2), normal((3, 3, 4, 2)), "exact").drawing() == ""
    assert check_layer(Spoilt(2, 2), normal((3, 3, 4, 2)), "adjoint").drawing() == ""  # it cannot tell where


def test_a_vector_is_drawn_as_a_row_a_matrix_as_it_is_and_what_was_not_measured_is_left_blank():
    wrong = [((0,), "wrong", 1.0, 1.0, 2.0), ((2,), "ok", 0.0, 1.0, 1.0), ((3,), "kink", 1.0, 1.0, 2.0)]
    head, row = Row("b", (5,), wrong).drawing().splitlines()
    assert head == "  gradient of b, shape (5,), axis 0: 'x' is wrong, '.' right" and row == "    x   ."
    matrix = check_layer(returning("dx * [1, 1, 1, 2], grads"), X, "exact").rows[0]
    assert matrix.drawing().splitlines()[1:] == 3 * ["    . . . x"]
    assert Row("c", (), [((), "wrong", 1.0, 1.0, 2.0)]).drawing() == ""


def test_the_tolerance_may_be_chosen():
    assert not check_layer(layers.Softmax(), normal((2, 3)), "complex", tolerance=1e-18).passed
