"""What every optimizer shares: a learning rate, a count of steps, limits for gradients, weight decay, and checks."""

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from npcnn import kernels as ladder
from npcnn.array import LearningRate
from npcnn.checks import check_not_negative, check_positive, check_title
from npcnn.keras_arguments import NEUTRAL, check_neutral, find_attribute
from npcnn.optimizers.schedules import LearningRateSchedule

Params = Mapping[Any, np.ndarray]


class Optimizer:
    """What every optimizer shares: a learning rate, a count of steps, limits for gradients, weight decay, and checks.

    A subclass writes `update_one(w, g, ...)`, the change of one parameter w with gradient g = dL/dw, and says in
    `slot_names` what it remembers for each number of w from step to step; `update_one` gets these arrays after g.

    Before each step, where asked for,

        clipvalue:         g = g, each number kept within [-clipvalue, clipvalue]
        clipnorm:          g = g min(1, clipnorm / |g|), for each parameter on its own; |g| = sqrt(sum of g^2)
        global_clipnorm:   the same, |g| over the gradients of all parameters together
        weight_decay:      w = w - lr weight_decay w

    The first three keep one bad batch from throwing the weights far off (Pascanu et al., "On the difficulty of
    training recurrent neural networks", 2013). The last makes every weight, biases too, a little smaller, and does so
    beside the gradient: an optimizer that divides gradients by their size would cancel a penalty in the loss
    (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).

    Args:
        learning_rate: lr, how far to go; a positive number, or a schedule from `npcnn.optimizers.schedules`.
        name: what saved files call this optimizer.
        weight_decay: a number from 0 up, or None.
        clipnorm, clipvalue, global_clipnorm: positive numbers, or None; at most one of them.
        kernels: which rung does the arithmetic (see `npcnn.kernels`); None takes the model's.
        lr: the old name of learning_rate.
        decay: an old argument, ignored with a warning, as in Keras; instead of it there are schedules.
        other: arguments that Keras has and npcnn has not; each must have the value that turns it off.

    Raises:
        ValueError: an argument is out of range, or asks for what npcnn has not.
        TypeError: there is no such argument.
    """

    name: str
    slot_names: tuple[str, ...] = ()
    slot_start = 0.0  # each number in them, before the first step
    # In Keras' files: all slots of the first parameter, then of the second; or one slot of all, then the next slot.
    interleaved = True

    def __init__(
        self,
        learning_rate: Any,
        *,
        name: str | None = None,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        kernels: str | None = None,
        lr: Any = None,
        decay: float | None = None,
        **other: Any,
    ) -> None:
        kind = type(self).__name__
        check_neutral(kind, other)
        if lr is not None:
            warnings.warn(f"{kind}: lr= is now called learning_rate=", DeprecationWarning, stacklevel=3)
            learning_rate = lr
        if decay:
            instead = (
                f"learning_rate=schedules.InverseTimeDecay({learning_rate!r}, 1, {decay!r}), from npcnn.optimizers"
            )
            warnings.warn(
                f"{kind}: decay={decay!r} is ignored, as in Keras 3; what it did does {instead}", stacklevel=3
            )
        self._learning_rate: float | LearningRateSchedule = 0.0
        self.learning_rate = learning_rate
        if name is not None:
            self.name = check_title(f"{kind}: name", name)
        self.weight_decay = None if weight_decay is None else check_not_negative(f"{kind}: weight_decay", weight_decay)
        limits = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        limits = {
            key: value if value is None else check_positive(f"{kind}: {key}", value) for key, value in limits.items()
        }
        if sum(value is not None for value in limits.values()) > 1:
            raise ValueError(f"{kind}: only one of clipnorm, clipvalue and global_clipnorm may be given, got {limits}")
        self.clipnorm, self.clipvalue, self.global_clipnorm = limits.values()
        self.kernels = kernels
        if kernels is not None:
            ladder.check_rung(kernels, kind)
        self.iterations = 0
        self.slots: dict[str, dict[Any, np.ndarray]] = {}

    if not TYPE_CHECKING:  # mypy is to know which attributes there are
        __getattr__ = find_attribute  # says what to use instead of other attributes of Keras'

    @property
    def is_scheduled(self) -> bool:
        """Whether the learning rate comes from a schedule."""
        return isinstance(self._learning_rate, LearningRateSchedule)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; a number may be set at any time, unless it comes from a schedule."""
        rate = self._learning_rate
        number = LearningRate(rate(self.iterations) if isinstance(rate, LearningRateSchedule) else rate)
        number.optimizer = self
        return number

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        kind = type(self).__name__
        if isinstance(rate, LearningRateSchedule):
            self._learning_rate = rate
        elif self.is_scheduled:
            raise TypeError(f"{kind}: the learning rate comes from a schedule, it cannot be set to {rate!r}")
        else:
            self._learning_rate = check_not_negative(f"{kind}: learning_rate", rate)

    lr = learning_rate  # its old name

    @property
    def variables(self) -> list[np.ndarray]:
        """The number of steps, the learning rate, and the arrays in `slots`."""
        slots = [array for slot in self.slots.values() for array in slot.values()]
        return [np.asarray(self.iterations), np.asarray(self.learning_rate), *slots]

    def update(self, params: Params, grads: Params) -> None:
        """Take one step: change every array of `params` in place, given the gradients under the same keys.

        Raises:
            ValueError: a gradient is missing, or has another shape than its parameter. Nothing is changed then.
        """
        kind = type(self).__name__
        if set(params) != set(grads):
            raise ValueError(f"{kind}: grads has keys {list(grads)}, params has {list(params)}")
        for key, w in params.items():
            if any(slot[key].shape != w.shape for slot in self.slots.values() if key in slot):
                raise ValueError(f"{kind}: it remembers another model's {key!r}; give each model its own optimizer")
            if grads[key].shape != w.shape:
                raise ValueError(f"{kind}: gradient of {key!r} has shape {grads[key].shape}, the parameter {w.shape}")
        grads = self.clip(grads)
        for key, w in params.items():
            if self.weight_decay:
                w -= w * self.weight_decay * self.learning_rate
            self.update_one(w, grads[key], *(self.slot(name, key, w) for name in self.slot_names))
        self.iterations += 1

    def clip(self, grads: Params) -> Params:
        """Return the gradients within the limits that were asked for; those given stay as they are."""
        if self.clipvalue:
            return {key: np.clip(g, -self.clipvalue, self.clipvalue) for key, g in grads.items()}
        limit = self.clipnorm or self.global_clipnorm
        if not limit:
            return grads
        norms = {key: np.linalg.norm(g) for key, g in grads.items()}
        if self.global_clipnorm:
            norms = dict.fromkeys(grads, np.sqrt(sum(norm * norm for norm in norms.values())))
        return {key: g * (limit / np.maximum(norms[key], limit)) for key, g in grads.items()}

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and what is remembered for it in place, given g = dL/dw."""
        raise NotImplementedError

    def slot(self, name: str, key: Any, w: np.ndarray) -> np.ndarray:
        """Return what this optimizer remembers for the parameter `key` under `name`: at first, all slot_start."""
        remembered = self.slots.setdefault(name, {})
        if key not in remembered:
            remembered[key] = np.full_like(w, self.slot_start)
        return remembered[key]

    def slots_in_order(self, params: Params) -> list[tuple[str, Any]]:
        """Return the names of all slots, each with a parameter's key, in the order of Keras' files."""
        if self.interleaved:
            return [(name, key) for key in params for name in self.slot_names]
        return [(name, key) for name in self.slot_names for key in params]

    @property
    def numbers(self) -> dict[str, float]:
        """What Keras' files keep behind the slots, and the count of steps already tells."""
        return {}

    @classmethod
    def arguments(cls) -> list[str]:
        """The names of the arguments, without those that have one possible value only, or change no result."""
        shared = ["weight_decay", "clipnorm", "clipvalue", "global_clipnorm"]
        own = [name for name in inspect.signature(cls).parameters if name not in (*NEUTRAL, "common", *shared)]
        return own + shared

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again, under Keras' names."""
        return {name: getattr(self, name) for name in self.arguments()} | {"learning_rate": self._learning_rate}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Optimizer":
        """Return a new optimizer, which remembers nothing yet, with the arguments that `get_config` gave."""
        return cls(**config)


def flush(mean: np.ndarray) -> None:
    """Set to zero, in place, what is too small for a normal float; why, `npcnn/kernels/adam.py` says."""
    mean[abs(mean) < np.finfo(mean.dtype).tiny] = 0
