"""Train the model of examples/train_mnist.py on MNIST from several seeds: the accuracies and pictures of README.md.

    python benchmarks/accuracy.py

The same seed, data and number of epochs give the example's weights, bit for bit.
"""

import time
from typing import Any

import common
import numpy as np

from npcnn import kernels, plots

BATCH = 64


def measure(args: Any) -> dict[str, Any]:
    """Return each seed's history and seconds per epoch, and the first seed's confusion counts, true by predicted."""
    (x_train, y_train, x_test, y_test), data = common.digits(args.data)
    print(f"Data: {data}.")
    warm_up = common.mnist_model(kernels.DEFAULT)
    common.train(warm_up, warm_up.get_weights(), x_train[:BATCH], y_train[:BATCH], BATCH)
    runs, confusion = [], None
    for seed in args.seeds:
        print(f"\nSeed {seed}")
        model = common.mnist_model(kernels.DEFAULT, seed=seed)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        start = time.perf_counter()
        history = model.fit(x_train, y_train, BATCH, args.epochs, validation_data=(x_test, y_test))
        seconds = (time.perf_counter() - start) / args.epochs
        if history.interrupted:
            raise KeyboardInterrupt
        runs.append({"seed": seed, "seconds_per_epoch": seconds, "history": history.history})
        if confusion is None:
            predicted = model.predict(x_test, BATCH, verbose=0).argmax(axis=1)
            confusion = np.zeros((10, 10), int)
            np.add.at(confusion, (y_test, predicted), 1)
    return {"data": data, "epochs": args.epochs, "runs": runs, "confusion": confusion.tolist()}


def report(results: dict[str, Any]) -> None:
    """Print the table of README.md."""
    keys = ("val_accuracy", "accuracy")
    last = {str(run["seed"]): [run["history"][key][-1] for key in keys] for run in results["runs"]}
    last["mean"] = np.mean(list(last.values()), axis=0)
    lines = [[seed, *(f"{100 * value:.2f} %" for value in values)] for seed, values in last.items()]
    print(f"\n{results['data']}; after {results['epochs']} epochs at batch size {BATCH}:\n")
    print(common.table(["seed", "test accuracy", "training accuracy"], lines))
    seconds = ", ".join(f"{run['seconds_per_epoch']:.3g}" for run in results["runs"])
    print(f"\nSeconds per epoch, validation included: {seconds}.")


def draw(results: dict[str, Any]) -> dict[str, Any]:
    """Return {name: figure} for the first seed: how it learned, and what it confuses."""
    confusion = np.array(results["confusion"])
    true, predicted = (np.repeat(numbers.ravel(), confusion.ravel()) for numbers in np.indices(confusion.shape))
    return {
        "mnist_model": plots.accuracy_curves(results["runs"][0]["history"]),
        "mnist_model_confusion": plots.confusion_matrix(true, predicted),
    }


if __name__ == "__main__":
    parser = common.parser(__doc__)
    help = "of weights and shuffling (default: 0 1 2)"
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help=help)
    parser.add_argument("--epochs", type=common.positive, default=10, help="per seed (default: %(default)s)")
    common.main("accuracy", parser.parse_args(), measure, report, draw)
