"""Accuracy against batch size, for `distributed.py --accuracy`: what more machines cost in what is learned.

A batch k times as large makes a k-th of the steps an epoch, so each must go further. The rules here multiply the
learning rate by k (Goyal et al., "Accurate, large minibatch SGD: Training ImageNet in 1 hour", 2017) or, for Adam, by
the square root of k (Malladi et al., "On the SDEs and scaling rules for adaptive gradient algorithms", 2022); k is 1 at
a batch size of 64. As large steps from random weights lead astray, the rate rises to that in a straight line, step by
step, over the first epoch, and then stays (Goyal et al. lower it later, in a training of 90 epochs).
"""

import argparse
import math
from collections.abc import Callable
from typing import Any

import common
import numpy as np

from npcnn import optimizers
from npcnn.optimizers import schedules

BASE = 64
SIZES = [64, 256, 1024, 2048, 4096, 8192]
# name: how to make the optimizer with a learning rate, that at BASE, and by what it is multiplied for k times the batch
RULES: dict[str, tuple[Callable, float, Callable]] = {
    "SGD with momentum, linear": (lambda rate: optimizers.SGD(rate, momentum=0.9), 0.01, float),
    "Adam, linear": (optimizers.Adam, 0.001, float),
    "Adam, square root": (optimizers.Adam, 0.001, math.sqrt),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of --accuracy."""
    parser.add_argument("--accuracy", action="store_true", help="measure the accuracy by global batch size instead")
    help = "with --accuracy, for each batch size (default: %(default)s)"
    parser.add_argument("--epochs", type=common.positive, default=5, help=help)
    help = "with --accuracy, of weights and shuffling (default: 0)"
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help=help)


def learning_rate(base: float, peak: float, steps: int) -> schedules.LearningRateSchedule:
    """Return the schedule that goes from base to peak in so many steps, and stays there."""
    return schedules.PolynomialDecay(base, steps, end_learning_rate=peak)


def measure(args: Any) -> dict[str, Any]:
    """Return the accuracies after the last epoch, {rule: {batch size: one for each seed}}."""
    from tqdm import tqdm

    (x, y, x_test, y_test), data = common.digits(args.data)
    print(f"Data: {data}.", flush=True)
    accuracy: dict[str, dict[int, list[float]]] = {rule: {size: [] for size in args.batch_sizes} for rule in RULES}
    with tqdm(total=len(RULES) * len(args.batch_sizes) * len(args.seeds), desc="Trainings") as progress:
        for rule, (make, base, scale) in RULES.items():
            for size in args.batch_sizes:
                for seed in args.seeds:
                    rate = learning_rate(base, base * scale(size / BASE), steps=math.ceil(len(x) / size))
                    model = common.mnist_model(args.kernels, seed=seed)
                    model.compile(make(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
                    if model.fit(x, y, size, args.epochs, verbose=0).interrupted:
                        raise KeyboardInterrupt
                    accuracy[rule][size].append(model.evaluate(x_test, y_test, 256, verbose=0)[1])
                    progress.set_postfix_str(f"{rule}, {size}: {accuracy[rule][size][-1]:.2%}")
                    progress.update()
    return {"data": data, "epochs": args.epochs, "seeds": args.seeds, "accuracy": accuracy}


def report(results: dict[str, Any]) -> None:
    """Print the table."""
    accuracy, seeds = results["accuracy"], len(results["seeds"])
    print(f"\n{results['data']}; test accuracy after {results['epochs']} epochs by global batch size")
    print(f"{'(smallest to largest of ' + str(seeds) + ' seeds)' if seeds > 1 else '(one seed)'}.\n")
    sizes = next(iter(accuracy.values()))
    lines = [[f"{int(size):,}", *(cell(found[size]) for found in accuracy.values())] for size in sizes]
    print(common.table(["batch size", *accuracy], lines))


def cell(values: list[float]) -> str:
    """Return the mean, and the smallest and the largest if there are several."""
    low, mean, high = (f"{100 * value:.2f}" for value in (min(values), np.mean(values), max(values)))
    return f"{mean} %" if len(values) == 1 else f"{mean} % ({low} to {high})"


def draw(results: dict[str, Any]) -> dict[str, Any]:
    """Return {"distributed_accuracy": figure}: a line for each rule."""
    figure, axis = common.subplots(figsize=(7, 4.5))
    for (rule, found), (colour, marker) in zip(results["accuracy"].items(), common.STYLES, strict=False):
        sizes = [int(size) for size in found]
        low, mean, high = (100 * function(list(found.values()), axis=1) for function in (np.min, np.mean, np.max))
        style = {"color": colour, "marker": marker, "capsize": 3, "label": rule}
        axis.errorbar(sizes, mean, [mean - low, high - mean], **style)
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, sizes)
    axis.set_xticks([], minor=True)
    axis.set(xlabel="global batch size", ylabel=f"test accuracy after {results['epochs']} epochs, %")
    axis.legend()
    return {"distributed_accuracy": figure}
