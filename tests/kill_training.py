"""Kill a training at random moments until it ends; compare what it ends with with a training that nobody killed.

python tests/kill_training.py --kills 300
"""

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

MODEL = "model.keras"


def train(folder, epochs):
    """Train a small model in `folder`, from its backup if there is one, and save it."""
    import numpy as np

    from npcnn import Sequential, callbacks, layers, optimizers

    rng = np.random.default_rng(0)
    x, y = rng.random((46, 6, 6, 1), dtype="float32"), rng.integers(0, 3, 46)
    model = Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Conv2D(3, 3, kernels="im2col"),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dropout(0.2, seed=5),
            layers.Dense(3, activation="softmax"),
        ],
        kernels="im2col",
        threads=1,
        seed=1,
    )
    rate = optimizers.schedules.CosineDecay(0.01, 12 * epochs)
    model.compile(optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"validation_split": 0.1, "class_weight": {0: 2.0}, "verbose": 0}
    callback = callbacks.BackupAndRestore(folder / "backup", save_freq=3, delete_checkpoint=False)
    print("begins", flush=True)
    model.fit(x, y, 4, epochs, callbacks=[callback], **options)  # the last of 11 batches has one example
    model.save(folder / MODEL)
    callback.remove()


def start(folder, epochs):
    """Start such a training as a process of its own; return it once it has imported what it needs."""
    root = Path(__file__).parent.parent
    command = [sys.executable, __file__, "--train", str(folder), "--epochs", str(epochs)]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert child.stdout.readline() == "begins\n"
    return child


def left_in(folder):
    """Return the hash of the model in `folder`, and what else lies there."""
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    model = folder / MODEL
    return hashlib.sha256(model.read_bytes()).hexdigest() if model.exists() else "", [f for f in files if f != MODEL]


def kill(kills, seed, epochs=6, report=print):
    """Kill trainings so often; return how many ended, how many of them wrong, and what was found lying about when."""
    random_numbers, count, found = random.Random(seed), Counter(), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child, began = start(folder, epochs), time.perf_counter()
        assert child.wait() == 0
        seconds, (wanted, left) = time.perf_counter() - began, left_in(folder)
        assert wanted and not left, left
        report(f"never killed: {seconds:.2f} s, {wanted[:16]}")
        (folder / MODEL).unlink()
        done = False
        while not done:
            child = start(folder, epochs)
            try:
                # The last one, too, goes on until it ends.
                child.wait(random_numbers.uniform(0, seconds / 2) if count["kills"] < kills else None)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.returncode == 0:
                got, left = left_in(folder)
                count["ended"] += 1
                count["other bits"] += got != wanted
                count["not tidy"] += bool(left)
                (folder / MODEL).unlink()
                done = count["kills"] == kills
            elif child.returncode > 0 and os.name == "posix":
                raise AssertionError(f"the training failed, with {child.returncode}")
            else:
                count["kills"] += 1
                left = [Path(path).name for path in left_in(folder)[1]]
                found["an unfinished file"] += any(name.endswith(".tmp") for name in left)
                found["a backup"] += "backup.npz" in left
                report(f"kill {count['kills']}: {', '.join(left) or 'nothing'}", end="\r")
            child.stdout.close()
    return dict(count), dict(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill a training at random moments until it ends, and compare.")
    parser.add_argument("--kills", type=int, default=300, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=6, help="of the training (default: %(default)s)")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(args.train, args.epochs)
    else:
        count, found = kill(args.kills, args.seed, args.epochs)
        print(f"\n{count}; found after a kill: {found}")
        sys.exit(bool(count.get("other bits") or count.get("not tidy")))
