"""Saving and loading: what comes back is what was saved, to the last bit, and a file appears whole or not at all."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npcnn import Sequential, layers, load_model, losses, metrics, optimizers, regularizers
from npcnn.errors import FileFormatError
from npcnn.model import model_from_json

SPARSE = "sparse_categorical_crossentropy"
posix = pytest.mark.skipif(os.name != "posix", reason="symbolic links, modes and SIGKILL are POSIX's")


def plain(thing):
    """The arguments that make it again, of those that are objects the arguments."""
    return {key: getattr(value, "get_config", lambda v=value: v)() for key, value in thing.get_config().items()}


def assert_same_model(model, other):
    """Equal in everything that a file holds."""
    for name in ("name", "dtype", "input_shape", "kernels", "threads", "seeded"):
        assert getattr(other, name) == getattr(model, name), name
    assert not model.seeded or other.rng.bit_generator.state == model.rng.bit_generator.state
    for layer, same in zip(model.layers, other.layers, strict=True):
        assert type(same) is type(layer) and same.dtype == layer.dtype and plain(same) == plain(layer)
    for w, same in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(w, same, strict=True)
    assert all(w.flags.writeable for layer in other.layers for w in layer.variables.values())
    assert type(other.loss) is type(model.loss) and type(other.optimizer) is type(model.optimizer)
    assert [type(metric) for metric in other.metrics] == [type(metric) for metric in model.metrics]
    if model.loss:
        assert other.loss.from_logits == model.loss.from_logits
        assert plain(other.optimizer) == plain(model.optimizer)
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
        model.compile(*compile_arguments[:2], None, *compile_arguments[2:])
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
        assert layer.state_shapes(layer.input_shape) == {key: p.shape for key, p in layer.state.items()}


@pytest.mark.parametrize("options", [{"kernels": "im2col", "threads": 1, "seed": 5}, {"dtype": "float64"}])
def test_training_goes_on_from_a_file_as_if_it_had_never_stopped(path, trained, make_images, optimizer, options):
    name, arguments = optimizer
    model = trained(getattr(optimizers, name)(**arguments), **options)
    loaded = saved_and_loaded(model, path)
    for each in (model, loaded):
        each.fit(*make_images(32, seed=1), epochs=2, verbose=0)
    assert_same_model(model, loaded)


def test_what_no_gradient_moves_is_kept_too_and_training_goes_on_with_it(path, make_images):
    stack = [layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(3)]
    model = Sequential([layers.Input((8, 8, 1)), *stack, layers.Activation("softmax")])
    model.compile("adam", SPARSE)
    model.fit(*make_images(32), epochs=2, verbose=0)
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


def test_a_schedule_and_penalties_come_back(path, trained):
    schedule = optimizers.schedules.CosineDecay(0.1, 20, warmup_target=0.2, warmup_steps=2)
    loaded = saved_and_loaded(trained(optimizers.RMSprop(schedule)), path)
    assert loaded.optimizer.get_config()["learning_rate"].get_config() == schedule.get_config()
    loaded = saved_and_loaded(dense_model(kernel_regularizer=regularizers.L1L2(0.1, 0.2), bias_regularizer="l1"), path)
    assert loaded.layers[1].bias_regularizer.get_config() == {"l1": 0.01}
    assert loaded.layers[1].kernel_regularizer.get_config() == {"l1": 0.1, "l2": 0.2}


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
        (lambda: dense_model(kernel_regularizer=of_my_own(regularizers.L2)()), "Dense 'last'.*kernel_reg.*MyL2"),
        (
            lambda: dense_model(optimizers.SGD(of_my_own(optimizers.schedules.CosineDecay)(0.1, 9)), SPARSE),
            "SGD.*MyCosineDecay",
        ),
        (lambda: dense_model("adam", SPARSE, [metrics.MeanMetricWrapper(max, "mse")]), "'mse'.*MeanMetricWrapper"),
        (lambda: dense_model(activation=of_my_own(layers.ReLU)()), "Dense 'last'.*MyReLU"),
        (lambda: small_model(layers.Conv2D(1, 2, strides=2, dilation_rate=2)), "Conv2D.*strides.*dilation_rate"),
        (lambda: dense_model(of_my_own(optimizers.Adam)(), SPARSE), "MyAdam"),
        (lambda: dense_model("adam", of_my_own(losses.SparseCategoricalCrossentropy)()), "MySparseCat"),
        (lambda: dense_model("adam", SPARSE, ["acc", of_my_own(metrics.Accuracy)("mine")]), "'mine'.*MyAccuracy"),
        (lambda: changed(bias=np.nan), "'last' holds NaN or infinity"),
        (lambda: changed(velocity=(1, np.inf, 1)), "'adam' holds NaN or infinity"),
        (lambda: changed(velocity=(1, 1)), "velocity of another model's last/bias"),
        (lambda: changed(losses=800_000), "history take .* the limit of 4,194,304"),
    ],
)
def test_what_a_file_cannot_hold_is_named_before_anything_is_written(path, make, words):
    path.write_bytes(b"what was there before")
    with pytest.raises(ValueError, match=words):
        make().save(path)
    assert path.read_bytes() == b"what was there before"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "method, name, endings",
    [
        *(("save", name, "'.keras' or '.h5' or '.hdf5'") for name in ("model", "model.keras.bak", "model.KERAS")),
        *(("save_weights", name, "'.weights.h5'") for name in ("model", "model.h5", "model.hdf5", "model.keras")),
    ],
)
def test_a_name_that_does_not_end_as_in_keras_is_refused(tmp_path, make_model, method, name, endings):
    with pytest.raises(ValueError, match=f"{method}: the name must end in {endings}, got .*{name}"):
        getattr(make_model(), method)(tmp_path / name)
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


@posix
def test_who_may_read_a_file_stays_as_it_is_when_it_is_replaced(path, make_model):
    make_model().save(path)
    path.chmod(0o640)
    make_model().save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_full_disk_names_the_file_that_could_not_be_saved_and_leaves_the_old_one(path, make_model, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    model = make_model()
    model.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"cannot be saved: No space left on device: '{path}'"):
        model.save(path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


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


# ------------------------------------------------------------------ weights alone, the older form, JSON


def test_weights_come_back_into_another_model_with_the_optimizers_state(tmp_path, trained, make_model, optimizer):
    name, arguments = optimizer
    path, model = tmp_path / "some.weights.h5", trained(getattr(optimizers, name)(**arguments))
    model.save_weights(path)
    other = make_model(getattr(optimizers, name)(**arguments), seed=9, name="other")
    kept = other.params["conv2d/kernel"]
    other.load_weights(str(path))
    assert other.params["conv2d/kernel"] is kept
    for p, same in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(p, same, strict=True)
    assert other.optimizer.iterations == model.optimizer.iterations == 9
    for slot, values in model.optimizer.slots.items():
        for key, value in values.items():
            assert_array_equal(value, other.optimizer.slots[slot][key], strict=True)


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5"])
@pytest.mark.filterwarnings("ignore:.*older format")
def test_weights_are_read_from_every_kind_of_file_in_another_float_type_too(tmp_path, make_model, ending):
    model, path = make_model(dtype="float64"), tmp_path / f"some{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    other = make_model(seed=9)
    other.optimizer.learning_rate = 0.5
    other.load_weights(path)
    for p, same in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_array_equal(p.astype("float32"), same, strict=True)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:.*older format")
def test_what_is_frozen_is_so_in_the_file_and_training_goes_on_alike(tmp_path, ending):
    path, base = tmp_path / f"some{ending}", Sequential([layers.BatchNormalization(), layers.Dense(4)], trainable=False)
    stack = [layers.Dense(5, trainable=False), layers.Dense(6), base, layers.Dense(3, activation="softmax")]
    model = Sequential([layers.Input((7,)), *stack])
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).random((20, 7)), np.arange(20) % 3
    model.fit(x, y, verbose=0)
    model.layers[1].trainable = False  # its slots are not kept
    model.save(path)
    again = load_model(path)
    assert again.get_config() == model.get_config()
    assert [layer.trainable for layer in again.layers] == [False, False, False, True]
    assert [layer.trainable for layer in again.layers[2].layers] == [True, True]
    assert list(again.optimizer.slots["momentum"]) == ["dense_2/kernel", "dense_2/bias"]
    for each in (model, again):
        each.fit(x, y, shuffle=False, verbose=0)
    for w, same in zip(model.get_weights(), again.get_weights(), strict=True):
        assert_array_equal(w, same)


def test_weights_of_another_optimizer_leave_it_as_it_is_with_a_warning(tmp_path, trained, make_model):
    path, other = tmp_path / "some.weights.h5", make_model("sgd")
    trained("adam").save_weights(path)
    with pytest.warns(UserWarning, match="the optimizer stays as it is") as caught:
        other.load_weights(path)
    assert caught[0].filename == __file__
    assert (other.optimizer.iterations, other.optimizer.learning_rate) == (0, 0.01)


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5"])
@pytest.mark.filterwarnings("ignore:.*older format")
def test_weights_that_do_not_fit_change_nothing(tmp_path, ending):
    path, model = tmp_path / f"some{ending}", small_model(layers.Conv2D(2, 1), layers.Flatten(), layers.Dense(4))
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    others = {
        r"must be float32 .*shape \(144, 3\)": [layers.Conv2D(2, 1), layers.Flatten(), layers.Dense(3)],
        r"must hold 1 arrays for Dense|holds 2": [
            layers.Conv2D(2, 1),
            layers.Flatten(),
            layers.Dense(4, use_bias=False),
        ],
        "is missing|weights of 2 layers, the model has 3": [*small_layers(), layers.Dense(4)],
    }
    for words, stack in others.items():
        other = small_model(*stack)
        before = other.get_weights()
        with pytest.raises(FileFormatError, match=words) as caught:
            other.load_weights(path)
        assert str(caught.value).startswith(f"{path}: ")
        for p, same in zip(before, other.get_weights(), strict=True):
            assert_array_equal(p, same)


def small_layers():
    return [layers.Conv2D(2, 1), layers.Flatten(), layers.Dense(4)]


def test_weights_need_a_built_model(tmp_path):
    for method in ("save_weights", "load_weights"):
        with pytest.raises(RuntimeError, match=f"{method}: the model has no weights yet"):
            getattr(Sequential([layers.Dense(1)]), method)(tmp_path / "some.weights.h5")


@pytest.mark.parametrize("ending", [".h5", ".hdf5"])
def test_the_older_form_keeps_all_but_what_is_npcnns_own(tmp_path, trained, optimizer, ending):
    name, arguments = optimizer
    path, model = tmp_path / f"some{ending}", trained(getattr(optimizers, name)(**arguments), seed=None)
    with pytest.warns(UserWarning, match="this is Keras' older format; '.keras' is") as caught:
        model.save(path)
    assert caught[0].filename == __file__
    model.history = None
    assert_same_model(model, load_model(path))
    assert os.listdir(tmp_path) == [path.name]


def keras_2_file(path, form):
    """Write a model as Keras 2.1 (its first layer knows the shape, there are no names for initializers), or 2.9."""
    glorot = {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"}}
    common = {"trainable": True, "dtype": "float32", "kernel_initializer": glorot, "bias_regularizer": None}
    first = {"filters": 2, "kernel_size": [3, 3], "activation": "relu", "batch_input_shape": [None, 6, 6, 1]}
    described = [
        {"class_name": "Conv2D", "config": {"name": "conv2d_3", **first, **common}},
        {"class_name": "MaxPooling2D", "config": {"name": "pool", "pool_size": [2, 2], "data_format": "channels_last"}},
        {"class_name": "Flatten", "config": {"name": "flatten_3", "trainable": True}},
        {"class_name": "Dense", "config": {"name": "dense_7", "units": 3, "activation": "softmax", **common}},
    ]
    if form == "2.9":
        batch_shape = {"batch_input_shape": [None, 6, 6, 1], "sparse": False, "ragged": False, "name": "conv2d_3_input"}
        described.insert(0, {"class_name": "InputLayer", "config": batch_shape})
        described = {"name": "sequential_3", "layers": described}
    accuracy = {"class_name": "MeanMetricWrapper", "config": {"name": "accuracy", "fn": "categorical_accuracy"}}
    loss = {"class_name": "CategoricalCrossentropy", "config": {"reduction": "auto", "label_smoothing": 0}}
    training = {
        "loss": "categorical_crossentropy" if form == "2.1" else loss,
        "metrics": ["acc"] if form == "2.1" else [[accuracy]],
        "sample_weight_mode": None,
        "loss_weights": None,
        "optimizer_config": {
            "class_name": "Adam",
            "config": {"lr": 0.25, "decay": 0.0, "epsilon": None, "beta_1": 0.5},
        },
    }
    rng = np.random.default_rng(0)
    arrays = [
        ("conv2d_3", "conv2d_3/kernel:0", (3, 3, 1, 2)),
        ("conv2d_3", "conv2d_3/bias:0", (2,)),
        ("dense_7", "dense_7/kernel:0", (8, 3)),
        ("dense_7", "dense_7/bias:0", (3,)),
    ]
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": described}).encode()
        file.attrs["training_config"] = json.dumps(training).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names0"] = np.array([b"conv2d_3", b"pool"])  # a list that is long stands in pieces
        group.attrs["layer_names1"] = np.array([b"flatten_3", b"dense_7"])
        for layer in ("conv2d_3", "pool", "flatten_3", "dense_7"):
            names = [name.encode() for owner, name, _ in arrays if owner == layer]
            group.create_group(layer).attrs["weight_names"] = np.array(names) if names else []
        written = [rng.standard_normal(shape).astype("float32") for _, _, shape in arrays]
        for (layer, name, _), array in zip(arrays, written, strict=True):
            group[layer][name] = array
        optimizer = file.create_group("optimizer_weights")
        optimizer.attrs["weight_names"] = np.array([b"Adam/iter:0", b"Adam/conv2d_3/kernel/m:0"])
    return written


@pytest.mark.parametrize("form", ["2.1", "2.9"])
def test_a_model_of_keras_2_is_read(tmp_path, form):
    path = tmp_path / "old.h5"
    written = keras_2_file(path, form)
    with pytest.warns(UserWarning, match="in the order of Keras before 2.11, and the optimizer starts anew"):
        model = load_model(path)
    for array, p in zip(written, model.get_weights(), strict=True):
        assert_array_equal(array, p, strict=True)
    assert model.input_shape == (6, 6, 1) and model.output_shape == (3,)
    assert [layer.name for layer in model.layers] == ["conv2d_3", "pool", "flatten_3", "dense_7"]
    initializer = model.layers[0].kernel_initializer  # Keras 2 wrote what the name stood for
    assert initializer.get_config() == {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}
    assert (model.loss.name, model.optimizer.learning_rate, model.optimizer.beta_1) == (
        "categorical_crossentropy",
        0.25,
        0.5,
    )
    assert [metric.name for metric in model.metrics] == ["acc" if form == "2.1" else "accuracy"]
    assert model.optimizer.epsilon == 1e-7 and model.optimizer.iterations == 0
    model.fit(np.ones((4, 6, 6, 1)), np.eye(3)[[0, 1, 2, 0]], verbose=0)
    alone = tmp_path / "weights.h5"  # as Keras 2 saved weights without the model
    with h5py.File(path) as file, h5py.File(alone, "w") as other:
        for name, group in file["model_weights"].items():
            file.copy(group, other, name)
        other.attrs["layer_names"] = [b"conv2d_3", b"pool", b"flatten_3", b"dense_7"]
    for source in (path, alone):
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        model.load_weights(source)
        for array, p in zip(written, model.get_weights(), strict=True):
            assert_array_equal(array, p, strict=True)


@pytest.mark.parametrize("built", [True, False])
def test_a_model_comes_back_from_its_description_with_new_weights(built):
    model = Sequential([layers.Input((9, 8, 2))] * built + [layers.Flatten(), layers.Dense(3)], name="tried", seed=0)
    model.compile(optimizers.SGD(0.5), SPARSE, metrics=["acc"])
    for same in (Sequential.from_config(model.get_config()), model_from_json(model.to_json(indent=1))):
        assert (same.name, same.input_shape) == ("tried", (9, 8, 2) if built else None)
        assert same.get_config() == model.get_config()
    assert same.loss.name == SPARSE and same.optimizer.get_config() == model.optimizer.get_config()
    assert Sequential.from_config(model.get_config()).loss is None


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "Expecting property name"),
        ("[]", "the model must have"),
        (7, "must be a string, got int"),
        ('{"class_name": "Functional", "config": {}}', "class 'Functional', not Sequential"),
        ('{"class_name": "Sequential", "config": [{"class_name": "LSTM", "config": {}}]}', "npcnn has no 'LSTM'"),
    ],
)
def test_a_text_that_describes_no_model_is_refused(text, words):
    with pytest.raises(FileFormatError, match=f"^model_from_json: .*{words}"):
        model_from_json(text)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "é", "a:b", "-a", ".", 7, "a\n"])
def test_a_name_that_keras_refuses_is_refused_when_it_is_given(name):
    for make in (lambda: layers.Dense(1, name=name), lambda: Sequential([layers.Dense(1)], name=name)):
        with pytest.raises(ValueError, match="name must be letters, digits.*got"):
            make()


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "9", "_a", "a>b"])
def test_other_names_are_taken(name):
    assert Sequential([layers.Dense(1, name=name)], name=name).layers[0].name == name


nested = pytest.mark.skipif(not issubclass(Sequential, layers.Layer), reason="a model is no layer")


def model_in_a_model(**options):
    inner = Sequential([layers.Dense(5, activation="relu"), layers.Dense(4)], name="inner")
    around = [layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(6), inner]
    last = Sequential([Sequential([layers.Dense(3)], name="innermost"), layers.Softmax()])
    model = Sequential([layers.Input((8, 8, 1)), *around, last], **options)
    model.compile("adam", SPARSE, metrics=["accuracy"])
    return model


@nested
@pytest.mark.filterwarnings("ignore:.*older format")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_models_within_a_model_come_back(tmp_path, make_images, ending):
    path, model = tmp_path / f"some{ending}", model_in_a_model()
    model.fit(*make_images(16), verbose=0)
    model.save(path)
    loaded = load_model(path, kernels="im2col")
    assert loaded.get_config() == model.get_config()
    for w, same in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert_array_equal(w, same, strict=True)
    assert {inner.rung for layer in loaded.layers for inner in layer.in_line()} == {"im2col"}
    assert loaded.layers[3].predict(np.ones((2, 6))).shape == (2, 4)
    loaded = load_model(path)
    for each in (model, loaded):
        each.fit(*make_images(32, seed=1), shuffle=False, verbose=0)
    for w, same in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert_array_equal(w, same, strict=True)


@nested
def test_a_model_within_a_model_is_no_way_around_the_size_of_the_file(path):
    Sequential([layers.Input((3,)), Sequential([layers.Input((3,)), layers.Dense(2)])]).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b'"units": 2', b'"units": 1000000000000')
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(FileFormatError, match=r"kernel of shape \(3, 1000000000000\)"):
        load_model(path)
