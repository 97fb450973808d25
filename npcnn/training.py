"""One training step, readable top to bottom: cut the batch into shards, forward, loss, backward, sum, update.

A shard is a few images that go through the whole network together, on a thread of their own: kernels and NumPy both let
other threads run while they compute. The cut does not depend on how many threads there are, and the shards' gradients
are added in the order of the shards, so the same seed gives the same bits on one thread and on sixteen.

While threads are at work, BLAS is held to one thread each: its own threads would spin while they wait, and take the
cores from ours. Its setting is put back afterwards.
"""

import copy
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.layers.layer import Layer
from npcnn.layers.softmax import Softmax
from npcnn.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy

SHARD = 64  # images at most; a batch of two or more makes at least two shards


def train_step(
    plan: "Plan",
    optimizer: Any,
    params: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    batch: np.ndarray,
    workers: "Workers",
) -> np.ndarray:
    """Take one step on the examples numbered by `batch`; return [loss, *metrics], summed over them, before the step."""

    def shard_pass(shard: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        output, caches = plan.forward(x[shard], training=True)
        totals, cache = plan.score(y[shard], output)
        dy = plan.loss.backward(cache) * (len(shard) / len(batch))  # the mean over the batch, of means over shards
        return totals, plan.backward(dy, caches)[1]

    totals = np.zeros(1 + len(plan.metrics))
    grads: dict[str, np.ndarray] = {}
    for shard_totals, shard_grads in workers.map(shard_pass, shards_of(batch)):
        totals = totals + shard_totals
        for key, g in shard_grads.items():
            if key in grads:
                grads[key] += g
            else:
                grads[key] = g
    optimizer.update(params, {key: grads[key] for key in params})
    return totals


def shards_of(batch: np.ndarray) -> Iterator[np.ndarray]:
    """Cut a batch into shards."""
    return cut(batch, min(SHARD, -(-len(batch) // 2)))


@dataclass
class Plan:
    """What a model does to a shard: its layers with their activations apart, and the loss they lead to."""

    steps: list[Layer]
    dtype: str
    loss: Any
    metrics: list[Any]
    joined: bool  # whether the softmax at the model's end is part of the loss

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, list[Any]]:
        """Return the last step's output and, in training, every step's cache."""
        x, caches = x.astype(self.dtype, copy=False), []
        for step in self.steps:
            x, cache = step.forward(x, training)
            if training:
                caches.append(cache)
        return x, caches

    def backward(self, dy: np.ndarray, caches: list[Any]) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dL/dx, if the first step needs it, and every parameter's gradient under the key "layer/parameter"."""
        dy, grads = dy.astype(self.dtype, copy=False), {}
        for step, cache in zip(reversed(self.steps), reversed(caches), strict=True):
            dy, step_grads = step.backward(dy, cache)
            if step_grads.keys() != step.params.keys():
                raise step.error(f"backward gave gradients for {list(step_grads)}, its params are {list(step.params)}")
            grads.update({f"{step.name}/{key}": g for key, g in step_grads.items()})
            if not step.needs_dx:
                break
        return dy, grads

    def score(self, y: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return [loss, *metrics], each summed over the shard, and the loss' cache."""
        loss, cache = self.loss.forward(y, output)
        y_pred = self.loss.probabilities(cache) if self.joined else output
        means = [float(loss)] + [float(metric(y, y_pred)) for metric in self.metrics]
        return len(y) * np.array(means), cache


def make_plan(layers: Sequence[Layer], dtype: str, loss: Any = None, metrics: Sequence[Any] = ()) -> Plan:
    """Lay out the steps of `layers`: an activation becomes a step of its own; softmax is joined with its loss; and on
    the rung `fused`, convolution, ReLU and pool become one step where they can.

    The steps share their parameters with the layers.
    """
    steps = [step for layer in layers for step in layer.split_activation()]
    joined = type(steps[-1]) is Softmax and type(loss) in (SparseCategoricalCrossentropy, CategoricalCrossentropy)
    if joined:
        steps, loss = steps[:-1], type(loss)(from_logits=True)
    steps = fuse(steps)
    for i, step in enumerate(steps):
        if step.params:  # nobody asks for the gradient of what the first of them is given
            steps[i] = copy.copy(step)
            steps[i].needs_dx = False
            break
    return Plan(steps, dtype, loss, list(metrics), joined)


def fuse(steps: list[Any]) -> list[Layer]:
    """Put one ConvReLUMaxPool in the place of every three steps that it fits."""
    fused: list[Layer] = []
    while steps:
        if ConvReLUMaxPool.fits(steps[:3]):
            fused.append(ConvReLUMaxPool(steps[0], steps[2]))
            steps = steps[3:]
        else:
            fused.append(steps[0])
            steps = steps[1:]
    return fused


def cut(items: Any, size: int) -> Iterator[Any]:
    """Yield runs of `size` items; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """Threads that take shards, and BLAS held to one thread while they are at work: a context manager.

    Args:
        threads: how many; None takes the CPUs this process may use.
    """

    # BLAS has one setting for the whole process: the first at work changes it, the last one puts it back.
    _lock = threading.Lock()
    _at_work = 0
    _blas: Any = None

    def __init__(self, threads: int | None) -> None:
        self.threads = available_cpus() if threads is None else threads

    def __enter__(self) -> "Workers":
        from threadpoolctl import threadpool_limits

        with Workers._lock:
            if Workers._at_work == 0:
                Workers._blas = threadpool_limits(limits=1, user_api="blas")
            Workers._at_work += 1
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            if self._pool:
                self._pool.shutdown(cancel_futures=True)
        finally:
            with Workers._lock:
                Workers._at_work -= 1
                if Workers._at_work == 0:
                    Workers._blas.restore_original_limits()

    def map(self, function: Callable, items: Iterable) -> list:
        """Return [function(item) for every item]; the calling thread works too, so it need not be woken up."""
        items = list(items)
        results: list[Any] = [None] * len(items)
        numbers = iter(range(len(items)))  # whoever is free takes the next

        def work() -> None:
            for i in numbers:
                results[i] = function(items[i])

        others = [self._pool.submit(work) for _ in range(min(self.threads, len(items)) - 1)] if self._pool else []
        work()
        for other in others:
            other.result()
        return results


class Interrupt:
    """Turns Ctrl-C into a flag that is looked at between steps, so that no update is cut in half.

    A context manager. The first Ctrl-C sets `raised`; the second raises KeyboardInterrupt where it strikes.
    """

    def __init__(self) -> None:
        self.raised = False

    def __enter__(self) -> "Interrupt":
        # Only the main thread may set signal handlers, and only it gets Ctrl-C.
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number: int, frame: Any) -> None:
        if self.raised:
            raise KeyboardInterrupt
        self.raised = True

    def __exit__(self, *exception: Any) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._previous)
