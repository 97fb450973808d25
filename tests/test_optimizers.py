"""The first steps of every optimizer, worked out by hand. (Fifty steps of Keras: gradients/test_golden_values.py.)"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import optimizers
from npcnn.kernels import RUNGS
from npcnn.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Nadam, RMSprop, schedules


def walk(optimizer, gradients, start=0.0, dtype="float64"):
    """Where a single number goes, step by step, under these gradients."""
    params, path = {"w": np.array([start], dtype)}, []
    for g in gradients:
        optimizer.update(params, {"w": np.array([g], dtype)})
        path.append(params["w"][0])
    return path


# ------------------------------------------------------------------ SGD; numbers are halves and quarters, so exact


@pytest.mark.parametrize(
    ("optimizer", "path"),
    [
        (SGD(0.25), [-1, -1, 1]),
        # m = m / 2 - g / 4:   -1,  -0.5 + 0 = -0.5,  -0.25 + 2 = 1.75
        (SGD(0.25, momentum=0.5), [-1, -1.5, 0.25]),
        # m as above; w moves by m / 2 - g / 4:   -0.5 - 1 = -1.5,  -0.25,  0.875 + 2 = 2.875
        (SGD(0.25, momentum=0.5, nesterov=True), [-1.5, -1.75, 1.125]),
    ],
    ids=["gradient descent", "momentum", "Nesterov's momentum"],
)
def test_sgd_takes_three_steps_worked_out_by_hand(optimizer, path):
    assert walk(optimizer, [4, 0, -8]) == path


def test_momentum_that_is_set_later_counts_from_the_next_step_on():
    sgd = SGD(0.25)
    assert walk(sgd, [4]) == [-1]
    sgd.momentum = 0.5
    assert walk(sgd, [4, 0]) == [-1, -1.5]


def test_the_defaults_are_those_of_keras():
    sgd, adam = SGD(), Adam()
    assert (sgd.learning_rate, sgd.momentum, sgd.nesterov) == (0.01, 0, False)
    assert (adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon) == (0.001, 0.9, 0.999, 1e-7)
    assert (AdamW().learning_rate, AdamW().weight_decay) == (0.001, 0.004)
    rmsprop, adadelta = RMSprop(), Adadelta()
    assert (rmsprop.learning_rate, rmsprop.rho, rmsprop.momentum, rmsprop.epsilon) == (0.001, 0.9, 0, 1e-7)
    assert (adadelta.learning_rate, adadelta.rho, adadelta.epsilon) == (0.001, 0.95, 1e-7)
    assert not rmsprop.centered
    nadam, adagrad = Nadam(), Adagrad()
    assert (nadam.learning_rate, nadam.beta_1, nadam.beta_2, nadam.epsilon) == (0.001, 0.9, 0.999, 1e-7)
    assert (adagrad.learning_rate, adagrad.initial_accumulator_value, adagrad.epsilon) == (0.001, 0.1, 1e-7)


# ------------------------------------------------------------------ Adam


def test_adam_takes_two_steps_worked_out_by_hand(rung):
    adam = Adam(1.0, beta_1=0.5, beta_2=0.75, epsilon=1e-12, kernels=rung)
    # t = 1, g = 2:   m = 1,                        v = 1,                        alpha = sqrt(1/4) / (1/2) = 1
    #                 w = 0 - 1 * 1 / 1 = -1
    # t = 2, g = -2:  m = 1 + (-2 - 1) / 2 = -1/2,  v = 1 + (4 - 1) / 4 = 7/4,    alpha = sqrt(7/16) / (3/4)
    #                 w = -1 + alpha * (1/2) / sqrt(7/4) = -1 + 1/3
    assert_allclose(walk(adam, [2, -2]), [-1, -2 / 3], rtol=1e-11)


@pytest.mark.parametrize("g", [1e-2, 1.0, -1e4])
def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient(g, rung):
    # epsilon is 1e-7 beside sqrt(v) = |g| sqrt(0.001): at most 3.2e-4 of it here.
    assert_allclose(walk(Adam(0.001, kernels=rung), [g]), [-0.001 * np.sign(g)], rtol=4e-4)


def test_epsilon_stands_outside_the_bias_correction_as_in_keras(rung):
    (w,) = walk(Adam(kernels=rung), [1e-8])
    # m = 1e-9, v = 1e-19, alpha = 0.001 sqrt(0.001) / 0.1. The paper's placement, with m / 0.1 and v / 0.001, would
    # give -0.001 * 1e-8 / (1e-8 + 1e-7) = -9.1e-5, thirty times as much.
    alpha = 0.001 * 0.001**0.5 / 0.1
    assert_allclose(w, -alpha * 1e-9 / (1e-19**0.5 + 1e-7), rtol=1e-6)


def test_adam_changes_a_parameter_in_place_however_it_lies_in_memory(rung, rng):
    whole, g = rng.standard_normal((6, 8)), rng.standard_normal((3, 4))
    scattered, dense = whole[::2, ::2], whole[::2, ::2].copy()
    for w in (scattered, dense):
        Adam(kernels=rung).update({"w": w}, {"w": g})
    assert_array_equal(scattered, dense)
    assert (whole[::2, ::2] == dense).all()


# ------------------------------------------------------------------ RMSprop, Adadelta


@pytest.mark.parametrize(
    ("options", "path"),
    [
        # v = v / 4 + (3 / 4) g^2:   3, then 3/4 + 3 = 15/4.   s = 3 g / sqrt(v + 1):   6 / 2 = 3, then -6 / sqrt(19/4)
        ({}, [-3, -3 + 6 / 4.75**0.5]),
        # m = m / 2 + s:   3, then 3/2 - 6 / sqrt(19/4)
        ({"momentum": 0.5}, [-3, -4.5 + 6 / 4.75**0.5]),
        # a = a / 4 + (3 / 4) g:   3/2, then 3/8 - 3/2 = -9/8.   v - a^2 + 1 = 3 - 9/4 + 1 = 7/4, 19/4 - 81/64
        ({"centered": True}, [-6 / 1.75**0.5, -6 / 1.75**0.5 + 6 / (4.75 - 81 / 64) ** 0.5]),
    ],
)
def test_rmsprop_takes_two_steps_worked_out_by_hand(options, path):
    assert_allclose(walk(RMSprop(3.0, rho=0.25, epsilon=1.0, **options), [2, -2]), path, rtol=1e-15)


def test_adadelta_takes_two_steps_worked_out_by_hand():
    # v = 3,    s = 2 sqrt(0 + 1) / sqrt(3 + 1) = 1,             d = 3/4,   w = -4
    # v = 15/4, s = -2 sqrt(3/4 + 1) / sqrt(15/4 + 1)                       w = -4 + 8 sqrt(7/19)
    adadelta = Adadelta(4.0, rho=0.25, epsilon=1.0)
    assert_allclose(walk(adadelta, [2, -2]), [-4, -4 + 8 * (7 / 19) ** 0.5], rtol=1e-15)


def test_adagrad_takes_two_steps_worked_out_by_hand():
    # v = 1 + 4 = 5,  s = 3 * 2 / sqrt(5 + 4) = 2;   v = 5 + 16 = 21,  s = 3 * (-4) / sqrt(21 + 4) = -12/5
    adagrad = Adagrad(3.0, initial_accumulator_value=1.0, epsilon=4.0)
    assert_allclose(walk(adagrad, [2, -4]), [-2, -2 + 12 / 5], rtol=1e-15)


def test_adamax_takes_three_steps_worked_out_by_hand():
    # t = 1, g = 2:   m = 1,    u = 2,  w = -3 * 1 / ((1 - 1/2) 2)        t = 2, g = -4:  m = -3/2, u = 4
    # t = 3, g = 0:   m = -3/4, u = 1, as u falls to a quarter
    adamax = Adamax(3.0, beta_1=0.5, beta_2=0.25, epsilon=1e-14)
    path = np.cumsum([-3, 3 * 1.5 / (0.75 * 4), 3 * 0.75 / (0.875 * 1)])
    assert_allclose(walk(adamax, [2, -4, 0]), path, rtol=1e-12)


def test_nadam_takes_two_steps_worked_out_by_hand():
    # u = (1 - 0.96^t / 2) / 2:   u1 = 0.26, u2 = 0.2696, u3 = 0.278816
    # t = 1, g = 2:   m = 1,     v = 3,      n = u2 m / (1 - u1 u2) + (1 - u1) g / (1 - u1),   v / (3/4) = 4
    # t = 2, g = -2:  m = -1/2,  v = 15/4,   n = u3 m / (1 - u1 u2 u3) + (1 - u2) g / (1 - u1 u2),   v / (15/16) = 4
    u1, u2, u3 = 0.26, 0.2696, 0.278816
    first = -(u2 / (1 - u1 * u2) + 2) / 2
    second = first + (u3 / 2 / (1 - u1 * u2 * u3) + 2 * (1 - u2) / (1 - u1 * u2)) / 2
    assert_allclose(walk(Nadam(1.0, beta_1=0.5, beta_2=0.25, epsilon=1e-14), [2, -2]), [first, second], rtol=1e-12)


# ------------------------------------------------------------------ what they share


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rung", [*RUNGS, "SGD", "RMSprop", "Adadelta", "Nadam"])
def test_a_mean_that_nothing_feeds_any_more_ends_at_zero_not_among_the_denormal_numbers(rung, dtype):
    others = {
        "SGD": SGD(momentum=0.9),
        "RMSprop": RMSprop(momentum=0.9, centered=True),
        "Adadelta": Adadelta(rho=0.9),
        "Nadam": Nadam(beta_2=0.9),
    }
    optimizer = others.get(rung) or Adam(beta_2=0.9, kernels=rung)
    params, gradient, sizes = {"w": np.zeros(4, dtype)}, np.array([1, -1, 0, np.nan], dtype), {}
    for _ in range(8000):  # 0.9 ** 8000 is 1e-366
        optimizer.update(params, {"w": gradient})
        gradient = np.zeros(4, dtype)
        for name, slot in optimizer.slots.items():
            sizes.setdefault(name, []).append(abs(slot["w"]))
    tiny = np.finfo(dtype).tiny
    for size in map(np.array, sizes.values()):
        assert not ((size > 0) & (size < tiny)).any()
        assert (size[:, :2] >= tiny).sum() > 100
        assert_array_equal(size[-1], [0, 0, 0, np.nan])


TINY = np.finfo("float32").tiny


@pytest.mark.parametrize(
    ("make", "slot", "gradient", "kept"),
    [
        (lambda rung: Adam(beta_1=0.0, kernels=rung), "momentum", TINY, TINY),  # the mean is the gradient
        (lambda rung: Adam(beta_1=0.0, kernels=rung), "momentum", -TINY, -TINY),
        (lambda rung: Adam(beta_2=0.0, kernels=rung), "velocity", 2.0**-63, TINY),  # the mean is the square
        (lambda rung: SGD(1.0, momentum=0.5), "momentum", TINY, -TINY),
    ],
)
def test_a_mean_of_the_smallest_normal_number_is_kept(make, slot, gradient, kept, rung):
    optimizer = make(rung)
    optimizer.update({"w": np.zeros(1, "float32")}, {"w": np.array([gradient], "float32")})
    assert_array_equal(optimizer.slots[slot]["w"], [kept])


EVERY_KIND = [
    SGD(),
    SGD(momentum=0.9, weight_decay=0.1),
    SGD(momentum=0.9, nesterov=True, clipvalue=0.1),
    Adam(clipnorm=0.1),
    AdamW(global_clipnorm=0.1),
    RMSprop(),
    RMSprop(schedules.CosineDecay(0.1, 10), momentum=0.9, centered=True),
    Adadelta(1.0),
    Nadam(weight_decay=0.1),
    Adamax(),
    Adagrad(),
]


@pytest.mark.parametrize("optimizer", EVERY_KIND)
def test_an_update_leaves_the_gradients_alone_and_keeps_float32(optimizer, rng):
    params = {"w": np.ones((2, 3), "float32")}
    grads = {"w": rng.standard_normal((2, 3), dtype="float32")}
    before = grads["w"].copy()
    optimizer.update(params, grads)
    assert_array_equal(grads["w"], before)
    assert (params["w"] != 1).all()
    assert all(slot["w"].dtype == "float32" for slot in (params, *optimizer.slots.values()))


@pytest.mark.parametrize("optimizer", [SGD(momentum=0.5), Adam()])
def test_an_optimizer_does_not_go_on_with_a_parameter_of_another_shape(optimizer):
    optimizer.update({"w": np.zeros(2)}, {"w": np.ones(2)})
    other, new = np.zeros(3), np.zeros(2)
    with pytest.raises(ValueError, match="remembers another model's 'w'"):
        optimizer.update({"w": other}, {"w": np.ones(3)})
    assert_array_equal(other, 0)
    assert optimizer.iterations == 1
    optimizer.update({"w": np.zeros(2), "new": new}, {"w": np.ones(2), "new": np.ones(2)})  # a new one may join
    assert (new != 0).all()


def test_an_optimizer_that_lacks_its_method_says_so():
    with pytest.raises(NotImplementedError):
        optimizers.Optimizer(0.1).update({"w": np.zeros(1)}, {"w": np.ones(1)})


# ------------------------------------------------------------------ limits, weight decay, the learning rate


@pytest.mark.parametrize(
    ("limit", "clipped"),
    [
        ({"clipvalue": 2.0}, {"a": [2, -2], "b": [2]}),
        ({"clipnorm": 2.5}, {"a": [1.5, -2], "b": [2.5]}),  # |a| = 5, |b| = 12
        ({"clipnorm": 6.0}, {"a": [3, -4], "b": [6]}),
        ({"global_clipnorm": 6.5}, {"a": [1.5, -2], "b": [6]}),  # both together: 13
        ({"global_clipnorm": 20.0}, {"a": [3, -4], "b": [12]}),
    ],
)
def test_gradients_are_kept_within_limits(limit, clipped):
    params, grads = {"a": np.zeros(2), "b": np.zeros(1)}, {"a": np.array([3.0, -4]), "b": np.array([12.0])}
    SGD(1.0, **limit).update(params, grads)
    for key, g in clipped.items():
        assert_allclose(params[key], -np.array(g), rtol=1e-15)


def test_a_gradient_of_zeros_has_no_norm_to_divide_by():
    for limit in ("clipnorm", "global_clipnorm", "clipvalue"):
        assert walk(SGD(1.0, **{limit: 1.0}), [0.0]) == [0]


def test_weight_decay_comes_before_the_step_and_in_proportion_to_the_learning_rate():
    assert walk(SGD(0.5, weight_decay=0.25), [2, 0], start=8.0) == [8 - 1 - 1, 6 - 0.75]


@pytest.mark.parametrize("make", [SGD, Adam, RMSprop, Adadelta])
def test_a_schedule_says_the_learning_rate_of_every_step(make):
    scheduled = make(schedules.PiecewiseConstantDecay([0, 1], [0.5, 0.25, 0.125]))
    by_hand, rates, one, other = make(0.5), [0.5, 0.25, 0.125], {"w": np.ones(2)}, {"w": np.ones(2)}
    for rate in rates:
        assert scheduled.learning_rate == rate
        by_hand.learning_rate = rate
        for optimizer, params in ((scheduled, one), (by_hand, other)):
            optimizer.update(params, {"w": np.array([1.0, -3.0])})
        assert_array_equal(one["w"], other["w"])


def test_the_learning_rate_has_an_old_name_too():
    with pytest.warns(DeprecationWarning, match="learning_rate") as caught:
        optimizer = Adam(lr=0.5)
    assert caught[0].filename == __file__
    assert optimizer.lr == optimizer.learning_rate == 0.5
    optimizer.lr = 0.25
    assert float(optimizer.learning_rate) == 0.25


def test_the_decay_of_old_programs_is_ignored_and_the_warning_says_what_does_the_same():
    with pytest.warns(UserWarning, match=r"SGD: decay=0.5 is ignored.*InverseTimeDecay\(0.25, 1, 0.5\)") as caught:
        sgd = SGD(lr=0.25, decay=0.5)
    assert {warning.filename for warning in caught} == {__file__}
    assert walk(sgd, [1, 1]) == [-0.25, -0.5]
    assert walk(SGD(schedules.InverseTimeDecay(0.25, 1, 1.0)), [1, 1]) == [-0.25, -0.375]


def test_what_keras_has_and_asks_for_nothing_is_accepted():
    nothing = {"use_ema": False, "ema_momentum": 0.99, "gradient_accumulation_steps": None, "decay": 0.0}
    assert Adam(amsgrad=False, name="mine", **nothing).name == "mine"


def test_optimizers_are_found_by_name():
    own = SGD(0.5)
    assert optimizers.get(own) is own
    assert [type(optimizers.get(name)) for name in ("adam", "Adam", "sgd", "SGD")] == [Adam, Adam, SGD, SGD]
    assert [type(optimizers.get(name)) for name in ("rmsprop", "RMSprop", "Adadelta")] == [RMSprop, RMSprop, Adadelta]
    assert [type(optimizers.get(name)) for name in ("AdamW", "nadam", "Adagrad")] == [AdamW, Nadam, Adagrad]


def test_a_configuration_makes_the_same_optimizer_again():
    for optimizer in (
        SGD(0.5, 0.25, True),
        SGD(schedules.InverseTimeDecay(0.5, 1, 0.5), clipvalue=0.5),
        Adam(0.5, 0.25, 0.125, 1e-3, weight_decay=0.5),
        AdamW(0.5, 0.25, 0.5, 0.125, 1e-3),
        RMSprop(0.5, 0.25, 0.125, 1e-3, True, clipnorm=0.5),
        Adadelta(0.5, 0.25, 1e-3, global_clipnorm=0.5),
        Nadam(0.5, 0.25, 0.125, 1e-3),
        Adamax(0.5, 0.25, 0.125, 1e-3),
        Adagrad(0.5, 0.25, 1e-3),
    ):
        again = type(optimizer)(**optimizer.get_config())
        assert again.get_config() == optimizer.get_config()
        assert walk(again, [1, 2, 3]) == walk(optimizer, [1, 2, 3])
