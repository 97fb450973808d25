"""What the benchmarks share: the model they measure, its data, timing in turns, tables, JSON and pictures."""

import argparse
import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Hashable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from npcnn import Sequential, __version__, layers
from npcnn.datasets import mnist
from npcnn.threads import available_cpus

# Okabe and Ito's colours, told apart by colour-blind readers; a marker says the same again.
STYLES = [("#D55E00", "o"), ("#0072B2", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P")]
SHORTEST = 0.05  # seconds; tasks that take less are repeated until they take as long


# ------------------------------------------------------------------ what is measured


def mnist_model(
    kernels: str,
    threads: int | None = None,
    size: int = 28,
    filters: tuple[int, int] = (32, 64),
    seed: int = 0,
    units: int = 128,
) -> Sequential:
    """Return the model of examples/train_mnist.py, compiled, for images of size x size."""
    model = Sequential(
        [
            layers.Input((size, size, 1)),
            layers.Conv2D(filters[0], 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(filters[1], 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        kernels=kernels,
        threads=threads,
        seed=seed,
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model


def train(model: Sequential, weights: list, x: np.ndarray, y: np.ndarray, batch_size: int) -> None:
    """Train for an epoch, always from the same weights: the share of zero gradients decides how long it takes."""
    model.set_weights(weights)
    if model.fit(x, y, batch_size, verbose=0).interrupted:
        raise KeyboardInterrupt


def digits(source: str, train: int | None = None, test: int | None = None) -> tuple[list[np.ndarray], str]:
    """Return [x_train, y_train, x_test, y_test], and a line that says where they are from.

    `train` and `test` say how many; None means all. Where there are fewer, they are repeated.
    """
    source = mnist.resolve(source)
    pairs = mnist.load_data(source)
    arrays, repeated = [], ""
    for (x, y), count in zip(pairs, (train, test), strict=True):
        count = count or len(x)
        if count > len(x):
            repeated = f", made of {len(pairs[0][0]):,} and {len(pairs[1][0]):,} by repeating them"
        x = x[:count, ..., None] / np.float32(255)
        arrays += [np.resize(x, (count, *x.shape[1:])), np.resize(y, count)]  # np.resize repeats what is too short
    counts = f"{len(arrays[0]):,} digits to train on and {len(arrays[2]):,} to test on"
    return arrays, f"{Path(source).name}, {counts}{repeated}"


# ------------------------------------------------------------------ timing


def time_in_turns(tasks: dict[Hashable, tuple[Callable[[], Any], int]], rounds: int) -> dict[Hashable, dict]:
    """Return {key: seconds per image} for tasks {key: (function, how many images it works on)}.

    Every round times each task once, so that what slows the machine for a while slows all alike. First calls, which
    may compile, are not counted.
    """
    from tqdm import tqdm

    def seconds(task: Callable[[], Any], repeats: int = 1) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            task()
        return (time.perf_counter() - start) / repeats

    repeats: dict[Hashable, int] = {}
    samples: dict[Hashable, list[float]] = {key: [] for key in tasks}
    with tqdm(total=len(tasks) * (rounds + 1), desc="Measuring", file=sys.stderr) as progress:
        for key, (task, _) in tasks.items():
            first = seconds(task)
            once = seconds(task) if first < 20 * SHORTEST else first
            repeats[key] = max(1, round(SHORTEST / once))
            progress.update()
        for _ in range(rounds):
            for key, (task, images) in tasks.items():
                samples[key].append(seconds(task, repeats[key]) / images)
                progress.update()
    return {key: spread(values) for key, values in samples.items()}


def spread(samples: list[float]) -> dict[str, float]:
    """Return the median of the samples, the smallest and the largest."""
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples)}


# ------------------------------------------------------------------ the command


def parser(description: str, rounds: int | None = None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has; `rounds` is the default of --rounds."""
    new = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
    if rounds:
        new.add_argument("--rounds", type=positive, default=rounds, help="how often to measure (default: %(default)s)")
    folder = Path(__file__).with_name("results")
    new.add_argument("--output-dir", type=Path, default=folder, help="for JSON and pictures (default: %(default)s)")
    new.add_argument("--redraw", type=Path, metavar="JSON", help="measure nothing; print and draw this file again")
    return new


def positive(text: str) -> int:
    """Return a positive int from the command line."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return int(text)


def main(
    name: str,
    args: argparse.Namespace,
    measure: Callable[[Any], dict[str, Any]],
    report: Callable[[dict[str, Any]], None],
    draw: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Measure and write NAME.json, or read such a file; then print its tables and draw its pictures beside it.

    `measure(args)` returns the results, `report(results)` prints tables, `draw(results)` returns {name: figure}.
    """
    path = args.redraw or args.output_dir / f"{name}.json"
    if not args.redraw:
        results = {"command": command(), "machine": machine(), **measure(args)}
        args.output_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(to_json(results))
    results = json.loads(path.read_text())
    report(results)
    figures = draw(results)
    for stem, figure in figures.items():
        figure.savefig(path.with_name(f"{stem}.png"), dpi=150, bbox_inches="tight")
    print(f"\nThe numbers are in {path}, the picture is beside it: {', '.join(f'{stem}.png' for stem in figures)}.")


def to_json(results: dict[str, Any]) -> str:
    """Return the results as JSON, numbers rounded to six digits."""
    rounded = json.loads(json.dumps(results), parse_float=lambda digits: float(f"{float(digits):.6g}"))
    return json.dumps(rounded, indent=1) + "\n"


def command() -> list[str]:
    """Return how this program was called, but of paths only the last name: the rest is of this machine alone."""
    script, *words = sys.argv
    return [f"benchmarks/{Path(script).name}", *(re.sub(r"(^|=)[^=]*[/\\]", r"\1", word) for word in words)]


def machine() -> dict[str, Any]:
    """Describe the machine and its software; warn if the machine is busy."""
    from threadpoolctl import threadpool_info

    cpuinfo = Path("/proc/cpuinfo")
    cpus = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    versions = {"python": platform.python_version(), "npcnn": __version__}
    for package in ("numpy", "numba", "keras", "tensorflow-cpu", "tensorflow", "torch", "mpi4py", "mpich"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    cores = available_cpus()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load and load > 0.5:
        print(f"This machine is busy (load average {load:.1f} on {cores} cores): times may come out too long.\n")
    return {
        "cpu": cpus[0].split(":", 1)[1].strip() if cpus else platform.processor(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "blas": [f"{b['internal_api']} {b['version']} {b.get('architecture', '')}" for b in threadpool_info()],
        "versions": versions,
        "load_average_at_start": load,
        "date": time.strftime("%Y-%m-%d"),
    }


# ------------------------------------------------------------------ tables and pictures


def title(results: dict[str, Any]) -> str:
    """Return one line that says where the measurements are from."""
    return "{cpu}, {cores}, {date}".format(**results["machine"] | {"cores": cores(results)})


def cores(results: dict[str, Any]) -> str:
    """Return how many cores the measurements are from, in words."""
    count = results["machine"]["cores"]
    return "1 core" if count == 1 else f"{count} cores"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; its first column is aligned left, the others right."""
    widths = [max(2, *map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    lines = []
    for first, *others in (header, rule, *rows):
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def short(seconds: float) -> str:
    """Return a time in the unit that suits it, with three digits."""
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def subplots(*args: Any, **kwargs: Any) -> Any:
    """Return matplotlib's subplots in this folder's look; needs no screen."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e4e4e4",
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "legend.frameon": False,
        }
    )
    return plt.subplots(*args, layout="constrained", **kwargs)
