"""Callbacks: when each hook is called, and what each callback does then."""

import csv
import inspect
import os

import numpy as np
import pytest
from numpy.testing import assert_equal

import npcnn
from npcnn import Sequential, layers, load_model
from npcnn.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def recorder(base):
    """A callback of class `base` that notes in `calls` each hook, its epoch or batch, and the names in its logs."""

    def note(hook):
        def call(self, *arguments, logs=None):
            number = [a for a in arguments if isinstance(a, int)]
            given = [a for a in (*arguments, logs) if isinstance(a, dict)]
            self.calls.append((hook, *number, *(sorted(names) for names in given if names)))

        return call

    Recorder = type(
        "Recorder", (base,), {hook: note(hook) for hook in HOOKS if hook.count("_") != 2 or "batch" not in hook}
    )
    callback = Recorder()
    callback.calls = []
    return callback


class Script(Callback):
    """Writes made-up values into the logs, in front of the callback that is tested."""

    def __init__(self, name, values):
        self.name, self.values = name, values

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]


@pytest.fixture
def run(make_model, make_images):
    """A function (values, callback, name, **options) -> model and history of a training in which `name` has these."""

    def train(values, *callbacks, name="val_loss", model=None, **options):
        model = model or make_model("sgd")
        script = Script(name, values)
        options = {"epochs": len(values), "verbose": 0, **options}
        return model, model.fit(*make_images(12), batch_size=4, callbacks=[script, *callbacks], **options)

    return train


# ------------------------------------------------------------------ when hooks are called


def test_fit_calls_the_hooks_in_this_order(make_model, make_images):
    callback = recorder(Callback)
    x, y = make_images(6)
    make_model().fit(x, y, 4, validation_data=(x, y), validation_batch_size=6, verbose=0, callbacks=callback)
    means, both = ["accuracy", "loss"], ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert callback.calls == [
        ("on_train_begin",),
        ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0),
        ("on_train_batch_end", 0, means),
        ("on_train_batch_begin", 1),
        ("on_train_batch_end", 1, means),
        ("on_test_begin",),
        ("on_test_batch_begin", 0),
        ("on_test_batch_end", 0, means),
        ("on_test_end", means),
        ("on_epoch_end", 0, both),
        ("on_train_end", both),
    ]


@pytest.fixture
def keras():
    """The real one, on TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    for name in ("tensorflow", "keras"):
        pytest.importorskip(name, reason=f"compares with real Keras, and {name} is not installed")
    import keras

    return keras


def test_keras_calls_the_same_hooks_in_the_same_order(keras, make_images):
    x, y = make_images(10)
    calls = []
    for base, models, kind in (
        (Callback, Sequential, layers),
        (keras.callbacks.Callback, keras.Sequential, keras.layers),
    ):
        callback = recorder(base)
        model = models([kind.Input((8, 8, 1)), kind.Flatten(), kind.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
        options = {"callbacks": [callback], "verbose": 0}
        model.fit(x, y, batch_size=4, epochs=3, initial_epoch=1, validation_split=0.3, **options)
        model.evaluate(x, y, batch_size=4, **options)
        model.predict(x, batch_size=4, **options)
        calls.append((callback.calls, callback.params.keys()))
    ours, theirs = calls
    assert ours == theirs


def test_methods_take_the_arguments_of_keras_in_its_order_with_its_defaults(keras):
    for ours, theirs, names in (
        (Sequential, keras.Sequential, "__init__ compile fit evaluate predict"),
        (Sequential, keras.Sequential, "train_on_batch test_on_batch predict_on_batch"),
        (npcnn.callbacks, keras.callbacks, "EarlyStopping ModelCheckpoint ReduceLROnPlateau LearningRateScheduler"),
        (npcnn.callbacks, keras.callbacks, "CSVLogger TerminateOnNaN LambdaCallback"),
    ):
        for name in names.split():
            mine, wanted = (
                [(p.name, p.default) for p in inspect.signature(getattr(each, name)).parameters.values() if p.kind == 1]
                for each in (ours, theirs)
            )
            assert mine == wanted, name


def plan_of(rng):
    """Made-up values with ties, exact in float32, and arguments for both libraries."""
    values = [int(v) / 8 for v in rng.integers(0, 12, 14)]
    options = {
        "monitor": str(rng.choice(["val_loss", "val_accuracy"])),
        "mode": str(rng.choice(["auto", "min", "max"])),
        "min_delta": int(rng.integers(0, 3)) / 8,
        "patience": int(rng.integers(0, 4)),
    }
    return values, options


class Pretended:
    """As much of a model as these callbacks need."""

    def __init__(self):
        self.stop_training, self.epoch = False, 0
        self.optimizer = type("Optimizer", (), {"learning_rate": 1.0})()
        metric = type("Metric", (), {"name": "accuracy"})
        self.metrics = [metric()]

    def get_weights(self):
        return self.epoch

    def set_weights(self, weights):
        self.epoch = ("restored", weights)


def decisions(callback, values, monitor):
    """What a callback does at each epoch, with these values."""
    model, notes = Pretended(), []
    callback.set_model(model)
    callback.on_train_begin()
    for model.epoch, value in enumerate(values):
        logs = {monitor: value}
        callback.on_epoch_end(model.epoch, logs)
        notes.append((model.stop_training, model.optimizer.learning_rate, logs))
        if model.stop_training:
            break
    callback.on_train_end()
    return notes, model.epoch


@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau"])
def test_on_made_up_values_keras_callbacks_decide_the_same(keras, name):
    rng, acted = np.random.default_rng(0), 0
    for _ in range(150):
        values, options = plan_of(rng)
        if options["monitor"] == "val_accuracy" and options["mode"] == "auto":
            options["mode"] = "max"  # Keras asks the model's real metrics
        if name == "EarlyStopping":
            options["baseline"] = None if rng.random() < 0.5 else int(rng.integers(0, 12)) / 8
            options["restore_best_weights"] = bool(rng.random() < 0.5)
            options["start_from_epoch"] = int(rng.integers(0, 3))
            ours = EarlyStopping(**options)
        else:
            options |= {"factor": 0.5, "cooldown": int(rng.integers(0, 3)), "min_lr": float(rng.choice([0, 0.125]))}
            ours = ReduceLROnPlateau(**options)
        found = decisions(ours, values, options["monitor"])
        assert found == decisions(getattr(keras.callbacks, name)(**options), values, options["monitor"]), options
        acted += found[0][-1][:2] != (False, 1.0)
    assert acted > 50


def test_the_old_names_of_the_batch_hooks_are_called_too(make_model, make_images):
    calls = []

    class Old(Callback):
        def on_batch_begin(self, batch, logs=None):
            calls.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            calls.append(("end", batch, *logs))

    make_model().fit(*make_images(6), batch_size=4, verbose=0, callbacks=[Old()])
    assert calls == [
        (what, batch, *more) for batch in (0, 1) for what, *more in (["begin"], ["end", "loss", "accuracy"])
    ]


def test_a_callback_knows_the_model_and_how_fit_was_called(make_model, make_images):
    model, callback = make_model(), Callback()
    history = model.fit(*make_images(6), batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    assert callback.model is history.model is model
    assert callback.params == history.params == {"verbose": 0, "epochs": 2, "steps": 2}


def test_callbacks_of_predict_see_the_outputs_of_each_batch(make_model, make_images):
    outputs = []
    watch = LambdaCallback(on_predict_batch_end=lambda batch, logs: outputs.append((batch, logs["outputs"])))
    y = make_model().predict(make_images(70)[0], batch_size=1, verbose=0, callbacks=[watch])
    assert [batch for batch, _ in outputs] == list(range(70))
    assert_equal(np.concatenate([output for _, output in outputs]), y)


def test_a_callback_changes_no_bit_of_the_training_nor_of_the_validation(make_model, make_images):
    x, y = make_images(20)
    histories = []
    for callbacks in (None, [recorder(Callback)]):
        model = make_model()
        fitted = model.fit(x, y, 4, epochs=2, validation_data=(x, y), verbose=0, callbacks=callbacks)
        histories.append((fitted.history, model.evaluate(x, y, 4, verbose=0, callbacks=callbacks)))
    assert_equal(*histories)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_epoch_end"])
def test_stop_training_ends_it_after_the_step_at_hand_with_validation_and_the_last_hooks(hook, make_model, make_images):
    model, callback = make_model(), recorder(Callback)

    def stop(number, logs):
        model.stop_training = True

    x, y = make_images(12)
    stopper = LambdaCallback(**{hook: stop})
    history = model.fit(x, y, 4, 5, 0, [stopper, callback], validation_data=(x, y))
    assert history.epoch == [0] and "val_loss" in history.history
    assert callback.calls[-1][0] == "on_train_end"
    steps = sum(call[0] == "on_train_batch_end" for call in callback.calls)
    assert steps == model.optimizer.iterations == (1 if hook == "on_train_batch_end" else 3)
    assert model.fit(x, y, 4, 2, 0).epoch == [0, 1]  # and it trains again


def test_an_error_in_a_callback_leaves_a_model_that_trains_on_with_the_epochs_before_in_its_history(
    make_model, make_images
):
    def fail(epoch, logs):
        if epoch == 1:
            raise RuntimeError("mine")

    x, y = make_images(12)
    model, other = make_model(), make_model()
    with pytest.raises(RuntimeError, match="mine"):
        model.fit(x, y, 4, 3, 0, [LambdaCallback(on_epoch_end=fail)], shuffle=False)
    assert model.history.epoch == [0]
    other.fit(x, y, 4, 2, 0, shuffle=False)
    for each in (model, other):
        each.fit(x, y, 4, 1, 0, shuffle=False)
    assert_equal(model.get_weights(), other.get_weights())


def test_what_a_callback_writes_into_the_logs_is_in_the_history(run):
    _, history = run([3, 2], name="mine")
    assert history.history["mine"] == [3, 2]


def test_a_history_among_the_callbacks_is_the_one_that_is_kept(make_model, make_images):
    mine, model = History(), make_model()
    for _ in range(2):
        assert model.fit(*make_images(6), verbose=0, callbacks=[mine]) is mine is model.history
    assert mine.epoch == [0] and len(mine.history["loss"]) == 2  # as in Keras


def test_a_callback_may_use_the_model_while_it_trains(make_model, make_images):
    x, y = make_images(12)
    seen = []
    model = make_model()
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.evaluate(x, y, verbose=0)[0]))
    history = model.fit(x, y, validation_data=(x, y), epochs=2, verbose=0, callbacks=[look])
    assert seen == history.history["val_loss"]


# ------------------------------------------------------------------ what they do


def test_early_stopping_waits_and_restores_the_best_weights(run, capsys):
    kept, stop = [], EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(stop.model.get_weights()))
    model, history = run([3, 1, 2, 2, 0], keep, stop)
    assert history.epoch == [0, 1, 2, 3] and stop.stopped_epoch == 3
    assert_equal(model.get_weights(), kept[1])
    out = capsys.readouterr().out
    assert "Epoch 4: early stopping" in out and "best epoch: 2" in out


def test_a_value_that_is_not_there_is_warned_of_and_nothing_is_done(run):
    for callback in (EarlyStopping("val_acc"), ReduceLROnPlateau("val_acc")):
        with pytest.warns(UserWarning, match="'val_acc', which is not available: there are loss, accuracy"):
            _, history = run([1, 1, 1], callback)
        assert history.epoch == [0, 1, 2]


def test_a_value_whose_better_way_its_name_does_not_tell_must_be_explained():
    with pytest.raises(ValueError, match="EarlyStopping: is more 'score' better or worse"):
        EarlyStopping("score")
    assert EarlyStopping("score", mode="max").is_better(2, than=1)


def test_a_plateau_lowers_the_learning_rate_to_no_less_than_its_minimum(run, capsys):
    _, history = run([1.0] * 8, ReduceLROnPlateau(factor=0.5, patience=2, min_lr=0.004, verbose=1))
    assert history.history["learning_rate"] == [0.01, 0.01, 0.01, 0.005, 0.005, 0.004, 0.004, 0.004]
    out = capsys.readouterr().out
    assert "Epoch 3: ReduceLROnPlateau reducing learning rate to 0.005." in out and out.count("reducing") == 2


@pytest.mark.parametrize(
    "schedule", [lambda epoch: 0.1 / (epoch + 1), lambda epoch, rate: 0.1 if epoch == 0 else rate / 2]
)
def test_a_schedule_sets_the_learning_rate_of_each_epoch(run, schedule):
    _, history = run([1, 1], LearningRateScheduler(schedule))
    assert history.history["learning_rate"] == [0.1, 0.05]


def test_a_schedule_must_return_a_float(run):
    with pytest.raises(ValueError, match="LearningRateScheduler: .*float, got None"):
        run([1], LearningRateScheduler(lambda epoch: None))


def test_a_checkpoint_saves_every_epoch_under_its_number_and_values(run, tmp_path):
    model, _ = run([0.5, 0.25], ModelCheckpoint(tmp_path / "new" / "{epoch:02d}-{val_loss:.2f}.keras"))
    assert sorted(os.listdir(tmp_path / "new")) == ["01-0.50.keras", "02-0.25.keras"]
    assert_equal(load_model(tmp_path / "new" / "02-0.25.keras").get_weights(), model.get_weights())


def test_a_checkpoint_of_the_best_holds_the_best(run, tmp_path, capsys):
    path = tmp_path / "best.keras"
    kept = []
    best = ModelCheckpoint(path, save_best_only=True, verbose=1)
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(best.model.get_weights()))
    run([3, 1, 2], keep, best)
    assert_equal(load_model(path).get_weights(), kept[1])
    out = capsys.readouterr().out
    assert "improved from 3.00000 to 1.00000, saving" in out and "Epoch 3: val_loss did not improve from 1.0" in out


@pytest.mark.parametrize(("mode", "threshold", "saved"), [("min", 0.5, False), ("max", 0.5, True), ("min", 2, True)])
def test_a_checkpoint_may_have_a_threshold(run, tmp_path, mode, threshold, saved):
    options = {"mode": mode, "save_best_only": True, "initial_value_threshold": threshold}
    run([1], ModelCheckpoint(tmp_path / "best.keras", **options))
    assert (tmp_path / "best.keras").exists() == saved


def test_a_checkpoint_saves_after_so_many_batches(run, tmp_path):
    run([1, 1], ModelCheckpoint(tmp_path / "{epoch}-{batch}.keras", save_freq=2))  # three batches an epoch
    assert sorted(os.listdir(tmp_path)) == ["1-2.keras", "2-1.keras", "2-3.keras"]


def test_a_checkpoint_of_weights_only_calls_save_weights(run, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Sequential, "save_weights", lambda self, path, overwrite: saved.append(path), raising=False)
    run([1], ModelCheckpoint(tmp_path / "a.weights.h5", save_weights_only=True))
    assert saved == [tmp_path / "a.weights.h5"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"filepath": "a.pkl"}, r"filepath must end in \.keras or \.h5 or \.hdf5 for the model, got 'a.pkl'"),
        ({"filepath": "a.keras", "save_weights_only": True}, r"filepath must end in \.weights\.h5 for the weights"),
        ({"filepath": "a.keras", "save_freq": "batch"}, "save_freq must be an integer of at least 1, got 'batch'"),
    ],
)
def test_a_checkpoint_refuses_what_it_cannot_do_before_training(arguments, said):
    with pytest.raises(ValueError, match=said):
        ModelCheckpoint(**arguments)


def test_a_checkpoint_whose_name_needs_a_value_that_is_not_there_says_which_there_are(run, tmp_path):
    with pytest.raises(ValueError, match="needs 'val_acc'; there are loss, accuracy, val_loss"):
        run([1], ModelCheckpoint(tmp_path / "{val_acc:.2f}.keras"))


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_csv_logger_writes_a_line_an_epoch_and_goes_on_behind_them(run, tmp_path, separator):
    path = tmp_path / "log.csv"
    _, history = run([0.5, 0.25], CSVLogger(path, separator))
    run([0.125], CSVLogger(path, separator, append=True))
    rows = list(csv.DictReader(path.open(newline=""), delimiter=separator))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert [float(row["val_loss"]) for row in rows] == [0.5, 0.25, 0.125]
    assert [float(row["accuracy"]) for row in rows[:2]] == history.history["accuracy"]
    run([1], CSVLogger(path, separator))
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("raise_error", [False, True])
def test_a_loss_that_is_no_number_ends_training(make_model, make_images, raise_error, capsys):
    x, y = make_images(12)
    model = make_model("sgd")
    model.set_weights([w * np.nan for w in model.get_weights()])
    fit = lambda: model.fit(x, y, 4, 3, 0, [TerminateOnNaN(raise_error)])  # noqa: E731
    if raise_error:
        with pytest.raises(RuntimeError, match="the loss is nan at batch 0"):
            fit()
    else:
        assert fit().epoch == [0] and "Batch 0: Invalid loss" in capsys.readouterr().out
    assert model.optimizer.iterations == 1


def test_a_lambda_callback_has_the_hooks_of_every_callback_and_no_others(make_model, make_images):
    calls = []
    make_model().evaluate(
        *make_images(6), verbose=0, callbacks=LambdaCallback(on_test_end=lambda logs: calls.append(sorted(logs)))
    )
    assert calls == [["accuracy", "loss"]]
    with pytest.raises(TypeError, match="no 'on_lunch'"):
        LambdaCallback(on_lunch=print)


def test_a_program_that_asks_for_tensorboard_runs_and_is_told_that_nothing_is_written(
    tmp_path, make_model, make_images
):
    with pytest.warns(UserWarning, match="TensorBoard: npcnn writes nothing to .*logs; CSVLogger keeps"):
        board = TensorBoard(tmp_path / "logs", histogram_freq=1)
    make_model().fit(*make_images(8), verbose=0, callbacks=[board])
    assert not (tmp_path / "logs").exists()
