"""The benchmarks run, on sizes too small to measure anything, and say what they should."""

import contextlib
import importlib.util
import io
import json
import os
import re
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from npcnn import load_model
from npcnn.datasets.mnist import SAMPLE
from npcnn.kernels import RUNGS, rung_of
from npcnn.threads import Workers, share

ROOT = Path(__file__).parents[1]
RIVALS = {"keras": "tensorflow", "keras-tfdata": "tensorflow", "torch-channels-last": "torch"}


def in_a_process(program, *arguments):
    """Run a program of the repository, and return what it printed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_this_process(program, *arguments):
    """The same without a new interpreter, which would import and load compiled kernels anew."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.syspath_prepend(str(program.parent))
        patch.setattr(sys, "argv", [str(program), *map(str, arguments)])
        runpy.run_path(str(program), run_name="__main__")
    return printed.getvalue()


@pytest.fixture
def modules(monkeypatch):
    """A function (name) -> a module of the benchmarks folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return importlib.import_module


@pytest.fixture
def run(tmp_path):
    """A function (name, *options, how=in_this_process) -> what the benchmark printed, and its JSON.

    The JSON alone must be enough to print the tables and draw the pictures, and say nothing of this machine's folders.
    """

    def pictures():
        return {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}

    def run(name, *options, how=in_this_process):
        script, file = ROOT / "benchmarks" / f"{name}.py", tmp_path / f"{name}.json"
        printed = how(script, "--data", SAMPLE, "--output-dir", tmp_path, *options)
        drawn, text = pictures(), file.read_text()
        assert drawn and all(picture.startswith(b"\x89PNG") for picture in drawn.values())
        for picture in drawn:
            (tmp_path / picture).unlink()
        again = how(script, "--redraw", file)
        assert printed.endswith(again) and again.count("\n") > 5
        assert pictures() == drawn
        assert str(tmp_path) not in text and not re.search(r'"(/|[A-Za-z]:\\)', text)
        found = json.loads(text)
        assert found["command"][0] == f"benchmarks/{name}.py"
        assert set(found["machine"]) >= {"cpu", "cores", "versions", "blas"}
        return printed, found

    return run


def test_ladder_times_each_kernel_of_an_operation_once(run, modules, monkeypatch):
    monkeypatch.setattr(modules("common"), "SHORTEST", 0.001)  # seconds: nobody reads these figures
    rungs = list(RUNGS[1:])
    printed, found = run("ladder", "--rounds", "1", "--images", "64", "--rungs", *rungs)
    assert "64 digits to train on" in printed
    medians = {}
    for row in found["rows"]:
        medians.setdefault((row["operation"], row["direction"]), {})[row["kernel"]] = row["median"]
    assert sum(map(len, medians.values())) == len(found["rows"])
    for direction in ("forward", "backward"):
        assert list(medians["conv2", direction]) == list(medians["pool1", direction]) == ["im2col", "jit"]
        assert list(medians["conv2 + ReLU + pool2", direction]) == rungs
        assert list(medians["dense1", direction]) == list(dict.fromkeys(rung_of("dense", rung) for rung in rungs))
    assert list(medians["Adam", "update"]) == ["numpy", "jit"]
    step = medians["training step", "all threads"]
    gains = re.search(r"\| gain over the rung before .*", printed)[0]
    assert re.findall(r"([\d.]+) x", gains) == [
        f"{step[before] / step[after]:.1f}" for before, after in pairwise(rungs)
    ]
    # One of four under a pooling window has a gradient, and of conv2's 11 x 11 outputs only 10 x 10 are under one.
    assert 0 < found["nonzero_gradients"]["conv1"] <= 1 / 4
    assert 0 < found["nonzero_gradients"]["conv2"] <= 100 / 121 / 4
    assert {(pool["threads"], pool["blas_threads"]) for pool in found["pools"]} >= {(1, 1)}


def test_scaling_has_a_row_for_every_point_of_every_panel(run):
    points = ["--threads", "1", "2", "--batch-sizes", "32", "--image-sizes", "28", "30", "--channels", "4"]
    printed, found = run("scaling", "--rounds", "1", "--images", "32", "--kernels", "im2col", *points)
    places = [(row["panel"], row["value"]) for row in found["rows"]]
    sizes = [("batch size", 32), ("image size", 28), ("image size", 30), ("channels", 4)]
    assert places == [("threads", 1), ("threads", 2), *sizes, ("batch size, one thread", 32)]
    one, all_threads = (found["rows"][i]["train"]["median"] for i in (-1, 2))
    assert found["threads_over_one"]["32"]["train"] == pytest.approx(one / all_threads, rel=1e-4)
    assert f"{found['threads_over_one']['32']['train']:.2f} x" in printed
    step = found["forecast"]["32"]
    assert list(step["whole"]) == ["1", "2", "4", "8", "16"]
    assert step["busiest"].keys() == step["whole"].keys()
    assert f"{step['steps']['1'] / step['steps']['8']:.2f} x" in printed


def test_a_forecast_counts_the_busiest_thread_and_what_is_lost_here(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    scaling = importlib.import_module("scaling")
    times = {cores: [10.0, 1.0, 9.0 / cores] for cores in scaling.CORES}
    found = scaling.foretell(times, here=6.0, count=2)
    assert found["lost"] == 6 - (1 + 4.5)
    assert found["steps"] == pytest.approx({1: 10, 2: 6, 4: 3.75, 8: 2.625, 16: 2.0625})
    seconds = iter([0, 3, 3, 5, 5, 6])  # three pieces of three, two and one second, on two threads
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: next(seconds))
    with scaling.one_after_another() as shared, Workers(2):
        assert share(lambda i: i, range(3)) == [0, 1, 2]
    assert shared == [(6, 3)]


def test_versus_without_rivals_measures_npcnn_alone(run):
    one_core = ["--cores", "1"] if hasattr(os, "sched_setaffinity") else []
    options = ["--rivals", "--images", "96", "--predictions", "32", "--batch-sizes", "64", *one_core]
    printed, found = run("versus", "--rounds", "1", *options, how=in_a_process)  # --cores is for good
    assert found["epoch"]["64"].keys() == {"npcnn"}
    assert not one_core or "images on 1 core, median" in printed
    assert found["start"].keys() == {"npcnn", "npcnn, compiling"}
    assert found["peak_memory"]["npcnn"] is None or found["peak_memory"]["npcnn"] > 20e6
    limit = 96 * found["dense_flop"] / found["sgemm_flops"]["max"]
    assert found["dense_limit"] == pytest.approx(limit, rel=1e-4)
    assert f"take {found['dense_limit']:.3g} s" in printed and "best rival" not in printed


def test_accuracy_trains_as_the_example_does(run, tmp_path):
    printed, found = run("accuracy", "--seeds", "3", "4", "--epochs", "1")
    example = ["--data", SAMPLE, "--epochs", "1", "--seed", "3", "--output", tmp_path / "example.keras"]
    in_this_process(ROOT / "examples" / "train_mnist.py", *example)
    first, second = (run["history"] for run in found["runs"])
    assert first == {
        key: pytest.approx(values, rel=1e-5)
        for key, values in load_model(tmp_path / "example.keras").history.history.items()
    }
    confusion = np.array(found["confusion"])
    np.testing.assert_array_equal(confusion.sum(axis=1), 100)  # the sample has 100 digits of each class to test on
    assert np.trace(confusion) / 1000 == pytest.approx(first["val_accuracy"][0])
    for key in ("val_accuracy", "accuracy"):
        assert f"{100 * np.mean([first[key], second[key]]):.2f} %" in printed


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_has_the_same_network_and_learns(name, modules, tmp_path, monkeypatch):
    if importlib.util.find_spec(RIVALS[name]) is None or importlib.util.find_spec(name.split("-")[0]) is None:
        pytest.skip(f"{RIVALS[name]} is not installed; pip install 'npcnn[bench]' brings it where it has a wheel")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    common, versus = modules("common"), modules("versus")
    (x, y, x_test, _), _ = common.digits("sample", 320, 32)
    model = common.mnist_model("im2col")
    versus.save(tmp_path, (x, y, x_test), model.get_weights())
    rival = modules("contenders").CONTENDERS[name]()  # here: this process has imported Keras already
    rival.start()
    rival.load(str(tmp_path))
    rival.reset()
    # float32 sums of some thousand terms, in another order
    np.testing.assert_allclose(rival.predict(16), model.predict(x_test), atol=1e-5)
    # ten steps: the loss starts at log(10) = 2.3, and falls
    assert 0.5 < rival.epoch(32, 320) < 2.25
    rival.reset()
    np.testing.assert_allclose(rival.predict(16), model.predict(x_test), atol=1e-5)


def test_a_contender_that_fails_is_reported_with_its_own_words(modules, tmp_path):
    contender = modules("versus").Contender("sgemm", str(tmp_path))
    with pytest.raises(SystemExit, match="(?s)sgemm failed at nonsense.*has no attribute 'nonsense'"):
        contender.ask("nonsense")
    contender.close()


def test_the_dense_arithmetic_is_forward_once_and_backward_twice_without_dx_of_the_first_layer(modules):
    conv1, conv2, dense1, dense2 = 26 * 26 * 32 * 9, 11 * 11 * 64 * 9 * 32, 1600 * 128, 128 * 10
    assert modules("versus").dense_flop() == 2 * (2 * conv1 + 3 * (conv2 + dense1 + dense2))


def test_a_ratio_is_to_the_fastest_rival_of_each_batch_size(modules):
    labels = {"npcnn": "npcnn", "a": "Keras, one way", "b": "Keras, another way", "c": "PyTorch, NCHW"}
    medians = {"32": {"npcnn": 2, "a": 4, "b": 8, "c": 5}, "64": {"npcnn": 3, "a": 6, "b": 4, "c": 2}}
    epoch = {
        size: {name: {"median": median, "min": 1, "max": 9} for name, median in found.items()}
        for size, found in medians.items()
    }
    table = modules("versus_report").race_table({"labels": labels, "epoch": epoch}, "epoch")
    header, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
    assert header == ["batch size", "npcnn", "Keras, best", "PyTorch, best", "npcnn / best rival"]
    assert rows == [
        ["32", "2 (1 to 9)", "4 (1 to 9)", "5 (1 to 9)", "0.50"],
        ["64", "3 (1 to 9)", "4 (1 to 9)", "2 (1 to 9)", "1.50"],
    ]


def test_a_table_is_markdown(modules):
    assert modules("common").table(["", "time"], [["a", "1 s"], ["bcd", ""]]).splitlines() == [
        "|     | time |",
        "| --- | ---: |",
        "| a   |  1 s |",
        "| bcd |      |",
    ]


def test_results_keep_six_digits_and_no_path(modules, monkeypatch):
    common = modules("common")
    kept = json.loads(common.to_json({"seconds": [1 / 3, 2e-9 / 3], "count": 12345678}))
    assert kept == {"seconds": [0.333333, 6.66667e-10], "count": 12345678}
    options = ["--data", "/home/me/digits.npz", "--output-dir=../here", "--rounds", "3"]
    monkeypatch.setattr(sys, "argv", ["/home/me/npcnn/benchmarks/versus.py", *options])
    shortened = ["--data", "digits.npz", "--output-dir=here", "--rounds", "3"]
    assert common.command() == ["benchmarks/versus.py", *shortened]


def test_short_data_is_repeated_and_says_so(modules):
    (x, y, x_test, y_test), said = modules("common").digits("sample", 4500, 10)
    assert x.shape == (4500, 28, 28, 1) and len(y) == 4500 and len(x_test) == len(y_test) == 10
    np.testing.assert_array_equal(x[:500], x[4000:])
    assert said == "sample, 4,500 digits to train on and 10 to test on, made of 4,000 and 1,000 by repeating them"
