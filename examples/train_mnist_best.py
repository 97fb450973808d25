"""Train the network of train_mnist.py as well as it can be trained: on new variants of the images in every epoch, with
a learning rate that falls to zero and weights that decay, and keeping their average over the last steps.

python examples/train_mnist_best.py
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from npcnn import History, Sequential, layers, optimizers, plots
from npcnn.augmentation import augment
from npcnn.datasets import mnist

parser = argparse.ArgumentParser(description="Train a small convolutional network on MNIST as well as it can be.")
parser.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
parser.add_argument("--fashion", action="store_true", help="train on Fashion-MNIST: clothes, mirrored at random")
parser.add_argument("--epochs", type=int, default=30, help="times over the training set (default: %(default)s)")
parser.add_argument("--seed", type=int, default=0, help="of weights, shuffling, variants (default: %(default)s)")
parser.add_argument("--hold-out", type=int, default=0, help="validate on so many training images, not the test set")
parser.add_argument("--output", type=Path, default="mnist_best.keras", help="file (default: %(default)s)")
args = parser.parse_args()
if args.epochs < 1 or min(args.seed, args.hold_out) < 0:
    parser.error("--epochs must be at least 1, --seed and --hold-out at least 0")
if args.output.suffix != ".keras" or not args.output.parent.is_dir():
    parser.error(f"--output must be a name ending in .keras, in a folder that exists; got {args.output}")

try:
    if args.fashion:
        from npcnn.datasets import fashion_mnist

        source = args.data
        (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data(source)
    else:
        source = mnist.resolve(args.data)
        (x_train, y_train), (x_test, y_test) = mnist.load_data(source)
except (ImportError, OSError, ValueError) as error:
    parser.error(f"--data {args.data}: {error}")
if args.hold_out >= len(x_train):
    parser.error(f"--hold-out must be below {len(x_train):,}, the number of training images; got {args.hold_out:,}")
if args.hold_out:  # to choose a recipe by: whoever chooses it by the test set no longer has a test
    x_train, x_test = np.split(x_train, [-args.hold_out])
    y_train, y_test = np.split(y_train, [-args.hold_out])
x_train, x_test = (x[..., None] / np.float32(255) for x in (x_train, x_test))  # (N, 28, 28, 1), from 0 to 1
print(f"Data: {source}, {len(x_train):,} images to train on, {len(x_test):,} to evaluate on")


class AveragedAdamW(optimizers.AdamW):
    """AdamW that keeps a running average of the weights w. After step t = 1, 2, ...,

        average = average + (w - average) (1 - keep),    keep = min(0.9995, (1 + t) / (10 + t))

    Each batch pulls w another way; in the average these pulls cancel. It is over few steps at first, while w still has
    far to go. (B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.)
    """

    def update(self, params, grads):
        """Take one step, and take it into the average."""
        super().update(params, grads)
        keep = min(0.9995, (1 + self.iterations) / (10 + self.iterations))
        for key, w in params.items():
            average = self.slot("average", key, w)
            average += (w - average) * (1 - keep)


def network(optimizer):
    """The network of train_mnist.py: 225,034 parameters."""
    model = Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="mnist_best",
        seed=args.seed,
    )
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


batch_sizes = [64 if epoch < args.epochs / 2 else 128 for epoch in range(args.epochs)]
steps = sum(math.ceil(len(x_train) / batch_size) for batch_size in batch_sizes)
# What the gradients do not need decays to zero, so that less is learned by heart.
optimizer = AveragedAdamW(optimizers.schedules.CosineDecay(0.002, steps), weight_decay=0.05)
model, averaged = network(optimizer), network("adam")
model.summary()

averaged.history, start = History(), time.perf_counter()
bar = tqdm(batch_sizes, desc="Epochs", disable=None)  # none where there is no terminal
for epoch, batch_size in enumerate(bar):
    began = time.perf_counter()
    try:
        variants = augment(x_train, seed=args.epochs * args.seed + epoch, flip=args.fashion)
        trained = model.fit(variants, y_train, batch_size, verbose=0)
        averaged.history.interrupted = trained.interrupted
    except KeyboardInterrupt:  # Ctrl-C while the images were made: fit was not there to take it
        averaged.history.interrupted = True
    if "average" in optimizer.slots:
        averaged.set_weights(list(optimizer.slots["average"].values()))
    if averaged.history.interrupted:
        break
    values = {name: value for name, (value,) in trained.history.items()}
    if args.hold_out:
        means = averaged.evaluate(x_test, y_test, batch_size, verbose=0, return_dict=True)
        values |= {f"val_{name}": value for name, value in means.items()}
    averaged.history.on_epoch_end(epoch, values)
    line = " - ".join(f"{name}: {value:.4f}" for name, value in values.items())
    bar.write(f"Epoch {epoch + 1}/{args.epochs} - {time.perf_counter() - began:.1f} s - {line}")
bar.close()

averaged.save(args.output)
print(f"Saved the model to {args.output}")
if averaged.history.epoch:
    picture = args.output.with_suffix(".png")
    plots.accuracy_curves(averaged.history, picture)
    print(f"Saved its learning curves to {picture}")
what = "accuracy on the held-out images"
if source in ("auto", "mnist", "fashion_mnist", "tfds") and not args.hold_out:
    what = "Fashion-MNIST test accuracy" if args.fashion else "MNIST test accuracy"
when = f" in epoch {epoch + 1}, at Ctrl-C" if averaged.history.interrupted else ""
accuracy = averaged.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
print(f"{what}{when}: {accuracy:.2%} after {time.perf_counter() - start:.0f} s")
