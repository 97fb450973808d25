"""Dropout: in training, some of the numbers are left out at random."""

from typing import Any

import numpy as np

from npcnn.checks import check_count, check_fraction
from npcnn.layers.layer import Layer, Shape


class Dropout(Layer):
    """Set numbers to zero at random, in training only, so that no unit comes to rely on another.

    Forward in training, with r the rate; elsewhere y = x:

        y = x / (1 - r)  with probability 1 - r, else 0       drawn for each number on its own
        dx = dy / (1 - r)  where x was kept, else 0           (backward)

    On average over the draws y is x: that is what the division is for ("inverted" dropout), and why nothing has to be
    done when the model predicts. In effect, each step trains another thinned network, and prediction is by their mean.
    (Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks from
    overfitting", 2014.)

    Shapes: x and y alike, any.

    Args:
        rate: r, the share that is left out, from 0 to 1; of 1, all.
        noise_shape: the shape (N, ...) of what is drawn; along an axis of 1 the numbers are left out together, and None
            stands for the size that x has there. None for all of it: the shape of x.
        seed: where this layer's draws start, whatever the model's seed is: the same ones in each run. (They start anew
            when a saved model is loaded.) None draws from the model's random numbers.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; forward: noise_shape does not fit x, or training without rng.
    """

    draws = True

    def __init__(
        self, rate: float, noise_shape: tuple[int | None, ...] | None = None, seed: int | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.rate = check_fraction(f"{self}: rate", rate, below="")
        self.seed = None if seed is None else check_count(f"{self}: seed", seed, least=0)
        self.noise_shape = None if noise_shape is None else self._check_sizes(noise_shape)
        self.steps = np.zeros((), np.int64)  # of training, that were taken; copies of this layer count together

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return y; the cache is what x was multiplied by, or None for nothing."""
        x = self.check_input(x)
        if not training or self.rate == 0:
            return x, (None, len(x))
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, int(self.steps)])
        if rng is None:
            raise self.error("in training, forward needs rng, the random numbers to draw from")
        is_kept = rng.random(self.shape_of_draw(x.shape), dtype="float32") >= self.rate
        mask = is_kept.astype(x.real.dtype) / (1 - self.rate if self.rate < 1 else 1)
        return x * mask, (mask, len(x))

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx: what was done to x is done to dy."""
        mask, N = cache
        dy = self.check_gradient(dy, N)
        return dy if mask is None else dy * mask, {}

    def update_state(self, cache: Any) -> None:
        """Count the step, so that a layer with a seed of its own draws other numbers in the next."""
        self.steps += 1

    def shape_of_draw(self, shape: Shape) -> Shape:
        """The shape of what is drawn for an x of `shape`, batch axis included."""
        wanted = self.noise_shape or shape
        if len(wanted) != len(shape) or any(w not in (None, 1, size) for w, size in zip(wanted, shape, strict=False)):
            raise self.error(f"noise_shape {wanted} does not fit x of shape {shape}; each size must be x's, 1 or None")
        return tuple(size if w is None else w for w, size in zip(wanted, shape, strict=True))

    def _check_sizes(self, noise_shape: Any) -> tuple[int | None, ...]:
        if not isinstance(noise_shape, (tuple, list)):
            raise self.error(f"noise_shape must be like (None, 1, 1, 32), got {noise_shape!r}")
        return tuple(None if size is None else check_count(f"{self}: noise_shape", size) for size in noise_shape)


class SpatialDropout2D(Dropout):
    """Leave out whole channels of an image: neighbouring pixels tell much the same, and would give away a lost one.

    Forward and backward: as Dropout, with one draw for each image and channel; noise_shape is (N, 1, 1, C). (Tompson,
    Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks", 2015.)

    Shapes: x and y alike, (N, H, W, C).

    Args:
        rate, seed: as for Dropout.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; build: input_shape is not (H, W, C).
    """

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **common: Any) -> None:
        super().__init__(rate, (None, 1, 1, None), seed, data_format=data_format, **common)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Take images of `input_shape` (H, W, C)."""
        super().build(self.check_input_shape(input_shape, "H, W, C"))
