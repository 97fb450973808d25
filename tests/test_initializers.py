"""What layers start with: limits, variances and fans, as Keras has them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import initializers, layers
from npcnn.initializers import fans

SHAPE = (3, 3, 100, 50)  # 45,000 draws: the sample variance has a standard error of 0.7 %, or less
FAN_IN, FAN_OUT = 900, 450
VARIANCES = {
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "he_uniform": 2 / FAN_IN,
    "he_normal": 2 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "lecun_normal": 1 / FAN_IN,
}


def test_a_dense_kernel_has_as_many_inputs_and_outputs_as_its_sides():
    assert fans((7, 5)) == (7, 5)


def test_an_output_of_a_convolution_sums_over_the_whole_patch():
    assert fans((3, 2, 16, 32)) == (3 * 2 * 16, 3 * 2 * 32)


@pytest.mark.parametrize(
    ("shape", "limit"), [((3, 3, 1, 32), 0.14213), ((3, 3, 32, 64), 0.08333), ((1600, 128), 0.05893)]
)
def test_the_limits_of_glorot_uniform_are_those_keras_has_on_the_mnist_model(shape, limit, rng):
    w = initializers.GlorotUniform()(shape, rng)
    assert np.abs(w).max() <= limit + 5e-6
    # The largest of n uniform draws is within 10 / n of the limit, except once in e^10 times.
    assert np.abs(w).max() >= limit * (1 - 10 / w.size) - 5e-6


@pytest.mark.parametrize(("name", "variance"), VARIANCES.items())
def test_the_variance_is_what_the_papers_ask_for(name, variance, rng):
    w = initializers.get(name)(SHAPE, rng)
    assert w.shape == SHAPE
    # Four standard errors: 0.7 % of the variance each for a normal distribution, less for the others. The mean of
    # 45,000 numbers has one of 1 / sqrt(45,000) = 0.47 % of their standard deviation.
    assert_allclose(w.var(), variance, rtol=0.028)
    assert abs(w.mean()) < 0.019 * variance**0.5


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform", "lecun_uniform"])
def test_uniform_draws_fill_the_interval_up_to_root_3_standard_deviations(name, rng):
    w = initializers.get(name)(SHAPE, rng)
    assert_allclose([w.min(), w.max()], np.sqrt(3) * w.std() * np.array([-1, 1]), rtol=0.01)


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal", "lecun_normal"])
def test_normal_draws_are_cut_off_at_two_standard_deviations_of_the_uncut_bell(name, rng):
    w = initializers.get(name)(SHAPE, rng)
    cut = 2 * VARIANCES[name] ** 0.5 / 0.87962566103423978  # as Keras: widened to the variance asked for
    assert cut * 0.99 < np.abs(w).max() <= cut
    # A bell, not a box: 71.5 % of a normal cut at two standard deviations lie within one; of a uniform, 50 %.
    assert_allclose((np.abs(w) < cut / 2).mean(), 0.7152, atol=0.01)


def test_the_width_of_the_cut_bell():
    # The variance of a standard normal cut at +-2 is 1 - 2 * 2 * phi(2) / (2 Phi(2) - 1).
    from math import erf, exp, pi, sqrt

    phi, mass = exp(-2) / sqrt(2 * pi), erf(2 / sqrt(2))
    assert_allclose(initializers._TRUNCATED_STDDEV, sqrt(1 - 4 * phi / mass), rtol=1e-14)


@pytest.mark.parametrize("name", VARIANCES)
def test_equal_seeds_draw_equal_numbers(name):
    create = initializers.get(name)
    one, two, other = (create((4, 5), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert_array_equal(one, two)
    assert (one != other).any()


def test_zeros_and_ones():
    assert_array_equal(initializers.get("zeros")((2, 3), None), np.zeros((2, 3)))
    assert_array_equal(initializers.get("ones")((2, 3), None), np.ones((2, 3)))


def test_constants_and_intervals_are_those_asked_for(rng):
    assert_array_equal(initializers.Constant(0.25)((2, 3), rng), np.full((2, 3), 0.25))
    w = initializers.RandomUniform(-1, 3)(SHAPE, rng)
    assert_allclose([w.min(), w.max(), w.mean()], [-1, 3, 1], atol=0.02)
    w = initializers.RandomNormal(2, 0.5)(SHAPE, rng)
    assert_allclose([w.mean(), w.std(), (abs(w - 2) > 1).mean()], [2, 0.5, 0.0455], atol=0.01)
    w = initializers.TruncatedNormal(2, 0.5)(SHAPE, rng)
    assert_allclose([w.mean(), w.std()], [2, 0.5 * initializers._TRUNCATED_STDDEV], atol=0.01)
    assert abs(w - 2).max() <= 1  # cut at two standard deviations, and not widened


@pytest.mark.parametrize(("mode", "n"), [("fan_in", FAN_IN), ("fan_out", FAN_OUT), ("fan_avg", 675)])
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal", "untruncated_normal"])
def test_variance_scaling_has_the_variance_scale_over_n_whatever_it_draws_from(mode, n, distribution, rng):
    w = initializers.VarianceScaling(3, mode, distribution)(SHAPE, rng)
    assert_allclose(w.var(), 3 / n, rtol=0.028)
    assert (abs(w).max() > 2.3 * (3 / n) ** 0.5) == (distribution == "untruncated_normal")


def test_a_seed_of_its_own_draws_the_same_numbers_each_time_and_none_takes_the_models(rng):
    seeded, other = initializers.HeNormal(seed=3), initializers.HeNormal()
    assert_array_equal(seeded((4, 5), rng), seeded((4, 5), np.random.default_rng(99)))
    assert_array_equal(seeded((4, 5)), initializers.HeNormal()((4, 5), np.random.default_rng(3)))
    assert (other((4, 5), rng) != other((4, 5), rng)).any()


@pytest.mark.parametrize("cls", initializers.CLASSES.values())
def test_a_class_its_two_names_and_an_object_all_name_the_same_initializer(cls):
    snake = next(name for name, value in initializers.BY_NAME.items() if value is cls)
    assert getattr(initializers, snake) is cls  # as in Keras
    made = [initializers.get(name) for name in (cls, cls.__name__, snake, cls())]
    assert all(type(each) is cls for each in made)


def test_an_initializer_with_arguments_has_no_name_and_a_configuration_that_makes_it_again():
    for made in (initializers.RandomNormal(), initializers.HeNormal(seed=1), initializers.Constant(2)):
        assert initializers.name_of(made) is made
        assert type(made)(**made.get_config()).get_config() == made.get_config()


WRONG = {
    "RandomNormal(stddev=-1)": "RandomNormal: stddev must be a positive number, got -1",
    "TruncatedNormal(mean='0')": "TruncatedNormal: mean must be a number, got '0'",
    "Constant(float('nan'))": "Constant: value must be a number, got nan",
    "RandomUniform(None)": "RandomUniform: minval must be a number, got None",
    "HeNormal(seed=-1)": "HeNormal: seed must be an integer of at least 0, got -1",
    "VarianceScaling(mode='fan')": "VarianceScaling: mode must be one of fan_in, fan_out, fan_avg, got 'fan'",
    "VarianceScaling(distribution='flat')": "VarianceScaling: distribution must be one of uniform, truncated_normal",
}


@pytest.mark.parametrize(("call", "words"), WRONG.items())
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        eval(call, vars(initializers))


@pytest.mark.parametrize("name", [*VARIANCES, "zeros", "ones"])
def test_a_layer_takes_an_initializer_by_its_name_and_a_file_can_name_it_again(name):
    layer = layers.Dense(4, kernel_initializer=name)
    layer.build((3,), 7)
    expected = initializers.get(name)((3, 4), np.random.default_rng(7)).astype("float32")
    assert_array_equal(layer.params["kernel"], expected)
    assert initializers.name_of(layer.kernel_initializer) == name


@pytest.mark.parametrize("layer", [layers.Conv2D(3, 2), layers.Dense(3)])
def test_where_nothing_is_said_kernels_are_glorot_uniform_and_biases_zero(layer):
    config = layer.get_config()
    assert (config["kernel_initializer"], config["bias_initializer"]) == ("glorot_uniform", "zeros")


def test_a_layer_takes_a_function_as_initializer():
    layer = layers.Dense(3, kernel_initializer=lambda shape, rng: np.eye(*shape), bias_initializer="ones")
    layer.build((3,))
    assert_array_equal(layer.params["kernel"], np.eye(3))
    assert_array_equal(layer.params["bias"], [1, 1, 1])


def test_float64_weights_are_the_float32_weights_before_rounding():
    narrow, wide = layers.Dense(4, dtype="float32"), layers.Dense(4, dtype="float64")
    narrow.build((3,), 5), wide.build((3,), 5)
    assert_array_equal(wide.params["kernel"].astype("float32"), narrow.params["kernel"])
    assert (wide.params["kernel"] != narrow.params["kernel"]).any()


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (1, 2, 2, 8), (6, 6)])
def test_an_orthogonal_kernel_turns_and_does_not_stretch(shape):
    q = initializers.Orthogonal(gain=2.0, seed=1)(shape).reshape(-1, shape[-1])
    q = q if q.shape[0] >= q.shape[1] else q.T
    np.testing.assert_allclose(q.T @ q, 4 * np.eye(q.shape[1]), atol=1e-12)
    draws = [initializers.get("orthogonal")((2, 2), np.random.default_rng(i)) for i in range(200)]
    assert abs(np.mean(draws)) < 0.1  # without the signs, QR returns a first column that is mostly negative
