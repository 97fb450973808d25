"""How parameters follow their gradients downhill.

An optimizer has update(params, grads), which changes the arrays of params in place. Both are dictionaries with the
same keys; what the optimizer remembers between steps (`slots`) is kept under those keys too.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn.checks import check_flag, check_fraction, check_positive


class Optimizer:
    """What every optimizer shares: a learning rate, a count of steps, and checks.

    A subclass writes `update_one(w, g, ...)`, the change of one parameter w with gradient g = dL/dw, and says in
    `slot_names` what it remembers for each number of w from step to step; `update_one` gets these arrays after g.

    Args:
        learning_rate: how far to go; a positive number.
        kernels: which rung does the arithmetic (see `npcnn.kernels`); None takes the model's.
    """

    name: str
    slot_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: float, kernels: str | None = None) -> None:
        self.learning_rate = check_positive(f"{type(self).__name__}: learning_rate", learning_rate)
        self.kernels = kernels
        if kernels is not None:
            ladder.check_rung(kernels, type(self).__name__)
        self.iterations = 0
        self.slots: dict[str, dict[Any, np.ndarray]] = {}

    def update(self, params: Mapping[Any, np.ndarray], grads: Mapping[Any, np.ndarray]) -> None:
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
        self.iterations += 1
        for key, w in params.items():
            self.update_one(w, grads[key], *(self.slot(name, key, w) for name in self.slot_names))

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w and what is remembered for it in place, given g = dL/dw."""
        raise NotImplementedError

    def slot(self, name: str, key: Any, w: np.ndarray) -> np.ndarray:
        """Return what this optimizer remembers for the parameter `key` under `name`: at first, zeros like w."""
        remembered = self.slots.setdefault(name, {})
        if key not in remembered:
            remembered[key] = np.zeros_like(w)
        return remembered[key]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again, under Keras' names."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters if name != "kernels"}


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
        kernels: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "sgd"

    def __init__(
        self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False, *, kernels: str | None = None
    ) -> None:
        super().__init__(learning_rate, kernels)
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
        m[abs(m) < np.finfo(m.dtype).tiny] = 0  # why: see `npcnn/kernels/adam.py`
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
        kernels: see `Optimizer`.

    Raises:
        ValueError: an argument is out of range.
    """

    name = "adam"
    slot_names = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        kernels: str | None = None,
    ) -> None:
        super().__init__(learning_rate, kernels)
        self.beta_1 = check_fraction(f"{type(self).__name__}: beta_1", beta_1)
        self.beta_2 = check_fraction(f"{type(self).__name__}: beta_2", beta_2)
        self.epsilon = check_positive(f"{type(self).__name__}: epsilon", epsilon)

    def update_one(self, w: np.ndarray, g: np.ndarray, *remembered: np.ndarray) -> None:
        """Change w, m and v in place, given g = dL/dw."""
        # Every scalar in w's own float type, and rounded where Keras rounds it: so the two differ by a few roundings.
        number, t = w.dtype.type, self.iterations
        beta_1_power = number(float(number(self.beta_1)) ** t)
        beta_2_power = number(float(number(self.beta_2)) ** t)
        alpha = number(self.learning_rate) * np.sqrt(1 - beta_2_power) / (1 - beta_1_power)
        update = ladder.find("adam", self.kernels)
        update(w, g, *remembered, alpha, number(1 - self.beta_1), number(1 - self.beta_2), number(self.epsilon))


def get(optimizer: Any) -> Any:
    """Return the optimizer of that name ("adam", "sgd"), or the object itself if it is one.

    Raises:
        ValueError: there is none of that name, or the object has no update(params, grads).
    """
    classes = {c.name: c for c in (Adam, SGD)}
    if isinstance(optimizer, str) and optimizer.lower() in classes:
        return classes[optimizer.lower()]()
    if callable(getattr(optimizer, "update", None)) and not isinstance(optimizer, type):
        return optimizer
    raise ValueError(f"optimizer must be 'adam', 'sgd' or an object from npcnn.optimizers; got {optimizer!r}")
