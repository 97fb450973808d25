"""Small trainings, and the programs that test_distributed.py has mpiexec start on several ranks.

mpiexec -n 2 python tests/distributed_program.py alike FOLDER              all trainings, one after the other
mpiexec -n 2 python tests/distributed_program.py killed FOLDER 1 4 7       a fault, on rank 1, 4 parts, at batch 7
"""

import os
import pickle
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import npcnn
from npcnn import Sequential, distributed, layers, optimizers, regularizers
from npcnn.callbacks import BackupAndRestore, Callback, EarlyStopping, LearningRateScheduler
from npcnn.losses import MeanSquaredError
from npcnn.threads import available_cpus

PARTS = 4  # where the ranks add up in a fixed order


class Batches:
    """Numbered batches, as Keras' Sequence has them."""

    def __init__(self, x, y, size):
        self.x, self.y, self.size = x, y, size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, i):
        rows = slice(i * self.size, (i + 1) * self.size)
        return self.x[rows], self.y[rows]


class InOrder:
    """The same batches, by an iterator only."""

    def __init__(self, *args):
        self.batches = Batches(*args)

    def __iter__(self):
        return (self.batches[i] for i in range(len(self.batches)))


class OwnPart:
    """Batches of 8, of which each rank reads its rows alone, the last rank most of them."""

    own_part = True

    def __init__(self, x, y, ranks):
        rows = slice(ranks.rank, 8 if ranks.rank == ranks.size - 1 else ranks.rank + 1)
        self.given = [(x[i : i + 8][rows], y[i : i + 8][rows]) for i in range(0, len(x), 8)]

    def __iter__(self):
        return iter(self.given)


def images(count=22, seed=0, classes=3):
    """Images (count, 6, 6, 1) and their labels."""
    rng = np.random.default_rng(seed)
    return rng.random((count, 6, 6, 1), dtype="float32"), rng.integers(0, classes, count)


def classifier(*middle, dtype="float64", seed=1, units=3, **of_conv):
    """The layers of a small classifier of them, not compiled; double precision, so that a mistake is not taken for
    rounding."""
    return Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Conv2D(3, 3, **of_conv),
            *middle,
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(units, activation="softmax" if units > 1 else "sigmoid"),
        ],
        kernels="im2col",
        dtype=dtype,
        threads=1,
        seed=seed,
    )


def compiled(model, optimizer="adam", metrics=("accuracy",), loss="sparse_categorical_crossentropy", **options):
    """The model, ready to be trained."""
    model.compile(optimizer, loss, metrics=list(metrics), **options)
    return model


# ------------------------------------------------------------------ trainings: (model, data, options of fit)


def plain():
    model = Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(5, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ],
        kernels="im2col",
        dtype="float64",
        threads=1,
        seed=1,
    )
    return compiled(model), images(), {"batch_size": 8, "validation_data": images(7, seed=1)}


def single_precision():
    return compiled(classifier(dtype="float32"), optimizers.SGD(0.1)), images(), {"batch_size": 8}


def batch_normalization():
    middle = [layers.BatchNormalization(momentum=0.5), layers.Activation("relu")]
    model = compiled(classifier(*middle), optimizers.SGD(0.1, momentum=0.9))
    return model, images(), {"batch_size": 8, "validation_split": 0.2}


def batch_normalization_without_rows():
    """The last batch has one example, so that most ranks have none of it."""
    model = compiled(classifier(layers.BatchNormalization(), layers.Dropout(0.3)), optimizers.SGD(0.1))
    return model, images(17), {"batch_size": 8}


def dropout():
    return compiled(classifier(layers.Dropout(0.4))), images(), {"batch_size": 8}


def dropout_with_its_own_seed():
    return compiled(classifier(layers.Dropout(0.4, seed=5), layers.Dropout(0.2))), images(), {"batch_size": 8}


def spatial_dropout():
    return compiled(classifier(layers.SpatialDropout2D(0.4))), images(), {"batch_size": 8}


def gaussian_noise():
    middle = layers.GaussianNoise(0.3), layers.GaussianNoise(0.3, seed=4)
    return compiled(classifier(*middle)), images(), {"batch_size": 8}


def one_mask_for_the_batch():
    middle = layers.Dropout(0.4, noise_shape=(1, None, None, None)), layers.Dropout(0.4, (1, 1, 1, None), seed=2)
    return compiled(classifier(*middle)), images(), {"batch_size": 8}


def penalties():
    model = classifier(kernel_regularizer="l2", bias_regularizer="l1")
    return compiled(model), images(), {"batch_size": 8, "validation_split": 0.2}


def limited_gradients():
    """The norm of all gradients together is known only when they are added up."""
    return compiled(classifier(), optimizers.SGD(0.5, global_clipnorm=0.1)), images(), {"batch_size": 8}


def frozen_layer():
    model = classifier(layers.BatchNormalization(), layers.Dropout(0.3, seed=3))
    model.layers[0].trainable = model.layers[1].trainable = False
    return compiled(model), images(), {"batch_size": 8}


def weights_of_examples():
    options = {"class_weight": {0: 3.0}, "sample_weight": np.linspace(0, 2, 22), "batch_size": 8}
    model = compiled(classifier(), weighted_metrics=["accuracy"])
    return model, images(), {**options, "validation_data": (*images(7, seed=1), np.linspace(1, 2, 7))}


def yes_or_no():
    model = compiled(classifier(units=1), metrics=["accuracy", "Precision", "Recall"], loss="binary_crossentropy")
    return model, images(classes=2), {"batch_size": 8, "validation_split": 0.3}


def fewer_examples_than_ranks():
    return compiled(classifier()), images(9), {"batch_size": 4, "validation_data": images(1, seed=1)}


def numbered_batches():
    options = {"validation_data": Batches(*images(7, seed=1), 3), "seed": 3}
    return compiled(classifier(layers.Dropout(0.3))), (Batches(*images(), 8),), options


def iterable_of_batches():
    return compiled(classifier()), (InOrder(*images(), 8),), {}


def batches_of_which_each_rank_reads_its_rows():
    batches = OwnPart(*images(), distributed.current())
    return compiled(classifier(layers.Dropout(0.3), layers.BatchNormalization())), (batches,), {}


def short_epochs():
    """Two of them take a pass over the data; the second ends with what is left of it."""
    return compiled(classifier()), images(), {"batch_size": 4, "steps_per_epoch": 4}


def scheduled_rate():
    rate = optimizers.schedules.CosineDecay(0.02, 8)
    return compiled(classifier(), optimizers.Adam(rate, weight_decay=0.1)), images(), {"batch_size": 8}


def early_stopping():
    stop = EarlyStopping("loss", min_delta=10, patience=1, restore_best_weights=True)
    return compiled(classifier()), images(), {"batch_size": 8, "epochs": 5, "callbacks": [stop]}


def rate_of_each_epoch():
    schedule = LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    return compiled(classifier(), optimizers.SGD(0.1)), images(), {"batch_size": 8, "callbacks": [schedule]}


def callback(**hooks):
    """A callback that does this."""
    made = Callback()
    vars(made).update({name: hook.__get__(made) for name, hook in hooks.items()})
    return made


def rate_set_before_each_step():
    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.1 / (batch + 1)

    warm_up = callback(on_train_batch_begin=on_train_batch_begin)
    return compiled(classifier(), optimizers.SGD(0.1)), images(), {"batch_size": 8, "callbacks": [warm_up]}


class Noise(layers.Layer):
    """A layer of one's own that draws random numbers, with NumPy's names for its arguments."""

    draws = True

    def forward(self, x, training=False, rng=None):
        return (x + rng.random(size=len(x))[:, None, None, None] if training else x), None

    def backward(self, dy, cache):
        return dy, {}


def layer_of_ones_own_that_draws():
    return compiled(classifier(Noise())), images(), {"batch_size": 8}


def nothing_to_learn():
    model = Sequential([layers.Input((3, 1, 1)), layers.Flatten(), layers.Softmax()], dtype="float64", seed=0)
    return compiled(model), (images(9)[0][:, :3, :1], images(9)[1]), {"batch_size": 4}


def rate_of_each_step():
    def on_train_batch_end(self, batch, logs=None):
        self.model.optimizer.learning_rate = 0.1 / (batch + 1)

    each = callback(on_train_batch_end=on_train_batch_end)
    return compiled(classifier(), optimizers.SGD(0.1)), images(), {"batch_size": 8, "callbacks": [each]}


def stopped_within_an_epoch():
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch == 1

    stop = callback(on_train_batch_end=on_train_batch_end)
    return compiled(classifier()), images(), {"batch_size": 8, "callbacks": [stop]}


def weights_changed_between_epochs():
    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([w / 2 for w in self.model.get_weights()])

    halve = callback(on_epoch_end=on_epoch_end)
    return compiled(classifier()), images(), {"batch_size": 8, "callbacks": [halve]}


def integers():
    """A linear model and whole numbers: nothing is rounded, so any order of adding up gives the same bits."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(-3, 4, (16, 3)).astype(float), rng.integers(-3, 4, (16, 1)).astype(float)
    model = Sequential([layers.Input((3,)), layers.Dense(1)], dtype="float64", kernels="im2col", threads=1, seed=0)
    model.set_weights([np.array([[1.0], [-2.0], [3.0]]), np.array([4.0])])
    return compiled(model, optimizers.SGD(2**-4), (), MeanSquaredError()), (x, y), {"batch_size": 8}


ALIKE = [
    plain,
    single_precision,
    batch_normalization,
    batch_normalization_without_rows,
    dropout,
    dropout_with_its_own_seed,
    spatial_dropout,
    gaussian_noise,
    one_mask_for_the_batch,
    penalties,
    limited_gradients,
    frozen_layer,
    weights_of_examples,
    yes_or_no,
    fewer_examples_than_ranks,
    numbered_batches,
    iterable_of_batches,
    batches_of_which_each_rank_reads_its_rows,
    short_epochs,
    scheduled_rate,
    early_stopping,
    rate_of_each_epoch,
    rate_set_before_each_step,
    rate_of_each_step,
    layer_of_ones_own_that_draws,
    nothing_to_learn,
    stopped_within_an_epoch,
    weights_changed_between_epochs,
    integers,
]
IN_PARTS = [
    plain,
    single_precision,
    dropout,
    dropout_with_its_own_seed,
    one_mask_for_the_batch,
    gaussian_noise,
    penalties,
    weights_of_examples,
    yes_or_no,
    fewer_examples_than_ranks,
    numbered_batches,
    short_epochs,
    rate_of_each_step,
]


def train(training):
    """Train; return all that a training leaves."""
    model, data, options = training()
    history = model.fit(*data, **{"verbose": 0, "epochs": 2, **options})
    return {
        "weights": model.get_weights(),
        "losses": history.history["loss"],
        "history": dict(history.history),
        "epoch": history.epoch,
        "steps": model.optimizer.iterations,
        "random": model.rng.bit_generator.state,
    }


# ------------------------------------------------------------------ the rounding of the first gradient


class Recording(optimizers.SGD):
    """SGD that keeps the gradients of its first step."""

    first = None

    def update(self, params, grads):
        self.first = self.first or [g.copy() for g in grads.values()]
        super().update(params, grads)


def first_gradient():
    """The gradients of a softmax layer that starts from zero, so that each example's is alike to the bit anywhere."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 20)).astype("float32"), rng.integers(0, 3, 64)
    dense = layers.Dense(3, activation="softmax", kernel_initializer="zeros")
    model = Sequential([layers.Input((20,)), dense], kernels="im2col", threads=1)
    compiled(model, Recording(0.1), ()).fit(x, y, 64, shuffle=False, verbose=0)
    return model.optimizer.first, x, y


def adam_behind_batch_normalization():
    """What is left, in single precision, of a bias whose gradient is zero, and of the losses."""
    model = compiled(classifier(layers.BatchNormalization(), dtype="float32"), optimizers.Adam(0.01))
    history = model.fit(*images(), 8, 2, verbose=0)
    return model.get_weights(), history.history["loss"], model.optimizer.iterations


# ------------------------------------------------------------------ what all ranks do, healthy


def refused(do):
    """The error that a call is refused with, as a text."""
    try:
        do()
    except (ValueError, RuntimeError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def differing(ranks):
    """What is refused, each on a training that is another on rank 1."""
    odd = ranks.rank == 1

    def fit(model=None, data=None, **options):
        model = model or compiled(classifier())
        model.fit(*(data or images()), **{"batch_size": 8, "verbose": 0, **options})

    def another_version():
        npcnn.__version__, before = f"{npcnn.__version__}.{ranks.rank}", npcnn.__version__
        try:
            fit()
        finally:
            npcnn.__version__ = before

    def weights_within_an_epoch():
        def on_train_batch_end(self, batch, logs=None):
            self.model.set_weights([2 * w for w in self.model.get_weights()])

        fit(callbacks=[callback(on_train_batch_end=on_train_batch_end)])

    def given(seed=0, count=3):
        x, y = images(24, seed=seed)
        return ((x[i * 8 : i * 8 + 8], y[i * 8 : i * 8 + 8]) for i in range(count))

    def rate_of_dropout(self, epoch, logs=None):
        self.model.layers[1].rate = 0.9

    changes_dropout = callback(on_epoch_begin=rate_of_dropout)
    return {
        "data": refused(lambda: fit(data=images(seed=int(odd)))),
        "labels": refused(lambda: fit(data=(images()[0], images(seed=int(odd))[1]))),
        "count": refused(lambda: fit(data=images(23 + odd))),
        "validation": refused(lambda: fit(validation_data=images(7, seed=int(odd)))),
        "layers": refused(lambda: fit(compiled(classifier(*[layers.ReLU()] * odd)))),
        "rate": refused(lambda: fit(compiled(classifier(layers.Dropout(0.4 + odd / 4))))),
        "optimizer": refused(lambda: fit(compiled(classifier(), "sgd" if odd else "adam"))),
        "learning rate": refused(lambda: fit(compiled(classifier(), optimizers.SGD(0.1 + odd)))),
        "metrics": refused(lambda: fit(compiled(classifier(), metrics=["accuracy"] * odd))),
        "epochs": refused(lambda: fit(epochs=1 + odd)),
        "batch size": refused(lambda: fit(batch_size=8 + odd)),
        "class weight": refused(lambda: fit(class_weight={0: 1.0 + odd})),
        "regularizer": refused(lambda: fit(compiled(classifier(kernel_regularizer=regularizers.L2(0.1 + odd))))),
        "first batch": refused(lambda: fit(data=(given(seed=int(odd)), None), batch_size=None)),
        "number of batches": refused(lambda: fit(data=(given(count=3 - odd), None), batch_size=None)),
        "dropout": refused(lambda: fit(compiled(classifier(layers.Dropout(0.4))), callbacks=[changes_dropout])),
        "own state": refused(lambda: fit(compiled(classifier(Counting())))),
        "parts": refused(lambda: distributed.start(timeout=30, parts=PARTS if odd else None)),
        "version": refused(another_version),
        "weights": refused(weights_within_an_epoch),
        "own optimizer": refused(lambda: fit(compiled(classifier(), OwnOptimizer()))),
    }


class Counting(layers.Layer):
    """A layer of one's own that learns without a gradient."""

    def build(self, input_shape, rng=None):
        super().build(input_shape)
        self.state = {"count": np.zeros(1)}

    def forward(self, x, training=False):
        return x, None

    def backward(self, dy, cache):
        return dy, {}


class OwnOptimizer:
    """One that is none of npcnn's."""

    def update(self, params, grads):
        pass


def without_seed():
    """The weights a model without a seed begins with, and those it is trained from: the learning rate is 0."""
    model = compiled(classifier(layers.Dropout(0.3), seed=None), optimizers.SGD(0.0))
    before = model.get_weights()
    model.fit(*images(), 8, 2, verbose=0)
    return before, model.get_weights(), model.rng.bit_generator.state


def on_its_own(ranks, folder):
    """Let rank 0 evaluate, predict and save while no other does."""
    model, data, options = plain()
    model.fit(*data, verbose=0, **options)
    if ranks.rank:
        return None
    model.save(folder / f"{ranks.size}.keras")
    return model.evaluate(*data, verbose=0), model.predict(data[0], verbose=0)


def hooks_seen():
    """The hooks that a callback saw on this rank."""
    seen = []
    names = [name for name in vars(Callback) if name.startswith("on_")]
    each = callback(**{name: lambda self, *_, logs=None, name=name: seen.append(name) for name in names})
    model, data, options = plain()
    model.fit(*data, verbose=0, callbacks=[each], **options)
    return seen


def slow_callback():
    """Let the others wait so long for rank 0 that they tell each other."""
    model, data, options = dropout()
    slow = callback(on_epoch_end=lambda self, epoch, logs=None: time.sleep(1.1))
    model.fit(*data, verbose=0, epochs=2, callbacks=[slow], **options)
    return model.get_weights()


def alike(folder):
    """Do all of it; leave what came of it in a file of this rank."""
    ranks = distributed.start(timeout=30)
    print(f"rank {ranks.rank} prints")
    warnings.warn(f"rank {ranks.rank} warns", stacklevel=1)
    found = {"cpus": available_cpus(), "rank": ranks.rank, "rows": [ranks.rows(N) for N in range(10)]}
    found["alike"] = {training.__name__: train(training) for training in ALIKE}
    found["first gradient"], found["adam"] = first_gradient()[0], adam_behind_batch_normalization()
    found["sum"] = ranks.sum(numbers(ranks.rank))
    found |= {"refused": differing(ranks), "without seed": without_seed(), "hooks": hooks_seen()}
    found["own"] = on_its_own(ranks, folder)
    if ranks.size == 3:
        found["parts"] = refused(lambda: distributed.start(timeout=30, parts=PARTS))
    else:
        ranks = distributed.start(timeout=4, parts=PARTS)
        found["parts"] = {training.__name__: train(training) for training in IN_PARTS}
        found["sum in order"] = ranks.sum(numbers(ranks.rank))
        found["slow"] = slow_callback()
        found["rows of its own"] = refused(lambda: compiled(classifier()).fit(OwnPart(*images(), ranks), verbose=0))
        found["batch normalization in parts"] = refused(lambda: train(batch_normalization))
    model, data, options = plain()
    model.fit(*data, verbose=2, **options)
    (folder / f"{ranks.size}-{ranks.rank}.pickle").write_bytes(pickle.dumps(found))


def numbers(rank):
    """What a rank has to add."""
    return np.random.default_rng(rank).normal(size=1000).astype("float32")


# ------------------------------------------------------------------ faults


class Faulty(Batches):
    """Batches, of which loading one goes wrong."""

    def __init__(self, *args, fault, at):
        super().__init__(*args)
        self.fault, self.left = fault, at

    def __getitem__(self, i):
        self.left -= 1
        if self.left == 0:
            self.fault()
        return super().__getitem__(i)


def hangs():
    while True:
        time.sleep(0.01)


def fails():
    raise LookupError("no such image")


def disk_is_full():
    """Files may have 1,000 bytes from now on, which a backup does not do with."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def interrupt_mpiexec():
    """Press Ctrl-C, which mpiexec sends on to its processes; it started their proxy, and that started them."""
    import subprocess

    found = subprocess.run(["ps", "-o", "ppid=", "-p", str(os.getppid())], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout), signal.SIGINT)
    time.sleep(0.3)


FAULTS = {
    "none": lambda: None,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "hangs": hangs,
    "exits": lambda: sys.exit(0),
    "fails": fails,
    "full": disk_is_full,
    "interrupted": lambda: os.kill(os.getpid(), signal.SIGINT),
    "interrupts mpiexec": interrupt_mpiexec,
}


def long_training(folder, fault=FAULTS["none"], at=0):
    """Train, from the backup if there is one: five batches in each of four epochs."""
    model = compiled(classifier(layers.Dropout(0.3)))
    backup = BackupAndRestore(folder / "backup", save_freq=3, delete_checkpoint=False)
    batches = Faulty(*images(38), 8, fault=fault, at=at)
    history = model.fit(batches, epochs=4, verbose=2, callbacks=[backup], validation_data=images(7, seed=1))
    return model, history


def faulty(fault, folder, rank, parts, at):
    """Train, and let loading batch number `at` go wrong on a rank."""
    (folder / f"process {os.getpid()}").touch()
    if fault == "no mpi4py":
        sys.modules["mpi4py"] = None
    limit = 1000 if fault == "exits" else 3  # one that ends tells the others
    ranks = distributed.start(timeout=limit, parts=parts or None)
    model, history = long_training(folder, FAULTS[fault if ranks.rank == rank else "none"], at)
    (folder / f"ended-{ranks.rank}").write_bytes(pickle.dumps((model.get_weights(), history.interrupted)))
    if ranks.rank == 0:
        model.save(folder / "model.keras")


if __name__ == "__main__":
    what, folder, *numbers_given = sys.argv[1:]
    if what == "alike":
        alike(Path(folder))
    else:
        faulty(what, Path(folder), *map(int, numbers_given))
