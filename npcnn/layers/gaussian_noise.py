"""Noise: in training, no image is seen twice the same."""

from typing import Any

import numpy as np

from npcnn.checks import check_count, check_not_negative
from npcnn.layers.layer import Layer


class GaussianNoise(Layer):
    """Add random numbers, in training only, so that the model does not rely on exact values.

    Forward in training, elsewhere y = x:   y = x + stddev e,   e drawn for each number from a standard normal
    Backward:                               dx = dy

    Shapes: x and y alike, any.

    Args:
        stddev: the standard deviation of the noise, from 0 up.
        seed: where this layer's draws start, as for `Dropout`; None draws from the model's random numbers.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; forward: training without rng.
    """

    draws = True

    def __init__(self, stddev: float, seed: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.stddev = check_not_negative(f"{self}: stddev", stddev)
        self.seed = None if seed is None else check_count(f"{self}: seed", seed, least=0)
        self.steps = np.zeros((), np.int64)  # of training, that were taken; copies of this layer count together

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, Any]:
        """Return y."""
        x = self.check_input(x)
        if not training or self.stddev == 0:
            return x, len(x)
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, int(self.steps)])
        if rng is None:
            raise self.error("in training, forward needs rng, the random numbers to draw from")
        return x + self.stddev * rng.standard_normal(x.shape, dtype="float32").astype(x.real.dtype), len(x)

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx."""
        return self.check_gradient(dy, cache), {}

    def update_state(self, cache: Any) -> None:
        """Count the step, so that a layer with a seed of its own draws other numbers in the next."""
        self.steps += 1
