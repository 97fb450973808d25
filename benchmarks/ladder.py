"""Climb the ladder: every rung, every operation of the MNIST network, Adam, and the whole training step.

    python benchmarks/ladder.py

Operations are timed as training runs them, on one thread and one shard of real digits, in a network that has learned
for a while, with the activations and gradients that flow there: how many of them are zero decides what the last rung
costs. The step is timed on all threads, at batch 64. Nested Python loops take seconds an image, so they get one image.
Also counts those zeros, and shows what happens where BLAS' threads and ours work at the same time.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import common
import numpy as np
from threadpoolctl import threadpool_limits

from npcnn import kernels, optimizers, threads, training

BATCH = 64
SHARD = BATCH // 2  # what training cuts such a batch into
STEPS = 8  # at a time

# From which shape to which: how an operation is found in a network, whether it is one step there or several.
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


def passes(model: Any, x: Any, y: Any) -> tuple[list, list, list, list]:
    """Go forward and backward once; return the steps, what each was given, its cache, and the gradient of its input.

    The last but one and the last have one more item: what the last step returned.
    """
    plan = training.make_plan(model.layers, model.dtype, model.loss)
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


def operation_tasks(model: Any, x: Any, y: Any) -> dict[tuple[str, str], Callable[[], Any]]:
    """Return {(operation, "forward" or "backward"): function without arguments} for the operations in this model."""
    steps, activations, caches, gradients = passes(model, x, y)

    def forward(first: int, last: int) -> Any:
        output = activations[first]
        for step in steps[first:last]:
            output, _ = step.forward(output, True)
        return output

    def backward(first: int, last: int) -> Any:
        dy = gradients[last]
        for i in reversed(range(first, last)):
            dy, _ = steps[i].backward(dy, caches[i])
        return dy

    tasks: dict[tuple[str, str], Callable[[], Any]] = {}
    shapes = [a.shape[1:] for a in activations]
    for name, (before, after) in OPERATIONS.items():
        if before in shapes and after in shapes:
            last = shapes.index(after)
            first = max(i for i in range(last) if shapes[i] == before)
            tasks[name, "forward"] = lambda first=first, last=last: forward(first, last)
            tasks[name, "backward"] = lambda first=first, last=last: backward(first, last)
    return tasks


def nonzero_shares(model: Any, x: Any, y: Any) -> dict[str, float]:
    """Return, of the gradients that reach each convolution's outputs, the share that is not zero."""
    _, activations, _, gradients = passes(model, x, y)
    shapes = [a.shape[1:] for a in activations]
    outputs = {name: gradients[shapes.index(OPERATIONS[name][1])] for name in ("conv1", "conv2")}
    return {name: float((dy != 0).mean()) for name, dy in outputs.items()}


def pool_tasks(model: Any, x: Any, y: Any) -> dict[tuple[int, int], Callable[[], Any]]:
    """Return {(our threads, BLAS' threads): function}: forward and backward of im2col, shard by shard."""
    plan = training.make_plan(model.layers, model.dtype, model.loss)
    shards = list(training.cut(np.arange(len(x)), SHARD))

    def shard_pass(shard: Any) -> None:
        output, caches = plan.forward(x[shard], training=True)
        plan.backward(plan.loss.backward(plan.score(y[shard], output)[1]), caches)

    def run(ours: int, blas: int) -> None:
        with threadpool_limits(blas, user_api="blas"), ThreadPoolExecutor(ours) as pool:
            list(pool.map(shard_pass, shards))

    counts = sorted({1, threads.available_cpus()})
    return {(ours, blas): partial(run, ours, blas) for ours in counts for blas in counts}


def measure(args: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a description of the data, and a row for each operation, direction and rung."""
    (x, y, *_), data = common.digits(args.data, args.images, 1)
    learned = common.seed_model(args.rungs[-1])
    start = time.perf_counter()
    learned.fit(x[:BATCH], y[:BATCH], BATCH, verbose=0)
    first_step = time.perf_counter() - start
    print(f"Data: {data}.\nA first step, which compiles or fetches from numba's cache: {common.short(first_step)}.")
    print("Let the network learn for an epoch.", flush=True)
    learned.fit(x, y, BATCH, verbose=0)

    sizes, tasks = {}, {}
    for rung in args.rungs:
        model = common.seed_model(rung)
        model.set_weights(learned.get_weights())
        shard = 1 if rung == "loops" else SHARD
        for key, task in operation_tasks(model, x[:shard], y[:shard]).items():
            tasks[(*key, rung)], sizes[(*key, rung)] = task, shard
    for rung in [rung for rung in args.rungs if rung in ("im2col", "jit")]:  # NumPy and compiled: Adam knows no others
        params = {key: p.copy() for key, p in learned.params.items()}
        key, update = ("Adam", "update", rung), optimizers.Adam(kernels=rung).update
        tasks[key], sizes[key] = partial(update, params, {key: np.ones_like(p) for key, p in params.items()}), BATCH
    with threadpool_limits(1, user_api="blas"):
        times = common.measure(tasks, args.rounds)

    tasks = {}
    for rung in args.rungs:
        key = "training step", "forward and backward", rung
        sizes[key] = 1 if rung == "loops" else min(BATCH * STEPS, len(x))
        tasks[key] = partial(train, common.seed_model(rung), learned.get_weights(), x[: sizes[key]], y[: sizes[key]])
    times |= common.measure(tasks, args.rounds)

    plain = common.seed_model("im2col")
    plain.set_weights(learned.get_weights())
    x, y = x[: STEPS * BATCH], y[: STEPS * BATCH]
    pools = common.measure(pool_tasks(plain, x, y), args.rounds)
    described = {
        "data": data,
        "first_step": first_step,
        "nonzero_gradients": nonzero_shares(plain, x, y),
        "pools": [{"ours": o, "blas": b, "median": t["median"] / len(x)} for (o, b), t in pools.items()],
    }

    rows: list[dict[str, Any]] = []
    for name, direction in dict.fromkeys(key[:2] for key in times):
        before = None
        for rung in args.rungs:
            found = times.get((name, direction, rung))
            if found:
                per_image = {k: found[k] / sizes[name, direction, rung] for k in ("median", "min", "max")}
                gain = before / per_image["median"] if before else None
                row = {"operation": name, "direction": direction, "rung": rung, "images": sizes[name, direction, rung]}
                rows.append(row | per_image | {"speed_up": gain, "warm_up": found["warm_up"]})
                before = per_image["median"]
    return described, rows


def train(model: Any, weights: list, x: Any, y: Any) -> None:
    """Train for an epoch, from the same weights every time."""
    model.set_weights(weights)
    model.fit(x, y, BATCH, verbose=0)


def draw(rows: list[dict[str, Any]], rungs: list[str], source: str) -> Any:
    """Return a picture: each operation a flight of stairs, one step a rung, the faster the further to the left."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    layout = {"height_ratios": [1.3, len(OPERATIONS)], "figsize": (12, 10), "sharex": True}
    figure, axes = common.subplots(2, 2, **layout)
    panels = {
        "forward and backward": (axes[0, 0], ["training step"], "The whole step, all threads, batch 64"),
        "update": (axes[0, 1], ["Adam"], "Adam's update, one thread, batch 64"),
        "forward": (axes[1, 0], list(OPERATIONS), "Forward, one thread"),
        "backward": (axes[1, 1], list(OPERATIONS), "Backward, one thread"),
    }
    for direction, (axis, names, title) in panels.items():
        for level, name in enumerate(names):
            mine = [r for r in rows if r["operation"] == name and r["direction"] == direction]
            heights = [level + 0.2 * (rungs.index(r["rung"]) - (len(rungs) - 1) / 2) for r in mine]
            axis.plot([r["median"] for r in mine], heights, color="#bbbbbb", lw=1, zorder=1)
            for r, height in zip(mine, heights, strict=True):
                colour, marker = common.STYLES[len(rungs) - 1 - rungs.index(r["rung"])]
                axis.plot(r["median"], height, marker, color=colour, markersize=6.5, label=r["rung"])
                place = {"xytext": (7, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
                box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
                axis.annotate(common.short(r["median"]), (r["median"], height), bbox=box, **place)
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_yticks([i + 0.5 for i in range(len(names) - 1)], minor=True)
        axis.tick_params(axis="y", which="both", length=0)
        axis.grid(visible=False, axis="y", which="major")
        axis.grid(visible=True, axis="y", which="minor")
        axis.set_title(title)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: common.short(seconds)))
        axis.xaxis.set_minor_locator(NullLocator())
    axes[1, 1].set_yticklabels([])
    axes[0, 1].set_yticklabels([])
    medians = [r["median"] for r in rows]
    axes[0, 0].set_xlim(min(medians) / 2, max(medians) * 8)  # room for the label of the slowest
    for axis in axes[1]:
        axis.set_xlabel("time an image (logarithmic)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=len(rungs))
    figure.suptitle(f"The ladder\n{source}", x=0.01, ha="left", fontsize=12)
    return figure


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=10_000, help="to learn from (default: %(default)s)")
    help = "which rungs, slowest first (default: all)"
    parser.add_argument("--rungs", nargs="+", choices=kernels.RUNGS, default=list(kernels.RUNGS), help=help)
    args = parser.parse_args()

    machine = common.machine()
    described, rows = measure(args)
    print("\nTime an image, median (min to max of the rounds), and how many times faster than the rung before.")
    print(f"An image on its own for loops; else shards of {SHARD}, and steps of {BATCH} on all threads.\n")
    lines = []
    for (operation, direction), group in itertools.groupby(rows, lambda r: (r["operation"], r["direction"])):
        for i, r in enumerate(group):
            gain = f"{r['speed_up']:.3g} x" if r["speed_up"] else ""
            label = f"{operation}, {direction}" if i == 0 else ""
            bounds = f"{common.short(r['min'])} to {common.short(r['max'])}"
            lines.append([label, r["rung"], common.short(r["median"]), bounds, gain])
    print(common.table(["operation", "rung", "median", "min to max", "speed-up"], lines))
    warm_up = {rung: sum(r["warm_up"] for r in rows if r["rung"] == rung) for rung in args.rungs}
    said = ", ".join(f"{rung} {common.short(seconds)}" for rung, seconds in warm_up.items())
    print(f"\nNot counted above: first calls, which may compile: {said}.")
    said = ", ".join(f"of {name} {share:.1%}" for name, share in described["nonzero_gradients"].items())
    print(f"\nGradients of a convolution's outputs that are not zero: {said}.")
    print("\nTwo pools of threads: im2col, shards on our threads, each calling BLAS with its own; time an image.\n")
    lines = [[f"{p['ours']} x {p['blas']}", common.short(p["median"])] for p in described["pools"]]
    print(common.table(["our threads x BLAS threads", "median"], lines))
    results = {"machine": machine, **described, "rounds": args.rounds, "rows": rows}
    common.write(args.output_dir, "ladder", results, draw(rows, args.rungs, common.title(machine)))


if __name__ == "__main__":
    main()
