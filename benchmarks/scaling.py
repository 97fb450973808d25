"""How the time per image grows: with threads, batch size, image size, and channels; and what more cores would do.

    python benchmarks/scaling.py

Each panel varies one property of the MNIST model (28 x 28 pixels, 32 and 64 channels, batch size 64, all threads) and
times training and prediction. The dotted lines grow in proportion to the multiply-adds of a thread, from the leftmost
point.

The forecast for more cores takes a training step apart, at each batch size. One thread does the work of P threads, cut
as it is for P, one piece after another:

    alone      the time outside of what threads share, such as the update of the weights
    busiest    the sum, over all that is shared, of the time that the busiest of P threads would take
    lost       how much longer a step takes on all threads of this machine than the two say: threads wake up late, wait
               for Python and for memory, and for whoever else uses the machine

    step(P) = alone + busiest + lost, with nothing lost on one core

More threads than here wait longer, so this is the best to be expected. The time of the whole step in this experiment is
what it costs to cut the work in finer pieces.
"""

import contextlib
import heapq
import statistics
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import common
import numpy as np

from npcnn import kernels, threads

WHATS = ("train", "predict")
DEFAULT = {"threads": common.available_cpus(), "batch size": 64, "image size": 28, "channels": 32}
ALONE = "batch size, one thread"
CORES = (1, 2, 4, 8, 16)  # of the forecast


def settings(args: Any) -> list[tuple[str, int, dict[str, int]]]:
    """Return (panel, value, all settings) for every point of every panel."""
    values = {
        "threads": args.threads,
        "batch size": args.batch_sizes,
        "image size": args.image_sizes,
        "channels": args.channels,
    }
    points = [(panel, value, DEFAULT | {panel: value}) for panel in values for value in values[panel]]
    return points + [(ALONE, value, DEFAULT | {"batch size": value, "threads": 1}) for value in args.batch_sizes]


def enlarge(x: np.ndarray, size: int) -> np.ndarray:
    """Return images (N, 28, 28, 1) at size x size: each new pixel takes the value of the nearest old one."""
    nearest = np.arange(size) * x.shape[1] // size
    return np.ascontiguousarray(x[:, nearest][:, :, nearest])


def measure(args: Any) -> dict[str, Any]:
    """Return what was measured: "rows" has one for each point of each panel."""
    (x, y, *_), data = common.digits(args.data, args.images, 1)
    print(f"Data: {data}.", flush=True)
    tasks, work = {}, {}
    for panel, value, setting in settings(args):
        batch_size, channels = setting["batch size"], setting["channels"]
        model = common.mnist_model(args.kernels, setting["threads"], setting["image size"], (channels, 2 * channels))
        images = enlarge(x, setting["image size"])
        work[panel, value] = sum(layer.multiply_adds for layer in model.layers)
        train = partial(common.train, model, model.get_weights(), images, y, batch_size)
        tasks[panel, value, "train"] = train, len(x)
        tasks[panel, value, "predict"] = partial(model.predict, images, batch_size), len(x)
    times = common.time_in_turns(tasks, args.rounds)
    rows = []
    for (panel, value), multiply_adds in work.items():
        found = {what: times[panel, value, what] for what in WHATS}
        rows.append({"panel": panel, "value": value, "multiply_adds": multiply_adds} | found)
    settled = {"rounds": args.rounds, "images": args.images, "kernels": args.kernels, "default": DEFAULT}
    foreseen = {size: forecast(args, x, y, size) for size in args.batch_sizes}
    return {"data": data, **settled, "threads_over_one": thread_gain(rows), "forecast": foreseen, "rows": rows}


def forecast(args: Any, x: np.ndarray, y: np.ndarray, size: int) -> dict[str, Any]:
    """Return what a step of that batch size is made of, in seconds, and how long it would take on more cores."""
    models = {cores: common.mnist_model(args.kernels, cores) for cores in {*CORES, DEFAULT["threads"]}}
    weights, steps, here = models[1].get_weights(), len(x) / size, []
    found: dict[int, list[tuple[float, float, float]]] = {cores: [] for cores in models}

    def train(model: Any) -> float:
        start = time.perf_counter()
        common.train(model, weights, x, y, size)
        return (time.perf_counter() - start) / steps

    for _ in range(args.rounds + 1):  # the first warms up
        here.append(train(models[DEFAULT["threads"]]))
        for cores, model in models.items():
            with one_after_another() as shared:
                whole = train(model)
            together, busiest = (sum(times) / steps for times in zip((0, 0), *shared, strict=True))
            found[cores].append((whole, whole - together, busiest))
    medians = {cores: [*map(statistics.median, zip(*times[1:], strict=True))] for cores, times in found.items()}
    return foretell(medians, statistics.median(here[1:]), DEFAULT["threads"])


@contextlib.contextmanager
def one_after_another() -> Iterator[list[tuple[float, float]]]:
    """Have one thread do what threads would share; yield a list, for each share its time and that of the busiest."""
    shared: list[tuple[float, float]] = []

    def in_turn(workers: Any, function: Any, items: Any) -> list:
        results, busy = [], [0.0] * workers.threads
        for item in items:
            start = time.perf_counter()
            results.append(function(item))
            heapq.heapreplace(busy, busy[0] + time.perf_counter() - start)  # whoever is free first takes the next
        shared.append((sum(busy), max(busy)))
        return results

    in_parallel = threads.Workers.map
    threads.Workers.map = in_turn  # type: ignore[method-assign]
    try:
        yield shared
    finally:
        threads.Workers.map = in_parallel  # type: ignore[method-assign]


def foretell(times: dict[int, list[float]], here: float, count: int) -> dict[str, Any]:
    """Return the forecast from {cores: [whole, alone, busiest]} and the time of a step on `count` threads here."""
    lost = here - sum(times[count][1:]) if count > 1 else 0.0
    steps = {cores: sum(times[cores][1:]) + (lost if cores > 1 else 0.0) for cores in CORES}
    whole, alone, busiest = ({cores: times[cores][i] for cores in CORES} for i in range(3))
    return {"whole": whole, "alone": alone, "busiest": busiest, "lost": lost, "steps": steps}


def thread_gain(rows: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """Return {batch size: {"train": how many times faster all threads are than one, "predict": the same}}."""
    medians = {(row["panel"], row["value"]): {what: row[what]["median"] for what in WHATS} for row in rows}
    return {
        value: {what: medians[ALONE, value][what] / median[what] for what in WHATS}
        for (panel, value), median in medians.items()
        if panel == "batch size"
    }


def report(results: dict[str, Any]) -> None:
    """Print the tables."""
    lines, first = [], results["rows"][0]
    for row in results["rows"]:
        first = first if row["panel"] == first["panel"] else row
        cells = [common.short(row[what][key]) for what in WHATS for key in ("median", "min", "max")]
        growth = row["train"]["median"] / first["train"]["median"], row["multiply_adds"] / first["multiply_adds"]
        lines.append([f"{row['panel']} {row['value']}", *cells, *(f"{times:.2f} x" for times in growth)])
    print("\nTime per image; training time and multiply-adds, relative to the first of the panel.\n")
    print(common.table(["", "train", "min", "max", "predict", "min", "max", "time", "multiply-adds"], lines))
    print(f"\nHow many times faster {results['default']['threads']} threads are than one.\n")
    gain = results["threads_over_one"]
    lines = [[size, *(f"{found[what]:.2f} x" for what in WHATS)] for size, found in gain.items()]
    print(common.table(["batch size", *WHATS], lines))
    print("\nA training step on one thread, its work cut for more.\n")
    lines = [[size, *map(common.short, found["whole"].values())] for size, found in results["forecast"].items()]
    print(common.table(["batch size", *map(str, CORES)], lines))
    print("\nForecast: how many times faster a training step is than on one core; and what it is made of on eight.\n")
    lines = []
    for size, found in results["forecast"].items():
        steps = found["steps"]
        parts = [common.short(seconds) for seconds in (found["alone"]["8"], found["busiest"]["8"], found["lost"])]
        lines.append([size, *parts, *(f"{steps['1'] / steps[str(cores)]:.2f} x" for cores in CORES[1:])])
    print(common.table(["batch size", "alone", "busiest", "lost", *(f"{cores} cores" for cores in CORES[1:])], lines))


def draw(results: dict[str, Any]) -> dict[str, Any]:
    """Return {"scaling": figure}: a panel for each property, on logarithmic axes, where proportion is a line."""
    rows = results["rows"]
    titles = {"image size": "image size, pixels per side", "channels": "channels of the first layer"}
    figure, axes = common.subplots(2, 2, figsize=(9, 7.5), sharey=True)
    for axis, panel in zip(axes.flat, results["default"], strict=True):
        points = [row for row in rows if row["panel"] == panel]
        values = np.array([row["value"] for row in points])
        # With twice the threads each has half the work.
        work = 1 / values if panel == "threads" else np.array([row["multiply_adds"] for row in points])
        for what, (colour, marker) in zip(WHATS, common.STYLES, strict=False):
            low, middle, high = (np.array([row[what][key] for row in points]) * 1e6 for key in ("min", "median", "max"))
            style = {"color": colour, "marker": marker, "capsize": 3, "label": what}
            axis.errorbar(values, middle, [middle - low, high - middle], **style)
            proportion = middle[0] * work / work[0]
            axis.plot(values, proportion, color=colour, ls=":", label=f"{what}, in proportion to the multiply-adds")
            if panel == "batch size":
                alone = [row[what]["median"] * 1e6 for row in rows if row["panel"] == ALONE]
                axis.plot(values, alone, color=colour, ls="--", marker=marker, mfc="white", label=f"{what}, one thread")
        size = str(results["default"]["batch size"])
        if panel == "threads" and size in results["forecast"]:
            steps = results["forecast"][size]["steps"]
            forecasts = [step / int(size) * 1e6 for step in steps.values()]
            axis.plot(CORES, forecasts, color="#777777", ls="--", marker="x", label="train, forecast")
            values = np.array(sorted({*values, *CORES}))
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(values, values)
        axis.set_xticks([], minor=True)
        axis.set_xlabel(titles.get(panel, panel))
    for axis in axes[:, 0]:
        axis.set_ylabel("microseconds per image")
    found = [axis.get_legend_handles_labels() for axis in axes[0]]
    legend = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=3)
    figure.suptitle(f"How the time per image grows\n{common.title(results)}", x=0.01, ha="left")
    return {"scaling": figure}


if __name__ == "__main__":
    parser = common.parser(__doc__, rounds=5)
    help = "per measurement; a multiple of the batch sizes (default: %(default)s)"
    parser.add_argument("--images", type=common.positive, default=2048, help=help)
    help = "rung (default: %(default)s)"
    parser.add_argument("--kernels", choices=kernels.RUNGS, default=kernels.RUNGS[-1], help=help)
    cpus = DEFAULT["threads"]
    defaults = {
        "threads": sorted({count for count in (1, 2, 4, 8, 16, 32, 64) if count < cpus} | {cpus}),
        "batch-sizes": [16, 32, 64, 128, 256, 512],
        "image-sizes": [28, 56, 112],
        "channels": [8, 16, 32, 64, 128],
    }
    for name, values in defaults.items():
        help = f"(default: {' '.join(map(str, values))})"
        parser.add_argument(f"--{name}", nargs="+", type=common.positive, default=values, help=help)
    common.main("scaling", parser.parse_args(), measure, report, draw)
