"""What steps a model is made into before it trains or predicts: layers fused, activations and the loss joined."""

import copy
from collections.abc import Sequence
from typing import Any

from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.layers.layer import Layer
from npcnn.layers.max_pool2d import MaxPool2D
from npcnn.layers.sigmoid import Sigmoid
from npcnn.layers.softmax import Softmax
from npcnn.layers.weighted import WeightedLayer
from npcnn.losses import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from npcnn.training import Plan

# Losses that are joined with the activation at the model's end: both are differentiated together, from the logits.
JOINED = {SparseCategoricalCrossentropy: Softmax, CategoricalCrossentropy: Softmax, BinaryCrossentropy: Sigmoid}


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
