"""Saving and loading: what comes back is what was saved, to the last bit, and a file appears whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npcnn import Sequential, layers, load_model, losses, metrics, optimizers

SPARSE = "sparse_categorical_crossentropy"
posix = pytest.mark.skipif(os.name != "posix", reason="symbolic links, modes and SIGKILL are POSIX's")


def assert_same_model(model, other):
    """Equal in everything that a file holds."""
    for name in ("name", "dtype", "input_shape", "kernels", "threads", "seeded"):
        assert getattr(other, name) == getattr(model, name), name
    assert not model.seeded or other.rng.bit_generator.state == model.rng.bit_generator.state
    for layer, same in zip(model.layers, other.layers, strict=True):
        assert type(same) is type(layer) and same.dtype == layer.dtype and same.get_config() == layer.get_config()
    for w, same in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(w, same, strict=True)
    assert all(w.flags.writeable for w in other.params.values())
    assert type(other.loss) is type(model.loss) and type(other.optimizer) is type(model.optimizer)
    assert [type(metric) for metric in other.metrics] == [type(metric) for metric in model.metrics]
    if model.loss:
        assert other.loss.from_logits == model.loss.from_logits
        assert other.optimizer.get_config() == model.optimizer.get_config()
        assert other.optimizer.iterations == model.optimizer.iterations
        for name, slots in model.optimizer.slots.items():
            assert other.optimizer.slots[name].keys() == slots.keys()
            for key, slot in slots.items():
                assert_array_equal(slot, other.optimizer.slots[name][key], strict=True)
    assert (model.history is None) == (other.history is None)
    if model.history:
        assert (other.history.epoch, other.history.history) == (model.history.epoch, model.history.history)


def saved_and_loaded(model, path):
    model.save(path)
    loaded = load_model(path)
    assert_same_model(model, loaded)
    return loaded


def small_model(*stack, shape=(9, 8, 2), **options):
    model = Sequential([layers.Input(shape), *stack], **options)
    rng = np.random.default_rng(1)  # biases start at zero; other numbers would show if they were lost
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def dense_model(*compile_arguments, **options):
    model = small_model(layers.Flatten(), layers.Dense(3, name="last", **options))
    if compile_arguments:
        model.compile(*compile_arguments)
    return model


@pytest.fixture
def trained(make_model, make_images):
    def make(optimizer="adam", **options):
        model, (x, y) = make_model(optimizer, **options), make_images(48)
        model.fit(x, y, epochs=3, batch_size=16, validation_data=(x[:8], y[:8]), verbose=0)
        return model

    return make


def test_every_layer_comes_back_with_every_argument(path, stack):
    loaded = saved_and_loaded(small_model(*stack, name="tried"), path)
    saved_and_loaded(small_model(layers.Flatten(), layers.Dense(2, dtype="float64")), path)
    for layer in loaded.layers:
        assert layer.parameter_shapes(layer.input_shape) == {key: p.shape for key, p in layer.params.items()}


@pytest.mark.parametrize("options", [{"kernels": "im2col", "threads": 1, "seed": 5}, {"dtype": "float64"}])
def test_training_goes_on_from_a_file_as_if_it_had_never_stopped(path, trained, make_images, optimizer, options):
    name, arguments = optimizer
    model = trained(getattr(optimizers, name)(**arguments), **options)
    loaded = saved_and_loaded(model, path)
    for each in (model, loaded):
        each.fit(*make_images(32, seed=1), epochs=2, verbose=0)
    assert_same_model(model, loaded)


@pytest.mark.parametrize("loss", [losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy])
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("metrics", [[], ["accuracy"]])
def test_losses_and_metrics_come_back_and_the_optimizer_at_step_0(path, loss, from_logits, metrics):
    model = dense_model(optimizers.SGD(0.1, momentum=0.9), loss(from_logits=from_logits), metrics)
    assert saved_and_loaded(model, path).optimizer.iterations == 0


def test_a_model_that_was_not_compiled_comes_back_so(path):
    loaded = saved_and_loaded(dense_model(), path)
    with pytest.raises(RuntimeError, match="not compiled"):
        loaded.fit(np.zeros((1, 9, 8, 2)), np.zeros(1))


def test_a_model_without_an_input_layer_comes_back_with_the_shape_of_its_data(path, make_images):
    model, (x, y) = Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")]), make_images(8)
    model.compile("sgd", SPARSE)
    model.fit(x, y, verbose=0)
    assert_array_equal(saved_and_loaded(model, path).predict(x), model.predict(x))


def test_a_loaded_layer_can_be_built_anew_with_weights_of_its_own(path):
    dense_model(kernel_initializer="ones", bias_initializer="ones").save(path)
    dense = load_model(path).layers[1]
    dense.build((4,))
    assert_array_equal(dense.params["kernel"], np.ones((4, 3), "float32"), strict=True)
    dense.params["kernel"][0, 0] = 2
    assert_array_equal(dense.params["kernel"].sum(), 13)


@pytest.mark.parametrize("learning_rate", [0.1 + 1e-12, 1e-5])  # float32, as the weights file has it, rounds the first
def test_a_learning_rate_set_after_compile_comes_back_to_the_last_digit(path, make_model, learning_rate):
    model = make_model()
    model.optimizer.learning_rate = learning_rate
    assert saved_and_loaded(model, path).optimizer.learning_rate == learning_rate


def test_a_history_comes_back_even_where_the_loss_was_no_number(path, trained):
    model = trained()
    model.history.history["loss"] = [float("nan"), float("inf"), -0.0]
    model.save(path)
    history = load_model(path).history
    assert history.epoch == [0, 1, 2] and len(history.history["val_accuracy"]) == 3
    assert str(history.history["loss"]) == "[nan, inf, -0.0]"


def test_equal_models_make_equal_files_with_the_members_of_keras_and_two_of_ours(path, trained):
    trained().save(path)
    content = path.read_bytes()
    for same in (trained(), load_model(path)):
        same.save(path)
        assert path.read_bytes() == content
    with zipfile.ZipFile(path) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # an hour later the same, too
        assert archive.testzip() is None
        members = {info.filename: info for info in archive.infolist()}
        assert set(members) == {"metadata.json", "config.json", "model.weights.h5", "history.json", "npcnn.json"}
        assert all(info.compress_type == zipfile.ZIP_STORED for info in members.values())
        history = json.loads(archive.read("history.json"))
    assert set(history["history"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.mark.parametrize("kernels, threads, seed", [("im2col", 1, 5), ("fused", 100, 10**50), ("loops", None, None)])
def test_kernels_threads_and_random_numbers_come_back(path, make_model, kernels, threads, seed):
    model = make_model(kernels=kernels, threads=threads, seed=seed)
    model.rng.integers(9, dtype="uint32")  # of the 64 bits that were drawn, 32 are now kept for the next time
    loaded = saved_and_loaded(model, path)
    assert (loaded.kernels, loaded.threads, loaded.seeded) == (kernels, threads, seed is not None)


@pytest.mark.parametrize("given", [{"kernels": "jit"}, {"threads": 2}, {"kernels": "loops", "threads": 3, "seed": 7}])
def test_arguments_of_load_model_win_over_those_in_the_file(path, make_model, given):
    make_model(kernels="im2col", threads=1, seed=5).save(path)
    model = load_model(path, **given)
    kernels, threads = given.get("kernels", "im2col"), given.get("threads", 1)
    assert (model.kernels, model.threads, model.optimizer.kernels) == (kernels, threads, kernels)
    assert {layer.rung for layer in model.layers} == {kernels}


@pytest.mark.parametrize(
    "saved, given, alike",
    [(5, {}, True), (5, {"seed": 7}, True), (5, {"seed": None}, False), (None, {}, False), (None, {"seed": 7}, True)],
)
def test_two_loads_shuffle_alike_only_from_a_seed(path, make_model, saved, given, alike):
    model = make_model(seed=saved)
    model.save(path)
    one, other = load_model(path, **given), load_model(path, **given)
    assert one.seeded is other.seeded is alike
    start = np.random.default_rng(7) if given else model.rng
    orders = [rng.permutation(100).tolist() for rng in (start, one.rng, other.rng)]
    assert (orders[1] == orders[2]) is (orders[0] == orders[1]) is alike


def of_my_own(cls):
    """A subclass of a class of npcnn's."""
    return type(f"My{cls.__name__}", (cls,), {})


def changed(bias=0, velocity=(0, 0, 0), losses=1):
    """A trained model, but with other numbers."""
    model = dense_model("adam", SPARSE)
    model.fit(np.zeros((1, 9, 8, 2)), np.zeros(1), verbose=0)
    model.layers[1].params["bias"][0] = bias
    model.optimizer.slots["velocity"]["last/bias"] = np.array(velocity, "float32")
    model.history.history["loss"] = [0.123456789] * losses
    return model


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: small_model(of_my_own(layers.ReLU)(name="mine")), "MyReLU 'mine'"),
        (lambda: dense_model(kernel_initializer=lambda shape, rng: np.zeros(shape)), "Dense 'last'.*<lambda>"),
        (lambda: dense_model(activation=of_my_own(layers.ReLU)()), "Dense 'last'.*MyReLU"),
        (lambda: small_model(layers.Conv2D(1, 2, strides=2, dilation_rate=2)), "Conv2D.*strides.*dilation_rate"),
        (lambda: dense_model(of_my_own(optimizers.Adam)(), SPARSE), "MyAdam"),
        (lambda: dense_model("adam", of_my_own(losses.SparseCategoricalCrossentropy)()), "MySparseCat"),
        (lambda: dense_model("adam", SPARSE, ["acc", of_my_own(metrics.Accuracy)("mine")]), "'mine'.*MyAccuracy"),
        (lambda: dense_model("adam", SPARSE, [metrics.Accuracy("mine")]), "metric 'mine'"),
        (lambda: small_model(layers.Flatten(), name="a/b"), "name.*'a/b'"),
        (lambda: small_model(layers.Flatten(), name=7), "name.*7"),
        (lambda: changed(bias=np.nan), "'last' holds NaN or infinity"),
        (lambda: changed(velocity=(1, np.inf, 1)), "'adam' holds NaN or infinity"),
        (lambda: changed(velocity=(1, 1)), "velocity of another model's last/bias"),
        (lambda: changed(losses=800_000), "history take .* the limit of 8,388,608"),
    ],
)
def test_what_a_file_cannot_hold_is_named_before_anything_is_written(path, make, words):
    path.write_bytes(b"what was there before")
    with pytest.raises(ValueError, match=words):
        make().save(path)
    assert path.read_bytes() == b"what was there before"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("name", ["model", "model.h5", "model.keras.bak", "model.KERAS"])
def test_a_name_that_does_not_end_in_keras_is_refused(tmp_path, make_model, name):
    with pytest.raises(ValueError, match=f"must end in '.keras', got .*{name}"):
        make_model().save(tmp_path / name)
    assert not os.listdir(tmp_path)


def test_a_file_is_replaced_only_if_that_is_wanted(path, make_model):
    make_model(seed=1).save(str(path))
    with pytest.raises(FileExistsError, match="overwrite"):
        make_model(seed=2).save(path, overwrite=False)
    assert_same_model(make_model(seed=1), load_model(str(path)))
    saved_and_loaded(make_model(seed=2), path)


def test_a_folder_in_the_place_of_a_file_and_a_missing_folder_or_file_are_named(path, make_model):
    with pytest.raises(FileNotFoundError, match="model.keras"):
        load_model(path)
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere"):
        make_model().save(path.parent / "nowhere" / "model.keras")
    path.mkdir()
    for call in (load_model, make_model().save):
        with pytest.raises(IsADirectoryError, match="model.keras is a folder"):
            call(path)


@posix
def test_behind_a_symbolic_link_the_file_is_replaced_and_the_link_stays(path, make_model):
    target = path.parent / "elsewhere" / "model.keras"
    target.parent.mkdir()
    path.symlink_to(target)
    saved_and_loaded(make_model(), path)
    assert path.is_symlink() and not target.is_symlink()


@posix
def test_a_file_is_as_readable_for_others_as_any_new_file(path, make_model):
    make_model().save(path)
    path.with_name("plain").touch()
    assert path.stat().st_mode == path.with_name("plain").stat().st_mode


def test_a_file_is_safe_on_disk_before_it_takes_its_name_and_its_folder_afterwards(path, make_model, monkeypatch):
    order, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda old, new: (order.append("replace"), replace(old, new)))
    make_model().save(path)
    assert order == ["fsync", "replace", "fsync"] if os.name == "posix" else ["fsync", "replace"]


@pytest.mark.parametrize("failure", [OSError("no space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(path, make_model, monkeypatch, failure, moment):
    def fail(*arguments):
        raise failure

    make_model(seed=1).save(path)
    monkeypatch.setattr(os, moment, fail)
    with pytest.raises(type(failure)):
        make_model(seed=2).save(path)
    assert os.listdir(path.parent) == [path.name]
    assert_same_model(make_model(seed=1), load_model(path))


SAVE_FOR_EVER = """
import sys
from npcnn import Sequential, layers
model = Sequential([layers.Input((64,)), layers.Dense(2048), layers.Dense(8)])
while True:
    model.save(sys.argv[1])
"""


@posix
def test_a_process_killed_while_saving_leaves_a_file_that_loads(path):
    for trial in range(3):
        path.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", SAVE_FOR_EVER, str(path)])
        try:
            deadline = time.monotonic() + 60
            while not path.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.02 * trial)
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL
        assert load_model(path).output_shape == (8,)
