"""What the benchmarks share: the model they measure, its data, timing in rounds, and reporting."""

import argparse
import json
import os
import platform
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


# ------------------------------------------------------------------ what is measured


def seed_model(kernels: str, threads: int | None = None, size: int = 28, filters: tuple[int, int] = (32, 64)) -> Any:
    """Return the network of examples/train_mnist.py, compiled, for images of size x size; always the same weights."""
    model = Sequential(
        [
            layers.Input((size, size, 1)),
            layers.Conv2D(filters[0], 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(filters[1], 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        kernels=kernels,
        threads=threads,
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model


def digits(source: str, train: int, test: int) -> tuple[list[np.ndarray], str]:
    """Return [x_train, y_train, x_test, y_test], so many of each, and a line that says where they are from."""
    source = mnist.resolve(source)
    pairs = mnist.load_data(source)
    arrays = []
    for (x, y), count in zip(pairs, (train, test), strict=True):
        x = x[:count, ..., None] / np.float32(255)
        arrays += [np.resize(x, (count, *x.shape[1:])), np.resize(y, count)]  # np.resize repeats what is too short
    said = f"{source}, {train:,} digits to train on and {test:,} to predict"
    if train > len(pairs[0][0]) or test > len(pairs[1][0]):
        said += f", made of {len(pairs[0][0]):,} and {len(pairs[1][0]):,} by repeating them"
    return arrays, said


# ------------------------------------------------------------------ timing


def measure(tasks: dict[Hashable, Callable[[], Any]], rounds: int, least: float = 0.05) -> dict[Hashable, dict]:
    """Time every task once a round, one after the other, so that what slows the machine for a while slows all alike.

    The first call of each is a warm-up: it compiles, and is told apart. Short tasks are repeated for `least` seconds.
    """
    from tqdm import tqdm

    def seconds(task: Callable[[], Any], repeats: int = 1) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            task()
        return (time.perf_counter() - start) / repeats

    with tqdm(total=len(tasks) * (rounds + 1), desc="Measuring", file=sys.stderr) as progress:
        warm_up, repeats, samples = {}, {}, {}
        for key, task in tasks.items():
            warm_up[key] = seconds(task)
            once = seconds(task) if warm_up[key] < 20 * least else warm_up[key]
            repeats[key], samples[key] = max(1, round(least / once)), []
            progress.update()
        for _ in range(rounds):
            for key, task in tasks.items():
                samples[key].append(seconds(task, repeats[key]))
                progress.update()
    return {key: spread(samples[key]) | {"warm_up": warm_up[key]} for key in tasks}


def spread(samples: list[float]) -> dict[str, Any]:
    """Return the median of the samples, the smallest, the largest, and all of them."""
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples), "samples": samples}


# ------------------------------------------------------------------ reporting


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    new = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
    new.add_argument("--rounds", type=positive, default=5, help="how often to measure (default: %(default)s)")
    folder = Path(__file__).with_name("results")
    new.add_argument("--output-dir", type=Path, default=folder, help="for JSON and picture (default: %(default)s)")
    return new


def positive(text: str) -> int:
    """Return a positive int from the command line."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, got {text!r}")
    return int(text)


def machine() -> dict[str, Any]:
    """Describe where this runs; on a busy machine, warn."""
    from threadpoolctl import threadpool_info

    cpuinfo = Path("/proc/cpuinfo")
    named = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    versions = {"python": platform.python_version(), "npcnn": __version__}
    for package in ("numpy", "numba", "keras", "tensorflow-cpu", "tensorflow", "torch"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    cores = available_cpus()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load and load > 0.5:
        print(f"This machine is not idle (load average {load:.1f} on {cores} cores): times may come out too long.\n")
    return {
        "cpu": named[0].split(":", 1)[1].strip() if named else platform.processor(),
        "cores": cores,
        "system": platform.platform(),
        "blas": [f"{b['internal_api']} {b['version']} {b.get('architecture', '')}" for b in threadpool_info()],
        "versions": versions,
        "load_average_at_start": load,
        "date": time.strftime("%Y-%m-%d"),
    }


def title(machine: dict[str, Any]) -> str:
    """Return one line that says where the measurements are from."""
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table with its first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(both)).rstrip()
        for both in (list(zip(row, widths, strict=True)) for row in (header, rule, *rows))
    )


def short(seconds: float) -> str:
    """Return a time in the unit that suits it, with three digits."""
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def write(output_dir: Path, name: str, results: dict[str, Any], figure: Any) -> None:
    """Write NAME.json and NAME.png, and say where."""
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / f"{name}.json").write_text(json.dumps({"command": sys.argv, **results}, indent=1) + "\n")
    figure.savefig(output_dir / f"{name}.png", dpi=150, bbox_inches="tight")
    print(f"\nWrote {output_dir / name}.json and {name}.png")


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
