"""Model files from strangers: each is refused with one kind of error, which names the file and what is wrong."""

import copy
import io
import json
import os
import random
import subprocess
import sys
import tracemalloc
import warnings
import zipfile

import h5py
import numpy as np
import pytest

from npcnn import Sequential, layers, load_model
from npcnn.errors import FileFormatError

CONFIG, WEIGHTS, HISTORY = "config.json", "model.weights.h5", "history.json"
KERNEL = "layers/dense/vars/0"  # (6, 3)
HDF5 = b"\x89HDF\r\n\x1a\n"  # how such a file begins
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The members of a good file: name -> bytes."""
    model = Sequential([layers.Input((3, 2, 1)), layers.Conv2D(1, 1), layers.Flatten(), layers.Dense(3)], name="good")
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(np.ones((8, 3, 2, 1)), np.zeros(8), verbose=0)
    path = tmp_path_factory.mktemp("good") / "good.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stranger.keras"


def write(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def refusal(path, words="."):
    with pytest.raises(FileFormatError, match=words) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.count(str(path)) == 1 and len(message) < 1500
    return message


def equal_to_good(path, good):
    write(path.with_name("good.keras"), good)
    model, wanted = load_model(path), load_model(path.with_name("good.keras"))
    return all(np.array_equal(w, same) for w, same in zip(model.get_weights(), wanted.get_weights(), strict=True))


class Peak:
    """How many bytes were allocated at most since the block was entered, by Python and NumPy."""

    def __enter__(self):
        tracemalloc.start()
        return self

    def __exit__(self, *exception):
        self.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


# ------------------------------------------------------------------ the zip file


@pytest.mark.parametrize("content", [b"", b"PK", HDF5 + bytes(99), b"PK\x03\x04" + bytes(99), bytes(999)])
def test_what_is_no_zip_file_is_refused(path, content):
    path.write_bytes(content)
    refusal(path, "not a .keras file")


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_a_missing_member_is_named(path, good, missing):
    write(path, {name: content for name, content in good.items() if name != missing})
    refusal(path, f"{missing} must be there once, is there 0 times")


@pytest.mark.parametrize("missing", ["metadata.json", HISTORY])
def test_members_that_say_nothing_about_the_model_may_be_missing(path, good, missing):
    write(path, {name: content for name, content in good.items() if name != missing})
    assert equal_to_good(path, good)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, HISTORY])
def test_a_member_that_is_there_twice_is_refused(path, good, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, about the duplicate
        write(path, good)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, good[name])
    refusal(path, f"{name} must be there once, is there 2 times")


def test_other_members_are_left_alone_and_nothing_is_unpacked(path, good, monkeypatch):
    monkeypatch.chdir(path.parent)
    write(path, good | {"../outside": b"1", "/absolute": b"2", "C:\\drive": b"3", "assets/a": b"4"})
    before = sorted(os.listdir())
    load_model(path)
    assert sorted(os.listdir()) == before and not (path.parent.parent / "outside").exists()


def test_deflated_members_are_read(path, good):
    write(path, good, zipfile.ZIP_DEFLATED)
    assert equal_to_good(path, good)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(path, good, method):
    write(path, good, method)
    refusal(path, f"config.json is compressed by method {method}, must be stored or deflated")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, HISTORY])
def test_a_zip_bomb_is_refused_before_it_is_inflated(path, good, name):
    write(path, good | {name: good[name] + bytes(64 * MEGABYTE)}, zipfile.ZIP_DEFLATED)
    with Peak() as used:
        refusal(path, f"{name} .*67,")
    assert used.bytes < MEGABYTE


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, HISTORY])
def test_a_zip_bomb_that_lies_about_its_size_is_never_inflated_beyond_that(path, good, name):
    write(path, good | {name: good[name] + bytes(64 * MEGABYTE)}, zipfile.ZIP_DEFLATED)
    true, lie = (size.to_bytes(4, "little") for size in (len(good[name]) + 64 * MEGABYTE, len(good[name])))
    content = path.read_bytes()
    assert content.count(true) >= 1
    path.write_bytes(content.replace(true, lie))
    with Peak() as used:
        refusal(path, "Bad CRC-32")
    assert used.bytes < MEGABYTE


def test_a_member_that_claims_more_bytes_than_there_are_is_refused(path, good):
    write(path, good)
    content, size = path.read_bytes(), len(good[WEIGHTS])
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (size + 99_000).to_bytes(4, "little")))
    refusal(path)


def test_an_encrypted_member_is_refused(path, good):
    write(path, good)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 1)
    path.write_bytes(content)
    refusal(path, "encrypted")


def test_every_bit_flip_and_every_cut_is_refused_or_changes_nothing(path, good):
    write(path, good)
    content, choose = path.read_bytes(), random.Random(0)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        try:
            same = equal_to_good(path, good)
        except FileFormatError:
            continue
        assert same
    for _ in range(50):
        path.write_bytes(content[: choose.randrange(len(content))])
        refusal(path)


# ------------------------------------------------------------------ config.json


def with_config(path, good, change):
    """Write a file whose config.json was changed by `change`, which may return another one."""
    config = json.loads(good[CONFIG])
    config = change(config) or config
    write(path, good | {CONFIG: config if isinstance(config, (str, bytes)) else json.dumps(config)})


def layer(config, class_name):
    return next(each for each in config["config"]["layers"] if each["class_name"] == class_name)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "must have a module"),
        ("7", "must have a module"),
        ("null", "must have a module"),
        ('{"module": "keras", "module": "keras"}', "the same key twice"),
        ('{"module": NaN}', "the number NaN"),
        ('{"module": -Infinity}', "the number -Infinity"),
        ('{"module": 1e999}', "the number 1e999"),
        ('{"module": ' + "9" * 5000 + "}", "the number 999"),
        ('{"module": -1234567890123456789}', "the number -1234567890123456789"),
        ("[" * 100_000, "RecursionError"),
        ('{"a":' * 100_000, "RecursionError"),
        (b"\xff\xfe{}", "codec can't decode"),
        (" " * (8 * MEGABYTE + 1), "claims 8,388,609 bytes, may have 8,388,608"),
    ],
    ids=range(15),
)
def test_what_is_not_strict_json_of_modest_size_is_refused(path, good, text, words):
    with_config(path, good, lambda config: text or " ")
    refusal(path, words)


@pytest.mark.parametrize(
    "class_name, change, words",
    [
        ("Dense", {"units": 10**12}, r"Dense 'dense': kernel of shape \(6, 1000000000000\)"),
        ("Dense", {"units": 10**17}, "Dense 'dense': kernel of shape"),
        ("Dense", {"units": 10**30}, "the number 1000"),
        ("Dense", {"units": 10**4}, r"kernel of shape \(6, 10000\) is not in the .* bytes of model.weights.h5"),
        ("Dense", {"units": 0}, "units must be a positive integer, got 0"),
        ("Dense", {"units": 3.0}, "units must be a positive integer, got 3.0"),
        ("Dense", {"units": 4}, r"layers/dense/vars/0 must be float32 of shape \(6, 4\), is float32 of shape \(6, 3\)"),
        ("Dense", {"use_bias": False}, "layers/dense/vars must hold 1 arrays for Dense 'dense', holds 2"),
        ("Dense", {"name": "x" * 10**6}, None),
        ("Dense", {"name": "x" * 10**6, "units": 0}, "xxx"),
        ("Dense", {"name": "../../etc"}, "name must be a non-empty string without '/'"),
        ("Dense", {"name": "flatten"}, "two layers have the same name"),
        ("Dense", {"kernels": "loops"}, "kernels='loops' is not supported"),
        ("Dense", {"kernel_regularizer": {"class_name": "L2"}}, "kernel_regularizer must be None, got .*'L2'"),
        ("Dense", {"x" * 10**6: 1}, "is not supported"),
        ("Dense", {"dtype": "float16"}, "dtype must be 'float32' or 'float64', got 'float16'"),
        ("Dense", {"dtype": "f4"}, "dtype must be 'float32' or 'float64', got 'f4'"),
        ("Dense", {"dtype": "float64"}, "vars/0 must be float64"),
        ("Dense", {"activation": "os.system"}, "activation must be .*'os.system'"),
        ("Dense", {"kernel_initializer": "os.system"}, "no initializer 'os.system'"),
        ("Conv2D", {"kernel_size": [10**9, 10**9], "padding": "same"}, "kernel of shape"),
        ("Conv2D", {"kernel_size": [4, 1]}, "larger than the 3 x 2 input"),
        ("Conv2D", {"strides": [1, 1, 1]}, "strides must be"),
        ("Conv2D", {"filters": None}, "filters must be"),
        ("InputLayer", {"batch_shape": [None, 10**9, 10**9, 1]}, r"kernel of shape \(1000000000000000000, 3\)"),
        ("InputLayer", {"batch_shape": [None, None, None, 1]}, "positive sizes"),
        ("InputLayer", {"batch_shape": [None]}, "positive sizes"),
        ("InputLayer", {"batch_shape": None}, r"must be a list like \[null, 28, 28, 1\]"),
        ("InputLayer", {"batch_shape": "abc"}, "must be a list"),
    ],
)
def test_a_layer_that_lies_is_named(path, good, class_name, change, words):
    with_config(path, good, lambda config: layer(config, class_name)["config"].update(change))
    with Peak() as used:
        if words is None:
            load_model(path)
        else:
            refusal(path, words)
    assert used.bytes < 16 * MEGABYTE


@pytest.mark.parametrize(
    "change, words",
    [
        ({"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}}, "Lambda .*no such layer"),
        ({"module": "builtins", "class_name": "exec"}, "'exec', which npcnn does not know"),
        ({"module": "kerasy.layers"}, "which npcnn does not know"),
        ({"class_name": "antigravity"}, "no such layer"),
        ({"class_name": "Layer"}, "no such layer"),
        ({"registered_name": "evil>Dense"}, "which npcnn does not know"),
        ({"class_name": ["Dense"]}, "must have a module, a class_name and a config"),
        ({"config": None}, "must have a module, a class_name and a config"),
        ({"config": {}}, "missing 1 required positional argument: 'units'"),
    ],
)
def test_a_class_is_looked_up_in_a_table_and_nowhere_else(path, good, change, words):
    with_config(path, good, lambda config: layer(config, "Dense").update(change))
    refusal(path, words)
    assert "antigravity" not in sys.modules


def test_the_shape_of_the_data_may_stand_beside_the_layers(path, good):
    with_config(path, good, lambda config: config["config"]["layers"].pop(0) and None)
    assert load_model(path).input_shape == (3, 2, 1) and equal_to_good(path, good)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda config: config["config"].update(layers=[]), "must have layers, a list, and a name"),
        (lambda config: config["config"].update(layers={"0": 1}), "must have layers, a list, and a name"),
        (lambda config: config["config"].update(layers=config["config"]["layers"][:1]), "layers is empty"),
        (lambda config: config["config"].update(name=None), "must have layers, a list, and a name, got .*, None"),
        (lambda config: config["config"].update(dtype="complex64"), "dtype must be"),
        (lambda config: config.update(class_name="Model"), "class 'Model', not Sequential"),
        (lambda config: config["config"]["layers"].append(config["config"]["layers"][0]), "only be the first layer"),
        (lambda config: config["config"]["layers"].append(copy.deepcopy(config)), "Sequential 'good': npcnn has no"),
        (lambda config: config.update(compile_config=[1]), "compile_config must be a dictionary"),
        (lambda config: config["compile_config"].update(optimizer="adam"), "optimizer must have a module"),
        (lambda config: config["compile_config"]["optimizer"]["config"].update(beta_1=5), "beta_1"),
        (lambda config: config["compile_config"]["optimizer"]["config"].update(learning_rate="x"), "learning_rate"),
        (lambda config: config["compile_config"]["loss"]["config"].update(from_logits=3), "from_logits"),
    ],
)
def test_a_model_that_lies_is_refused(path, good, change, words):
    with_config(path, good, lambda config: change(config) and None)
    refusal(path, words)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda training: training["optimizer"].update(class_name="RMSprop"), "RMSprop.*compile it"),
        (lambda training: training["optimizer"]["config"].update(amsgrad=True), "amsgrad must be False, got True"),
        (lambda training: training.update(metrics={"accuracy": 1}), "metrics .* are not supported"),
        (lambda training: training.update(loss=7), "loss 7 is not supported"),
    ],
)
def test_what_only_training_needs_and_we_lack_is_left_out_with_a_warning(path, good, change, words):
    with_config(path, good, lambda config: change(config["compile_config"]))
    with pytest.warns(UserWarning, match=words) as caught:
        model = load_model(path)
    assert caught[0].filename == __file__ and str(caught[0].message).startswith(f"{path}: ")
    assert model.optimizer is None
    for w in model.get_weights():
        assert w.any()


def test_a_thousand_layers_that_the_file_cannot_hold_are_refused_at_once(path, good):
    def repeat(config):
        dense = layer(config, "Dense")
        copies = [copy.deepcopy(dense) for _ in range(1000)]
        for i, each in enumerate(copies):
            each["config"].update(name=f"dense_{i}", units=3)
        config["config"]["layers"] += copies

    with_config(path, good, repeat)
    refusal(path, "bytes; this model needs")


def places(value, at=()):
    """Every place in a JSON value: the keys and indices that lead there."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(part, (*at, key))


ODD = [None, True, -1, 0.5, 10**30, "", "\ud800/\0", [], [[]], {}, {"class_name": "Dense"}, [None, 1, 1, 1]]


def test_any_value_of_config_may_be_any_other(path, good):
    choose, config = random.Random(0), json.loads(good[CONFIG])
    for at in places(config):
        for odd in [*choose.sample(ODD, 3), "missing"]:
            changed = copy.deepcopy(config)
            *way, last = at
            holder = changed
            for key in way:
                holder = holder[key]
            if odd == "missing":
                del holder[last]
            else:
                holder[last] = odd
            write(path, good | {CONFIG: json.dumps(changed)})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    model = load_model(path)
                except FileFormatError as error:
                    assert str(error).startswith(f"{path}: ")
                else:
                    assert np.isfinite(model.predict(np.ones((1, *model.input_shape)))).all()


# ------------------------------------------------------------------ history.json


@pytest.mark.parametrize(
    "history",
    [
        7,
        [],
        {},
        {"epoch": [0]},
        {"epoch": 1, "history": {}},
        {"epoch": ["0"], "history": {}},
        {"epoch": [0], "history": []},
        {"epoch": [0], "history": {"loss": 0.5}},
        {"epoch": [0], "history": {"loss": [True]}},
        {"epoch": [0], "history": {"loss": ["0.5"]}},
        {"epoch": [0], "history": {"loss": [[0.5]]}},
        {"epoch": [0], "history": {"loss": [10**400]}},
        {"epoch": [0], "history": {"loss": [0.5, 0.4]}},
    ],
)
def test_a_history_of_another_form_is_refused(path, good, history):
    write(path, good | {HISTORY: json.dumps(history)})
    refusal(path, HISTORY)


# ------------------------------------------------------------------ model.weights.h5


def with_weights(path, good, change, place=KERNEL):
    """Write a file in whose weights `change(file, place)` put something else than the array at that place."""
    buffer = io.BytesIO(good[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        del file[place]
        change(file, place)
    write(path, good | {WEIGHTS: buffer.getvalue()})


def virtual(file, place):
    layout = h5py.VirtualLayout((6, 3), "f4")
    layout[:] = h5py.VirtualSource(".", "layers/other", (6, 3), "f4")
    file.create_virtual_dataset(place, layout)


SECRET = np.arange(18, dtype="f4")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda file, place: file.__setitem__("layers/dense/vars/7", 1), "is missing"),
        (lambda file, place: file.create_group(place), "must be an array, is a Group"),
        (lambda file, place: file.__setitem__(place, h5py.SoftLink("/layers/dense/vars/1")), "is a SoftLink"),
        (lambda file, place: file.__setitem__(place, h5py.ExternalLink("secret.h5", "secret")), "is a ExternalLink"),
        (lambda file, place: file.__setitem__(place, np.dtype("f4")), "must be an array, is a Datatype"),
        (
            lambda file, place: file.create_dataset(place, (6, 3), "f4", external=[("secret.bin", 0, 72)]),
            "must be 72 plain bytes",
        ),
        (virtual, "must be 72 plain bytes"),
        (lambda file, place: file.create_dataset(place, (6, 3), "f4", chunks=(6, 3), data=np.ones((6, 3))), "plain"),
        (lambda file, place: file.create_dataset(place, (6, 3), "f4", compression="gzip"), "must be 72 plain bytes"),
        (lambda file, place: file.create_dataset(place, (6, 3), "f4"), "must be 72 plain bytes"),
        (lambda file, place: file.create_dataset(place, (6, 3), "f4", maxshape=(None, 3)), "must be 72 plain bytes"),
        (lambda file, place: file.create_dataset(place, (2**40,), "f4", chunks=(1024,)), r"shape \(6, 3\)"),
        (lambda file, place: file.create_dataset(place, (2**20, 2**20), "f4"), r"shape \(6, 3\)"),
        (lambda file, place: file.create_dataset(place, data=SECRET), r"is float32 of shape \(18,\)"),
        (lambda file, place: file.create_dataset(place, data=SECRET.reshape(3, 6)), r"is float32 of shape \(3, 6\)"),
        (lambda file, place: file.create_dataset(place, data=h5py.Empty("f4")), "of shape None"),
        (lambda file, place: file.create_dataset(place, data=np.ones((6, 3), "f8")), "is float64"),
        (lambda file, place: file.create_dataset(place, data=np.ones((6, 3), ">f4")), "is >f4"),
        (lambda file, place: file.create_dataset(place, data=np.ones((6, 3), "c8")), "is complex64"),
        (lambda file, place: file.create_dataset(place, data=np.ones((6, 3), "i4")), "is int32"),
        (lambda file, place: file.create_dataset(place, data=np.full((6, 3), b"abcd")), "is .S4"),
        (lambda file, place: file.create_dataset(place, (6, 3), h5py.string_dtype()), "is object"),
        (lambda file, place: file.create_dataset(place, data=np.full((6, 3), np.nan, "f4")), "holds NaN or infinity"),
        (lambda file, place: file.create_dataset(place, data=np.full((6, 3), -np.inf, "f4")), "holds NaN or infinity"),
    ],
    ids=range(24),
)
def test_an_array_of_weights_is_itself_in_the_file_and_what_config_says(path, good, monkeypatch, change, words):
    monkeypatch.chdir(path.parent)
    path.with_name("secret.bin").write_bytes(SECRET.tobytes())
    with h5py.File("secret.h5", "w") as file:
        file["secret"] = SECRET.reshape(6, 3)
    with_weights(path, good, change)
    with Peak() as used:
        refusal(path, f"{KERNEL} .*{words}")
    assert used.bytes < MEGABYTE


def linked_from(outside, name):
    def change(file, place):
        file[place] = h5py.ExternalLink(outside, name)

    return change


def test_a_group_with_fewer_arrays_is_refused(path, good):
    with_weights(path, good, lambda file, place: None)
    refusal(path, "layers/dense/vars must hold 2 arrays for Dense 'dense', holds 1")


@pytest.mark.parametrize("place", ["layers", "layers/dense", "layers/dense/vars", "optimizer", "optimizer/vars"])
@pytest.mark.parametrize("outside", ["there.h5", "not_there.h5"])
def test_no_part_of_a_path_may_lead_out_of_the_file(path, good, monkeypatch, place, outside):
    monkeypatch.chdir(path.parent)
    path.with_name("there.h5").write_bytes(good[WEIGHTS])
    with_weights(path, good, linked_from(outside, place), place)
    refusal(path, "is a ExternalLink")


def put(*values):
    def change(file, place):
        del file["optimizer"]
        for i, value in enumerate(values):
            file[f"optimizer/vars/{i}"] = value

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        (put(np.int64(1)), "must hold 10 arrays for adam, holds 1"),
        (put(np.int64(1), np.float32(0.1), *[np.zeros(3, "f4")] * 8), r"optimizer/vars/2 must be float32 of shape"),
        (put(np.int64(-1), np.float32(0.1)), "-1 steps"),
        (put(np.int64(1), np.float32(0)), "learning rate 0"),
        (put(np.int64(1), np.float32(np.nan)), "optimizer/vars/1 holds NaN"),
        (put(np.float32(1), np.float32(1)), "optimizer/vars/0 must be int64"),
        (put(np.int64(1), np.ones(1, "f4")), r"optimizer/vars/1 must be float32 of shape \(\)"),
        (lambda file, place: file.__setitem__(place, 3), "optimizer/vars must be a group of arrays, is a Dataset"),
    ],
)
def test_the_state_of_another_optimizer_is_refused(path, good, change, words):
    with_weights(path, good, change, "optimizer/vars")
    refusal(path, words)


@pytest.mark.parametrize("steps", [np.int32(7), np.int64(7)])
def test_a_count_of_steps_may_be_of_either_size_and_other_state_may_be_missing(path, good, steps):
    with_weights(path, good, put(steps, np.float32(0.5)), "optimizer/vars")
    optimizer = load_model(path).optimizer
    assert (optimizer.iterations, optimizer.learning_rate, optimizer.slots) == (7, 0.5, {})


def test_what_is_no_hdf5_file_is_refused(path, good):
    write(path, good | {WEIGHTS: HDF5 + bytes(5000)})
    refusal(path, "damaged: OSError")
    write(path, good | {WEIGHTS: b""})
    refusal(path, "is not in the 0 bytes of model.weights.h5")


FUZZ = """
import random, sys, zipfile
from npcnn import load_model
from npcnn.errors import FileFormatError

good, path, counts = sys.argv[1], sys.argv[2], {"loaded": 0, "refused": 0}
with zipfile.ZipFile(good) as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
weights = members["model.weights.h5"]
used = [i for i, byte in enumerate(weights) if byte]  # most of a small HDF5 file is zeros that nobody reads
for seed in range(400):
    choose, damaged = random.Random(seed), bytearray(weights)
    for _ in range(choose.choice([1, 1, 2, 8])):
        i = choose.choice(used)
        damaged[i] = choose.choice([damaged[i] ^ 1 << choose.randrange(8), 0, 255])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, bytes(damaged) if name == "model.weights.h5" else content)
    try:
        load_model(path)
        counts["loaded"] += 1
    except FileFormatError:
        counts["refused"] += 1
print(counts["loaded"], counts["refused"])
"""


def test_damage_under_a_valid_checksum_is_refused_or_read_as_other_numbers(path, good):
    """In a process of its own: that HDF5 survives such files is not ours to promise."""
    write(path.with_name("good.keras"), good)
    command = [sys.executable, "-c", FUZZ, str(path.with_name("good.keras")), str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    loaded, refused = map(int, result.stdout.split())
    assert loaded + refused == 400 and loaded > 10 and refused > 10
