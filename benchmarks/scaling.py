"""How the cost of an image grows: with threads, batch size, image size, and channels.

    python benchmarks/scaling.py

Each panel changes one thing of the MNIST network (28 x 28 pixels, 32 and 64 channels, batch 64, all threads) and times
training and prediction. The dotted lines grow like the multiply-adds a thread has to do, from the leftmost point.
"""

from functools import partial
from typing import Any

import common
import numpy as np

from npcnn import kernels
from npcnn.threads import available_cpus

WHATS = ("train", "predict")
DEFAULT = {"threads": available_cpus(), "batch size": 64, "image size": 28, "channels": 32}

ALONE = "batch size, one thread"


def settings(args: Any) -> list[tuple[str, int, dict[str, int]]]:
    """Return (panel, value, everything that is set) for every point of every panel."""
    values = {
        "threads": args.threads,
        "batch size": args.batch_sizes,
        "image size": args.image_sizes,
        "channels": args.channels,
    }
    points = [(panel, value, DEFAULT | {panel: value}) for panel in values for value in values[panel]]
    return points + [(ALONE, value, DEFAULT | {"batch size": value, "threads": 1}) for value in args.batch_sizes]


def enlarge(x: np.ndarray, size: int) -> np.ndarray:
    """Return images (N, 28, 28, 1) at size x size: of each new pixel's place, the nearest old pixel."""
    nearest = np.arange(size) * x.shape[1] // size
    return np.ascontiguousarray(x[:, nearest][:, :, nearest])


def train(model: Any, weights: list, x: np.ndarray, y: np.ndarray, batch: int) -> None:
    """Train for an epoch, from the same weights every time: how many gradients are zero decides what it costs."""
    model.set_weights(weights)
    model.fit(x, y, batch, verbose=0)


def measure(args: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return what was measured on, and a row for each point and each of training and predicting."""
    (x, y, *_), data = common.digits(args.data, args.images, 1)
    print(f"Data: {data}.", flush=True)
    tasks, work = {}, {}
    for panel, value, setting in settings(args):
        size, batch, channels = setting["image size"], setting["batch size"], setting["channels"]
        model = common.seed_model(args.kernels, setting["threads"], size, (channels, 2 * channels))
        images = enlarge(x, size)
        work[panel, value] = sum(layer.multiply_adds for layer in model.layers)

        tasks[panel, value, "train"] = partial(train, model, model.get_weights(), images, y, batch)
        tasks[panel, value, "predict"] = partial(model.predict, images, batch)
    times = common.measure(tasks, args.rounds)
    rows = []
    for (panel, value), multiply_adds in work.items():
        row: dict[str, Any] = {"panel": panel, "value": value, "multiply_adds": multiply_adds}
        for what in WHATS:
            found = times[panel, value, what]
            row[what] = {key: found[key] / args.images for key in ("median", "min", "max")}
            row[what]["warm_up"] = found["warm_up"]
        rows.append(row)
    return data, rows


def thread_gain(rows: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """Return {batch size: {"train": how many times faster all threads are than one, "predict": the same}}."""
    medians = {(r["panel"], r["value"]): {what: r[what]["median"] for what in WHATS} for r in rows}
    return {
        value: {what: medians[ALONE, value][what] / median[what] for what in WHATS}
        for (panel, value), median in medians.items()
        if panel == "batch size"
    }


def draw(rows: list[dict[str, Any]], source: str) -> Any:
    """Return a picture: a panel for each thing that was changed, on logarithmic axes, where proportion is a line."""
    titles = {"image size": "image size, pixels a side", "channels": "channels of the first layer"}
    figure, axes = common.subplots(2, 2, figsize=(9, 7.5), sharey=True)
    for axis, panel in zip(axes.flat, DEFAULT, strict=True):
        mine = [r for r in rows if r["panel"] == panel]
        values = np.array([r["value"] for r in mine])
        # With twice the threads each has half the work.
        work = 1 / values if panel == "threads" else np.array([r["multiply_adds"] for r in mine])
        for what, (colour, marker) in zip(WHATS, common.STYLES, strict=False):
            low, middle, high = (np.array([r[what][key] for r in mine]) * 1e6 for key in ("min", "median", "max"))
            style = {"color": colour, "marker": marker, "capsize": 3, "label": what}
            axis.errorbar(values, middle, [middle - low, high - middle], **style)
            proportion = middle[0] * work / work[0]
            axis.plot(values, proportion, color=colour, ls=":", label=f"{what}, in proportion to the work")
            if panel == "batch size":
                alone = [r[what]["median"] * 1e6 for r in rows if r["panel"] == ALONE]
                axis.plot(values, alone, color=colour, ls="--", marker=marker, mfc="white", label=f"{what}, one thread")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(values, values)
        axis.set_xticks([], minor=True)
        axis.set_xlabel(titles.get(panel, panel))
    for axis in axes[:, 0]:
        axis.set_ylabel("microseconds an image")
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    figure.suptitle(f"How the cost of an image grows\n{source}", x=0.01, ha="left")
    return figure


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    help = "in a measurement; a multiple of the batch sizes (default: %(default)s)"
    parser.add_argument("--images", type=common.positive, default=2048, help=help)
    help = "rung (default: %(default)s)"
    parser.add_argument("--kernels", choices=kernels.RUNGS, default=kernels.RUNGS[-1], help=help)
    counts = sorted({t for t in (1, 2, 4, 8, 16, 32, 64) if t < available_cpus()} | {available_cpus()})
    defaults = {
        "threads": counts,
        "batch-sizes": [16, 32, 64, 128, 256, 512],
        "image-sizes": [28, 56, 112],
        "channels": [8, 16, 32, 64, 128],
    }
    for name, values in defaults.items():
        help = f"(default: {' '.join(map(str, values))})"
        parser.add_argument(f"--{name}", nargs="+", type=common.positive, default=values, help=help)
    args = parser.parse_args()

    machine = common.machine()
    data, rows = measure(args)
    lines, first = [], rows[0]
    for r in rows:
        if r["panel"] != first["panel"]:
            first = r
        line = [f"{r['panel']} {r['value']}"]
        for what in WHATS:
            line += [common.short(r[what][key]) for key in ("median", "min", "max")]
        growth = r["train"]["median"] / first["train"]["median"], r["multiply_adds"] / first["multiply_adds"]
        lines.append([*line, *(f"{g:.2f} x" for g in growth), common.short(r["train"]["warm_up"])])
    print("\nTime an image; growth of training time and of multiply-adds over the first of the group.\n")
    header = ["", "train", "min", "max", "predict", "min", "max", "time", "work", "warm-up"]
    print(common.table(header, lines) + "\n")
    gain = thread_gain(rows)
    print(f"How many times faster {DEFAULT['threads']} threads are than one; on two, at least 1.7 is wanted.\n")
    lines = [[str(size), *(f"{found[what]:.2f} x" for what in WHATS)] for size, found in gain.items()]
    print(common.table(["batch size", *WHATS], lines) + "\n")
    results = {"machine": machine, "data": data, "rounds": args.rounds, "images": args.images, "kernels": args.kernels}
    results |= {"default": DEFAULT, "threads_over_one": gain, "rows": rows}
    common.write(args.output_dir, "scaling", results, draw(rows, common.title(machine)))


if __name__ == "__main__":
    main()
