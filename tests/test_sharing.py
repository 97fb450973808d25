"""How a batch is shared among threads: all of it, once, in pieces that do not depend on how many threads there are."""

import os

import numpy as np
import pytest

from npcnn.kernels import conv_relu_max_pool, dense, find
from npcnn.kernels.sharing import BLOCK, BLOCKS, PARTS, RUN, blocks, part_count, part_size, parts, runs
from npcnn.kernels.windows import NO_PADS as VALID
from npcnn.threads import Workers

SAME = ((1, 1), (1, 1))


def numbers(pieces, count):
    """The numbers below count that are in these pieces, piece by piece."""
    return [number for piece in pieces for number in range(count)[piece]]


@pytest.mark.parametrize("threads", range(1, 17))
def test_parts_and_runs_hold_every_image_once_and_parts_are_the_same_for_any_number_of_threads(threads):
    for N in range(1101):
        expected = parts(N)
        assert numbers(expected, N) == list(range(N)) and len(expected) == part_count(N) <= PARTS
        with Workers(threads):
            assert parts(N) == expected
            dealt = runs(N)
        assert numbers([run for run, _ in dealt], len(expected)) == list(range(len(expected)))
        for run, images in dealt:
            assert list(range(N)[images]) == numbers(expected[run], N)
            assert len(range(N)[images]) <= max(RUN, part_size(N))


def test_each_thread_has_a_run_as_long_as_there_are_parts():
    with Workers(8):
        assert [len(runs(N)) for N in (1, 8, 9, 64, 128, 512)] == [1, 1, 2, 8, 8, 16]


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5, 1000, 1601])
@pytest.mark.parametrize("N", [0, 1, 9, 64, 1024])
def test_blocks_hold_every_row_once_and_are_worth_a_thread(rows, N):
    w = np.zeros((rows, 300), "float32")
    found = blocks(N, w)
    assert numbers(found, rows) == list(range(rows))
    assert len(found) <= 1 or (len(found) <= BLOCKS and N * w.size >= BLOCK * len(found))


def test_large_weights_are_four_blocks_in_a_batch_of_64():
    assert [len(range(1600)[block]) for block in blocks(64, np.zeros((1600, 128)))] == [400] * 4


def test_a_dense_layer_without_inputs_gives_its_bias():
    y, cache = dense.forward_product(np.zeros((3, 0)), np.zeros((0, 2)), np.ones(2))
    dx, dw, db = dense.backward_product(y, cache)
    assert (y == 1).all() and (dx.shape, dw.shape, db.tolist()) == ((3, 0), (0, 2), [3, 3])


# ------------------------------------------------------------------ the kernels


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype="float32")


def weights(*shape):
    return normal(*shape), normal(shape[-1])


FUSED = conv_relu_max_pool.forward, conv_relu_max_pool.backward
CONV, POOL = (*weights(3, 2, 3, 2), (1, 1), SAME, (1, 1)), ((2, 2), (1, 2), VALID)

KERNELS = {  # (forward, backward), the shape of an image, the arguments after x, those after the cache
    "fused, few channels": (FUSED, (4, 5, 1), (*weights(3, 3, 1, 3), SAME), (False,)),
    "fused": (FUSED, (4, 5, 6), (*weights(3, 3, 6, 3), SAME), ()),
    "fused, without dx": (FUSED, (4, 5, 6), (*weights(3, 3, 6, 3), SAME), (False,)),
    "dense": (dense.PRODUCT, (800,), weights(800, 660), ()),  # from eight images on it is four blocks
    "conv2d, im2col": (find("conv2d", "im2col"), (3, 4, 3), CONV, ()),
    "conv2d, jit": (find("conv2d", "jit"), (3, 4, 3), CONV, ()),
    "max_pool2d, im2col": (find("max_pool2d", "im2col"), (4, 5, 3), POOL, ()),
    "max_pool2d, jit": (find("max_pool2d", "jit"), (4, 5, 3), POOL, ()),
}


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled now; it would take minutes")
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("N", [1, 7, 9, 65, 150])
def test_a_kernel_gives_the_same_bits_on_any_number_of_threads(name, N):
    (forward, backward), shape, arguments, more = KERNELS[name]
    results = []
    for threads in (1, 2, 3, 4, 8):
        with Workers(threads):
            y, cache = forward(normal(N, *shape), *arguments)
            gradients = backward(normal(*y.shape), cache, *more)
        arrays = [y, *(gradients if isinstance(gradients, tuple) else [gradients])]
        results.append([None if array is None else array.tobytes() for array in arrays])
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "dense"])
@pytest.mark.parametrize("count", [1, 8, 12, 64])
def test_a_dy_of_another_number_of_images_is_refused(name, count):
    (forward, backward), shape, arguments, more = KERNELS[name]
    y, cache = forward(normal(9, *shape), *arguments)
    with pytest.raises(ValueError, match=rf": dy must have shape \(9, .*, got \({count}, "):
        backward(normal(count, *y.shape[1:]), cache, *more)
