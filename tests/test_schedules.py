"""Learning rates by hand, at the steps where something happens. (Keras': gradients/test_against_keras.py.)"""

import importlib

import pytest

from npcnn.optimizers import schedules
from npcnn.optimizers.schedules import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

TWICE = {"initial_learning_rate": 8.0, "decay_steps": 4, "decay_rate": 0.25}
WARM = {"initial_learning_rate": 1.0, "decay_steps": 4, "warmup_target": 3.0, "warmup_steps": 2, "alpha": 0.5}


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (ExponentialDecay(**TWICE), {0: 8, 2: 4, 4: 2, 8: 0.5}),
        (ExponentialDecay(**TWICE, staircase=True), {0: 8, 3: 8, 4: 2, 7: 2, 8: 0.5}),
        (InverseTimeDecay(**TWICE), {0: 8, 4: 8 / 1.25, 16: 4, 48: 2}),
        (InverseTimeDecay(**TWICE, staircase=True), {0: 8, 3: 8, 4: 8 / 1.25, 7: 8 / 1.25, 16: 4}),
        (CosineDecay(8.0, 4), {0: 8, 2: 4, 4: 0, 9: 0}),
        (CosineDecay(8.0, 4, alpha=0.25), {0: 8, 2: 5, 4: 2, 9: 2}),
        (CosineDecay(8.0, 4, warmup_steps=2), {0: 8, 2: 4, 4: 0}),  # no target, no warm-up
        (CosineDecay(8.0, 4, warmup_target=4.0), {0: 4, 2: 2, 4: 0}),  # a warm-up of no steps
        (CosineDecay(**WARM), {0: 1, 1: 2, 2: 3, 4: 2.25, 6: 1.5, 9: 1.5}),
        (PolynomialDecay(9.0, 4, 1.0), {0: 9, 1: 7, 4: 1, 9: 1}),
        (PolynomialDecay(9.0, 4, 1.0, power=2.0), {0: 9, 2: 3, 4: 1, 9: 1}),
        (PolynomialDecay(9.0, 4, 1.0, cycle=True), {0: 9, 2: 5, 4: 1, 6: 3, 8: 1, 9: 3}),
        (PiecewiseConstantDecay([2, 5], [3, 2, 1]), {0: 3, 2: 3, 3: 2, 5: 2, 6: 1, 99: 1}),
    ],
)
def test_the_rate_at_the_steps_where_something_happens(schedule, rates):
    for step, rate in rates.items():
        assert schedule(step) == pytest.approx(rate, abs=1e-15)
    again = type(schedule)(**schedule.get_config())
    assert [again(step) for step in range(12)] == [schedule(step) for step in range(12)]


def test_the_base_says_what_is_missing():
    with pytest.raises(NotImplementedError):
        schedules.LearningRateSchedule()(0)


def test_they_are_where_keras_has_them():
    assert importlib.import_module("npcnn.optimizers.schedules") is schedules
