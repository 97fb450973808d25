"""The benchmarks run, on sizes too small to measure anything, and say what they should."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from npcnn.kernels import RUNGS

FOLDER = Path(__file__).parents[1] / "benchmarks"
RIVALS = {"keras": "tensorflow", "keras-tfdata": "tensorflow", "torch-channels-last": "torch"}


@pytest.fixture
def run(tmp_path):
    """A function (name, *options) -> what the benchmark printed, and its JSON; its picture must be there too."""

    def run(name, *options):
        command = [sys.executable, FOLDER / f"{name}.py", "--data", "sample", "--rounds", "1", "--output-dir", tmp_path]
        paths = os.pathsep.join([str(FOLDER.parent), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": paths}
        done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        return done.stdout, json.loads((tmp_path / f"{name}.json").read_text())

    return run


@pytest.fixture
def modules(monkeypatch):
    """A function (name) -> a module of the benchmarks folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent), prepend=os.pathsep)
    yield importlib.import_module
    for name in ("common", "contenders", "versus", "versus_report"):
        sys.modules.pop(name, None)


def test_ladder_times_every_operation_on_every_rung_and_compares_neighbours(run):
    rungs = ["im2col", RUNGS[-1]]
    printed, found = run("ladder", "--images", "64", "--rungs", *rungs)
    assert "64 digits to train on" in printed
    assert set(found["machine"]) >= {"cpu", "cores", "versions", "blas"}
    rows = {(r["operation"], r["direction"], r["rung"]): r for r in found["rows"]}
    for operation in ("conv2 + ReLU + pool2", "dense1"):
        for direction in ("forward", "backward"):
            before, after = (rows[operation, direction, rung] for rung in rungs)
            assert before["speed_up"] is None
            assert after["speed_up"] == pytest.approx(before["median"] / after["median"])
    assert {operation for operation, _, rung in rows if rung == "im2col"} >= {"conv1", "pool1", "conv2", "pool2"}
    assert rows["training step", "forward and backward", "im2col"]["images"] == 64
    # One of four under a pooling window has a gradient, and of conv2's 11 x 11 outputs only 10 x 10 are under one.
    assert 0 < found["nonzero_gradients"]["conv1"] <= 1 / 4
    assert 0 < found["nonzero_gradients"]["conv2"] <= 100 / 121 / 4
    assert {(p["ours"], p["blas"]) for p in found["pools"]} >= {(1, 1)}


def test_scaling_has_a_row_for_every_point_of_every_panel(run):
    points = ["--threads", "1", "2", "--batch-sizes", "32", "--image-sizes", "28", "30", "--channels", "4"]
    printed, found = run("scaling", "--images", "32", "--kernels", "im2col", *points)
    places = [(r["panel"], r["value"]) for r in found["rows"]]
    sizes = [("batch size", 32), ("image size", 28), ("image size", 30), ("channels", 4)]
    assert places == [("threads", 1), ("threads", 2), *sizes, ("batch size, one thread", 32)]
    one, all_threads = (found["rows"][i]["train"]["median"] for i in (-1, 2))
    assert found["threads_over_one"]["32"]["train"] == pytest.approx(one / all_threads)
    assert f"{one / all_threads:.2f} x" in printed


def test_versus_without_rivals_measures_npcnn_alone(run):
    options = ["--rivals", "--images", "96", "--predictions", "32", "--batch-sizes", "64"]
    printed, found = run("versus", *options)
    assert found["epoch"]["64"].keys() == {"npcnn"}
    assert found["start"].keys() == {"npcnn", "npcnn, cold"}
    assert found["peak_memory"]["npcnn"] is None or found["peak_memory"]["npcnn"] > 20e6
    assert found["dense_limit"] == pytest.approx(96 * found["dense_flop"] / found["sgemm_flops"]["max"])
    assert "x the dense limit" in printed


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_has_the_same_network_and_learns(name, modules, tmp_path, monkeypatch):
    if importlib.util.find_spec(RIVALS[name]) is None or importlib.util.find_spec(name.split("-")[0]) is None:
        pytest.skip(f"{RIVALS[name]} is not installed; pip install 'npcnn[bench]' brings it where it has a wheel")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin take minutes where others are at work
    common, versus = modules("common"), modules("versus")
    (x, y, x_test, _), _ = common.digits("sample", 320, 32)
    model = common.seed_model("im2col")
    versus.save(tmp_path, (x, y, x_test), model.get_weights())
    rival = versus.Contender(name, str(tmp_path))
    try:
        rival.ask("start")
        rival.ask("load", str(tmp_path))
        rival.ask("reset")
        # float32 sums of some thousand terms, in another order
        np.testing.assert_allclose(rival.ask("predict", 16)[1], model.predict(x_test), atol=1e-5)
        # ten steps: the loss starts at log(10) = 2.3, and falls
        assert 0.5 < rival.ask("epoch", 32, 320)[1] < 2.25
        rival.ask("reset")
        np.testing.assert_allclose(rival.ask("predict", 16)[1], model.predict(x_test), atol=1e-5)
    finally:
        rival.close()


def test_a_contender_that_fails_is_reported_with_its_own_words(modules, tmp_path):
    contender = modules("versus").Contender("sgemm", str(tmp_path))
    with pytest.raises(SystemExit, match="(?s)sgemm failed at nonsense.*has no attribute 'nonsense'"):
        contender.ask("nonsense")
    contender.close()


def test_the_dense_arithmetic_is_forward_once_and_backward_twice_without_dx_of_the_first_layer(modules):
    conv1, conv2, dense1, dense2 = 26 * 26 * 32 * 9, 11 * 11 * 64 * 9 * 32, 1600 * 128, 128 * 10
    assert modules("versus").dense_flop() == 2 * (2 * conv1 + 3 * (conv2 + dense1 + dense2))


def test_a_ratio_is_to_the_fastest_rival_of_each_batch_size(modules):
    def times(**medians):
        return {name: {"median": median} for name, median in medians.items()}

    results = {"epoch": {"32": times(npcnn=2, a=4, b=8), "64": times(npcnn=3, a=6, b=2)}}
    assert modules("versus_report").ratios(results, "epoch", ["a", "b"]) == {"32": 0.5, "64": 1.5}


def test_short_data_is_repeated_and_says_so(modules):
    (x, y, x_test, y_test), said = modules("common").digits("sample", 4500, 10)
    assert x.shape == (4500, 28, 28, 1) and len(y) == 4500 and len(x_test) == len(y_test) == 10
    np.testing.assert_array_equal(x[:500], x[4000:])
    assert said == "sample, 4,500 digits to train on and 10 to predict, made of 4,000 and 1,000 by repeating them"
