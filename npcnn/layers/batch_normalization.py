"""Batch normalization: every channel gets mean 0 and variance 1 over the batch, then a scale and a shift it learns."""

from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import initializers
from npcnn.checks import check_flag, check_fraction, check_positive
from npcnn.layers.layer import Layer, Shape

# "gamma" is a parameter, "moving_mean" is state; each has an initializer.
ARRAYS = ("gamma", "beta", "moving_mean", "moving_variance")


class BatchNormalization(Layer):
    """Standardize each channel over the batch, whatever the layers before make of it.

    Forward in training. Each channel c has M numbers in the batch, M = N H W for images; m runs over them, and all is
    done for each channel on its own:

        mean = (sum over m of x[m]) / M
        variance = (sum over m of (x[m] - mean)^2) / M
        z[m] = (x[m] - mean) / s,            s = sqrt(variance + epsilon)
        y[m] = gamma z[m] + beta

    So y depends on what else is in the batch. To predict, a model must not: then moving averages take the place of mean
    and variance. They are state, not parameters; each training step moves them, and no gradient does:

        moving <- momentum moving + (1 - momentum) (that of the batch)

    Backward, in training. y is linear in gamma and beta:

        dgamma = sum over m of dy[m] z[m],   dbeta = sum over m of dy[m],   and   dz[m] = gamma dy[m].

    x[k] reaches the loss by three ways: by its own z[k], and by mean and s, by which it moves every z[m]. From

        d mean / d x[k] = 1 / M
        d variance / d x[k] = (2 / M) (x[k] - mean)      (the mean's own part, sum of x[m] - mean, is zero)
        d s / d x[k] = (d variance / d x[k]) / (2 s) = (x[k] - mean) / (M s) = z[k] / M

    follows

        d z[m] / d x[k] = ((1 if m = k else 0) - 1 / M - z[m] z[k] / M) / s

    and dx[k] sums dz[m] times it over m:

        dx[k] = (dz[k] - (sum over m of dz[m]) / M - z[k] (sum over m of dz[m] z[m]) / M) / s
              = (gamma / s) (dy[k] - dbeta / M - z[k] dgamma / M)

    In words: what in dy is constant, or proportional to z, would shift or stretch the whole channel, which the
    standardizing undoes, so it is taken out. To predict, mean and s are constants, and dx = (gamma / s) dy.

    A frozen layer (trainable=False) must stay the function that it is, so it does in training what it does to predict.

    (Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift",
    2015.)

    Shapes: x and y alike, (N, ..., C); gamma, beta, moving_mean and moving_variance (C,).

    Args:
        axis: which axis has the channels; only the last, -1.
        momentum: how much of the moving averages stays at each step, from 0 to below 1.
        epsilon: keeps s from zero where a channel is constant.
        center: whether beta is added.
        scale: whether gamma multiplies.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: a name from
            `npcnn.initializers`, or a function (shape, rng) -> array.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; build: axis is not the last; forward: wrong shape.
        RuntimeError: forward before build.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | Callable = "zeros",
        gamma_initializer: str | Callable = "ones",
        moving_mean_initializer: str | Callable = "zeros",
        moving_variance_initializer: str | Callable = "ones",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis  # as older files have it
        self.momentum = check_fraction(f"{self}: momentum", momentum)
        self.epsilon = check_positive(f"{self}: epsilon", epsilon)
        self.center, self.scale = check_flag(f"{self}: center", center), check_flag(f"{self}: scale", scale)
        given = gamma_initializer, beta_initializer, moving_mean_initializer, moving_variance_initializer
        for key, initializer in zip(ARRAYS, given, strict=True):
            setattr(self, f"{key}_initializer", initializers.get(initializer, f"{self}: {key}_initializer"))

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Allocate gamma, beta and the moving averages, each (C,)."""
        super().build(input_shape)
        self.check_last_axis(self.axis, input_shape)
        self.params = self._allocate(self.parameter_shapes(input_shape), rng)
        self.state = self._allocate(self.state_shapes(input_shape), rng)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Gamma and beta, (C,), as far as they are there."""
        return {key: (input_shape[-1],) for key, there in zip(ARRAYS, (self.scale, self.center), strict=False) if there}

    def state_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The moving averages, (C,)."""
        return {key: (input_shape[-1],) for key in ARRAYS[2:]}

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y for x (N, ..., C), and the cache for `backward` and `update_state`."""
        x, training = self.check_input(x), training and self.trainable
        moving_mean, moving_variance = self.state.values()
        mean = self.channel_mean(x) if training else moving_mean
        z = x - mean
        variance = self.channel_mean(z * z) if training else moving_variance
        s = np.sqrt(variance + self.epsilon)
        z /= s
        y = self.params["gamma"] * z if self.scale else z
        y = y + self.params["beta"] if self.center else y
        return y, (z, s, (mean, variance), training)

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return dx, and {"gamma": dgamma, "beta": dbeta} as far as they are there."""
        z, s, _, training = cache
        dy = self.check_gradient(dy, len(z))
        mean_dy, mean_dy_z = self.channel_mean(dy), self.channel_mean(dy * z)  # dbeta / M and dgamma / M
        M = dy.size // dy.shape[-1]
        grads = {"gamma": M * mean_dy_z, "beta": M * mean_dy}
        dx = dy - mean_dy - z * mean_dy_z if training else dy
        dx = dx * (self.params["gamma"] / s if self.scale else 1 / s)
        return dx, {key: grads[key] for key in self.params}

    def update_state(self, cache: Any) -> None:
        """Move the moving averages towards the batch's mean and variance."""
        for moving, of_batch in zip(self.state.values(), cache[2], strict=True):
            moving[...] = self.momentum * moving + (1 - self.momentum) * of_batch

    def channel_mean(self, array: np.ndarray) -> np.ndarray:
        """The mean over all axes but the last; summed in double precision, as a channel may have a million numbers."""
        rows = array.reshape(-1, array.shape[-1])
        return rows.mean(axis=0, dtype=np.result_type(array, np.float64)).astype(array.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again, under Keras' names; initializers by name, too."""
        config = super().get_config()
        return {key: initializers.name_of(v) if key.endswith("_initializer") else v for key, v in config.items()}

    def _allocate(self, shapes: dict[str, Shape], rng: np.random.Generator | int | None) -> dict[str, np.ndarray]:
        return {
            key: self.new_array(key, shape, getattr(self, f"{key}_initializer"), rng) for key, shape in shapes.items()
        }
