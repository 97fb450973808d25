"""The fused kernel is the three layers it replaces, and Adam compiled is Adam in NumPy.

The three layers are the kernels of the rung `im2col`, with ReLU between them. On small integers every sum is exact in
whatever order it is taken, so there the two must agree to the last bit.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn.kernels import adam, find
from npcnn.kernels.compile import cached
from npcnn.kernels.conv_relu_max_pool import backward, forward
from npcnn.kernels.windows import NO_PADS as VALID

SAME = ((1, 1), (1, 1))

#   N, H, W, C, KH, KW, F, pads
SHAPES = [
    (2, 8, 8, 1, 3, 3, 4, VALID),
    (1, 9, 7, 1, 3, 3, 13, SAME),  # odd sizes; a single image; 13 filters
    (1, 4, 4, 1, 3, 3, 1, VALID),  # a single window
    (3, 7, 9, 3, 3, 3, 16, VALID),  # the pool drops a row and a column
    (2, 6, 5, 3, 1, 3, 70, ((0, 1), (2, 0))),  # a block of filters, and a part of one
    (2, 5, 8, 3, 4, 2, 5, ((1, 2), (0, 1))),  # an even filter, padded as "same" pads it
    (2, 9, 9, 18, 3, 1, 8, VALID),
    (0, 6, 6, 1, 3, 3, 4, VALID),
]


def three_layers(x, w, b, pads):
    """Convolution, ReLU, 2 x 2 max pool: y, and a function dy -> (dx, dw, db)."""
    convolve, backward_of_conv = find("conv2d", "im2col")
    pool, backward_of_pool = find("max_pool2d", "im2col")
    z, conv_cache = convolve(x, w, b, (1, 1), pads, (1, 1))
    y, pool_cache = pool(np.maximum(z, 0), (2, 2), (2, 2), VALID)
    return y, lambda dy: backward_of_conv(np.where(z > 0, backward_of_pool(dy, pool_cache), 0), conv_cache)


def numbers(shape, dtype, draw):
    N, H, W, C, KH, KW, F, _ = shape
    return tuple(draw(size).astype(dtype) for size in ((N, H, W, C), (KH, KW, C, F), (F,)))


def small_integers(rng):
    return lambda shape: rng.integers(-3, 4, shape)


def one_window(values, need_dx=True):
    """What a filter makes of one window of these values before ReLU: y, and for dy = 7, dx (4,) or None, dw and db."""
    x = np.array(values, "float32").reshape(1, 2, 2, 1)
    y, cache = forward(x, np.ones((1, 1, 1, 1), "float32"), np.zeros(1, "float32"), VALID)
    dx, dw, db = backward(np.full_like(y, 7), cache, need_dx)
    return y.item(), dx.ravel() if need_dx else dx, dw.item(), db.item()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [(shape, "float32") for shape in SHAPES] + [(shape, "float64") for shape in SHAPES[:2]],
    ids=str,
)
def test_equals_convolution_then_relu_then_pool_bit_for_bit_on_small_integers(shape, dtype, rng):
    x, w, b = numbers(shape, dtype, small_integers(rng))
    wanted, gradients = three_layers(x, w, b, shape[-1])
    y, cache = forward(x, w, b, shape[-1])
    assert_array_equal(y, wanted, strict=True)
    dy = rng.integers(-3, 4, y.shape).astype(dtype)
    for array, other in zip(backward(dy, cache), gradients(dy), strict=True):
        assert_array_equal(array, other, strict=True)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-5), ("float64", 1e-12)])
def test_equals_them_up_to_rounding_on_any_numbers(dtype, rtol, rng):
    # A sum of hundreds of terms, each rounding in an order of its own, is off by some tens of roundings.
    shape = SHAPES[3]
    x, w, b = numbers(shape, dtype, rng.standard_normal)
    y, cache = forward(x, w, b, VALID)
    wanted, gradients = three_layers(*(array.astype("float64") for array in (x, w, b)), VALID)
    assert_allclose(y, wanted, rtol, atol=rtol * wanted.max())
    dy = rng.normal(size=y.shape).astype(dtype)
    for array, other in zip(backward(dy, cache), gradients(dy.astype("float64")), strict=True):
        assert_allclose(array, other, rtol, atol=rtol * abs(other).max())


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[3], SHAPES[-2]], ids=str)  # few channels, and many
def test_without_dx_the_other_gradients_are_the_same(shape, rng):
    y, cache = forward(*numbers(shape, "float32", small_integers(rng)), shape[-1])
    dy = rng.integers(-3, 4, y.shape).astype("float32")
    _, dw, db = backward(dy, cache)
    none, dw_alone, db_alone = backward(dy, cache, need_dx=False)
    assert none is None
    assert_array_equal(dw_alone, dw, strict=True)
    assert_array_equal(db_alone, db, strict=True)


@pytest.mark.parametrize(
    "values", [[5, 5, 5, 5], [1, 5, 5, 5], [1, 1, 5, 5], [1, 1, 1, 5], [5, 1, 5, 1], [-1, 2, -1, 2]]
)
def test_a_tie_goes_to_the_first_position_in_row_major_order(values):
    y, dx, dw, _ = one_window(values)
    assert_array_equal(dx, 7 * (np.arange(4) == values.index(max(values))))
    assert (y, dw) == (max(values), 7 * max(values))


@pytest.mark.parametrize("values", [[-1, -2, -3, -4], [0, 0, 0, 0], [-1, 0, -1, 0], [-np.inf, -1, -np.inf, -1]])
@pytest.mark.parametrize("need_dx", [True, False])
def test_a_window_with_nothing_above_zero_gives_zero_and_takes_no_gradient(values, need_dx):
    y, dx, dw, db = one_window(values, need_dx)
    assert (y, db) == (0, 0)
    if need_dx:
        assert_array_equal([*dx, dw], 0)  # without dx, dw is 0 too, unless x is infinite and 0 * inf is NaN


@pytest.mark.parametrize("where", range(4))
@pytest.mark.parametrize("other", [-1, 0, 9, np.inf])
def test_a_nan_anywhere_in_a_window_is_its_maximum_and_takes_no_gradient(where, other):
    values = np.full(4, other, "float32")
    values[where] = np.nan
    y, dx, _, db = one_window(values)
    assert np.isnan(y)
    assert_array_equal([*dx, db], 0)


def test_infinity_wins_its_window_and_stays():
    y, dx, _, _ = one_window([1, np.inf, 2, -np.inf])
    assert y == np.inf
    assert_array_equal(dx, [0, 7, 0, 0])


def test_nan_in_one_image_or_one_filter_stays_there(rng):
    x, w, b = numbers(SHAPES[3], "float32", small_integers(rng))
    clean = forward(x, w, b, VALID)[0]
    x[1, 3, 3, 0], b[5] = np.nan, np.nan
    y = forward(x, w, b, VALID)[0]
    assert np.isnan(y[..., 5]).all() and np.isnan(y[1, 1, 1]).all()
    others = np.delete(np.arange(16), 5)
    assert_array_equal(y[[0, 2]][..., others], clean[[0, 2]][..., others])


def spread(array):
    return np.asfortranarray(np.repeat(array, 2, axis=-1))[..., ::2]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(("shape", "altered"), [(SHAPES[0], spread), (SHAPES[-2], spread), (SHAPES[0], read_only)])
def test_arrays_need_be_neither_contiguous_nor_writeable(shape, altered, rng):
    arrays = numbers(shape, "float32", small_integers(rng))
    y, cache = forward(*arrays, shape[-1])
    dy = rng.integers(-3, 4, y.shape).astype("float32")
    same_y, same_cache = forward(*map(altered, arrays), shape[-1])
    assert_array_equal(same_y, y)
    for array, other in zip(backward(altered(dy), same_cache), backward(dy, cache), strict=True):
        assert_array_equal(array, other)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nothing_that_is_passed_in_is_changed_and_backward_can_be_repeated(shape, rng):
    x, w, b = numbers(shape, "float32", rng.standard_normal)
    y, cache = forward(x, w, b, shape[-1])
    dy = rng.standard_normal(y.shape).astype("float32")
    passed = x, w, b, dy, y
    before = [array.copy() for array in passed]
    for array, again in zip(backward(dy, cache), backward(dy, cache), strict=True):
        assert array.tobytes() == again.tobytes()
        assert not any(np.shares_memory(array, other) for other in (*passed, again))
    for array, copy in zip(passed, before, strict=True):
        assert_array_equal(array, copy, strict=True)


def test_the_type_of_the_result_is_the_larger_one_of_x_w_and_b(rng):
    x, w, b = numbers(SHAPES[0], "float32", small_integers(rng))
    for wide in ((x.astype("float64"), w, b), (x, w.astype("float64"), b), (x, w, b.astype("float64"))):
        y, cache = forward(*wide, VALID)
        assert_array_equal(y, forward(x, w, b, VALID)[0].astype("float64"), strict=True)
        assert {array.dtype.name for array in backward(y.astype("float32"), cache)} == {"float64"}


def test_threads_that_meet_in_a_kernel_get_what_one_thread_gets(rng):
    shape = (2, 7, 7, 5, 3, 3, 6, VALID)  # of no other test, so that several threads want it compiled at once
    x, w, b = numbers(shape, "float32", rng.standard_normal)

    def both_ways(_):
        y, cache = forward(x, w, b, VALID)
        return [array.tobytes() for array in (y, *backward(y, cache))]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(both_ways, range(8)))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("dtype", ["complex64", "int64", "uint8", "float16", "bool"])
@pytest.mark.parametrize("name", ["x", "w", "b", "dy"])
def test_other_numbers_than_float32_and_float64_are_refused_by_name(name, dtype, rng):
    arrays = dict(zip("xwb", numbers(SHAPES[0], "float32", small_integers(rng)), strict=True))
    y, cache = forward(*arrays.values(), VALID)
    with pytest.raises(TypeError, match=f"conv_relu_max_pool: {name} must be float32 or float64, got {dtype}"):
        if name == "dy":
            backward(y.astype(dtype), cache)
        arrays[name] = arrays[name].astype(dtype)
        forward(*arrays.values(), VALID)


@pytest.mark.parametrize(
    ("x", "w", "b"),
    [
        ((2, 8, 8, 2), (3, 3, 1, 4), (4,)),
        ((2, 8, 8, 1), (3, 3, 1, 4), (5,)),
        ((8, 8, 1), (3, 3, 1, 4), (4,)),
        ((2, 8, 8, 1), (3, 1, 4), (4,)),
        ((2, 3, 8, 1), (3, 3, 1, 4), (4,)),
        ((2, 2, 2, 1), (3, 3, 1, 4), (4,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x, w, b):
    with pytest.raises(ValueError, match="conv_relu_max_pool: "):
        forward(np.ones(x, "float32"), np.ones(w, "float32"), np.ones(b, "float32"), VALID)


def test_a_dy_of_another_shape_than_y_is_refused(rng):
    y, cache = forward(*numbers(SHAPES[0], "float32", small_integers(rng)), VALID)
    with pytest.raises(ValueError, match=r"dy must have shape \(2, 3, 3, 4\)"):
        backward(y[:1], cache)


# One forward and backward pass of a tiny network's kernels, and one step of Adam, in a process of its own.
PROGRAM = """
import hashlib, sys
import numpy as np
from npcnn.kernels import adam, conv_relu_max_pool as fused
assert "numba" not in sys.modules
results = []
for H, W, C, need_dx in (5, 5, 2, False), (4, 16, 18, True):  # rows of the second have more numbers than a byte counts
    x = np.arange(2 * H * W * C).reshape(2, H, W, C) % 7.0 - 3
    w = np.arange(3 * 3 * C * 3).reshape(3, 3, C, 3) % 5.0 - 2
    y, cache = fused.forward(x, w, np.zeros(3), ((0, 0), (1, 1)))
    results += [array for array in (y, *fused.backward(y, cache, need_dx)) if array is not None]
adam.update_jit(x, x + 1, x + 2, abs(x), *map(np.float64, (0.1, 0.1, 0.001, 1e-7)))
print([hashlib.sha256(array.tobytes()).hexdigest() for array in (*results, x)])
"""


def run_program(**environment):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return run.stdout, run.stderr


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled now")
def test_compiling_is_announced_once_and_kept_on_disk_and_plain_python_gives_the_same_bits(tmp_path):
    compiled, announced = run_program(NUMBA_CACHE_DIR=str(tmp_path))
    assert announced.startswith("npcnn: compiling kernels") and announced.count("\n") == 1
    assert run_program(NUMBA_CACHE_DIR=str(tmp_path)) == (compiled, "")
    assert run_program(NUMBA_DISABLE_JIT="1") == (compiled, "")


def test_a_factory_that_several_threads_call_at_once_runs_once():
    made = []

    @cached
    def make(size):
        made.append(size)
        time.sleep(0.02)  # long enough for the other threads to ask, too
        return object()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, [3] * 64))) == 1
    assert made == [3]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 3, 5, 7), (130,), ()], ids=str)
def test_adam_compiled_gives_the_bits_that_numpy_gives(shape, dtype, rng):
    w, m, v = (np.array(rng.normal(size=shape), dtype) for _ in range(3))
    np.abs(v, out=v)
    same = w.copy(), m.copy(), v.copy()
    for t in range(1, 6):
        g = np.array(rng.normal(size=shape), dtype)
        scalars = [np.dtype(dtype).type(number) for number in (0.01 / t, 0.1, 0.001, 1e-7)]
        adam.update_numpy(w, g, m, v, *scalars)
        adam.update_jit(same[0], g, *same[1:], *scalars)
    assert [array.tobytes() for array in (w, m, v)] == [array.tobytes() for array in same]
