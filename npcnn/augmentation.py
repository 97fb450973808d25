"""New training images from old ones: each turned, stretched, slanted, shifted and bent a little, at random.

A 3 that is turned by five degrees is a 3. Seen anew in every epoch, no image can be learned by heart, and what is true
of all its variants must be learned instead.

Pixel q = (row, column) of the new image shows what the old one has at the place

    p(q) = m + A (q - m) + t + d(q)        m: the middle of the image
    A = R(angle) [[1, 0], [shear, 1]] diag(scale_down, scale_across)

with a rotation R, a shift t and an elastic field d, which bends the strokes as another hand would have drawn them.
Everything is drawn anew for each image. (P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural
networks applied to visual document analysis", 2003.)
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn.checks import check_count, check_flag, check_fraction, check_positive, check_seed
from npcnn.kernels.compile import cached, jit
from npcnn.threads import Workers, share

PART = 256  # images that a thread takes at a time


def augment(
    images: np.ndarray,
    seed: int | None = None,
    *,
    rotation: float = 8.0,
    scale: float = 0.08,
    shear: float = 0.1,
    shift: float = 1.5,
    elastic: float = 0.7,
    smoothness: float = 4.0,
    flip: bool = False,
    threads: int | None = None,
) -> np.ndarray:
    """Return a random variant of every image, in an array of the same shape and type.

    Args:
        images: (N, H, W, C), uint8 or float. Beyond their edges everything is 0.
        seed: where the random numbers start; equal seeds give equal images, on any number of threads.
        rotation: the largest angle, in degrees, either way.
        scale: the largest change of height and of width, as a share of them.
        shear: the largest slant: by how many pixels a row moves sideways for each pixel that it is above the middle.
        shift: how far an image moves at most, in pixels, along each axis.
        elastic: the standard deviation of d(q), in pixels, along each axis.
        smoothness: over how many pixels d changes (see `elastic_fields`).
        flip: whether every second image, at random, is mirrored left to right. (A shoe stays a shoe, a 3 does not.)
        threads: how many threads work on it; None takes the CPUs this process may use.

    Raises:
        TypeError: images is no array of uint8, float32 or float64.
        ValueError: images has other axes, or an argument is out of range.
    """
    images = np.asarray(images)
    if images.dtype not in (np.uint8, np.float32, np.float64):
        raise TypeError(f"augment: images must be uint8, float32 or float64, got {images.dtype}")
    if images.ndim != 4:
        raise ValueError(f"augment: images must have shape (N, H, W, C), got {images.shape}")
    sizes = {"rotation": rotation, "shear": shear, "shift": shift, "elastic": elastic}
    for name, value in sizes.items():
        if value != 0:
            check_positive(f"augment: {name}", value)
    check_fraction("augment: scale", scale)
    check_positive("augment: smoothness", smoothness)
    rng = check_seed("augment: seed", seed)
    threads = None if threads is None else check_count("augment: threads", threads)

    # All is drawn here, in one thread: so who does which images changes nothing.
    N, H, W, _ = images.shape
    matrices = random_matrices(N, rng, rotation, scale, shear, check_flag("augment: flip", flip))
    shifts = rng.uniform(-shift, shift, (N, 2))
    down, across = bumps(H, smoothness), bumps(W, smoothness)
    heights = elastic * rng.standard_normal((N, 2, down.shape[1], across.shape[1]), np.float32)

    def variants(part: slice) -> None:
        new[part] = warp(images[part], matrices[part], shifts[part], elastic_fields(heights[part], down, across))

    new = np.empty_like(images)
    with Workers(threads):
        share(variants, [slice(start, start + PART) for start in range(0, N, PART)])
    return new


def random_matrices(
    N: int, rng: np.random.Generator, rotation: float, scale: float, shear: float, flip: bool
) -> np.ndarray:
    """Return N matrices A = R(angle) [[1, 0], [shear, 1]] diag(scale_down, scale_across), (N, 2, 2)."""
    angle = np.radians(rng.uniform(-rotation, rotation, N))
    one, zero = np.ones(N), np.zeros(N)
    scales = rng.uniform(1 - scale, 1 + scale, (2, N))
    mirror = rng.choice([-1, 1], N) if flip else one
    rotated = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    sheared = [[one, zero], [rng.uniform(-shear, shear, N), one]]
    scaled = [[scales[0], zero], [zero, scales[1] * mirror]]
    return of_each(rotated) @ of_each(sheared) @ of_each(scaled)


def of_each(matrix: Any) -> np.ndarray:
    """Return N matrices, (N, 2, 2), of one whose entries are arrays (N,)."""
    return np.moveaxis(np.array(matrix), -1, 0)


def bumps(size: int, smoothness: float) -> np.ndarray:
    """Return G (size, K): Gaussian bumps around K knots, evenly spaced from the first pixel to the last.

    G[i, k] = exp(-(i - knot_k)^2 / (2 smoothness^2)),    each row divided by its length sqrt(sum_k G[i, k]^2)
    """
    knots = np.linspace(0, size - 1, math.ceil((size - 1) / smoothness) + 1)
    G = np.exp(-((np.arange(size)[:, None] - knots) ** 2) / (2 * smoothness**2))
    return (G / np.linalg.norm(G, axis=1, keepdims=True)).astype(np.float32)


def elastic_fields(heights: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return smooth random fields: d = G_down u G_across^T, of shape (N, 2, H, W), from their heights u at the knots.

    Simard et al. blur noise of one random number for each pixel with a Gaussian; what is left varies so slowly that
    noise at knots as far apart as the Gaussian is wide gives the same, for a fraction of the work. As the rows of G
    have length 1, d(q) is at each pixel as large as u: its standard deviation is the same.

    Args:
        heights: u, (N, 2, K, L), independent random numbers.
        down, across: G of both axes, (H, K) and (W, L), from `bumps`.
    """
    return down @ (heights @ across.T)


def warp(images: np.ndarray, matrices: np.ndarray, shifts: np.ndarray, fields: np.ndarray, **beyond: Any) -> np.ndarray:
    """Return y[n, q] = images[n, m + A (q - m) + t + d(q)], the value between pixels by bilinear interpolation.

    Args:
        images: (N, H, W, C).
        matrices: A, (N, 2, 2).
        shifts: t, (N, 2), in pixels down and across.
        fields: d, (N, 2, H, W), in pixels down and across.
        beyond: what is beyond the edges, as np.pad is told: mode="edge", say; by default 0.
    """
    y = np.empty(images.shape, np.float32 if images.dtype == np.uint8 else images.dtype)
    border = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), **beyond)
    bilinear(*images.shape[1:])(border, matrices, shifts, fields, y)
    return np.rint(y).astype(np.uint8) if images.dtype == np.uint8 else y


@cached
def bilinear(H: int, W: int, C: int) -> Callable:
    """Return the loop of `warp`; its x has a border of one pixel, and places beyond that are moved onto it.

    Between four pixels, at the distances below and right from the upper left one,

        y = (1 - below) ((1 - right) x[upper left] + right x[upper right])
            +    below  ((1 - right) x[lower left] + right x[lower right])
    """

    def kernel(x: Any, matrices: Any, shifts: Any, fields: Any, y: Any) -> None:
        for n in range(len(x)):
            a00, a01, a10, a11 = matrices[n, 0, 0], matrices[n, 0, 1], matrices[n, 1, 0], matrices[n, 1, 1]
            down, across = shifts[n, 0] + (H + 1) / 2, shifts[n, 1] + (W + 1) / 2  # m + t, counted with the border
            for i in range(H):
                for j in range(W):
                    v, h = i - (H - 1) / 2, j - (W - 1) / 2
                    row = min(max(a00 * v + a01 * h + down + fields[n, 0, i, j], 0), H + 1)
                    column = min(max(a10 * v + a11 * h + across + fields[n, 1, i, j], 0), W + 1)
                    top, left = int(min(row, H)), int(min(column, W))
                    below, right = row - top, column - left
                    for c in range(C):
                        upper = (1 - right) * x[n, top, left, c] + right * x[n, top, left + 1, c]
                        lower = (1 - right) * x[n, top + 1, left, c] + right * x[n, top + 1, left + 1, c]
                        y[n, i, j, c] = (1 - below) * upper + below * lower

    return jit(kernel, contract=False)
