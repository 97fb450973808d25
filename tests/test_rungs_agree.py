"""Every rung of the ladder gives what the rung below it gives, bit for bit, on small integers.

On small integers every sum is exact, whatever the order of its terms, so two rungs that compute the same equation
cannot differ in a single bit. The lowest rung is held to hand-worked numbers in test_layers.py; each higher rung is
compared with its neighbour here.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from npcnn import Sequential, layers, optimizers
from npcnn.kernels import RUNGS

on_neighbouring_rungs = pytest.mark.parametrize("rungs", list(pairwise(RUNGS)), ids="-".join)
on_every_rung = pytest.mark.parametrize("rung", RUNGS)

# Seeded by their names (derandomize), so that a run can be repeated. A compiled rung takes its time once: no deadline.
many_cases = settings(max_examples=60, derandomize=True, deadline=None, database=None)

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
windows = st.tuples(st.integers(1, 4), st.integers(1, 4))
steps = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.sampled_from(["valid", "same"])
dtypes = st.sampled_from(["float32", "float64"])
counts = st.integers(1, 3)
seeds = st.integers(0, 2**32 - 1)


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
@given(
    N=counts, size=sizes, C=counts, F=counts, K=windows, S=steps, D=steps, padding=paddings, dtype=dtypes, seed=seeds
)
def test_convolution(rungs, N, size, C, F, K, S, D, padding, dtype, seed):
    def make(**options):
        return layers.Conv2D(F, K, S, padding, dilation_rate=D, **options)

    build_or_skip(make(), (*size, C))
    assert_rungs_agree(make, (*size, C), rungs, N, dtype, seed)


@on_neighbouring_rungs
@many_cases
@given(N=counts, size=sizes, C=counts, K=windows, S=st.none() | steps, padding=paddings, dtype=dtypes, seed=seeds)
def test_max_pooling_where_ties_are_common(rungs, N, size, C, K, S, padding, dtype, seed):
    def make(**options):
        return layers.MaxPool2D(K, S, padding, **options)

    build_or_skip(make(), (*size, C))
    assert_rungs_agree(make, (*size, C), rungs, N, dtype, seed, largest=1)


@on_neighbouring_rungs
@many_cases
@given(N=counts, C=st.integers(1, 20), U=st.integers(1, 20), dtype=dtypes, seed=seeds)
def test_dense(rungs, N, C, U, dtype, seed):
    assert_rungs_agree(lambda **options: layers.Dense(U, **options), (C,), rungs, N, dtype, seed)


@pytest.mark.parametrize("layer", [layers.Conv2D, layers.Dense, layers.MaxPool2D])
def test_compiled_loops_take_complex_numbers_as_numpy_does(layer, rng):
    size, shape = ((3,), (4,)) if layer is layers.Dense else (() if layer is layers.MaxPool2D else (3, 2), (5, 4, 2))
    x = integers(rng, (2, *shape), "complex128") + 1j * integers(rng, (2, *shape), "complex128")
    outputs = []
    for rung in ("im2col", "jit"):
        made = layer(*size, kernels=rung, dtype="float64")
        made.build(shape)
        for p in made.params.values():
            p[...] = np.arange(p.size).reshape(p.shape)
        y, cache = made.forward(x)
        dx, grads = made.backward(y, cache)
        outputs.append((y, dx, *grads.values()))
    for array, other in zip(*outputs, strict=True):
        assert_array_equal(array, other, strict=True)


# What the random cases should meet is also here by name, so that no change of the random cases can lose it.
CONVOLUTIONS = {
    "rectangular": {"kernel_size": (2, 3), "size": (5, 9)},
    "tall": {"kernel_size": (3, 1), "size": (9, 4)},
    "strided": {"kernel_size": 3, "strides": (2, 3), "size": (8, 11)},
    "stride over gaps": {"kernel_size": 1, "strides": 3, "size": (7, 8)},
    "same": {"kernel_size": 3, "padding": "same", "size": (5, 6)},
    "same, even kernel": {"kernel_size": (2, 4), "padding": "same", "size": (5, 6)},
    "same, strided": {"kernel_size": (2, 3), "strides": (3, 2), "padding": "same", "size": (7, 8)},
    "dilated": {"kernel_size": 3, "dilation_rate": (2, 1), "size": (7, 5)},
    "dilated, same, strided": {
        "kernel_size": 3,
        "dilation_rate": (1, 3),
        "padding": "same",
        "strides": 2,
        "size": (6, 7),
    },
    "one output": {"kernel_size": (4, 5), "size": (4, 5)},
    "without bias": {"kernel_size": 2, "use_bias": False, "size": (4, 5)},
    "with relu": {"kernel_size": 3, "activation": "relu", "size": (6, 7)},
    "larger than the image": {"kernel_size": 5, "padding": "same", "size": (2, 3)},
}


@on_neighbouring_rungs
@pytest.mark.parametrize(("N", "C", "F"), [(2, 3, 4), (1, 1, 1), (1, 3, 17), (3, 1, 32)])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_of_every_kind(rungs, case, N, C, F):
    arguments = dict(CONVOLUTIONS[case])
    size = arguments.pop("size")
    assert_rungs_agree(
        lambda **options: layers.Conv2D(F, **arguments, **options), (*size, C), rungs, N, "float32", seed=0
    )


POOLS = {
    "side by side": {"pool_size": 2, "size": (6, 4)},
    "rest dropped": {"pool_size": 2, "size": (11, 7)},
    "rectangular": {"pool_size": (2, 3), "size": (5, 9)},
    "overlapping": {"pool_size": 3, "strides": (1, 2), "size": (7, 8)},
    "gaps between": {"pool_size": 2, "strides": (3, 4), "size": (9, 10)},
    "same": {"pool_size": 3, "strides": 2, "padding": "same", "size": (6, 7)},
    "same, overlapping": {"pool_size": (4, 3), "strides": 1, "padding": "same", "size": (3, 5)},
    "all of it": {"pool_size": (4, 5), "size": (4, 5)},
}


@on_neighbouring_rungs
@pytest.mark.parametrize(("N", "C"), [(2, 3), (1, 1), (1, 32)])
@pytest.mark.parametrize("case", POOLS)
def test_pools_of_every_kind(rungs, case, N, C):
    arguments = dict(POOLS[case])
    size = arguments.pop("size")
    for largest in (0, 1, 100):  # all ties, many ties, few ties
        assert_rungs_agree(
            lambda **options: layers.MaxPool2D(**arguments, **options), (*size, C), rungs, N, "float32", 0, largest
        )


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


STACKS = {
    "double precision in one layer": lambda: [
        layers.Conv2D(3, 3, activation="relu", dtype="float64"),
        layers.MaxPool2D(2),
    ],
    "convolution, relu, pool": lambda: [layers.Conv2D(3, 3, activation="relu"), layers.MaxPool2D(2)],
    "relu as a layer": lambda: [layers.Conv2D(3, (2, 3)), layers.ReLU(), layers.MaxPool2D(2)],
    "two in a row": lambda: [
        layers.Conv2D(3, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(5, 2, activation="relu"),
        layers.MaxPool2D(2),
    ],
    "two in a row, padded": lambda: [
        layers.Conv2D(3, 3, padding="same", activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(5, (3, 2), padding="same", activation="relu"),
        layers.MaxPool2D(2),
    ],
    "wide, not a multiple of eight": lambda: [
        layers.Conv2D(17, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(33, 2, activation="relu"),
        layers.MaxPool2D(2),
    ],
    "overlapping pool": lambda: [layers.Conv2D(3, 3, activation="relu"), layers.MaxPool2D(3, strides=2)],
    "rectangular pool": lambda: [layers.Conv2D(3, 3, activation="relu"), layers.MaxPool2D((2, 3))],
    "same pool": lambda: [layers.Conv2D(3, 3, activation="relu"), layers.MaxPool2D(2, padding="same")],
    "same convolution": lambda: [layers.Conv2D(3, 3, padding="same", activation="relu"), layers.MaxPool2D(2)],
    "strided convolution": lambda: [layers.Conv2D(3, 3, strides=2, activation="relu"), layers.MaxPool2D(2)],
    "dilated convolution": lambda: [layers.Conv2D(3, 2, dilation_rate=2, activation="relu"), layers.MaxPool2D(2)],
    "without bias": lambda: [layers.Conv2D(3, 3, use_bias=False, activation="relu"), layers.MaxPool2D(2)],
    "no relu": lambda: [layers.Conv2D(3, 3), layers.MaxPool2D(2)],
    "no pool": lambda: [layers.Conv2D(3, 3, activation="relu"), layers.Conv2D(2, 3)],
    "pool before relu": lambda: [layers.Conv2D(3, 3), layers.MaxPool2D(2), layers.ReLU()],
    "the seed architecture, narrower": lambda: [
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(5, activation="relu"),
        layers.Dense(3),
    ],
}


@on_neighbouring_rungs
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(
    ("H", "W", "C", "dtype"), [(11, 12, 1, "float32"), (10, 11, 2, "float64"), (9, 8, 6, "float32")]
)
def test_a_training_step_of_a_whole_model(rungs, stack, H, W, C, dtype):
    one, other = (weights_after_one_step(rung, STACKS[stack], (H, W, C), dtype) for rung in rungs)
    for array, same_array in zip(one, other, strict=True):
        assert_array_equal(same_array, array, strict=True)


@on_every_rung
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_nan_is_seen_in_the_prediction_wherever_it_stands_in_the_window(rung):
    stack = [layers.Conv2D(1, 1, activation="relu"), layers.MaxPool2D(2)]
    model = Sequential([layers.Input((2, 10, 1)), *stack], kernels=rung)
    model.set_weights([np.full((1, 1, 1, 1), -np.inf), [0]])  # a pixel of 1 gives -inf, then 0; a pixel of 0 gives NaN
    x = np.ones((1, 2, 10, 1))
    for window, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        x[0, row, 2 * window + column] = 0
    assert_array_equal(model.predict(x).ravel(), [np.nan, np.nan, np.nan, np.nan, 0])


@on_every_rung
def test_a_layer_may_take_another_rung_than_its_model(rung):
    def mixed():
        return [layers.Conv2D(3, 3, activation="relu", kernels="loops"), layers.MaxPool2D(2), layers.Flatten()]

    def plain():
        return [layers.Conv2D(3, 3, activation="relu"), layers.MaxPool2D(2), layers.Flatten()]

    for array, same_array in zip(
        weights_after_one_step(rung, mixed, (7, 8, 2), "float32"),
        weights_after_one_step("loops", plain, (7, 8, 2), "float32"),
        strict=True,
    ):
        assert_array_equal(array, same_array)
