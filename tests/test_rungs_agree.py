"""Every rung of the ladder gives what the rung below it gives, bit for bit, on small integers.

On small integers every sum is exact, whatever the order of its terms, so two rungs that compute the same equation
cannot differ in a single bit. The lowest rung is held to hand-worked numbers in test_layers.py; each higher rung is
compared with its neighbour here, on random cases. (Cases chosen by hand are in gradients/test_exact_and_adjoint.py.)
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal, assert_equal

from npcnn import Sequential, layers, optimizers
from npcnn.kernels import RUNGS

on_neighbouring_rungs = pytest.mark.parametrize("rungs", list(pairwise(RUNGS)), ids="-".join)

# Seeded by their names (derandomize), so that a run can be repeated. A compiled rung takes its time once: no deadline.
many_cases = settings(max_examples=60, derandomize=True, deadline=None, database=None)

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
windows = st.tuples(st.integers(1, 4), st.integers(1, 4))
steps = st.tuples(st.integers(1, 3), st.integers(1, 3))
dtypes = st.sampled_from(["float32", "float64"])
counts = st.integers(1, 3)
widths = counts | st.sampled_from([17, 32])  # of more than one block, too
seeds = st.integers(0, 2**32 - 1)
paddings = st.sampled_from(["valid", "same"])
on_images = {"N": counts, "size": sizes, "K": windows, "padding": paddings, "dtype": dtypes, "seed": seeds}


def integers(rng, shape, dtype, largest=3):
    return rng.integers(-largest, largest + 1, shape).astype(dtype)


def assert_rungs_agree(make, input_shape, rungs, N, dtype, seed, largest=3):
    """Run one layer forward and backward on two rungs: equal values, equal shapes, equal types."""
    results = []
    for rung in rungs:
        rng = np.random.default_rng(seed)
        layer = make(kernels=rung, dtype=dtype)
        layer.build(input_shape)
        for p in layer.params.values():
            p[...] = integers(rng, p.shape, dtype)
        y, cache = layer.forward(integers(rng, (N, *input_shape), dtype, largest))
        dx, grads = layer.backward(integers(rng, y.shape, dtype), cache)
        results.append({"y": y, "dx": dx, **grads})
    assert results[0].keys() == results[1].keys()
    for name, array in results[0].items():
        assert_array_equal(results[1][name], array, err_msg=name, strict=True)


def build_or_skip(layer, input_shape):
    try:
        layer.build(input_shape)
    except ValueError:
        assume(False)  # the window is larger than the image


@on_neighbouring_rungs
@many_cases
@given(**on_images, C=counts, F=widths, S=steps, D=steps)
def test_convolution(rungs, N, size, C, F, K, S, D, padding, dtype, seed):
    def make(**options):
        return layers.Conv2D(F, K, S, padding, dilation_rate=D, **options)

    build_or_skip(make(), (*size, C))
    assert_rungs_agree(make, (*size, C), rungs, N, dtype, seed)


@on_neighbouring_rungs
@many_cases
@given(**on_images, C=widths, S=st.none() | steps, largest=st.sampled_from([0, 1, 100]))
def test_max_pooling_where_all_tie_or_many_or_few(rungs, N, size, C, K, S, padding, dtype, seed, largest):
    def make(**options):
        return layers.MaxPool2D(K, S, padding, **options)

    build_or_skip(make(), (*size, C))
    assert_rungs_agree(make, (*size, C), rungs, N, dtype, seed, largest)


@on_neighbouring_rungs
@many_cases
@given(N=counts, C=st.integers(1, 20), U=st.integers(1, 20), dtype=dtypes, seed=seeds)
def test_dense(rungs, N, C, U, dtype, seed):
    assert_rungs_agree(lambda **options: layers.Dense(U, **options), (C,), rungs, N, dtype, seed)


# ------------------------------------------------------------------ whole models, where layers may run as one


class SumOfProducts:
    """A loss on integers whose gradient is a table of integers: L = sum of y_pred * table[y_true]."""

    def __init__(self, table):
        self.table = table

    def forward(self, y_true, y_pred):
        return (y_pred * self.table[y_true]).sum(), y_true

    def backward(self, cache):
        return self.table[cache]


def weights_after_one_step(rung, stack, input_shape, dtype, N=4):
    """The weights of a model of small integers after one step w - dw, and its output before; all of it is exact."""
    rng = np.random.default_rng(0)
    model = Sequential([layers.Input(input_shape), *stack()], kernels=rung, dtype=dtype, threads=1)
    model.set_weights([integers(rng, w.shape, dtype, 1) for w in model.get_weights()])
    x = integers(rng, (N, *input_shape), dtype, 2)
    model.compile(optimizers.SGD(1.0), SumOfProducts(integers(rng, (N, *model.output_shape), dtype, 1)))
    y = model.predict(x)
    model.fit(x, np.arange(N), batch_size=N, verbose=0)
    return [y, *model.get_weights()]


def conv(*arguments, **options):
    return layers.Conv2D(*arguments, activation="relu", **options)


pool = layers.MaxPool2D
STACKS = {
    "convolution, relu, pool": lambda: [conv(3, 3), pool(2)],
    "double precision in one layer": lambda: [conv(3, 3, dtype="float64"), pool(2)],
    "relu as a layer": lambda: [layers.Conv2D(3, (2, 3)), layers.ReLU(), pool(2)],
    "two in a row": lambda: [conv(3, 3), pool(2), conv(5, 2), pool(2)],
    "two in a row, padded": lambda: [conv(3, 3, padding="same"), pool(2), conv(5, (3, 2), padding="same"), pool(2)],
    "wide, not a multiple of eight": lambda: [conv(17, 3), pool(2), conv(33, 2), pool(2)],
    "overlapping pool": lambda: [conv(3, 3), pool(3, strides=2)],
    "rectangular pool": lambda: [conv(3, 3), pool((2, 3))],
    "same pool": lambda: [conv(3, 3), pool(2, padding="same")],
    "same convolution": lambda: [conv(3, 3, padding="same"), pool(2)],
    "strided convolution": lambda: [conv(3, 3, strides=2), pool(2)],
    "dilated convolution": lambda: [conv(3, 2, dilation_rate=2), pool(2)],
    "without bias": lambda: [conv(3, 3, use_bias=False), pool(2)],
    "no relu": lambda: [layers.Conv2D(3, 3), pool(2)],
    "no pool": lambda: [conv(3, 3), layers.Conv2D(2, 3)],
    "pool before relu": lambda: [layers.Conv2D(3, 3), pool(2), layers.ReLU()],
    "narrow seed architecture": lambda: [
        conv(4, 3),
        pool(2),
        layers.Flatten(),
        layers.Dense(5, "relu"),
        layers.Dense(3),
    ],
}


@on_neighbouring_rungs
@pytest.mark.parametrize(
    ("stack", "H", "W", "C", "dtype"),
    [
        *((stack, 11, 12, 1, "float32") for stack in STACKS),
        *((stack, 10, 11, 2, "float64") for stack in STACKS),
        *((stack, 9, 8, 6, "float32") for stack in ("convolution, relu, pool", "wide, not a multiple of eight")),
    ],
)
def test_a_training_step_of_a_whole_model(rungs, stack, H, W, C, dtype):
    for arrays in zip(*(weights_after_one_step(rung, STACKS[stack], (H, W, C), dtype) for rung in rungs), strict=True):
        assert_array_equal(*arrays, strict=True)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_nan_is_seen_in_the_prediction_wherever_it_stands_in_the_window(rung):
    model = Sequential([layers.Input((2, 10, 1)), conv(1, 1), pool(2)], kernels=rung)
    model.layers[0].params["kernel"][...] = -np.inf  # a pixel of 1 gives -inf, then 0; a pixel of 0 gives NaN
    x = np.ones((1, 2, 10, 1))
    for window, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        x[0, row, 2 * window + column] = 0
    assert_array_equal(model.predict(x).ravel(), [np.nan, np.nan, np.nan, np.nan, 0])


def test_a_layer_may_take_another_rung_than_its_model(rung):
    mixed = weights_after_one_step(rung, lambda: [conv(3, 3, kernels="loops"), pool(2)], (7, 8, 2), "float32")
    plain = weights_after_one_step("loops", lambda: [conv(3, 3), pool(2)], (7, 8, 2), "float32")
    assert_equal(mixed, plain)
