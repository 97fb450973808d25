"""Model files from strangers: each is refused with one kind of error, which names the file and what is wrong."""

import copy
import functools
import io
import json
import operator
import os
import random
import re
import struct
import sys
import tracemalloc
import zipfile

import h5py
import numpy as np
import pyfive  # noqa: F401  (what its import takes is not to be counted)
import pytest

from npcnn import Sequential, layers, load_model
from npcnn.errors import FileFormatError
from npcnn.keras_format.hdf5 import Reader

CONFIG, WEIGHTS, HISTORY, SETTINGS = "config.json", "model.weights.h5", "history.json", "npcnn.json"
KERNEL = "layers/dense/vars/0"  # (6, 3)
HDF5 = b"\x89HDF\r\n\x1a\n"  # how such a file begins
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The members of a good file: name -> bytes."""
    model = Sequential([layers.Input((3, 2, 1)), layers.Conv2D(1, 1), layers.Flatten(), layers.Dense(3)], name="good")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.ones((8, 3, 2, 1)), np.zeros(8), verbose=0)
    path = tmp_path_factory.mktemp("good") / "good.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def refused(path, words=".", most=16 * MEGABYTE, **arguments):
    """Assert that the file is refused in these words, and that Python and NumPy never held more than `most` bytes."""
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=words) as caught:
        load_model(path, **arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.count(str(path)) == 1 and len(message) < 1500
    assert peak < most


def claim_sizes(path, true, lie):
    """Write another size in the headers of the zip file, wherever the true one is."""
    content, true, lie = path.read_bytes(), true.to_bytes(4, "little"), lie.to_bytes(4, "little")
    assert true in content
    path.write_bytes(content.replace(true, lie))


def equal_to_good(path, good):
    write(path.with_name("good.keras"), good)
    model, wanted = load_model(path), load_model(path.with_name("good.keras"))
    return all(np.array_equal(w, same) for w, same in zip(model.get_weights(), wanted.get_weights(), strict=True))


@pytest.mark.parametrize("content", [b"", b"PK", HDF5 + bytes(99), b"PK\x03\x04" + bytes(99), bytes(999)])
def test_what_is_no_zip_file_is_refused(path, content):
    path.write_bytes(content)
    refused(path, "not a .keras or .h5 file|the HDF5 file is damaged")


@pytest.mark.parametrize("missing", ["metadata.json", CONFIG, WEIGHTS, HISTORY, SETTINGS])
def test_a_missing_member_is_named_unless_the_model_can_do_without(path, good, missing):
    write(path, {name: content for name, content in good.items() if name != missing})
    if missing in (CONFIG, WEIGHTS):
        refused(path, f"{missing} must occur once, occurs 0 times")
    else:
        assert equal_to_good(path, good)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, HISTORY, SETTINGS])
def test_a_member_that_is_there_twice_is_refused(path, good, name):
    write(path, good)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, good[name])
    refused(path, f"{name} must occur once, occurs 2 times")


def test_other_members_are_left_alone_and_nothing_is_unpacked(path, good, monkeypatch):
    monkeypatch.chdir(path.parent)
    write(path, good | {"../outside": b"1", "/absolute": b"2", "C:\\drive": b"3", "assets/a": b"4"})
    before = sorted(os.listdir())
    load_model(path)
    assert sorted(os.listdir()) == before and not (path.parent.parent / "outside").exists()


def test_deflated_members_are_read_and_other_compressions_are_refused(path, good):
    write(path, good, zipfile.ZIP_DEFLATED)
    assert equal_to_good(path, good)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        write(path, good, method)
        refused(path, f"config.json is compressed by method {method}, must be stored or deflated")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, HISTORY, SETTINGS])
@pytest.mark.parametrize("honest", [True, False])
def test_a_zip_bomb_is_not_inflated_beyond_what_the_member_may_or_says_to_have(path, good, name, honest):
    write(path, good | {name: good[name] + bytes(64 * MEGABYTE)}, zipfile.ZIP_DEFLATED)
    if not honest:
        claim_sizes(path, len(good[name]) + 64 * MEGABYTE, len(good[name]))
    refused(path, f"{name} .*67," if honest else "Bad CRC-32", most=MEGABYTE)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_that_are_said_to_be_larger_than_their_place_are_refused_before_a_layer_is_built(path, good, method):
    write(path, good | {CONFIG: good[CONFIG].replace(b'"units": 3', b'"units": 10000000')}, method)
    claim_sizes(path, len(good[WEIGHTS]), 10**9)
    refused(path, f"{WEIGHTS} claims 1,000,000,000 bytes; the .* in the file may hold", most=MEGABYTE)


def test_deflated_weights_of_a_far_larger_size_than_the_file_are_refused(path):
    Sequential([layers.Input((3000,)), layers.Dense(3000, kernel_initializer="zeros")]).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    write(path, members, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < MEGABYTE // 10
    refused(path, f"{WEIGHTS} claims 36,", most=MEGABYTE)


def test_an_encrypted_member_is_refused(path, good):
    write(path, good)
    flags = re.compile(rb"(PK\x03\x04..|PK\x01\x02....)\x00", re.DOTALL)  # of a member, and of it in the directory
    path.write_bytes(flags.sub(b"\\1\x01", path.read_bytes()))
    refused(path, "encrypted")


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
        refused(path)


NUMBERS = ["NaN", "-Infinity", "1e999", "9" * 5000, "-1234567890123456789"]


@pytest.mark.parametrize(
    "text, words",
    [
        (" ", "Expecting value"),
        ("{", "Expecting property name"),
        *((text, "must ") for text in ("[]", "7", "null")),
        ('{"module": "keras", "module": "keras"}', "the same key twice"),
        *((f'{{"module": {text}}}', f"the number {text[:100]}") for text in NUMBERS),
        *((text * 100_000, "too deep to follow") for text in ("[", '{"a":')),
        (b"\xff\xfe{}", "codec can't decode"),
        (" " * (4 * MEGABYTE + 1), "claims 4,194,305 bytes, may have 4,194,304"),
        ('{"junk": [' + ",".join(["[" * 400 + "]" * 400] * 300) + "]}", "lists and dictionaries, may have 100,000"),
    ],
    ids=range(16),
)
@pytest.mark.parametrize("name", [CONFIG, HISTORY, SETTINGS])
def test_what_is_not_strict_json_of_modest_size_is_refused(path, good, name, text, words):
    write(path, good | {name: text})
    refused(path, words)


def places(value, at=()):
    """Every place in a JSON value: the keys and indices that lead there."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(part, (*at, key))


ODD = [None, True, -1, 0.5, 10**30, "", "\ud800/\0", [], [[]], {}, {"class_name": "Dense"}, [None, 1, 1, 1]]


@pytest.mark.filterwarnings("ignore:.*model.keras", "ignore:from_logits")
@pytest.mark.parametrize("name", [CONFIG, HISTORY, SETTINGS])
def test_any_value_may_be_any_other(path, good, name):
    choose, value = random.Random(0), json.loads(good[name])
    for *way, last in places(value):
        for odd in [*choose.sample(ODD, 3), "missing"]:
            changed = copy.deepcopy(value)
            holder = functools.reduce(operator.getitem, way, changed)
            if odd == "missing":
                del holder[last]
            else:
                holder[last] = odd
            write(path, good | {name: json.dumps(changed)})
            try:
                model = load_model(path)
            except FileFormatError as error:
                assert str(error).startswith(f"{path}: ")
            else:
                assert np.isfinite(model.predict(np.ones((1, *model.input_shape)))).all()


INPUT, CONV2D, DENSE = (("config", "layers", i, "config") for i in (0, 1, 3))
MODEL, TRAINING, DENSE_LAYER = ("config",), ("compile_config",), DENSE[:-1]
OPTIMIZER, LOSS = (*TRAINING, "optimizer"), (*TRAINING, "loss")


def with_config(path, good, place, change):
    """Write a file in whose config.json the object at `place` has other values, or such as a function makes of it."""
    config = json.loads(good[CONFIG])
    part = functools.reduce(operator.getitem, place, config)
    part.update(change(part) if callable(change) else change)
    write(path, good | {CONFIG: json.dumps(config)})


def described(class_name, **config):
    """Another layer in the place of the last one."""
    return {"module": "keras.layers", "class_name": class_name, "config": {"name": "last", **config}}


def nested(depth):
    """An activation, whose activation is an activation, whose activation ..."""
    return described("Activation", activation=nested(depth - 1)) if depth else "relu"


def with_a_thousand_layers(model):
    *others, dense = model["layers"]
    return {"layers": others + [{**dense, "config": {**dense["config"], "name": f"d{i}"}} for i in range(1000)]}


@pytest.mark.parametrize(
    "place, change, words",
    [
        (DENSE, {"units": 10**12}, r"Dense 'dense': with kernel of shape \(6, 1000000000000\)"),
        (DENSE, {"units": 10**17}, "Dense 'dense': with kernel of shape"),
        (DENSE, {"units": 10**4}, r"with kernel of shape \(6, 10000\) model.weights.h5 needs more than its"),
        (DENSE, {"units": 0}, "units must be .*, got 0"),
        (DENSE, {"units": 3.0}, "units must be .*, got 3.0"),
        (DENSE, {"units": 4}, r"layers/dense/vars/0 must be float32 of shape \(6, 4\), is float32 of shape \(6, 3\)"),
        (DENSE, {"use_bias": False}, "layers/dense/vars must hold 1 arrays for Dense 'dense', holds 2"),
        (DENSE, {"name": "x" * 10**6, "units": 0}, "xxx"),
        (DENSE, {"name": "../../etc"}, "name must be letters, digits, .* got '../../etc'"),
        (DENSE, {"name": "flatten"}, "two layers have the same name"),
        (DENSE, {"kernels": "loops"}, "kernels='loops' is not supported"),
        (DENSE, {"x" * 10**6: 1}, "is not supported"),
        (DENSE, {"dtype": "f4"}, "dtype must be 'float32' or 'float64', got 'f4'"),
        (DENSE, {"dtype": "float64"}, "vars/0 must be float64"),
        (DENSE, {"activation": "os.system"}, "activation must be .*'os.system'"),
        (DENSE, {"kernel_initializer": "os.system"}, "got 'os.system'"),
        (CONV2D, {"kernel_size": [10**9, 10**9], "padding": "same"}, "kernel of shape"),
        (CONV2D, {"kernel_size": [4, 1]}, "larger than the 3 x 2 input"),
        (CONV2D, {"strides": [1, 1, 1]}, "strides must be"),
        (CONV2D, {"filters": None}, "filters must be"),
        (INPUT, {"batch_shape": [None, 10**9, 10**9, 1]}, "one image takes 1,000,000,000,000,000,000 numbers"),
        (INPUT, {"batch_shape": [None, None, None, 1]}, "positive sizes"),
        (INPUT, {"batch_shape": [None]}, "positive sizes"),
        (INPUT, {"batch_shape": None}, r"must be like \[null, 28, 28, 1\]"),
        (INPUT, {"batch_shape": "abc"}, "must be like"),
        (
            DENSE_LAYER,
            {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}},
            "no 'Lambda'",
        ),
        (DENSE_LAYER, {"module": "builtins", "class_name": "exec"}, "'exec', which npcnn does not know"),
        (DENSE_LAYER, {"module": "kerasy.layers"}, "which npcnn does not know"),
        (DENSE_LAYER, {"class_name": "antigravity"}, "npcnn has no 'antigravity'"),
        (DENSE_LAYER, {"class_name": "Layer"}, "npcnn has no 'Layer', only Conv2D, Dense"),
        (DENSE_LAYER, {"registered_name": "evil>Dense"}, "which npcnn does not know"),
        (DENSE_LAYER, {"class_name": ["Dense"]}, "must have a module, a class_name and a config"),
        (DENSE_LAYER, {"config": None}, "must have a module, a class_name and a config"),
        (DENSE_LAYER, {"config": {}}, "layer 3, Dense.* missing 1 required positional argument: 'units'"),
        (
            DENSE,
            {"activation": {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}}},
            "must be None",
        ),
        (
            DENSE,
            {"activation": {"module": "os", "class_name": "system", "config": {}}},
            "'system', which npcnn does not",
        ),
        (DENSE, {"activation": nested(200)}, "activation must be None"),
        (DENSE_LAYER, described("ZeroPadding2D", padding=10**12), "H, W, C"),
        (DENSE_LAYER, described("Reshape", target_shape=[10**9, -1]), "cannot hold the 6 numbers"),
        (DENSE_LAYER, described("BatchNormalization", axis=[1, 2]), r"axis must be the last, -1 or 1.*got \[1, 2\]"),
        (DENSE_LAYER, described("BatchNormalization"), "layers/batch_normalization/vars is missing"),
        (DENSE_LAYER, described("Dropout", rate="half"), "rate must be a number from 0 to 1, got 'half'"),
        (DENSE_LAYER, described("Dropout", rate=0.5, noise_shape={"0": 1}), "noise_shape .* is not supported"),
        (MODEL, {"layers": []}, "must have layers, a list, and a name"),
        (MODEL, {"layers": {"0": 1}}, "must have layers, a list, and a name"),
        (MODEL, {"name": None}, "must have layers, a list, and a name, got .*, None"),
        (MODEL, {"dtype": "complex64"}, "dtype must be"),
        (MODEL, with_a_thousand_layers, r"Dense 'd\d+': with kernel of shape \(3, 3\) model.weights.h5 needs more"),
        (MODEL, lambda model: {"layers": model["layers"][:1]}, "layers is empty"),
        (MODEL, lambda model: {"layers": model["layers"] + model["layers"][:1]}, "only be the first layer"),
        (
            (),
            lambda file: {"config": {**file["config"], "layers": [copy.copy(file)]}},
            "npcnn has no 'Sequential'|layers/sequential/layers/conv2d/vars is missing",
        ),
        ((), {"class_name": "Model"}, "class 'Model', not Sequential"),
        ((), {"compile_config": [1]}, "compile_config must be a dictionary"),
        ((*OPTIMIZER, "config"), {"beta_1": 5}, "beta_1"),
        ((*OPTIMIZER, "config"), {"learning_rate": "x"}, "learning_rate"),
        ((*LOSS, "config"), {"from_logits": 3}, "from_logits"),
    ],
)
def test_a_layer_or_class_that_lies_is_named_and_nothing_is_imported(path, good, place, change, words):
    with_config(path, good, place, change)
    refused(path, words)
    assert "antigravity" not in sys.modules


def test_the_float_type_of_an_initializer_is_of_no_concern(path, good):
    what = {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"dtype": "float16"}}
    with_config(path, good, DENSE, {"kernel_initializer": what})
    assert load_model(path).dtype == "float32"


@pytest.mark.parametrize(
    "place, change, words",
    [
        (OPTIMIZER, {"class_name": "Ftrl"}, "Ftrl.*compile it"),
        (TRAINING, {"optimizer": "os.system"}, "optimizer 'os.system' is not supported"),
        (TRAINING, {"loss": ["os.system"]}, "loss 'os.system' is not supported"),
        (TRAINING, {"metrics": [["accuracy", {"class_name": "function", "config": "exec"}]]}, "metrics 'exec'"),
        (TRAINING, {"metrics": [{"class_name": "Mean", "config": {}}]}, "npcnn has no 'Mean'"),
        (DENSE, {"kernel_regularizer": {"class_name": "L9"}}, "layer 3, Dense 'dense': kernel_regularizer .*'L9'"),
        (DENSE, {"bias_constraint": "os.system"}, "bias_constraint 'os.system' is not supported"),
        ((*OPTIMIZER, "config"), {"amsgrad": True}, "amsgrad must be False, got True"),
        (TRAINING, {"metrics": {"accuracy": 1}}, "metrics .* are not supported, only a list"),
        (TRAINING, {"loss": 7}, "loss 7 is not supported"),
    ],
)
def test_what_only_training_needs_and_we_lack_is_left_out_with_a_warning(path, good, place, change, words):
    with_config(path, good, place, change)
    with pytest.warns(UserWarning, match=words) as caught:
        model = load_model(path)
    assert caught[0].filename == __file__ and str(caught[0].message).startswith(f"{path}: ")
    assert model.optimizer is None
    assert all(w.any() for w in model.get_weights())


@pytest.mark.parametrize(
    "place, change", [(DENSE, {"name": "x" * 10**6}), (MODEL, lambda model: {"layers": model["layers"][1:]})]
)
def test_a_name_may_be_long_and_the_shape_of_the_data_may_stand_beside_the_layers(path, good, place, change):
    with_config(path, good, place, change)
    assert load_model(path).input_shape == (3, 2, 1) and equal_to_good(path, good)


SETTINGS_OF_GOOD = {"kernels": "im2col", "threads": None, "rng_state": f"{1:032x} {1:032x} 0 {0:08x}"}


HISTORIES = [
    {"epoch": [0]},
    {"epoch": 1, "history": {}},
    {"epoch": ["0"], "history": {}},
    {"epoch": [0], "history": []},
    *({"epoch": [0], "history": {"loss": loss}} for loss in (0.5, [True], ["0.5"], [[0.5]], [10**400], [0.5, 0.4])),
]


@pytest.mark.parametrize("history", HISTORIES)
def test_a_history_of_another_form_is_refused(path, good, history):
    write(path, good | {HISTORY: json.dumps(history)})
    refused(path, HISTORY)


RNG_STATES = [
    *(7, "", [], {}, ["0"], False),
    f"{1:032x} {2:032x} 0 {0:08x}",  # an even increment
    f"{1:032x} {1:032x} 2 {0:08x}",
    f"{1:032x} {1:032x} 0 {0:09x}",
    f"{1:033x} {1:032x} 0 {0:08x}",
    f"{1:032x} {1:032x} 0 {0:08x}\n",
    f"{10:032X} {1:032x} 0 {0:08x}",
]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"seed": 5}, "must hold kernels, threads and rng_state"),
        ({"kernels": "cuda"}, "kernels must be one of 'loops', .*, got 'cuda'"),
        ({"kernels": ["loops"]}, "kernels must be"),
        *(({"threads": threads}, "threads must be an integer of at least 1") for threads in (0, True, "2")),
        *(({"rng_state": state}, "rng_state must be") for state in RNG_STATES),
    ],
)
def test_settings_out_of_range_are_refused_even_where_arguments_replace_them(path, good, change, words):
    write(path, good | {SETTINGS: json.dumps(SETTINGS_OF_GOOD)})
    assert load_model(path).rng.bit_generator.state["state"] == {"state": 1, "inc": 1}
    write(path, good | {SETTINGS: json.dumps(SETTINGS_OF_GOOD | change)})
    refused(path, f"npcnn.json.* {words}")
    refused(path, f"npcnn.json.* {words}", kernels="jit", threads=1, seed=0)


def with_weights(path, good, new, place=KERNEL):
    """Write a file with something else at `place` in its weights: arrays, or arguments of `create_dataset`, say."""
    buffer = io.BytesIO(good[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        del file[place]
        if callable(new):
            new(file)
        elif isinstance(new, dict):
            file.create_dataset(place, **new)
        elif isinstance(new, list):
            for i, value in enumerate(new):
                file[f"{place}/{i}"] = value
        else:
            file[place] = new
    write(path, good | {WEIGHTS: buffer.getvalue()})


def virtual(file):
    layout = h5py.VirtualLayout((6, 3), "f4")
    layout[:] = h5py.VirtualSource(".", "layers/other", (6, 3), "f4")
    file.create_virtual_dataset(KERNEL, layout)


ZEROS = {"shape": (6, 3), "dtype": "f4"}  # never written, and so without a place in the file
SECRET = np.arange(18, dtype="f4")


@pytest.mark.parametrize(
    "new, words",
    [
        (lambda file: file.__setitem__("layers/dense/vars/7", 1), "is missing"),
        (lambda file: file.create_group(KERNEL), "must be an array, is a group"),
        (h5py.SoftLink("/layers/dense/vars/1"), "is a link to another place"),
        (h5py.ExternalLink("secret.h5", "secret"), "has links or types that Keras does not use"),
        (np.dtype("f4"), "must be an array, is something else"),
        (virtual, "must be 72 plain bytes"),
        (ZEROS, "must be 72 plain bytes"),
        (ZEROS | {"external": [("secret.bin", 0, 72)]}, "must be 72 plain bytes"),
        (ZEROS | {"chunks": (6, 3), "data": np.ones((6, 3))}, "must be 72 plain bytes"),
        (ZEROS | {"compression": "gzip"}, "must be 72 plain bytes"),
        (ZEROS | {"maxshape": (None, 3)}, "must be 72 plain bytes"),
        ({"shape": (2**40,), "dtype": "f4", "chunks": (1024,)}, r"shape \(6, 3\)"),
        ({"shape": (2**20, 2**20), "dtype": "f4"}, r"shape \(6, 3\)"),
        (SECRET, r"is float32 of shape \(18,\)"),
        (SECRET.reshape(3, 6), r"is float32 of shape \(3, 6\)"),
        (h5py.Empty("f4"), "is damaged, or has"),
        (np.ones((6, 3), "f8"), "is float64"),
        (np.ones((6, 3), ">f4"), "is >f4"),
        (np.ones((6, 3), "c8"), "is complex64"),
        (np.ones((6, 3), "i4"), "is int32"),
        (np.full((6, 3), b"abcd"), "is .S4"),
        (ZEROS | {"dtype": h5py.string_dtype()}, "is object"),
        (np.full((6, 3), np.nan, "f4"), "holds NaN or infinity"),
        (np.full((6, 3), -np.inf, "f4"), "holds NaN or infinity"),
    ],
    ids=range(24),
)
def test_an_array_of_weights_is_itself_in_the_file_and_what_config_says(path, good, monkeypatch, new, words):
    monkeypatch.chdir(path.parent)
    path.with_name("secret.bin").write_bytes(SECRET.tobytes())
    with h5py.File("secret.h5", "w") as file:
        file["secret"] = SECRET.reshape(6, 3)
    with_weights(path, good, new)
    refused(path, f"layers/dense/vars.* {words}", most=4 * MEGABYTE)


@pytest.mark.parametrize("place", ["layers", "layers/dense", "layers/dense/vars", "optimizer", "optimizer/vars"])
@pytest.mark.parametrize("outside", ["there.h5", "not_there.h5"])
def test_no_part_of_a_path_may_lead_out_of_the_file(path, good, monkeypatch, place, outside):
    monkeypatch.chdir(path.parent)
    path.with_name("there.h5").write_bytes(good[WEIGHTS])
    with_weights(path, good, h5py.ExternalLink(outside, place), place)
    refused(path, "has links or types that Keras does not use")


@pytest.mark.parametrize(
    "new, words",
    [
        ([np.int64(1)], "must hold 10 arrays for adam, holds 1"),
        ([np.int64(1), np.float32(0.1), *[np.zeros(3, "f4")] * 8], r"optimizer/vars/2 must be float32 of shape"),
        ([np.int64(-1), np.float32(0.1)], "-1 steps"),
        ([np.int64(2**63 - 1), np.float32(0.1)], "9223372036854775807 steps"),
        ([np.int64(1), np.float32(-1)], "learning rate -1"),
        ([np.int64(1), np.float32(np.nan)], "optimizer/vars/1 holds NaN"),
        ([np.float32(1), np.float32(1)], "optimizer/vars/0 must be int64"),
        ([np.int64(1), np.ones(1, "f4")], r"optimizer/vars/1 must be float64 or float32 of shape \(\)"),
        (3, "optimizer/vars must be a group, is an array"),
        (lambda file: file.__delitem__(KERNEL), "layers/dense/vars must hold 2 arrays for Dense 'dense', holds 1"),
    ],
)
def test_other_arrays_than_those_of_the_optimizer_or_the_layer_are_refused(path, good, new, words):
    with_weights(path, good, new, "optimizer/vars")
    refused(path, words)


@pytest.mark.parametrize("steps", [np.int32(7), np.int64(7)])
def test_a_count_of_steps_may_be_of_either_size_and_other_state_may_be_missing(path, good, steps):
    with_weights(path, good, [steps, np.float32(0.5)], "optimizer/vars")
    optimizer = load_model(path).optimizer
    assert (optimizer.iterations, optimizer.learning_rate, optimizer.slots) == (7, 0.5, {})


def test_what_is_no_hdf5_file_is_refused(path, good):
    write(path, good | {WEIGHTS: HDF5 + bytes(5000)})
    refused(path, "the HDF5 file is damaged")
    write(path, good | {WEIGHTS: b""})
    refused(path, "model.weights.h5 needs more than its 0 bytes")


def test_the_weights_of_a_layer_that_the_model_has_not_are_noticed(path, good):
    """Else a file that lost its last layer loads as another model."""
    config = json.loads(good[CONFIG])
    del config["config"]["layers"][-1]
    write(path, good | {CONFIG: json.dumps(config)})
    refused(path, "layers/dense/vars has the weights of a layer that the model has not")


def test_thousands_of_names_for_one_group_without_weights_are_not_all_opened(path, monkeypatch):
    """Each link takes 30 bytes of the file, and a tenth of a millisecond to follow."""
    model = Sequential([layers.Input((4,)), *[layers.Flatten() for _ in range(100)], layers.Dense(2)])
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}

    def links(file):
        group = file.create_group("layers/empty")
        group.create_group("vars")
        for i in range(5000):
            file[f"layers/{i}"] = group

    opened, find = [], Reader._find
    monkeypatch.setattr(Reader, "_find", lambda self, place, kind: opened.append(place) or find(self, place, kind))
    with_weights(path, good, links, "layers/flatten")
    refused(path, "layers has more than 1,000 groups that are no layer of the model")
    assert len(opened) < 2500


def test_a_mean_of_squares_below_zero_is_refused(path, good):
    arrays = []
    with h5py.File(io.BytesIO(good[WEIGHTS])) as file:
        arrays = [file[f"optimizer/vars/{i}"][()] for i in range(10)]
    arrays[3] = -np.ones_like(arrays[3])
    with_weights(path, good, arrays, "optimizer/vars")
    refused(path, "negative number in conv2d/kernel's velocity")


@pytest.mark.parametrize(
    "place, change",
    [(CONV2D, {"dilation_rate": [10_000, 10_000], "padding": "same", "kernel_size": [2, 2]})],
)
def test_a_layer_that_takes_gigabytes_for_one_image_is_refused(path, place, change):
    model = Sequential(
        [layers.Input((3, 2, 1)), layers.Conv2D(1, 2, padding="same"), layers.Flatten(), layers.Dense(3)]
    )
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    with_config(path, good, place, change)
    refused(path, r"Conv2D 'conv2d': up to here, one image takes .* numbers")


def test_a_convolution_whose_patches_of_one_image_take_gigabytes_is_refused_where_they_are_laid_out(path):
    stack = [layers.Input((500, 500, 1)), layers.Conv2D(1, 100, kernel_initializer="zeros")]
    Sequential(stack, kernels="im2col").save(path)
    refused(path, r"Conv2D 'conv2d': up to here, one image takes 1,6.* numbers")
    assert load_model(path, kernels="jit").output_shape == (401, 401, 1)
    refused(path, "one image takes", kernels="im2col")


def test_more_layers_than_anyone_needs_are_refused_in_no_time(path, good):
    config = json.loads(good[CONFIG])
    relu = described("ReLU") | {"config": {"name": None}}
    config["config"]["layers"][1:1] = [relu] * 40_000
    write(path, good | {CONFIG: json.dumps(config)}, zipfile.ZIP_DEFLATED)
    refused(path, "the model has 40,004 layers, a file may have 2,000", most=64 * MEGABYTE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_a_device_or_a_pipe_is_neither_read_nor_replaced(path):
    os.mkfifo(path)
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    for call in (load_model, model.load_weights, model.save):
        with pytest.raises(ValueError, match="a device or a pipe"):
            call(path)
    assert path.is_fifo()


def tree(data, at, level, *children):
    """Overwrite the B-tree node at `at`: its level, and the addresses of its children."""
    assert data[at : at + 4] == b"TREE"
    data[at + 5] = level
    struct.pack_into("<H", data, at + 6, len(children))
    for i, child in enumerate(children):
        struct.pack_into("<Q", data, at + 32 + 16 * i, child)


def test_a_group_that_contains_itself_is_refused(path, good):
    data = bytearray(good[WEIGHTS])
    at = data.find(b"TREE")
    tree(data, at, 1, at)
    write(path, good | {WEIGHTS: bytes(data)})
    refused(path, "the HDF5 file is damaged")


def test_a_tree_whose_branches_meet_again_takes_no_time(path, good):
    """30 levels, the two children of each node being one and the same: 2^30 ways to the leaf."""
    data = bytearray(good[WEIGHTS]) + bytes(200 * 31)
    first, start = data.find(b"TREE"), len(good[WEIGHTS])
    leaf = data[first : first + 200]
    for i in range(31):
        data[start + 200 * i : start + 200 * (i + 1)] = leaf
    for i in range(30):
        below = start + 200 * (i + 1)
        tree(data, start + 200 * i, 30 - i, below, below)
    tree(data, first, 31, start, start)
    write(path, good | {WEIGHTS: bytes(data)})
    refused(path, "refer to each other in circles", most=128 * MEGABYTE)


@pytest.mark.parametrize(
    "kind, words",
    [
        (h5py.special_dtype(vlen=np.int32), "neither number nor text"),
        (np.dtype([("a", "i4"), ("b", "i4")]), "neither number nor text"),
    ],
    ids=["lists of any length", "compounds"],
)
def test_an_attribute_of_a_kind_that_may_claim_any_size_is_refused(path, good, kind, words):
    buffer = io.BytesIO(good[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        value = np.zeros(1, kind)
        if not kind.names:
            value[0] = np.arange(2)
        file["layers"].attrs.create("bomb", value, dtype=kind)
    write(path, good | {WEIGHTS: buffer.getvalue()})
    refused(path, words)


def test_an_attribute_that_claims_more_texts_than_there_is_room_for_is_refused(path, good):
    buffer = io.BytesIO(good[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        file["layers"].attrs["many"] = np.array(["a"] * 77, h5py.string_dtype())
    data, count = buffer.getvalue(), struct.pack("<Q", 77)
    assert data.count(count) >= 1
    write(path, good | {WEIGHTS: data.replace(count, struct.pack("<Q", 10**8))})
    refused(path, "larger than its place")


# ------------------------------------------------------------------ the older form, and weights alone


LEGACY_KERNEL = "model_weights/dense/dense/kernel"


@pytest.fixture(scope="module")
def legacy(tmp_path_factory):
    """A good file of the older form, as bytes."""
    path = tmp_path_factory.mktemp("legacy") / "good.h5"
    model = Sequential([layers.Input((3, 2, 1)), layers.Conv2D(1, 1), layers.Flatten(), layers.Dense(3)], name="good")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.ones((8, 3, 2, 1)), np.zeros(8), verbose=0)
    with pytest.warns(UserWarning, match="older format"):
        model.save(path)
    return path.read_bytes()


def attribute(place, name, value):
    """A change of one attribute."""
    return lambda file: file[place].attrs.__setitem__(name, value)


def moved(place, link):
    """A link in the place of what was there."""

    def change(file):
        del file[place]
        file[place] = link

    return change


def config_with(**change):
    """Another description of the last layer."""

    def write(file):
        model = json.loads(file.attrs["model_config"])
        model["config"]["layers"][-1]["config"].update(change)
        file.attrs["model_config"] = json.dumps(model)

    return write


def many_names_for_one_text(file):
    """4,000 names that all are the same 1 MB: 4 GB."""
    group, names = (
        file["model_weights/dense"],
        np.array(["x" * MEGABYTE, *["y" * 1000] * 3999], h5py.string_dtype()),
    )
    del group.attrs["weight_names"]
    group.attrs["weight_names"] = names


def same_text(content):
    """Let every name that refers to 1,000 bytes refer to the 1 MB, of which there is one copy in the file."""
    long, short = (re.escape(size.to_bytes(4, "little")) + b".{12}" for size in (MEGABYTE, 1000))
    names = re.compile(b"(" + long + b")(?:" + short + b"){20,}", re.DOTALL)
    return names.sub(lambda match: match[1] * (len(match[0]) // 16), content)


def lambda_layer(file):
    file.attrs["model_config"] = file.attrs["model_config"].replace('"Dense"', '"Lambda"')


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda file: file.attrs.__delitem__("model_config"), "no model in it .*model.load_weights"),
        (attribute("/", "model_config", "{"), "Expecting property name"),
        (attribute("/", "model_config", "[" * 100_000), "too deep to follow"),
        (attribute("/", "model_config", " " * (9 * MEGABYTE)), "take far more room than its arrays"),
        (attribute("/", "model_config", 7), "the attribute model_config must hold text"),
        (attribute("/", "model_config", h5py.Empty("S1")), "the attribute model_config must hold text"),
        (attribute("/", "training_config", "[1]"), "compile_config must be a dictionary"),
        (attribute("model_weights", "layer_names", np.zeros((2, 2))), "the attribute layer_names must hold text"),
        (attribute("model_weights", "layer_names", ["dense"]), "weights of 1 layers, the model has 2"),
        (attribute("model_weights", "layer_names", ["conv2d", "../dense"]), "missing"),
        (attribute("model_weights", "layer_names", ["conv2d", "/"]), "."),
        (attribute("model_weights/dense", "weight_names", ["dense/kernel"]), "must hold 2 arrays .* holds 1"),
        (attribute("model_weights/dense", "weight_names", ["dense", "dense/bias"]), "must be an array, is a group"),
        (many_names_for_one_text, r"weight_names holds 4,194,304,000 bytes of text"),
        (lambda_layer, "npcnn has no 'Lambda'"),
        (config_with(units=10**12), r"kernel of shape \(6, 1000000000000\) the file needs more than its"),
        (config_with(units=4), r"kernel must be float32 or float64 of shape \(6, 4\)|must be float32"),
        (moved(LEGACY_KERNEL, h5py.SoftLink("/model_weights/dense/dense/bias")), "is a link to another place"),
        (moved(LEGACY_KERNEL, h5py.ExternalLink("secret.h5", "secret")), "has links or types that Keras does not use"),
        (moved("model_weights", h5py.ExternalLink("secret.h5", "/")), "has links or types that Keras does not use"),
        (moved("model_weights/dense", h5py.SoftLink("/model_weights/conv2d")), "is a link to another place"),
        (moved("npcnn_optimizer_weights", h5py.SoftLink("/model_weights")), "is a link to another place"),
        (moved("npcnn_optimizer_weights/adam/iteration", np.int64(-1)), "claims -1 steps"),
        (moved(LEGACY_KERNEL, np.full((6, 3), np.nan, "f4")), "holds NaN"),
        (moved(LEGACY_KERNEL, np.full((6, 3), 1e300)), "holds NaN or infinity"),
    ],
    ids=range(25),
)
def test_a_file_of_the_older_form_that_lies_is_refused(path, legacy, monkeypatch, change, words):
    monkeypatch.chdir(path.parent)
    path = path.with_name("model.h5")
    path.write_bytes(legacy)
    with h5py.File("secret.h5", "w") as file:
        file["secret"] = SECRET.reshape(6, 3)
    with h5py.File(path, "r+") as file:
        change(file)
    if change is many_names_for_one_text:
        path.write_bytes(same_text(path.read_bytes()))
    refused(path, words, most=64 * MEGABYTE)


def test_damage_to_a_file_of_the_older_form_is_refused_or_read_as_other_numbers(path, legacy):
    path = path.with_name("model.h5")
    path.write_bytes(legacy)
    assert load_model(path).name == "good"
    for size in (0, 7, 8, 100, len(legacy) // 2, len(legacy) - 1):
        path.write_bytes(legacy[:size])
        refused(path)


def test_weights_alone_are_refused_as_a_model(path):
    path = path.with_name("some.weights.h5")
    Sequential([layers.Input((3,)), layers.Dense(2)]).save_weights(path)
    refused(path, "there is no model in it .* use model.load_weights")


@pytest.mark.parametrize(
    "change, words",
    [
        (moved(KERNEL, h5py.ExternalLink("secret.h5", "secret")), "has links or types that Keras does not use"),
        (moved("layers", h5py.SoftLink("/")), "is a link to another place"),
        (moved(KERNEL, np.zeros((2, 2), "f4")), "must be float32"),
        (lambda file: file.__delitem__("layers"), "is missing"),
    ],
)
def test_a_file_of_weights_that_lies_changes_nothing(path, monkeypatch, change, words):
    monkeypatch.chdir(path.parent)
    path, model = path.with_name("some.weights.h5"), Sequential([layers.Input((6,)), layers.Dense(3)])
    model.save_weights(path)
    before = model.get_weights()
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(FileFormatError, match=words) as caught:
        model.load_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert all(np.array_equal(w, same) for w, same in zip(model.get_weights(), before, strict=True))


def test_the_weights_of_a_far_larger_model_are_refused_before_they_are_unpacked(path, good):
    model = Sequential([layers.Input((3, 2, 1)), layers.Conv2D(1, 1), layers.Flatten(), layers.Dense(3)])
    write(path, good | {WEIGHTS: good[WEIGHTS] + bytes(8 * MEGABYTE)}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="has 8,.* bytes; for this model, .* are enough"):
        model.load_weights(path)
    assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    tracemalloc.stop()
