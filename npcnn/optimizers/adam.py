"""Adam, and two that differ from it in one thought each: AdamW and Nadam."""

from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn.checks import check_fraction, check_positive
from npcnn.optimizers.optimizer import Optimizer, flush


class Adam(Optimizer):
    """Steps of about lr in each weight while its gradient keeps sign and size, whatever its scale.

    Where gradients disagree, steps are shorter; where they suddenly grow, longer: `docs/adam.md` has numbers.

    At step t = 1, 2, ..., with running means of the gradient and of its square,

        m = m + (g - m) (1 - beta_1)
        v = v + (g^2 - v) (1 - beta_2)
        w = w - alpha m / (sqrt(v) + epsilon),    alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t)

    Three steps, of a weight with a large gradient and of one with a small:

    >>> adam, w = Adam(learning_rate=0.1), np.array([1.0, 1.0])
    >>> for _ in range(3):
    ...     adam.update({"w": w}, {"w": np.array([100.0, 0.01])})
    ...     print(w.round(3))
    [0.9 0.9]
    [0.8 0.8]
    [0.7 0.7]

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
