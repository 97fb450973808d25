"""What may be wrong with a training, said once, in a sentence, by a warning; the training goes on.

`fit` puts a `WatchedPlan` in the place of its plan. It looks at the first batch, at the loss of every step, and, after
1, 2, 4, ... epochs, at what ReLU layers return for a batch: beside a step, all this costs nothing.
"""

import math
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from npcnn.batches import Batches
from npcnn.kernels.conv_relu_max_pool import NO_WINNER
from npcnn.layers.batch_normalization import BatchNormalization
from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.layers.layer import Layer
from npcnn.layers.relu import ReLU
from npcnn.layers.rescaling import Rescaling
from npcnn.planning import JOINED
from npcnn.training import Plan

FEWEST = 16  # examples by which a ReLU is called dead


def watched(plan: Plan, model: Any, batches: Batches) -> Plan:
    """Return the plan, watched while `model` is trained on these batches."""
    return WatchedPlan(**vars(plan), model=model, epoch=batches.steps or 1000)


def quiet() -> Any:
    """Return a context without NumPy's own warnings of overflow and NaN, whose cause is told here.

    It is of this thread; others that share a step may still warn. Errors stay, for those who have asked NumPy for them.
    """
    asked = np.geterr()
    return np.errstate(
        over="ignore" if asked["over"] == "warn" else None, invalid="ignore" if asked["invalid"] == "warn" else None
    )


class WatchedPlan(Plan):
    """A plan that warns of what goes wrong when `model` is trained.

    The first look at ReLU layers is after `epoch` steps.
    """

    def __init__(self, *, model: Any, epoch: int, **parts: Any) -> None:
        super().__init__(**parts)
        self.model = model
        self.due: float = epoch
        self.step, self.size, self.is_well = 0, 0, True
        self.batch: Any = None

    @property
    def rate(self) -> float | None:
        """The learning rate now, of an optimizer that has one."""
        return getattr(self.model.optimizer, "learning_rate", None)

    @property
    def where(self) -> str:
        """The step at hand, as callbacks count, also where training goes on from a backup; but from 1."""
        return f"step {self.model.place.step + 1} of epoch {self.model.place.epoch + 1}"

    def forward(self, x: np.ndarray, training: bool = False, rng: Any = None) -> tuple[np.ndarray, list[Any]]:
        """Do as `Plan.forward`, and look at the batch of a step of training."""
        output, caches = super().forward(x, training, rng)
        if training:
            self.look(x, caches)
        return output, caches

    def look(self, x: np.ndarray, caches: list[Any]) -> None:
        """Remember the batch of a step of training, and look at it and at what became of it."""
        self.step, self.batch = self.step + 1, x
        if self.step == 1:
            self._look_at_images(x)
            self.size = len(x)
        # Of a few examples, as in the smaller batch that may end an epoch, a healthy ReLU may return only zeros.
        if self.step >= self.due and len(x) >= max(self.size, FEWEST):
            self.due = 2 * self.step
            self._look_at_relus(x, caches)

    def score(self, y: np.ndarray, output: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
        """Do as `Plan.score`, and look at the loss of a step of training."""
        totals, cache = super().score(y, output, weights)
        if self.batch is not None:
            x, self.batch = self.batch, None
            if self.step == 1 and not self.joined:
                self._look_at_output(output)
            if self.is_well and not np.isfinite(totals[0, 0]):
                self.is_well = False
                self._explain(x, totals[0, 0] / totals[0, 1])
        return totals, cache

    def outputs(self, x: np.ndarray) -> Iterator[tuple[Layer, np.ndarray]]:
        """Yield each step and what it returns, as in training."""
        x = x.astype(self.dtype, copy=False)
        with np.errstate(all="ignore"):
            for step in self.steps:
                x, _ = step.forward(x, True, **({"rng": np.random.default_rng(0)} if step.draws else {}))
                yield step, x

    def _look_at_images(self, x: np.ndarray) -> None:
        """Grey levels of 0 to 255 are far larger than what weights are made for when they are drawn."""
        if x.ndim > 2 and not scales(self.steps) and x.min() >= 0 and 128 <= x.max() <= 255:
            warn(f"x goes up to {x.max():g}, as grey levels do; training goes better with x / 255, from 0 to 1")

    def _look_at_output(self, output: np.ndarray) -> None:
        """A cross-entropy takes logarithms of probabilities, and clips what is none."""
        if type(self.loss) not in JOINED or self.loss.from_logits:
            return
        if output.min() < 0 or output.max() > 1 + 1e-3:
            name, got = self.loss.name, f"from {output.min():.3g} to {output.max():.3g}"
            warn(f"{name} wants probabilities, and the model returns numbers {got}; end it in softmax or sigmoid")

    def _look_at_relus(self, x: np.ndarray, caches: list[Any]) -> None:
        """Where a ReLU returns zero its gradient is zero: one that always does keeps all before it as it is."""
        before: Any = None
        for step, cache in zip(self.steps, caches, strict=True):
            if x.any() and is_dead(step, cache):
                which = step if step.name or before is None else f"the ReLU behind {before}"
                what = f"{which} returns 0 for all {len(x)} examples of the batch, so that nothing before it learns"
                cause = f"the learning rate, {self.rate:g}, may be too large" if self.rate else "steps may be too large"
                warn(f"in {self.where} {what}; {cause}, or use LeakyReLU")
                self.due = math.inf  # said once
                return
            before = step

    def _explain(self, x: np.ndarray, loss: float) -> None:
        """Say where the first number came from that is none, and why, as far as can be seen."""
        first = next((step for step, y in self.outputs(x) if not np.isfinite(y).all()), None)
        broken = next((step for step in self.steps if not all(np.isfinite(w).all() for w in step.weights)), None)
        where = "every layer's output is finite, so it comes from the loss, the labels or a penalty"
        if first is not None:
            what = "weights are" if first is broken else "output is"
            where = f"{first} is the first whose {what} not finite"
        largest = float(np.abs(x).max())
        if self.rate and (self.step > 1 or self.model.place.epoch or self.model.place.step):
            cause = f"the learning rate, {self.rate:g}, may be too large: try {self.rate / 10:g}"
        elif largest > 1000:
            cause = f"x goes up to {largest:.3g}: scale it, to numbers like 0 to 1"
        else:
            cause = "look at the weights it started from, and at parts of your own"
        warn(f"the loss is {loss} in {self.where}: {where}; {cause}")


def scales(steps: list[Layer]) -> bool:
    """Return whether numbers are scaled before they come to a second layer with weights."""
    weighted = 0
    for step in steps:
        if isinstance(step, Rescaling | BatchNormalization):
            return True
        weighted += bool(step.params)
        if weighted == 2:
            break
    return False


def is_dead(step: Layer, cache: Any) -> bool:
    """Return whether the step is a ReLU, or has one in it, that returned only zeros, given its cache."""
    if isinstance(step, ConvReLUMaxPool):
        (_, _, winner, _), _ = cache
        return bool((winner == NO_WINNER).all())
    return isinstance(step, ReLU) and step.is_plain and not cache.any()


def warn(message: str) -> None:
    """Warn at the line that called `fit`: the first outside the package, however deep inside it we are."""
    frame, level = sys._getframe(), 1
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith("npcnn."):
        frame, level = frame.f_back, level + 1
    warnings.warn(f"fit: {message}", stacklevel=level)
