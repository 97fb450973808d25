"""The benchmarks run, on sizes too small to measure anything, and say what they should."""

import contextlib
import importlib.util
import io
import json
import os
import re
import runpy
import shutil
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
    """A function (name, *options, how=in_this_process, file=name) -> what the benchmark printed, and its JSON.

    The JSON alone must be enough to print the tables and draw the pictures, and say nothing of this machine's folders.
    """

    def pictures():
        return {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}

    def run(name, *options, how=in_this_process, file=None):
        script, file = ROOT / "benchmarks" / f"{name}.py", tmp_path / f"{file or name}.json"
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


# ------------------------------------------------------------------ more than one machine

MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


@pytest.fixture
def model_of(modules):
    """The cost model, and a model on it: 1600 x 128 of 225,034 weights in its largest layer, 0.1 ms an image."""
    costs = modules("distributed_model")

    def work(**changed):
        plain = {"fixed": 1e-3, "per_image": 1e-4, "overlap": 0.0, "multiply_add": 0.0}
        sizes = {"parameters": 225_034, "dense": 206_218, "largest": (1600, 128)}
        return costs.Work(**plain | sizes | changed)

    return costs, work


def test_one_node_does_not_communicate(model_of):
    costs, work = model_of
    network = costs.Network(latency=1.0, bandwidth=1.0)
    for allreduce in (*costs.ALLREDUCE.values(), costs.allgather):
        assert allreduce(network, 1, 1e6) == 0
    for step in (costs.plain, costs.overlapped, costs.factored, costs.best):
        assert step(work(), network, 1, 64) == work().compute(64) == pytest.approx(7.4e-3)
        assert costs.strong(step, work(), network, 1, 64) == costs.weak(step, work(), network, 1, 64) == 1


def test_an_allreduce_takes_as_many_rounds_and_bytes_as_its_algorithm(model_of):
    costs, _ = model_of
    network = costs.Network(latency=1e-3, bandwidth=1e6)  # so 1,000 bytes take a millisecond
    milliseconds = {
        name: [1e3 * allreduce(network, nodes, 8000) for nodes in (2, 4, 8)]
        for name, allreduce in {**costs.ALLREDUCE, "allgather": costs.allgather}.items()
    }
    assert milliseconds == {
        "ring": pytest.approx([2 + 8, 6 + 12, 14 + 14]),
        "halving and doubling": pytest.approx([2 + 8, 4 + 12, 6 + 14]),
        "recursive doubling": pytest.approx([1 + 8, 2 + 16, 3 + 24]),
        "allgather": pytest.approx([1 + 8, 2 + 24, 3 + 56]),
    }


def test_messages_that_fit_behind_the_backward_pass_of_the_convolutions_cost_nothing(model_of):
    costs, work = model_of
    network = costs.Network(latency=0.0, bandwidth=4e6)  # a million numbers a second; with two nodes each is sent once
    late, early = 225_034 - 206_218, 206_218
    for overlap, exposed in ((0, late + early), (1e-3, late + early - 64_000), (1.0, late)):
        step = costs.overlapped(work(overlap=overlap), network, 2, 64)
        assert step == pytest.approx(work().compute(64) + exposed / 1e6)
    factored = costs.factored(work(overlap=1.0), network, 2, 64)
    assert factored == pytest.approx(work().compute(64) + (225_034 - 1600 * 128) / 1e6)
    assert costs.best(work(overlap=1e-3), network, 2, 64, (costs.plain, costs.overlapped)) == costs.overlapped(
        work(overlap=1e-3), network, 2, 64
    )


def test_factors_pay_while_the_global_batch_is_small_and_multiplying_them_is_cheap(model_of):
    costs, work = model_of
    network = costs.Network(latency=0.0, bandwidth=1e8)
    # p B (C + U) < 2 C U, that is a global batch below 237
    assert [costs.largest_factored(work(), network, nodes) for nodes in (2, 4, 64, 512)] == [118, 59, 3, 0]
    sent, saved = 4 * 64 * 1728 / 1e8, 4 * 1600 * 128 / 1e8
    gain = costs.plain(work(), network, 2, 64) - costs.factored(work(), network, 2, 64)
    assert gain == pytest.approx(saved - sent)
    dear = work(multiply_add=gain / (64 * 1600 * 128))
    assert costs.factored(dear, network, 2, 64) == pytest.approx(costs.plain(dear, network, 2, 64))


def test_on_a_perfect_network_only_the_fixed_time_of_a_step_costs_efficiency(model_of):
    costs, work = model_of
    perfect = costs.Network(latency=0.0, bandwidth=float("inf"))
    assert costs.weak(costs.plain, work(), perfect, 1024, 64) == 1
    assert costs.strong(costs.plain, work(fixed=0.0), perfect, 1024, 8192) == pytest.approx(1)
    # 1 + 819.2 ms on one node; on 1,024, 1 + 0.8 ms each
    assert costs.strong(costs.plain, work(), perfect, 1024, 8192) == pytest.approx(820.2 / 1024 / 1.8)


def test_the_line_of_smallest_relative_errors_is_never_negative(model_of):
    costs, _ = model_of
    assert costs.fit_line([8, 32, 128], [2 + 3 * 8, 2 + 3 * 32, 2 + 3 * 128]) == pytest.approx((2, 3))
    assert costs.fit_line([1, 2], [1, 3]) == pytest.approx((0, (1 + 2 / 3) / (1 + 4 / 9)))
    assert costs.fit_line([1, 2], [3, 1]) == pytest.approx(((1 / 3 + 1) / (1 / 9 + 1), 0))


def test_distributed_compares_ranks_and_predicts_from_what_it_measured(run, modules, monkeypatch):
    monkeypatch.setattr(modules("common"), "SHORTEST", 0.001)
    with_mpi = MPIEXEC and importlib.util.find_spec("mpi4py")
    ranks = ["1", "2"] if with_mpi else ["1"]
    sizes = ["--images", "64", "--batch-sizes", "32", "--wider", "1", "--local-batch", "16"]
    printed, found = run("distributed", "--rounds", "1", "--ranks", *ranks, *sizes)
    assert list(found["epoch"]) == ranks
    assert all(list(epoch) == ["warm-up", "32"] for epoch in found["epoch"].values())
    assert f"{64 / found['epoch']['1']['32']['median']:,.0f} |" in printed
    assert ("here" in found) == bool(with_mpi) == ("| 65,536 KB |" in printed)
    work = found["steps"]["this model"]["work"]
    assert (work["parameters"], work["dense"], work["largest"]) == (225_034, 206_218, [1600, 128])
    assert found["steps"]["this model"]["multiply_adds"] == 2_631_040
    costs = modules("distributed_model")
    network = costs.NETWORKS["1 Gbit Ethernet"]
    predicted = [costs.weak(costs.plain, costs.Work(**work), network, 2**i, 16) for i in range(1, 11)]
    assert found["efficiency"]["this model"]["weak"]["1 Gbit Ethernet, plain"] == pytest.approx(predicted, rel=1e-4)
    line = re.search(
        r"225,034 parameters, local batch 16\..*?\| 1 Gbit Ethernet, plain +\|(.*?)\n", printed, re.DOTALL
    )[1]
    assert re.findall(r"(\d+) %", line) == [f"{100 * efficiency:.0f}" for efficiency in predicted]


def test_distributed_trains_at_every_batch_size_by_every_rule(run, modules):
    options = ["--accuracy", "--epochs", "1", "--batch-sizes", "64", "2048"]
    printed, found = run("distributed", *options, file="distributed_accuracy")
    accuracy = found["accuracy"]
    assert list(accuracy) == ["SGD with momentum, linear", "Adam, linear", "Adam, square root"]
    assert accuracy["Adam, linear"]["64"] == accuracy["Adam, square root"]["64"] > [0.8]  # k is 1
    for rule in accuracy.values():
        assert list(rule) == ["64", "2048"]
        assert f"{100 * rule['2048'][0]:.2f} %" in printed
    rate = modules("distributed_accuracy").learning_rate(0.1, 0.5, steps=4)
    assert [rate(step) for step in (0, 1, 2, 4, 1000)] == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.5])
