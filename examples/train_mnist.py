"""Train a small convolutional network on MNIST, save it, and draw how it learned.

python examples/train_mnist.py
mpiexec -n 4 python examples/train_mnist.py     (on several processes or machines: pip install "npcnn[mpi]")
"""

import argparse
from pathlib import Path

import numpy as np

from npcnn import Sequential, callbacks, distributed, kernels, layers, plots
from npcnn.datasets import mnist

ranks = distributed.start()  # which of the processes this is that mpiexec has started; else the only one

parser = argparse.ArgumentParser(description="Train a small convolutional network on MNIST.")
parser.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
parser.add_argument("--epochs", type=int, default=10, help="times over the training set (default: %(default)s)")
parser.add_argument("--batch-size", type=int, default=64, help="images per update (default: %(default)s)")
parser.add_argument("--seed", type=int, default=0, help="of weights and shuffling (default: %(default)s)")
parser.add_argument("--kernels", choices=kernels.RUNGS, default=kernels.DEFAULT, help="rung (default: %(default)s)")
parser.add_argument("--output", type=Path, default="mnist_model.keras", help="file (default: %(default)s)")
parser.add_argument("--resume", action="store_true", help="go on where a training that was killed or stopped left off")
args = parser.parse_args()
if min(args.epochs, args.batch_size) < 1 or args.seed < 0:
    parser.error("--epochs and --batch-size must be at least 1, --seed at least 0")
if args.output.suffix != ".keras" or not args.output.parent.is_dir():
    parser.error(f"--output must be a name ending in .keras, in a folder that exists; got {args.output}")
backup = callbacks.BackupAndRestore(args.output.with_suffix(".backup"), save_freq=100, delete_checkpoint=False)
if backup.path.exists() and not args.resume:
    folder = backup.path.parent
    parser.error(f"{folder} has the backup of an earlier training: go on with --resume, or remove {folder}")

try:
    source = mnist.resolve(args.data)
    (x_train, y_train), (x_test, y_test) = mnist.load_data(source)
except (ImportError, OSError, ValueError) as error:
    parser.error(f"--data {args.data}: {error}")
x_train, x_test = (x[..., None] / np.float32(255) for x in (x_train, x_test))  # (N, 28, 28, 1), from 0 to 1
print(f"Data: {source}, {len(x_train):,} digits to train on, {len(x_test):,} to validate on")

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
    name="mnist_model",
    kernels=args.kernels,
    seed=args.seed,
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

options = {"validation_data": (x_test, y_test), "callbacks": [backup]}
history = model.fit(x_train, y_train, args.batch_size, args.epochs, **options)

if ranks.rank:
    raise SystemExit  # rank 0 saves and draws what all of them have trained

model.save(args.output)
print(f"Saved the model to {args.output}")
if not history.interrupted:
    backup.remove()  # only now is the backup of no more use
if history.epoch:
    picture = args.output.with_suffix(".png")
    plots.accuracy_curves(history, picture)
    what = "MNIST test accuracy" if source in ("mnist", "tfds") else "accuracy on the held-out digits"
    print(f"Saved its learning curves to {picture}")
    when = f" after epoch {len(history.epoch)}, before Ctrl-C" if history.interrupted else ""
    print(f"{what}{when}: {history.history['val_accuracy'][-1]:.2%}")
