"""The contenders of versus.py: the same network in npcnn, Keras and PyTorch, each as its users write it for speed.

Each contender is a process of its own, so that no thread pool disturbs another and its memory can be measured.
versus.py starts it, `python contenders.py NAME`, and writes commands to its stdin as lines of JSON, {"do": method,
"with": arguments}; it answers {"seconds": ..., "value": ...}. No contender imports what only another one needs.

A contender is a class of five methods:

    start()             build the network and do one training step, on random images
    load(folder)        read the data and the initial weights, which are the same for all
    reset()             go back to the initial weights and a fresh Adam, without compiling again
    epoch(size, count)  train on the first `count` images, in random order, in batches of `size`; return the mean loss
    predict(size)       return the probabilities of all test images

All use every core, float32, and Adam with epsilon 1e-7, and have the data in memory in the form that suits them best.
"""
# ruff: noqa: D102 (the five methods are described once, above)

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

FIRST_BATCH = 64
LEARNING_RATE, EPSILON = 0.001, 1e-7


def read(folder: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return [x_train, y_train, x_test] and the initial weights, in Keras' order and layout."""
    arrays = [np.load(Path(folder, f"{name}.npy")) for name in ("x_train", "y_train", "x_test")]
    return arrays, [np.load(path) for path in sorted(Path(folder).glob("weight_*.npy"))]


def noise() -> tuple[np.ndarray, np.ndarray]:
    """Return a batch of random images and labels."""
    rng = np.random.default_rng(0)
    return rng.random((FIRST_BATCH, 28, 28, 1), np.float32), rng.integers(0, 10, FIRST_BATCH).astype(np.uint8)


class Npcnn:
    """This package, on its last rung."""

    package, label = "npcnn", "npcnn"

    def start(self) -> None:
        import common

        from npcnn import kernels

        self.model = common.mnist_model(kernels.RUNGS[-1])
        self.model.fit(*noise(), FIRST_BATCH, verbose=0)

    def load(self, folder: str) -> None:
        (self.x, self.y, self.x_test), self.weights = read(folder)

    def reset(self) -> None:
        self.model.set_weights(self.weights)
        self.model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")

    def epoch(self, size: int, count: int) -> float:
        history = self.model.fit(self.x[:count], self.y[:count], size, verbose=0)
        return history.history["loss"][0]

    def predict(self, size: int) -> np.ndarray:
        return self.model.predict(self.x_test, size, verbose=0)


class Keras:
    """Keras on TensorFlow, `fit` and `predict` on NumPy arrays; without XLA, as Keras chooses on a CPU."""

    package, label = "keras", "Keras, NumPy arrays"

    def start(self) -> None:
        import keras
        from keras import layers

        self.model = keras.Sequential(
            [
                layers.Input((28, 28, 1)),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPool2D(2),
                layers.Conv2D(64, 3, activation="relu"),
                layers.MaxPool2D(2),
                layers.Flatten(),
                layers.Dense(128, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )
        self.clock = keras.callbacks.LambdaCallback(on_epoch_end=self.stop_clock, on_predict_end=self.stop_clock)
        adam = keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON)
        self.model.compile(adam, "sparse_categorical_crossentropy")
        adam.build(self.model.trainable_variables)
        self.fresh_adam = [np.array(variable) for variable in adam.variables]
        self.model.fit(*noise(), batch_size=FIRST_BATCH, verbose=0)

    def stop_clock(self, *_: Any) -> None:
        """Note when the work is done: after it, tf.data may sleep for seconds before `fit` or `predict` returns."""
        self.done_at = time.perf_counter()

    def load(self, folder: str) -> None:
        (self.x, self.y, self.x_test), self.weights = read(folder)

    def reset(self) -> None:
        self.model.set_weights(self.weights)
        for variable, value in zip(self.model.optimizer.variables, self.fresh_adam, strict=True):
            variable.assign(value)

    def epoch(self, size: int, count: int) -> float:
        history = self.model.fit(self.x[:count], self.y[:count], batch_size=size, verbose=0, callbacks=[self.clock])
        return history.history["loss"][0]

    def predict(self, size: int) -> np.ndarray:
        return self.model.predict(self.x_test, batch_size=size, verbose=0, callbacks=[self.clock])


class KerasOnTfData(Keras):
    """Keras on TensorFlow, fed by tf.data: shuffled over all images, the next batch prefetched."""

    label = "Keras, tf.data"

    def load(self, folder: str) -> None:
        from tensorflow import data

        (x, y, x_test), self.weights = read(folder)
        self.fetch = data.AUTOTUNE
        self.train = data.Dataset.from_tensor_slices((x, y))
        self.test = data.Dataset.from_tensor_slices(x_test)

    def epoch(self, size: int, count: int) -> float:
        batches = self.train.take(count).shuffle(count).batch(size).prefetch(self.fetch)
        return self.model.fit(batches, verbose=0, shuffle=False, callbacks=[self.clock]).history["loss"][0]

    def predict(self, size: int) -> np.ndarray:
        batches = self.test.batch(size).prefetch(self.fetch)
        return self.model.predict(batches, verbose=0, callbacks=[self.clock])


class Torch:
    """PyTorch, eager, in its default layout, on data that is in tensors already."""

    package, label, layout = "torch", "PyTorch, NCHW", "contiguous_format"

    def start(self) -> None:
        import torch
        from torch import nn

        self.torch, self.format = torch, getattr(torch, self.layout)
        self.model = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1600, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        ).to(memory_format=self.format)
        self.fused = False
        self.new_adam()
        x, y = noise()
        self.x, self.y = self.images(x), torch.from_numpy(y).long()
        self.epoch(FIRST_BATCH, FIRST_BATCH)

    def images(self, x: np.ndarray) -> Any:
        """Return x (N, H, W, C) as a tensor (N, C, H, W) in this contender's memory format."""
        return self.torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=self.format)

    def new_adam(self) -> None:
        """Make an Adam that has taken no step."""
        self.adam = self.torch.optim.Adam(self.model.parameters(), LEARNING_RATE, eps=EPSILON, fused=self.fused)

    def load(self, folder: str) -> str:
        """Also find out which of PyTorch's two Adams is faster here, use that one, and return its name."""
        (x, y, x_test), weights = read(folder)
        self.x, self.y, self.x_test = self.images(x), self.torch.from_numpy(y).long(), self.images(x_test)
        # PyTorch has filters first, and flattens (C, H, W) where Keras flattens (H, W, C).
        first = weights[4].reshape(5, 5, 64, 128).transpose(2, 0, 1, 3).reshape(1600, 128)
        kernels = [w.transpose(3, 2, 0, 1) for w in weights[0:4:2]] + [first.T, weights[6].T]
        arrays = [array for pair in zip(kernels, weights[1::2], strict=True) for array in pair]
        keys = self.model.state_dict()
        tensors = (self.torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
        self.weights = dict(zip(keys, tensors, strict=True))
        steps: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(30):
            for self.fused, seconds in steps.items():
                self.new_adam()
                self.adam.step()
                start = time.perf_counter()
                self.adam.step()
                seconds.append(time.perf_counter() - start)
        self.fused = bool(np.median(steps[True]) < np.median(steps[False]))
        return "Adam(fused=True)" if self.fused else "Adam()"

    def reset(self) -> None:
        self.model.load_state_dict(self.weights)
        self.new_adam()

    def epoch(self, size: int, count: int) -> float:
        order, total = self.torch.randperm(count), self.torch.zeros(())
        for batch in order.split(size):
            x, y = self.x[batch], self.y[batch]
            self.adam.zero_grad(set_to_none=True)
            loss = self.torch.nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            self.adam.step()
            total += loss.detach() * len(batch)
        return float(total) / count

    def predict(self, size: int) -> np.ndarray:
        with self.torch.inference_mode():
            outputs = [self.torch.softmax(self.model(x), 1) for x in self.x_test.split(size)]
            return self.torch.cat(outputs).numpy()


class TorchChannelsLast(Torch):
    """PyTorch, eager, channels last: the layout that its convolutions on a CPU prefer."""

    label, layout = "PyTorch, channels last", "channels_last"


class Sgemm:
    """No rival, but a product of large matrices: how fast this machine's arithmetic is at best."""

    def start(self) -> None:
        rng = np.random.default_rng(0)
        self.left, self.right = (rng.random((2048, 2048), np.float32) for _ in range(2))

    def peak(self) -> float:
        """Return the best of ten, in floating-point operations per second."""
        seconds = []
        for _ in range(10):
            start = time.perf_counter()
            self.left @ self.right
            seconds.append(time.perf_counter() - start)
        return 2 * 2048**3 / min(seconds)


CONTENDERS: dict[str, type] = {
    "npcnn": Npcnn,
    "keras": Keras,
    "keras-tfdata": KerasOnTfData,
    "torch": Torch,
    "torch-channels-last": TorchChannelsLast,
}


def peak_memory() -> int | None:
    """Return the most memory this process has held at once, in bytes; None where the system does not tell."""
    if os.path.exists("/proc/self/status"):  # Linux, whose ru_maxrss also counts what the parent had at the fork
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def serve(name: str) -> None:
    """Run the contender of that name until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints must not get among the answers
    contender = Sgemm() if name == "sgemm" else CONTENDERS[name]()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "peak_memory":
            seconds, value = 0.0, peak_memory()
        else:
            start = time.perf_counter()
            contender.done_at = None
            value = getattr(contender, request["do"])(*request["with"])
            seconds = (contender.done_at or time.perf_counter()) - start
        if isinstance(value, np.ndarray):
            value = value[:100].tolist()
        answers.write(json.dumps({"seconds": seconds, "value": value}) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1])
