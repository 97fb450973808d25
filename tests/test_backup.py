"""BackupAndRestore: a training that was killed goes on, and ends with the bits of one that never was."""

import contextlib
import errno
import itertools
import os
import signal
import time

import numpy as np
import pytest
from distributed_program import Batches
from kill_training import kill

from npcnn import Sequential, layers, optimizers
from npcnn.callbacks import (
    BackupAndRestore,
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from npcnn.errors import FileFormatError
from npcnn.preprocessing.image import ImageDataGenerator


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Nobody cuts the power during these tests."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class CrashError(Exception):
    """What a test ends a training with."""


class Crash(Callback):
    """Raises at the `number`th call of any hook of training and validation, the first of which is 0."""

    def __init__(self, number):
        self.left = number

    def on_any(self, *_, logs=None):
        self.left -= 1
        if self.left == -1:
            raise CrashError

    on_epoch_begin = on_epoch_end = on_train_batch_begin = on_train_batch_end = on_any
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = on_train_end = on_any


def make(optimizer, seed=1):
    model = Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPool2D(2),
            layers.Dropout(0.3),
            Sequential([layers.Flatten(), layers.Dropout(0.2, seed=5)]),
            layers.Dense(3, activation="softmax"),
        ],
        kernels="im2col",
        threads=1,
        seed=seed,
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def cosine(x, y):
    """Adam with a schedule, arrays with an uneven last batch, validation, weights of classes."""
    model = make(optimizers.Adam(optimizers.schedules.CosineDecay(0.02, 20)))
    return model, (x, y), {"batch_size": 4, "validation_split": 0.2, "class_weight": {0: 2.0}}, []


def plateau(x, y):
    """Momentum, a seed of the order, and callbacks that remember what they saw and change the learning rate."""
    callbacks = [
        LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=0.5),
        EarlyStopping("loss", min_delta=0.3, patience=2, restore_best_weights=True),
    ]
    options = {"batch_size": 5, "validation_data": (x[:7], y[:7]), "sample_weight": np.linspace(0, 2, len(x))}
    return make(optimizers.SGD(0.05, momentum=0.9)), (x, y), {**options, "seed": 3}, callbacks


def short_epochs(x, y):
    """Epochs of which several are one pass over the data."""
    return make(optimizers.RMSprop(0.01, momentum=0.5)), (x, y), {"batch_size": 3, "steps_per_epoch": 4}, []


def stream(x, y):
    """Batches that the user gives by number, taken in a new order in every second epoch."""
    return make("nadam"), (Batches(x, y, 4),), {"steps_per_epoch": 3, "validation_data": (x[:5], y[:5])}, []


def augmented(x, y):
    """Images that are changed at random, in a new order in each epoch."""
    flow = ImageDataGenerator(zoom_range=0.1, rotation_range=20).flow(x, y, 5, seed=4)
    return make("adam"), (flow,), {"validation_data": (x[:5], y[:5])}, []


TRAININGS = [cosine, plateau, short_epochs, stream, augmented]


@pytest.fixture
def train(make_images, tmp_path):
    """A function (training, callbacks) -> the bytes of the file that the trained model is saved to."""

    def train(training, *more, epochs=4, **changed):
        model, data, options, callbacks = training(*make_images(22))
        model.fit(*data, epochs=epochs, callbacks=[*more, *callbacks], **{"verbose": 0, **options, **changed})
        model.save(tmp_path / "model.keras")
        return (tmp_path / "model.keras").read_bytes()

    return train


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3])
@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.__name__)
def test_wherever_it_is_killed_the_training_goes_on_and_ends_with_the_same_bits(train, training, save_freq, tmp_path):
    def backup():
        return BackupAndRestore(tmp_path / "backup", save_freq)

    wanted, whole = train(training), Crash(-1)
    assert train(training, whole, backup()) == wanted  # a backup changes nothing
    total = -1 - whole.left
    for number in range(len(str(save_freq)), total, 17):
        with pytest.raises(CrashError):
            train(training, Crash(number), backup())
        assert train(training, backup()) == wanted, f"killed at hook {number} of {total}"
        assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.__name__)
def test_killed_again_and_again_it_ends_with_the_same_bits(train, training, tmp_path):
    ended, lives = None, 0
    while ended is None and lives < 50:
        lives += 1
        with contextlib.suppress(CrashError):
            ended = train(training, Crash(14), BackupAndRestore(tmp_path / "backup", 2))
    assert lives > 3 and ended == train(training)


def test_it_says_in_one_line_where_it_goes_on(train, tmp_path, capsys):
    with pytest.raises(CrashError):  # an epoch has 10 hooks; of the second, three: begin, batch begins, batch ends
        train(short_epochs, Crash(13), BackupAndRestore(tmp_path / "backup", 1))
    assert capsys.readouterr().out == ""
    train(short_epochs, BackupAndRestore(tmp_path / "backup", 1, delete_checkpoint=False), epochs=2, verbose=2)
    path, said = tmp_path / "backup" / "backup.npz", "BackupAndRestore: going on at epoch 2 after 1 of 4 batches"
    assert capsys.readouterr().out.splitlines()[0] == f"{said}, from the backup in {path}"
    train(short_epochs, BackupAndRestore(tmp_path / "backup", 1), epochs=3)
    assert capsys.readouterr().out == ""  # verbose is 0


@pytest.mark.parametrize(
    "hook, number, where",
    [
        ("on_train_batch_begin", 3, "epoch 1 after 3 of 5 batches"),
        ("on_train_batch_begin", 6, "epoch 2 after 1 of 5 batches"),
        ("on_test_begin", 2, "epoch 3"),
    ],
)
def test_after_ctrl_c_the_same_call_goes_on_with_the_next_step(train, hook, number, where, tmp_path, capsys):
    numbers, ctrl_c = itertools.count(1), Callback()
    setattr(ctrl_c, hook, lambda *_, logs=None: next(numbers) == number and signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        train(plateau, ctrl_c, BackupAndRestore(tmp_path / "backup", 100))
    finally:
        signal.signal(signal.SIGINT, before)
    ended = train(plateau, BackupAndRestore(tmp_path / "backup", 100), verbose=2)
    assert f"going on at {where}, from" in capsys.readouterr().out
    assert ended == train(plateau)


@pytest.mark.parametrize("save_freq", ["epoch", 2])
@pytest.mark.parametrize("training", [cosine, plateau])  # plateau trains with a seed, and leaves the model's alone
def test_a_model_that_was_made_with_another_seed_goes_on_as_the_first_would_have(train, training, save_freq, tmp_path):
    def of_another_seed(x, y):
        model, *rest = training(x, y)
        other = make(model.optimizer, seed=2)
        return other, *rest

    with pytest.raises(CrashError):
        train(training, Crash(30), BackupAndRestore(tmp_path / "backup", save_freq))
    assert train(of_another_seed, BackupAndRestore(tmp_path / "backup", save_freq)) == train(training)


def test_of_a_finished_epoch_no_batch_is_loaded_again(make_images, tmp_path):
    loaded = []

    class Counted(Batches):
        def __getitem__(self, i):
            loaded.append(i)
            return super().__getitem__(i)

    def fit(*callbacks):
        options = {"epochs": 2, "verbose": 0, "callbacks": [*callbacks, BackupAndRestore(tmp_path / "backup")]}
        make("sgd").fit(Counted(*make_images(22), 4), **options)

    with pytest.raises(CrashError):
        fit(Crash(16))  # in the second epoch; the first had 14 hooks
    loaded.clear()
    fit()
    assert sorted(loaded[1:]) == list(range(6))  # the first look at one is before training begins


def test_what_early_stopping_ended_is_not_gone_on_with(train, tmp_path):
    options = {"epochs": 30}
    wanted, backup = train(plateau, **options), BackupAndRestore(tmp_path / "backup")
    backup.on_train_end = lambda logs=None: (_ for _ in ()).throw(CrashError)
    with pytest.raises(CrashError):
        train(plateau, backup, **options)
    assert train(plateau, BackupAndRestore(tmp_path / "backup"), **options) == wanted


def test_a_full_disk_ends_the_training_and_leaves_the_backup_before(train, tmp_path, monkeypatch):
    wanted, calls, fsync = train(cosine), itertools.count(), os.fsync

    def full(descriptor):
        if next(calls) == 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        train(cosine, BackupAndRestore(tmp_path / "backup", 1))
    assert os.listdir(tmp_path / "backup") == ["backup.npz"]
    assert train(cosine, BackupAndRestore(tmp_path / "backup", 1)) == wanted


def test_an_optimizers_own_slots_and_numbers_that_are_not_finite_are_kept(train, tmp_path):
    class Averaging(optimizers.SGD):
        def update(self, params, grads):
            super().update(params, grads)
            for key, w in params.items():
                average = self.slot("average", key, w)
                average += (w - average) / 2
                w[...] = np.where(self.iterations == 5, np.nan, average)

    def training(x, y):
        model, data, options, callbacks = cosine(x, y)
        model.compile(Averaging(0.1), "sparse_categorical_crossentropy")
        model.save = lambda path: path.write_bytes(b"".join(w.tobytes() for w in model.weights))
        return model, data, options, callbacks

    with pytest.raises(CrashError):
        train(training, Crash(40), BackupAndRestore(tmp_path / "backup", 1))
    assert train(training, BackupAndRestore(tmp_path / "backup", 1)) == train(training)


def test_a_callback_of_ones_own_names_what_it_remembers(train, tmp_path):
    class Counts(Callback):
        remembers = ("count", "arrays")
        count, arrays = 0, []

        def on_train_batch_end(self, batch, logs=None):
            self.count, self.arrays = self.count + 1, [*self.arrays, np.arange(self.count)]

    with pytest.raises(CrashError):
        train(cosine, Counts(), Crash(30), BackupAndRestore(tmp_path / "backup"))
    counts = Counts()
    train(cosine, counts, ModelCheckpoint(str(tmp_path / "best.keras")), BackupAndRestore(tmp_path / "backup"))
    assert counts.count == 4 * 5
    assert [len(array) for array in counts.arrays] == list(range(20))


def test_the_history_has_all_epochs_also_those_before(make_images, tmp_path):
    model, data, options, _ = cosine(*make_images(22))
    with pytest.raises(CrashError):
        model.fit(*data, epochs=5, callbacks=[Crash(55), BackupAndRestore(tmp_path / "backup")], verbose=0, **options)
    model, data, options, _ = cosine(*make_images(22))
    history = model.fit(*data, epochs=5, callbacks=BackupAndRestore(tmp_path / "backup"), verbose=0, **options)
    assert history.epoch == [0, 1, 2, 3, 4] and {len(v) for v in history.history.values()} == {5}


def test_the_backup_stays_if_asked_to_and_other_files_in_its_folder_always(train, tmp_path):
    folder = tmp_path / "backup"
    train(cosine, BackupAndRestore(folder, delete_checkpoint=False))
    (folder / "mine.txt").touch()
    unfinished = folder / ".npcnn-0123456789abcdef.tmp"  # as a save that was killed leaves it
    unfinished.touch()
    os.utime(unfinished, times=(time.time() - 100,) * 2)
    assert (folder / "backup.npz").exists()
    train(cosine, BackupAndRestore(folder))  # nothing is left to do
    assert os.listdir(folder) == ["mine.txt"]


@pytest.mark.parametrize(
    "other, changed, words",
    [
        (plateau, {"batch_size": 4}, "a training with 5 batches an epoch, this one has 6"),
        (
            short_epochs,
            {"batch_size": 4, "steps_per_epoch": 5},
            "backup.npz: the backup has optimizer: Adam, this training: RMSprop",
        ),
        (cosine, {"batch_size": 9}, "5 batches an epoch, this one has 2; give the same x and batch_size"),
    ],
)
def test_the_backup_of_another_training_is_refused(train, tmp_path, other, changed, words):
    with pytest.raises(CrashError):
        train(cosine, Crash(30), BackupAndRestore(tmp_path / "backup"))
    with pytest.raises(ValueError, match=words):
        train(other, BackupAndRestore(tmp_path / "backup"), **changed)


def test_the_backup_of_a_model_with_other_weights_is_refused_and_nothing_is_changed(train, make_images, tmp_path):
    with pytest.raises(CrashError):
        train(cosine, Crash(30), BackupAndRestore(tmp_path / "backup"))
    model = Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.build((8, 8, 1))
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"backup.npz: the backup has conv2d/kernel: float32 .*, this training: none"):
        model.fit(*make_images(20), batch_size=4, verbose=0, callbacks=BackupAndRestore(tmp_path / "backup"))
    assert all(np.array_equal(w, v) for w, v in zip(before, model.get_weights(), strict=True))


def fixed(x, y):
    return make(optimizers.Adam(0.1)), *cosine(x, y)[1:]


def other_dropout(x, y):
    model, *rest = cosine(x, y)
    model.layers.remove(next(layer for layer in model.layers if isinstance(layer, layers.Dropout)))
    return model, *rest


def other_generator(x, y):
    model, *rest = cosine(x, y)
    model.rng = np.random.Generator(np.random.SFC64(1))
    return model, *rest


def other_fold(x, y):
    model, _, *rest = cosine(x, y)
    return model, (x[::-1], y[::-1]), *rest


@pytest.mark.parametrize(
    "other, words",
    [
        (fixed, "the backup has learning rate: from a schedule, this training: a number; remove the backup"),
        (other_dropout, "the backup has Dropout layers: 2, this training: 1"),
        (other_generator, "the backup has random numbers: PCG64, PCG64, this training: SFC64, SFC64"),
        (other_fold, r"data: 17 examples with the checksum .*, this .*: 17 examples .* each fit a folder of its own"),
    ],
)
def test_what_makes_another_training_is_refused_before_anything_is_changed(other, words, train, make_images, tmp_path):
    with pytest.raises(CrashError):
        train(cosine, Crash(30), BackupAndRestore(tmp_path / "backup"))
    model, data, options, _ = other(*make_images(22))
    before = [np.copy(w) for w in model.variables.values()]
    with pytest.raises(ValueError, match=words):
        model.fit(*data, verbose=0, callbacks=BackupAndRestore(tmp_path / "backup"), **options)
    assert all(np.array_equal(w, v) for w, v in zip(before, model.variables.values(), strict=True))
    assert model.optimizer.iterations == 0


def test_dictionaries_come_back_as_they_were_or_are_refused(train, make_images, tmp_path):
    class Counts(Callback):
        remembers = ("seen",)

        def __init__(self, seen):
            self.seen = seen

    backup = [BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)]
    with pytest.raises(TypeError, match="keys of a dictionary that is kept must be strings, got 3"):
        train(cosine, Counts([{"deep": {3: 1}}]), *backup)
    train(cosine, Counts([{"deep": {"3": 1}}]), *backup)
    model, data, options, _ = cosine(*make_images(22))
    counts = Counts([])
    history = model.fit(*data, epochs=4, verbose=0, callbacks=[counts, *backup], **options).history
    assert counts.seen == [{"deep": {"3": 1}}]
    with pytest.raises(KeyError, match="there is no 'acc' in the history, only loss, accuracy"):
        history["acc"]


def test_what_a_callback_of_ones_own_has_stopped_goes_on_in_the_next_call(train, tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    backup = BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    train(cosine, Stop(), backup)
    assert train(cosine, Stop(), backup) == train(cosine)


def test_where_x_draws_random_numbers_of_its_own_it_is_said_that_they_are_not_kept(train, tmp_path):
    class Noisy(Batches):
        rng = np.random.default_rng(3)

        def __getitem__(self, i):
            x, y = super().__getitem__(i)
            return x + self.rng.normal(size=x.shape), y

    def noisy(x, y):
        return make("sgd"), (Noisy(x, y, 8),), {}, []

    backup = BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    train(noisy, backup, epochs=1)
    with pytest.warns(UserWarning, match="x draws random numbers of its own, which the backup has not kept"):
        train(noisy, backup, epochs=2)


def test_what_cannot_be_kept_is_said_when_the_backup_is_made(train, tmp_path):
    class Odd(Callback):
        remembers = ("things",)
        things = frozenset()

    with pytest.raises(TypeError, match="BackupAndRestore: numbers, strings, lists and arrays can be kept, not froz"):
        train(cosine, Odd(), BackupAndRestore(tmp_path / "backup"))


def test_fewer_examples_than_before_are_refused_where_no_length_tells(train, tmp_path):
    def training(x, y):
        return make("sgd"), (Batches(x, y, 4),), {"steps_per_epoch": 3}, []

    def fewer(x, y):
        return make("sgd"), (Batches(x[:10], y[:10], 4),), {"steps_per_epoch": 3}, []

    with pytest.raises(CrashError):
        train(training, Crash(11), BackupAndRestore(tmp_path / "backup", 1))
    with pytest.raises(ValueError, match="x has 3 batches; there were 4 and more when the backup was made"):
        train(fewer, BackupAndRestore(tmp_path / "backup"))


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-30], lambda data: data.replace(b"e", b"f")])
def test_a_damaged_backup_is_one_error_that_names_it(train, tmp_path, damage):
    with pytest.raises(CrashError):
        train(cosine, Crash(40), BackupAndRestore(tmp_path / "backup", 1))
    path = tmp_path / "backup" / "backup.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FileFormatError, match=r"backup.npz: no backup, or damaged; remove it to start anew: "):
        train(cosine, BackupAndRestore(tmp_path / "backup"))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([""], "backup_dir must be the path of a folder, got ''"),
        (["x", 0], "save_freq must be an integer of at least 1, got 0"),
        (["x", "batch"], "save_freq must be an integer of at least 1, got 'batch'"),
        (["x", "epoch", "no"], "double_checkpoint must be True or False"),
        (["x", "epoch", False, 2], "delete_checkpoint must be True or False"),
    ],
)
def test_an_argument_out_of_range_is_named(arguments, words):
    with pytest.raises(ValueError, match=f"BackupAndRestore: {words}"):
        BackupAndRestore(*arguments)


def test_what_is_no_path_is_named():
    with pytest.raises(TypeError, match="BackupAndRestore: backup_dir must be a path, .* got 5"):
        BackupAndRestore(5)


def test_an_optimizer_of_which_nobody_knows_what_it_remembers_is_refused(train, tmp_path):
    class Own:
        def update(self, params, grads):
            pass

    def training(x, y):
        return make(Own()), (x, y), {}, []

    with pytest.raises(ValueError, match="the optimizer must be one from npcnn.optimizers, or a subclass .* got Own"):
        train(training, BackupAndRestore(tmp_path / "backup"))


def test_a_training_killed_at_random_moments_ends_with_the_same_bits_and_leaves_nothing_lying_about():
    count, _ = kill(3, seed=0, report=lambda *_, **__: None)
    assert count["kills"] == 3 and count["ended"] >= 1 and not count["other bits"] and not count["not tidy"]
