"""How threads share the work on a batch, in two ways, after Krizhevsky, "One weird trick for parallelizing
convolutional neural networks" (2014):

    by images     A convolution has few weights and much to do for each image. A part of the batch is some of its
                  images; each part has a dw of its own, and these are added up.
    by weights    A dense layer has more weights than the batch has numbers. A block is some of the rows of w, for the
                  whole batch: everything about them is computed in one place (see `dense.py`).

A dense layer's backward pass is shared by weights. Its forward pass is shared by images, 64 at a time; so a batch of up
to 64 is one product, on one thread.

Neither parts nor blocks depend on how many threads there are, and neither does the order in which they are added up. So
the same seed gives the same bits on one thread and on sixteen.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.kernels.windows import check_shape
from npcnn.threads import share, thread_count

PART, PARTS = 8, 16  # images in a part, at least; parts of a batch, at most
# Images that a kernel works on in one call, at most, unless a part has more. With fewer, the cost of the call itself
# would show; with more, a thread that is held up would have the others wait for longer.
RUN = 32
BLOCK, BLOCKS = 1 << 20, 4  # multiply-adds of a block, at least; blocks of an array of weights, at most


def part_size(N: int) -> int:
    """Return how many images of a batch of N are in a part; the last may have fewer."""
    return max(PART, -(-N // PARTS))


def part_count(N: int) -> int:
    """Return how many parts a batch of N images has: at least one, which may be empty."""
    return max(1, -(-N // part_size(N)))


def parts(N: int) -> list[slice]:
    """Cut a batch of N images into parts."""
    return slices(max(N, 1), part_size(N))


def runs(N: int) -> list[tuple[slice, slice]]:
    """Deal the parts of a batch out to the threads: to each its parts, by number, and the images in them.

    For kernels that work on several parts in one call. Between two calls a thread needs Python's interpreter, for which
    it may have to wait.
    """
    size, count = part_size(N), part_count(N)
    length = max(1, min(RUN // size, -(-count // thread_count())))
    return [(run, slice(run.start * size, run.stop * size)) for run in slices(count, length)]


def blocks(N: int, w: np.ndarray) -> list[slice]:
    """Cut the rows of w into blocks, for a batch of N examples."""
    count = max(1, min(BLOCKS, N * w.size // BLOCK))
    return slices(len(w), max(1, -(-len(w) // count)))


def slices(count: int, size: int) -> list[slice]:
    """Cut `count` things in a row into slices of `size`; the last may be smaller."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def by_images(operation: str, forward: Callable, backward: Callable) -> tuple[Callable, Callable]:
    """Return the kernels of an operation so that threads share a batch by images.

    forward(x, ...) must return (y, cache), and backward(dy, cache, ...) either dx or (dx, dw, db).
    """

    @functools.wraps(forward)
    def shared_forward(x: np.ndarray, *rest: Any) -> tuple[np.ndarray, Any]:
        ys, caches = zip(*share(lambda part: forward(x[part], *rest), parts(len(x))), strict=True)
        y = joined(ys)
        return y, (y.shape, caches)

    @functools.wraps(backward)
    def shared_backward(dy: np.ndarray, cache: Any, *rest: Any) -> Any:
        shape, caches = cache
        check_shape(operation, "dy", dy, shape)
        items = list(zip(parts(len(dy)), caches, strict=True))
        found = share(lambda item: backward(dy[item[0]], item[1], *rest), items)
        if isinstance(found[0], np.ndarray):
            return joined(found)
        dx, dw, db = zip(*found, strict=True)
        return None if dx[0] is None else joined(dx), sum(dw), sum(db)

    return shared_forward, shared_backward


def joined(arrays: Any) -> np.ndarray:
    """Return the parts' arrays as that of the batch."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
