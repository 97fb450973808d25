"""One training step, readable top to bottom: forward, loss, backward, update.

Backpropagation is the loop in `Plan.backward`. By the chain rule, each layer turns dy, the gradient of the loss with
respect to its output, into dx, the one with respect to its input; and that input is the output of the layer before.
With nothing else to think of, forward and backward are

    for layer in layers:                              for layer in reversed(layers):
        x, cache = layer.forward(x)                       dy, grads = layer.backward(dy, caches.pop())
        caches.append(cache)

(`examples/ten_lines.py` is a whole training in this form.) Here come checks, layers that draw random numbers, layers
that are frozen, and penalties on weights. What steps a model is made into is in `planning.py`.

Threads share the work inside the kernels, by images or by weights (see `npcnn/kernels/sharing.py`). What is written
here runs, in training, in one thread and on the whole batch; where nothing is trained, each thread takes whole batches.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from npcnn.layers.layer import Layer
from npcnn.losses import CLASSES as OWN_LOSSES

Gradients = dict[str, np.ndarray]  # one for each parameter, under the key "layer/parameter"


def train_step(
    plan: "Plan",
    optimizer: Any,
    params: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Take one step on a batch; return what `Plan.score` does, of the batch before the step.

    `params` are what the optimizer moves, those of frozen layers not among them; `rng` is for layers that draw random
    numbers, as Dropout does; `weights` say how much each example counts.
    """
    output, caches = plan.forward(x, training=True, rng=rng)
    totals, cache = plan.score(y, output, weights)
    plan.update_state(caches)
    _, grads = plan.backward(plan.loss.backward(cache), caches)
    optimizer.update(params, {key: grads[key] for key in params})
    return totals


@dataclass
class Plan:
    """What a model does to a batch: its layers, each activation as a layer of its own, and the loss."""

    steps: list[Layer]
    dtype: str
    loss: Any
    metrics: list[Any]
    joined: bool  # whether the activation at the model's end is part of the loss

    def forward(
        self, x: np.ndarray, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, list[Any]]:
        """Return the output of the last step and, in training, the caches of all of them."""
        x, caches = x.astype(self.dtype, copy=False), []
        for step in self.steps:
            drawing = {"rng": rng} if step.draws else {}
            x, cache = pair(step, "forward must return (y, cache)", step.forward(x, training, **drawing))
            if training:
                caches.append(cache)
        return x, caches

    def backward(self, dy: np.ndarray, caches: list[Any]) -> tuple[np.ndarray | None, Gradients]:
        """Return dL/dx, if the first step needs it, and dL/d(parameter) for every parameter that is trained.

        Backward ends at the first step that is trained: nothing in front of it needs a gradient. dy goes through frozen
        ones behind it as through any; the gradients of their parameters are returned too, and nobody uses them.

        Each cache is taken out of the list, so that its memory is free as soon as its step has gone backward.
        """
        dy, grads = dy.astype(self.dtype, copy=False), {}
        for step in reversed(self.steps):
            # dL/dx of this step is dL/dy of the one before.
            dy, step_grads = pair(step, "backward must return (dx, grads)", step.backward(dy, caches.pop()))
            if step_grads.keys() != step.params.keys():
                raise step.error(f"backward gave gradients for {list(step_grads)}, its params are {list(step.params)}")
            pulls = {key: penalty.gradient(step.params[key]) for key, penalty in penalties(step).items()}
            step_grads = {**step_grads, **{key: step_grads[key] + pull for key, pull in pulls.items()}}
            grads.update({f"{step.name}/{key}": g for key, g in step_grads.items()})
            if not step.needs_dx:
                break
        return dy, grads

    def penalty(self) -> Any:
        """Return what the weights cost: the sum of the penalties of the layers that are trained."""
        return sum(penalty(step.params[key]) for step in self.steps for key, penalty in penalties(step).items())

    def update_state(self, caches: list[Any]) -> None:
        """Let each layer learn what it learns without a gradient, as BatchNormalization does: once a step."""
        for step, cache in zip(self.steps, caches, strict=True):
            if step.trainable or step.draws:  # a frozen Dropout with a seed of its own counts its steps all the same
                step.update_state(cache)

    def score(self, y: np.ndarray, output: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, Any]:
        """Return [loss, *metrics], each as (sum, count) over the batch, and the loss' cache; `y` was checked before.

        Sums and counts may be added up over batches; sum / count is the mean. The penalties on weights are part of the
        loss, in evaluation too. Of the metrics, only `weighted_metrics` know the weights of examples.
        """
        compute = self.loss.compute if type(self.loss) in OWN_LOSSES else self.loss.forward
        loss, cache = compute(y, output) if weights is None else compute(y, output, weights)
        y_pred = self.loss.probabilities(cache) if self.joined else output
        totals = [(len(y) * (float(loss) + float(self.penalty())), len(y))]
        for metric in self.metrics:
            own = getattr(metric, "sum_and_count", None)  # of a metric that is not the mean over the examples
            given = (y, y_pred, weights) if getattr(metric, "weighted", False) else (y, y_pred)
            totals.append(own(*given) if own else (len(y) * float(metric(y, y_pred)), len(y)))
        return np.array(totals, float), cache


def penalties(step: Layer) -> dict[str, Any]:
    """Return the penalties on a layer's parameters, under the keys of these; a frozen layer has none."""
    found = {"kernel": step.kernel_regularizer, "bias": step.bias_regularizer}
    return {key: penalty for key, penalty in found.items() if penalty and key in step.params and step.trainable}


def pair(whose: Any, promise: str, value: Any) -> Any:
    """Return value if it is a pair, or raise a TypeError that says what was promised."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{whose}: {promise}, got {type(value).__name__}")
    return value
