"""Record how weights and gradients are distributed while training goes on."""

from collections.abc import Callable

import numpy as np

from npcnn.checks import check_count
from npcnn.hooks import Callback


class Histograms(Callback):
    """Record how the weights and their gradients are distributed, before training and after each epoch.

    `npcnn.plots.weight_histograms` and `gradient_histograms` draw what was recorded. The gradients are those of the
    loss on the examples given here, computed as in a step of `fit`; but no step is taken.

    Args:
        x, y: a few hundred of the examples to train on, and their labels.
        bins: how many bars a histogram has at most; one of few numbers has fewer.

    Attributes: `epochs`, [0, 1, ...], where 0 is before training; `weights` and `gradients`, for each "layer/kernel" a
    list of (counts, edges) as `np.histogram` returns them. Those of gradients are of |g|, without the zeros, and each
    edge is the same multiple of the one before.

    Raises:
        ValueError: bins is below 1; or, in `fit`, the model cannot take the examples.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, bins: int = 30) -> None:
        self.x, self.y, self.bins = x, y, check_count("Histograms: bins", bins)
        self.epochs: list[int] = []
        self.weights: dict[str, list] = {}
        self.gradients: dict[str, list] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget an earlier training, and record where this one starts."""
        self.epochs, self.weights, self.gradients = [], {}, {}
        self.examples = self.model._check_examples("Histograms: ", self.x, self.y)
        self.on_epoch_end(-1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Record the weights, and the gradients of the loss."""
        plan, (x, y) = self.model._plan(), self.examples
        output, caches = plan.forward(x, training=True, rng=np.random.default_rng(0))
        _, cache = plan.score(y, output, None)
        _, grads = plan.backward(plan.loss.backward(cache), caches)
        self.epochs.append(epoch + 1)
        for key, w in self.model.params.items():
            self.weights.setdefault(key, []).append(self._histogram(w, np.linspace))
        for key in self.model.trainable_params:
            sizes = np.abs(grads[key])
            self.gradients.setdefault(key, []).append(self._histogram(sizes[sizes > 0], np.geomspace))

    def _histogram(self, values: np.ndarray, space: Callable) -> tuple[np.ndarray, np.ndarray]:
        """np.histogram; of numbers that are all the same, as biases are at first, one bar without width."""
        values = values[np.isfinite(values)]
        low, high = (values.min(), values.max()) if values.size else (1, 1)
        if low == high:
            return np.array([values.size]), np.array([low, high])
        bins = max(1, min(self.bins, int(np.sqrt(values.size))))
        return np.histogram(values, space(low, high, bins + 1))
