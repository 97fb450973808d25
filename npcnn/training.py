"""One training step, readable top to bottom: forward, loss, backward, update.

Backpropagation is the loop in `Plan.backward`. By the chain rule, each layer turns dy, the gradient of the loss with
respect to its output, into dx, the one with respect to its input; and that input is the output of the layer before.

Threads share the work inside the kernels, by images or by weights (see `npcnn/kernels/sharing.py`). What is written
here runs, in training, in one thread and on the whole batch; where nothing is trained, each thread takes whole batches.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.layers.layer import Layer
from npcnn.layers.max_pool2d import MaxPool2D
from npcnn.layers.sigmoid import Sigmoid
from npcnn.layers.softmax import Softmax
from npcnn.layers.weighted import WeightedLayer
from npcnn.losses import CLASSES as OWN_LOSSES
from npcnn.losses import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from npcnn.threads import delay_interrupt

# Losses that are joined with the activation at the model's end: both are differentiated together, from the logits.
JOINED = {SparseCategoricalCrossentropy: Softmax, CategoricalCrossentropy: Softmax, BinaryCrossentropy: Sigmoid}

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
    """Take one step on a batch; return [loss, *metrics], summed over its examples, before the step.

    `params` are what the optimizer moves, those of frozen layers not among them; `rng` is for layers that draw random
    numbers, as Dropout does; `weights` say how much each example counts.
    """
    output, caches = plan.forward(x, training=True, rng=rng)
    totals, cache = plan.score(y, output, weights)
    dy = plan.loss.backward(cache)
    with delay_interrupt():
        plan.update_state(caches)
        _, grads = plan.backward(dy, caches)
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
        """Return [loss, *metrics], each summed over the batch, and the loss' cache; `y` has been checked before.

        The penalties on weights are part of the loss, in evaluation too. Metrics know no weights of examples.
        """
        compute = self.loss.compute if type(self.loss) in OWN_LOSSES else self.loss.forward
        loss, cache = compute(y, output) if weights is None else compute(y, output, weights)
        y_pred = self.loss.probabilities(cache) if self.joined else output
        means = [float(loss) + float(self.penalty())] + [float(metric(y, y_pred)) for metric in self.metrics]
        return len(y) * np.array(means), cache


def penalties(step: Layer) -> dict[str, Any]:
    """Return the penalties on a layer's parameters, under the keys of these; a frozen layer has none."""
    found = {"kernel": step.kernel_regularizer, "bias": step.bias_regularizer}
    return {key: penalty for key, penalty in found.items() if penalty and key in step.params and step.trainable}


def pair(whose: Any, promise: str, value: Any) -> Any:
    """Return value if it is a pair, or raise a TypeError that says what was promised."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{whose}: {promise}, got {type(value).__name__}")
    return value


def make_plan(
    layers: Sequence[Layer], dtype: str, loss: Any = None, metrics: Sequence[Any] = (), kernels: str | None = None
) -> Plan:
    """Lay out the steps of `layers`: on the rung `fused`, convolution, ReLU and pool become one step where they can.

    With a loss, to train with, an activation becomes a step of its own, and the last is joined with its loss. The steps
    are the layers themselves, or share their parameters. `kernels` is the rung of those that name none.
    """
    steps = [inner for layer in layers for inner in layer.in_line()]
    for i, step in enumerate(steps):
        if isinstance(step, WeightedLayer | MaxPool2D) and kernels and step.rung != (step.kernels or kernels):
            steps[i] = copy.copy(step)  # the layer is part of another model too, on another rung
            steps[i].model_kernels = kernels
    steps = fuse(steps)
    if loss is None:
        return Plan(steps, dtype, loss, list(metrics), joined=False)
    steps = [part for step in steps for part in step.split_activation()]
    joined = type(steps[-1]) is JOINED.get(type(loss))
    if joined:
        steps, loss = steps[:-1], copy.copy(loss)
        loss.from_logits = True
    first = next((i for i, step in enumerate(steps) if step.params and step.trainable), -1)
    if steps and isinstance(steps[first], WeightedLayer | ConvReLUMaxPool):  # no layer before it needs its dx
        steps[first] = copy.copy(steps[first])
        steps[first].needs_dx = False
    return Plan(steps, dtype, loss, list(metrics), joined)


def fuse(steps: Sequence[Any]) -> list[Layer]:
    """Put one ConvReLUMaxPool in the place of every convolution, ReLU and pool in a row that it fits."""
    fused: list[Any] = []
    for step in steps:
        fused.append(step)
        for count in (2, 3):  # the ReLU is the convolution's activation, or a layer of its own
            parts = [part for layer in fused[-count:] for part in layer.split_activation()]
            if ConvReLUMaxPool.fits(parts):
                fused[-count:] = [ConvReLUMaxPool(parts[0], parts[2])]
    return fused


def cut(items: Any, size: int) -> Iterator[Any]:
    """Yield runs of `size` items; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
