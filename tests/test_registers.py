"""How rows are laid out for the compiled kernels: whole blocks, from the start of a cache line."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npcnn.kernels import registers
from npcnn.kernels.registers import LINE, aligned, block_size, padded


@pytest.mark.parametrize(
    ("avx512", "dtype", "blocks"),
    [
        (True, "float32", {1: 16, 16: 16, 17: 32, 64: 64, 65: 48, 96: 48, 130: 48}),
        (True, "float64", {1: 8, 32: 32, 33: 24, 70: 24}),
        (False, "float32", {1: 16, 16: 16, 17: 16, 32: 16}),
        (False, "float64", {8: 8, 9: 8}),
    ],
)
def test_blocks_are_whole_cache_lines_and_alike_and_as_large_as_the_registers_allow(monkeypatch, avx512, dtype, blocks):
    monkeypatch.setattr(registers, "has_avx512", lambda: avx512)
    assert {size: block_size(size, np.dtype(dtype)) for size in blocks} == blocks
    two_rows = {96: 96, 128: 128, 192: 96} if avx512 else {32: 32, 48: 32, 96: 32}
    if dtype == "float32":
        assert {size: block_size(size, np.dtype(dtype), rows=2) for size in two_rows} == two_rows


def test_a_size_is_rounded_up_to_whole_blocks(monkeypatch):
    monkeypatch.setattr(registers, "has_avx512", lambda: True)
    rows = [padded(np.ones(size, "float32"), np.dtype("float32")) for size in (1, 16, 65, 130)]
    assert [len(row) for row in rows] == [16, 16, 96, 144]


@pytest.mark.parametrize("shape", [(3, 5), (1, 16), (7,)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_aligned_memory_begins_at_a_cache_line(shape, dtype):
    for _ in range(20):  # wherever the system puts it
        array = aligned(shape, np.dtype(dtype))
        assert array.__array_interface__["data"][0] % LINE == 0
        assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, np.dtype(dtype), True)
    assert LINE == 64
    assert array.base.nbytes == array.nbytes + LINE


def test_padded_rows_are_the_rows_and_then_zeros():
    rows = padded(np.arange(6).reshape(2, 3), np.dtype("float32"))
    assert_array_equal(rows, [[0, 1, 2] + 13 * [0], [3, 4, 5] + 13 * [0]])
    assert rows.dtype == "float32"
    assert rows.ctypes.data % LINE == 0


def test_rows_that_are_laid_out_so_already_are_not_copied():
    float32, array = np.dtype("float32"), aligned((2, 16), np.dtype("float32"))
    assert padded(array, float32) is array
    off = aligned((33,), float32)[1:].reshape(2, 16)
    across = aligned((16, 2), float32).T
    for other in (off, across, array.astype("float64"), array[:, :15]):
        assert padded(other, float32) is not other
