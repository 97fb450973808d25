"""Learning rates that change with the number of steps taken: large steps at first, small ones to settle.

Each is a function of that number, t = 0 before the first step; an optimizer takes it in the place of a number:
`Adam(schedules.CosineDecay(0.002, decay_steps=9000))`. The names are also found as `npcnn.optimizers.schedules`, where
Keras has them.
"""

import bisect
import inspect
import math
from collections.abc import Sequence
from typing import Any

from npcnn.checks import check_count, check_flag, check_fraction, check_not_negative, check_positive


class LearningRateSchedule:
    """A function of the number of steps taken; a subclass writes `__call__`, and keeps its arguments as attributes."""

    def __call__(self, step: int) -> float:
        """Return the learning rate of the step after `step` others."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this schedule again, under Keras' names."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters if name != "name"}


class ExponentialDecay(LearningRateSchedule):
    """Multiplied by the same factor every `decay_steps` steps.

        lr(t) = initial_learning_rate decay_rate^(t / decay_steps)

    Args:
        initial_learning_rate: lr(0).
        decay_steps: after how many steps decay_rate has been multiplied in once.
        decay_rate: the factor, a positive number; below 1, or lr grows.
        staircase: whether t / decay_steps is rounded down, so that lr falls in steps.
        name: accepted because Keras has it.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        kind = type(self).__name__
        self.initial_learning_rate = check_positive(f"{kind}: initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive(f"{kind}: decay_steps", decay_steps)
        self.decay_rate = check_positive(f"{kind}: decay_rate", decay_rate)
        self.staircase = check_flag(f"{kind}: staircase", staircase)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the step after `step` others."""
        return self.initial_learning_rate * self.decay_rate ** self.progress(step)

    def progress(self, step: int) -> float:
        """Return t / decay_steps, rounded down if `staircase`."""
        progress = step / self.decay_steps
        return math.floor(progress) if self.staircase else progress


class InverseTimeDecay(ExponentialDecay):
    """Divided by a number that grows with every step; what `decay=` was in older versions of Keras.

        lr(t) = initial_learning_rate / (1 + decay_rate t / decay_steps)

    The arguments are those of `ExponentialDecay`.
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate of the step after `step` others."""
        return self.initial_learning_rate / (1 + self.decay_rate * self.progress(step))


class CosineDecay(LearningRateSchedule):
    """Half a period of a cosine, from the initial learning rate down to alpha times as much; before it, a warm-up.

        warm-up, t < T_w:   lr(t) = initial + (target - initial) t / T_w
        after it:           lr(t) = target ((1 - alpha) (1 + cos(pi min(t - T_w, T) / T)) / 2 + alpha)

    T is decay_steps, T_w warmup_steps. Without a warmup_target there is no warm-up: T_w is 0, and target the initial
    learning rate (Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts", 2017).

    Args:
        initial_learning_rate: lr(0).
        decay_steps: T, how many steps the cosine takes; afterwards lr stays where it is.
        alpha: the share of lr that is left in the end.
        name: accepted because Keras has it.
        warmup_target: where the warm-up leads.
        warmup_steps: T_w.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = None,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        # From 0, as a warm-up may start there.
        self.initial_learning_rate = check_not_negative("CosineDecay: initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive("CosineDecay: decay_steps", decay_steps)
        self.alpha = check_fraction("CosineDecay: alpha", alpha)
        if warmup_target is not None:
            check_positive("CosineDecay: warmup_target", warmup_target)
        self.warmup_target = warmup_target
        self.warmup_steps = check_count("CosineDecay: warmup_steps", warmup_steps, least=0)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the step after `step` others."""
        initial, target, warmup = self.initial_learning_rate, self.warmup_target, self.warmup_steps
        if target is None:
            target, warmup = initial, 0
        if step < warmup:
            return initial + (target - initial) * step / warmup
        progress = min((step - warmup) / self.decay_steps, 1)
        return target * ((1 - self.alpha) * (1 + math.cos(math.pi * progress)) / 2 + self.alpha)


class PolynomialDecay(LearningRateSchedule):
    """From the initial learning rate to another in decay_steps steps; in a straight line, where power is 1.

        lr(t) = (initial_learning_rate - end_learning_rate) (1 - min(t, T) / T)^power + end_learning_rate

    T is decay_steps; with cycle, the smallest multiple of it from t up, so that lr rises at each and falls anew.

    Args:
        initial_learning_rate: lr(0).
        decay_steps: T.
        end_learning_rate: lr(T), where it stays.
        power: below 1 lr falls late, above 1 early.
        cycle: see above.
        name: accepted because Keras has it.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        kind = type(self).__name__
        self.initial_learning_rate = check_positive(f"{kind}: initial_learning_rate", initial_learning_rate)
        self.decay_steps = check_positive(f"{kind}: decay_steps", decay_steps)
        self.end_learning_rate = check_not_negative(f"{kind}: end_learning_rate", end_learning_rate)
        self.power = check_positive(f"{kind}: power", power)
        self.cycle = check_flag(f"{kind}: cycle", cycle)

    def __call__(self, step: int) -> float:
        """Return the learning rate of the step after `step` others."""
        T = self.decay_steps * (max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1)
        left = (1 - min(step, T) / T) ** self.power
        return (self.initial_learning_rate - self.end_learning_rate) * left + self.end_learning_rate


class PiecewiseConstantDecay(LearningRateSchedule):
    """One value up to and including step boundaries[0], the next up to boundaries[1], and so on.

        lr(t) = values[number of boundaries below t]

    Args:
        boundaries: numbers of steps, ascending.
        values: the learning rates, one more than there are boundaries.
        name: accepted because Keras has it.

    Raises:
        ValueError: the boundaries do not ascend, or their number does not fit.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None) -> None:
        for argument, given in (("boundaries", boundaries), ("values", values)):
            if not isinstance(given, (list, tuple)):
                raise ValueError(f"PiecewiseConstantDecay: {argument} must be a list of numbers, got {given!r}")
            for number in given:
                check_not_negative(f"PiecewiseConstantDecay: {argument}", number)
        self.boundaries, self.values = list(boundaries), list(values)
        if len(self.boundaries) != len(self.values) - 1 or sorted(self.boundaries) != self.boundaries:
            wanted = "ascending boundaries, and one value more than there are boundaries"
            raise ValueError(f"PiecewiseConstantDecay: needs {wanted}, got {self.boundaries} and {self.values}")

    def __call__(self, step: int) -> float:
        """Return the learning rate of the step after `step` others."""
        return self.values[bisect.bisect_left(self.boundaries, step)]


CLASSES = (ExponentialDecay, InverseTimeDecay, CosineDecay, PolynomialDecay, PiecewiseConstantDecay)
