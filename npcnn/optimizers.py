"""How parameters follow their gradients downhill.

An optimizer has update(params, grads), which changes the arrays of params in place. Both are dictionaries with the
same keys; what the optimizer remembers between steps (`slots`) is kept under those keys too.
"""

import inspect
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn import schedules
from npcnn.checks import check_flag, check_fraction, check_not_negative, check_positive
from npcnn.keras_arguments import NEUTRAL, check_neutral
from npcnn.schedules import LearningRateSchedule

sys.modules["npcnn.optimizers.schedules"] = schedules  # so that it can be imported from where Keras has it

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
            self.name = name
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

    @property
    def is_scheduled(self) -> bool:
        """Whether the learning rate comes from a schedule."""
        return isinstance(self._learning_rate, LearningRateSchedule)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; a number may be set at any time, unless it comes from a schedule."""
        rate = self._learning_rate
        return float(rate(self.iterations)) if isinstance(rate, LearningRateSchedule) else rate

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


def flush(mean: np.ndarray) -> None:
    """Set to zero, in place, what is too small for a normal float; why, `npcnn/kernels/adam.py` says."""
    mean[abs(mean) < np.finfo(mean.dtype).tiny] = 0


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        plain:      w = w - lr g
        momentum:   m = momentum m - lr g;   w = w + m
        Nesterov:   m = momentum m - lr g;   w = w + momentum m - lr g

    Momentum keeps going where the last steps went, as a ball rolls (Polyak, 1964). In Nesterov's variant w
    stands, as in Keras, for the point one step ahead, w + momentum m (Sutskever et al., "On the importance of
    initialization and momentum", 2013).

    Args:
        learning_rate: lr.
        momentum: from 0 (none) to below 1.
        nesterov: whether to use Nesterov's variant.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "sgd"

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **common: Any) -> None:
        super().__init__(learning_rate, **common)
        self.momentum = check_fraction(f"{type(self).__name__}: momentum", momentum)
        self.nesterov = check_flag("SGD: nesterov", nesterov)

    @property
    def slot_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """What is remembered: with momentum, m."""
        return ("momentum",) if self.momentum else ()

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and m in place, given g = dL/dw."""
        lr, momentum = w.dtype.type(self.learning_rate), w.dtype.type(self.momentum)
        if not remembered:
            w -= lr * g
            return
        (m,) = remembered
        m[...] = momentum * m - lr * g
        flush(m)
        w += momentum * m - lr * g if self.nesterov else m


class Adam(Optimizer):
    """Steps of at most about lr in each weight, whatever the scale of its gradient.

    At step t = 1, 2, ..., with running means of the gradient and of its square,

        m = m + (g - m) (1 - beta_1)
        v = v + (g^2 - v) (1 - beta_2)
        w = w - alpha m / (sqrt(v) + epsilon),    alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t)

    m and v start at zero and so are too small at first; alpha makes up for both. Epsilon is added to the
    uncorrected sqrt(v), as in Keras; Algorithm 1 of the paper adds it to the corrected one (Kingma and Ba, "Adam: a
    method for stochastic optimization", 2015; section 2 gives this form too). The arithmetic: `npcnn/kernels/adam.py`.

    Args:
        learning_rate: lr.
        beta_1, beta_2: how much of m and v stays at each step; from 0 to below 1.
        epsilon: keeps the quotient finite where v is zero.
        amsgrad: must be False; npcnn has not got this variant.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "adam"
    slot_names = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, amsgrad=amsgrad, **common)
        self.beta_1 = check_fraction(f"{type(self).__name__}: beta_1", beta_1)
        self.beta_2 = check_fraction(f"{type(self).__name__}: beta_2", beta_2)
        self.epsilon = check_positive(f"{type(self).__name__}: epsilon", epsilon)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w, m and v in place, given g = dL/dw."""
        # Every scalar in w's own float type, and rounded where Keras rounds it: so the two differ by a few roundings.
        number, t = w.dtype.type, self.iterations + 1
        beta_1_power = number(float(number(self.beta_1)) ** t)
        beta_2_power = number(float(number(self.beta_2)) ** t)
        alpha = number(self.learning_rate) * np.sqrt(1 - beta_2_power) / (1 - beta_1_power)
        update = ladder.find("adam", self.kernels)
        update(w, g, *remembered, alpha, number(1 - self.beta_1), number(1 - self.beta_2), number(self.epsilon))


class AdamW(Adam):
    """Adam with weight decay: at every step w = w - lr weight_decay w, then what Adam does.

    The arguments are those of `Adam`, and `weight_decay` (see `Optimizer`).
    """

    name = "adamw"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common)


class Nadam(Adam):
    """Adam whose momentum looks one step ahead, as Nesterov's does.

    At step t = 1, 2, ..., with m and v as in Adam, and u_t = beta_1 (1 - 0.96^t / 2) growing towards beta_1,

        m = m + (g - m) (1 - beta_1)
        v = v + (g^2 - v) (1 - beta_2)
        n = u_(t+1) m / (1 - u_1 u_2 ... u_(t+1)) + (1 - u_t) g / (1 - u_1 u_2 ... u_t)
        w = w - lr n / (sqrt(v / (1 - beta_2^t)) + epsilon)

    m in n has the weight it will have in the next step, so n is where the mean is going. The products of u make up for
    m being too small at first, as 1 - beta_1^t does in Adam. (Dozat, "Incorporating Nesterov momentum into Adam",
    2016.)

    The arguments are those of `Adam`.
    """

    name = "nadam"

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w, m and v in place, given g = dL/dw."""
        (m, v), t, number = remembered, self.iterations + 1, w.dtype.type
        beta_1, beta_2 = float(number(self.beta_1)), float(number(self.beta_2))  # rounded where Keras rounds them
        m += (g - m) * number(1 - beta_1)
        flush(m)
        v += (g * g - v) * number(1 - beta_2)
        flush(v)
        product = self._product(t, beta_1)
        now, ahead = (beta_1 * (1 - 0.5 * 0.96**step) for step in (t, t + 1))
        n = m * number(ahead / (1 - product * ahead)) + g * number((1 - now) / (1 - product))
        w -= number(self.learning_rate) * n / (np.sqrt(v / number(1 - beta_2**t)) + number(self.epsilon))

    @property
    def numbers(self) -> dict[str, float]:
        """The product of all u so far."""
        return {"u_product": self._product(self.iterations, self.beta_1)}

    def _product(self, t: int, beta_1: float) -> float:
        """u_1 u_2 ... u_t; the factors 1 - 0.96^i / 2 behind the 1000th are 1."""
        return beta_1**t * float((1 - 0.5 * 0.96 ** np.arange(1, min(t, 1000) + 1)).prod())


class RMSprop(Optimizer):
    """Each gradient divided by its typical size, the root of a running mean of its square.

        v = rho v + (1 - rho) g^2
        s = lr g / sqrt(v + epsilon)            centered:  s = lr g / sqrt(v - a^2 + epsilon),
                                                           a = rho a + (1 - rho) g
        w = w - s                               momentum:  m = momentum m + s;   w = w - m

    So steep directions do not overshoot, and flat ones move too. Adam adds to this a mean of the gradient itself, and
    a correction for v being too small at first. With `centered`, v - a^2 is the variance of g rather than its mean
    square (Hinton, "Neural networks for machine learning", lecture 6, 2012; centered: Graves, "Generating sequences
    with recurrent neural networks", 2013). Epsilon stands under the root, as in Keras.

    Args:
        learning_rate: lr.
        rho: how much of v and a stays at each step; from 0 to below 1.
        momentum: from 0 (none) to below 1.
        epsilon: keeps the quotient finite where v is zero.
        centered: whether a^2 is subtracted.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "rmsprop"
    interleaved = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = check_fraction("RMSprop: rho", rho)
        self.momentum = check_fraction("RMSprop: momentum", momentum)
        self.epsilon = check_positive("RMSprop: epsilon", epsilon)
        self.centered = check_flag("RMSprop: centered", centered)
        used = {"velocity": True, "momentum": self.momentum > 0, "average_gradient": self.centered}
        self.slot_names = tuple(name for name, is_used in used.items() if is_used)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and v, m, a in place, given g = dL/dw."""
        slots, rho = dict(zip(self.slot_names, remembered, strict=True)), self.rho
        v = slots["velocity"]
        v[...] = rho * v + (1 - rho) * (g * g)
        flush(v)
        variance = v
        if self.centered:
            a = slots["average_gradient"]
            a[...] = rho * a + (1 - rho) * g
            flush(a)
            variance = v - a * a
        step = self.learning_rate * g / np.sqrt(variance + self.epsilon)
        if self.momentum:
            m = slots["momentum"]
            m[...] = self.momentum * m + step
            flush(m)
            step = m
        w -= step


class Adadelta(Optimizer):
    """RMSprop whose step is as long as the last ones were: the quotient of two typical sizes takes the place of lr.

        v = rho v + (1 - rho) g^2
        s = g sqrt(d + epsilon) / sqrt(v + epsilon)
        d = rho d + (1 - rho) s^2
        w = w - lr s

    g / sqrt(v) is a pure number, without the unit of w; sqrt(d), the size of the last steps, gives s that unit. In the
    paper lr is 1 (Zeiler, "ADADELTA: an adaptive learning rate method", 2012). Keras' default is 0.001, with which
    training is very slow.

    Args:
        learning_rate: lr.
        rho: how much of v and d stays at each step; from 0 to below 1.
        epsilon: lets the first steps be other than zero.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "adadelta"
    slot_names = ("accumulated_grad", "accumulated_delta_var")

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **common: Any) -> None:
        super().__init__(learning_rate, **common)
        self.rho = check_fraction("Adadelta: rho", rho)
        self.epsilon = check_positive("Adadelta: epsilon", epsilon)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w, v and d in place, given g = dL/dw."""
        (v, d), rho = remembered, self.rho
        v[...] = rho * v + (1 - rho) * (g * g)
        flush(v)
        step = g * np.sqrt(d + self.epsilon) / np.sqrt(v + self.epsilon)
        d[...] = rho * d + (1 - rho) * (step * step)
        flush(d)
        w -= self.learning_rate * step


class Adagrad(Optimizer):
    """Each gradient divided by the root of the sum of all its squares so far: what has moved much moves less and less.

        v = v + g^2
        w = w - lr g / sqrt(v + epsilon)

    So rare features, whose gradients are mostly zero, keep long steps. RMSprop takes a running mean in place of the
    sum, and so does not come to a halt. (Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning
    and stochastic optimization", 2011.)

    Args:
        learning_rate: lr.
        initial_accumulator_value: v before the first step, from 0 up.
        epsilon: keeps the quotient finite where v is zero.
        common: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "adagrad"
    slot_names = ("accumulator",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        start = check_not_negative("Adagrad: initial_accumulator_value", initial_accumulator_value)
        self.initial_accumulator_value = self.slot_start = start
        self.epsilon = check_positive("Adagrad: epsilon", epsilon)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and v in place, given g = dL/dw."""
        (v,) = remembered
        v += g * g
        w -= self.learning_rate * g / np.sqrt(v + self.epsilon)


CLASSES = (Adam, SGD, RMSprop, Adadelta, AdamW, Nadam, Adagrad)


def get(optimizer: Any) -> Any:
    """Return the optimizer of that name ("adam", "RMSprop"; capitals do not matter), or the object itself if it is one.

    Raises:
        ValueError: there is none of that name, or the object has no update(params, grads).
    """
    by_name = {cls.name: cls for cls in CLASSES}
    if isinstance(optimizer, str) and optimizer.lower() in by_name:
        return by_name[optimizer.lower()]()
    if callable(getattr(optimizer, "update", None)) and not isinstance(optimizer, type):
        return optimizer
    names = ", ".join(map(repr, by_name))
    raise ValueError(f"optimizer must be {names} or an object from npcnn.optimizers; got {optimizer!r}")
