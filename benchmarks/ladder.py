"""Climb the ladder: every rung, every operation of the MNIST model, Adam's update, and the whole training step.

    python benchmarks/ladder.py

Operations are timed as training runs them, on a batch of 64 real digits but on one thread, in a model trained for an
epoch, because the share of zeros among its gradients decides how long the last rung takes. Where several rungs share a
kernel, it is timed once. The step is timed on all threads. Nested Python loops take seconds per image, so they get one
image.

Also counts those zeros, and shows what happens when BLAS' threads and npcnn's work at the same time.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import common
import numpy as np
from threadpoolctl import threadpool_limits

from npcnn import batches, kernels, optimizers, planning
from npcnn.kernels import sharing

BATCH = 64
STEPS = 8  # at a time

# From which shape to which: this finds an operation in a model, whether it is one step there or several.
OPERATIONS = {
    "conv1": ((28, 28, 1), (26, 26, 32)),
    "pool1": ((26, 26, 32), (13, 13, 32)),
    "conv1 + ReLU + pool1": ((28, 28, 1), (13, 13, 32)),
    "conv2": ((13, 13, 32), (11, 11, 64)),
    "pool2": ((11, 11, 64), (5, 5, 64)),
    "conv2 + ReLU + pool2": ((13, 13, 32), (5, 5, 64)),
    "dense1": ((1600,), (128,)),
    "dense2": ((128,), (10,)),
}
STEP, ADAM = ("training step", "all threads"), ("Adam", "update")

# The kernels, slowest first. Dense layers have "loops" and "product" only, Adam "numpy" and "jit".
NAMES = ("loops", "im2col", "product", "numpy", "jit", "fused")
STYLES = dict(zip(("fused", "jit", "im2col", "loops", "product", "numpy"), common.STYLES, strict=True))

Task = tuple[Callable[[], Any], int]


# ------------------------------------------------------------------ measuring


def passes(model: Any, x: Any, y: Any) -> tuple[list, list, list, list]:
    """Go forward and backward once; return the steps, and of each its input, its cache, and the gradient of its input.

    Inputs and gradients have one more item: the model's output, and the gradient of it.
    """
    plan = planning.make_plan(model.layers, model.dtype, model.loss)
    activations, caches = [x], []
    for step in plan.steps:
        output, cache = step.forward(activations[-1], True)
        activations.append(output)
        caches.append(cache)
    gradients: list[Any] = [None] * len(plan.steps) + [plan.loss.backward(plan.score(y, activations[-1])[1])]
    for i in reversed(range(len(plan.steps))):
        gradients[i] = plan.steps[i].backward(gradients[i + 1], caches[i])[0]
        if not plan.steps[i].needs_dx:
            break
    return plan.steps, activations, caches, gradients


def operation_tasks(model: Any, x: Any, y: Any) -> dict[tuple[str, str, str], Callable[[], Any]]:
    """Return {(operation, "forward" or "backward", kernel): function} for the operations in this model."""
    steps, activations, caches, gradients = passes(model, x, y)

    def forward(first: int, last: int) -> None:
        output = activations[first]
        for step in steps[first:last]:
            output, _ = step.forward(output, True)

    def backward(first: int, last: int) -> None:
        dy = gradients[last]
        for i in reversed(range(first, last)):
            dy, _ = steps[i].backward(dy, caches[i])

    tasks = {}
    shapes = [a.shape[1:] for a in activations]
    for operation, (before, after) in OPERATIONS.items():
        if before in shapes and after in shapes:
            last = shapes.index(after)
            first = max(i for i in range(last) if shapes[i] == before)
            kernel = kernel_of(steps[first:last])
            tasks[operation, "forward", kernel] = partial(forward, first, last)
            tasks[operation, "backward", kernel] = partial(backward, first, last)
    return tasks


def kernel_of(steps: list[Any]) -> str:
    """Return the name of the kernel that these steps run on."""
    names = {kernels.rung_of(step.operation, step.rung) for step in steps if hasattr(step, "operation")}
    return " and ".join(sorted(names)) or "fused"  # three layers in one are no operation of the ladder's


def adam_tasks(rungs: list[str], params: dict[str, np.ndarray]) -> dict[tuple[str, str, str], Callable[[], Any]]:
    """Return {(*ADAM, kernel): function} for the different kernels of Adam among the rungs."""
    tasks = {}
    for rung in rungs:
        kernel = kernels.find("adam", rung).__name__.removeprefix("update_")
        copies = {key: p.copy() for key, p in params.items()}
        gradients = {key: np.ones_like(p) for key, p in params.items()}
        tasks[*ADAM, kernel] = partial(optimizers.Adam(kernels=rung).update, copies, gradients)
    return tasks


def nonzero_shares(model: Any, x: Any, y: Any) -> dict[str, float]:
    """Return, of the gradients with respect to each convolution's output, the share that is not zero."""
    _, activations, _, gradients = passes(model, x, y)
    shapes = [a.shape[1:] for a in activations]
    outputs = {name: gradients[shapes.index(OPERATIONS[name][1])] for name in ("conv1", "conv2")}
    return {name: float((dy != 0).mean()) for name, dy in outputs.items()}


def pool_tasks(model: Any, x: Any, y: Any) -> dict[tuple[int, int], Task]:
    """Return {(npcnn's threads, BLAS' threads): task}: forward and backward of im2col, part by part."""
    plan = planning.make_plan(model.layers, model.dtype, model.loss)
    parts = list(batches.cut(np.arange(len(x)), sharing.PART))

    def part_pass(part: Any) -> None:
        output, caches = plan.forward(x[part], training=True)
        plan.backward(plan.loss.backward(plan.score(y[part], output)[1]), caches)

    def run(threads: int, blas: int) -> None:
        with threadpool_limits(blas, user_api="blas"), ThreadPoolExecutor(threads) as pool:
            list(pool.map(part_pass, parts))

    counts = sorted({1, common.available_cpus()})
    return {(threads, blas): (partial(run, threads, blas), len(x)) for threads in counts for blas in counts}


def measure(args: Any) -> dict[str, Any]:
    """Return what was measured: "rows" has one for each operation, direction and kernel."""
    (x, y, *_), data = common.digits(args.data, args.images, 1)
    learned = common.mnist_model(args.rungs[-1])
    start = time.perf_counter()
    common.train(learned, learned.get_weights(), x[:BATCH], y[:BATCH], BATCH)
    first_step = time.perf_counter() - start
    print(f"Data: {data}. First, train on them for an epoch.", flush=True)
    common.train(learned, learned.get_weights(), x, y, BATCH)
    weights = learned.get_weights()

    operations: dict[Any, Task] = {}
    steps: dict[Any, Task] = {}
    for rung in args.rungs:
        model = common.mnist_model(rung)
        model.set_weights(weights)
        size, images = (1, 1) if rung == "loops" else (BATCH, min(BATCH * STEPS, len(x)))
        for key, task in operation_tasks(model, x[:size], y[:size]).items():
            operations.setdefault(key, (task, size))
        steps[*STEP, rung] = partial(common.train, model, weights, x[:images], y[:images], BATCH), images
    operations |= {key: (task, BATCH) for key, task in adam_tasks(args.rungs, learned.params).items()}
    with threadpool_limits(1, user_api="blas"):
        times = common.time_in_turns(operations, args.rounds)
    times |= common.time_in_turns(steps, args.rounds)

    plain = common.mnist_model("im2col")
    plain.set_weights(weights)
    x, y = x[: STEPS * BATCH], y[: STEPS * BATCH]
    pools = common.time_in_turns(pool_tasks(plain, x, y), args.rounds)
    tasks, names = operations | steps, ("operation", "direction", "kernel")
    return {
        "data": data,
        "rounds": args.rounds,
        "first_step": first_step,
        "rows": [
            dict(zip(names, key, strict=True)) | {"images": tasks[key][1]} | found for key, found in times.items()
        ],
        "nonzero_gradients": nonzero_shares(plain, x, y),
        "pools": [{"threads": threads, "blas_threads": blas} | found for (threads, blas), found in pools.items()],
    }


# ------------------------------------------------------------------ reporting


def report(results: dict[str, Any]) -> None:
    """Print the tables."""
    medians = {(row["operation"], row["direction"], row["kernel"]): row["median"] for row in results["rows"]}
    names = [name for name in NAMES if any(kernel == name for *_, kernel in medians)]
    lines = []
    for operation, direction in dict.fromkeys(key[:2] for key in medians):
        found = (medians.get((operation, direction, name)) for name in names)
        lines.append([f"{operation}, {direction}", *(common.short(seconds) if seconds else "" for seconds in found)])
    steps = {kernel: median for (*key, kernel), median in medians.items() if tuple(key) == STEP}
    gains = {after: steps[before] / steps[after] for before, after in pairwise(steps)}
    lines.append(["gain over the rung before", *(f"{gains[name]:,.1f} x" if name in gains else "" for name in names)])
    print(f"\nTime per image, the median of the rounds. Operations on one thread, the step on all; batch size {BATCH},")
    print("or one image for `loops`.\n")
    print(common.table(["", *(f"`{name}`" for name in names)], lines))
    print(f"\nThe first step of all, which compiles or reads numba's cache: {common.short(results['first_step'])}.")
    shares = ", ".join(f"{share:.1%} at {name}" for name, share in results["nonzero_gradients"].items())
    print(f"Gradients with respect to a convolution's output that are not zero: {shares}.")
    print("\nTime per image on `im2col`, parts on npcnn's threads, each calling BLAS with threads of its own.\n")
    lines = [[f"{pool['threads']} x {pool['blas_threads']}", common.short(pool["median"])] for pool in results["pools"]]
    print(common.table(["npcnn's threads x BLAS threads", "time per image"], lines))


def draw(results: dict[str, Any]) -> dict[str, Any]:
    """Return {"ladder": figure}: an operation is a flight of stairs, a stair per kernel, the fastest furthest left."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    rows = results["rows"]
    layout = {"height_ratios": [1.3, len(OPERATIONS)], "figsize": (12, 10), "sharex": True}
    figure, axes = common.subplots(2, 2, **layout)
    panels = {
        STEP[1]: (axes[0, 0], [STEP[0]], "The whole step, all threads, batch size 64"),
        ADAM[1]: (axes[0, 1], [ADAM[0]], "Adam's update, one thread, batch size 64"),
        "forward": (axes[1, 0], list(OPERATIONS), "Forward, one thread"),
        "backward": (axes[1, 1], list(OPERATIONS), "Backward, one thread"),
    }
    place = {"xytext": (7, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
    box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    for direction, (axis, operations, title) in panels.items():
        for level, operation in enumerate(operations):
            stairs = [row for row in rows if row["operation"] == operation and row["direction"] == direction]
            heights = [level + 0.2 * (i - (len(stairs) - 1) / 2) for i in range(len(stairs))]
            axis.plot([row["median"] for row in stairs], heights, color="#bbbbbb", lw=1, zorder=1)
            for row, height in zip(stairs, heights, strict=True):
                colour, marker = STYLES[row["kernel"]]
                axis.plot(row["median"], height, marker, color=colour, markersize=6.5)
                axis.annotate(common.short(row["median"]), (row["median"], height), bbox=box, **place)
        axis.set_yticks(range(len(operations)), operations)
        axis.set_ylim(len(operations) - 0.5, -0.5)
        axis.set_yticks([i + 0.5 for i in range(len(operations) - 1)], minor=True)
        axis.tick_params(axis="y", which="both", length=0)
        axis.grid(visible=False, axis="y", which="major")
        axis.grid(visible=True, axis="y", which="minor")
        axis.set_title(title)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: common.short(seconds)))
        axis.xaxis.set_minor_locator(NullLocator())
    for axis in axes[:, 1]:
        axis.set_yticklabels([])
    for axis in axes[1]:
        axis.set_xlabel("time per image (logarithmic)")
    medians = [row["median"] for row in rows]
    axes[0, 0].set_xlim(min(medians) / 2, max(medians) * 8)  # room for the label of the slowest
    names = [name for name in NAMES if any(row["kernel"] == name for row in rows)]
    for name in names:
        colour, marker = STYLES[name]
        axes[0, 0].plot([], [], marker, color=colour, label=name)
    figure.legend(loc="upper right", ncols=len(names))
    figure.suptitle(f"The ladder\n{common.title(results)}", x=0.01, ha="left", fontsize=12)
    return {"ladder": figure}


if __name__ == "__main__":
    parser = common.parser(__doc__, rounds=5)
    parser.add_argument("--images", type=common.positive, default=10_000, help="to learn from (default: %(default)s)")
    help = "which rungs, slowest first (default: all)"
    parser.add_argument("--rungs", nargs="+", choices=kernels.RUNGS, default=list(kernels.RUNGS), help=help)
    common.main("ladder", parser.parse_args(), measure, report, draw)
