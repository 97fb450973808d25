"""What a model does to some rows of a batch, where other ranks have the others (see ranks.py)."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from npcnn.layers.batch_normalization import BatchNormalization
from npcnn.layers.layer import Layer
from npcnn.training import Gradients, Plan, penalties


def step_on_rows(step: Layer, ranks: Any) -> Layer:
    """Return a step that knows of the other ranks' rows as far as it must; it shares its parameters with `step`.

    Raises:
        ValueError: the layer is one of a user's own, and learns without a gradient: nobody knows how from all rows.
    """
    if step.state and not isinstance(step, BatchNormalization):
        raise ValueError(
            f"{step}: with several ranks, only BatchNormalization may have state; each would go its own way"
        )
    part: Any = copy.copy(step)
    part.kernel_regularizer = part.bias_regularizer = None  # `PartPlan.gradients_of` adds the penalty, once
    if isinstance(step, BatchNormalization):
        part.channel_mean = partial(mean_over_ranks, ranks)
    if step.draws:
        part.forward = partial(draw_for_all, step)
    return part


def mean_over_ranks(ranks: Any, array: np.ndarray) -> np.ndarray:
    """Return the mean over all axes but the last, and over all ranks; as `BatchNormalization.channel_mean`."""
    rows = array.reshape(-1, array.shape[-1])
    total = ranks.sum(np.append(rows.sum(axis=0, dtype=np.float64), len(rows)))
    return (total[:-1] / total[-1]).astype(array.dtype)


def draw_for_all(step: Any, x: np.ndarray, training: bool = False, rng: Any = None) -> tuple[np.ndarray, Any]:
    """Go forward through a layer that draws random numbers, as it would on the whole batch."""
    if not training or rng is None:
        return type(step).forward(step, x, training, rng)
    if hasattr(step, "steps") and step.seed is not None:  # as Dropout draws where it has a seed of its own
        rng = RowsOfDraw(np.random.default_rng([step.seed, int(step.steps)]), rng.rows, rng.N)
        step = copy.copy(step)
        step.seed = None
    noise_shape = getattr(step, "noise_shape", None)
    if noise_shape and noise_shape[0] == 1:
        rng = rng.rng  # one draw for all rows of the batch
    return type(step).forward(step, x, training, rng)


@dataclass
class RowsOfDraw:
    """Random numbers for some rows of a batch: those that one process would draw for these rows."""

    rng: np.random.Generator
    rows: slice
    N: int

    def random(self, size: int | Sequence[int], dtype: Any = float) -> np.ndarray:
        """Return uniform random numbers from 0 to 1; `size` begins with the number of these rows."""
        return self.rng.random(self._of_all(size), dtype)[self.rows]

    def standard_normal(self, size: int | Sequence[int], dtype: Any = float) -> np.ndarray:
        """Return normally distributed random numbers; `size` begins with the number of these rows."""
        return self.rng.standard_normal(self._of_all(size), dtype)[self.rows]

    def _of_all(self, size: int | Sequence[int]) -> tuple[int, ...]:
        return (self.N, *(() if isinstance(size, int) else size[1:]))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"with several ranks, a layer draws by rng.random or rng.standard_normal, not by {name}")


@dataclass
class PartPlan(Plan):
    """What a model does to some rows of a batch; `whole` is what one process would do to the batch (`WatchedPlan`)."""

    whole: Any

    @classmethod
    def of(cls, plan: Any, ranks: Any) -> "PartPlan":
        """Return the plan for some rows of a batch, on one of these ranks."""
        steps = [step_on_rows(step, ranks) for step in plan.steps]
        return cls(steps, plan.dtype, plan.loss, plan.metrics, plan.joined, plan)

    def forward(self, x: np.ndarray, training: bool = False, rng: Any = None) -> tuple[np.ndarray, list[Any]]:
        """Do as `Plan.forward`, and let `whole` look for what may be wrong (see diagnosis.py)."""
        output, caches = super().forward(x, training, rng)
        if training and len(x):
            self.whole.look(x, caches)
        return output, caches

    def score(self, y: Any, output: np.ndarray, weights: Any = None) -> tuple[np.ndarray, Any]:
        """Return what `Plan.score` does; `whole` knows the penalties on weights."""
        return self.whole.score(y, output, weights)

    def score_and_slope(self, y: Any, output: np.ndarray, weights: Any, N: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the totals of some rows, and the gradient of the mean over all N with respect to their output."""
        if not len(output):
            return np.zeros((1 + len(self.metrics), 2)), output  # of no rows, as the gradient
        totals, cache = self.score(y, output, weights)
        return totals, self.loss.backward(cache) * (len(output) / N)

    def flat(self, grads: Gradients) -> np.ndarray:
        """Return the gradients as one array, one behind the other."""
        return np.concatenate([g.ravel() for g in grads.values()]) if grads else np.empty(0, self.dtype)

    def gradients_of(self, flat: np.ndarray, like: Gradients, params: dict[str, np.ndarray]) -> Gradients:
        """Return the gradients that stand one behind the other in `flat`, and those of the penalties with them."""
        grads, start = {}, 0
        for key, g in like.items():
            grads[key] = flat[start : start + g.size].reshape(g.shape)
            start += g.size
        for step in self.whole.steps:
            for key, penalty in penalties(step).items():
                grads[f"{step.name}/{key}"] += penalty.gradient(step.params[key])
        return {key: grads[key] for key in params}
