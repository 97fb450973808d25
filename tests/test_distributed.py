"""Several ranks train as one process does; a fault on one of them ends all, and the training goes on from its backup.

Every test of the first half looks at what one start of mpiexec left, of all trainings in distributed_program.py one
after the other: starting Python takes longer than training them.
"""

import contextlib
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import distributed_program as program
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from npcnn import backup, distributed, load_model, threads
from npcnn.distributed import ranks_in_order

pytest.importorskip("mpi4py", reason='needs mpi4py: pip install -e ".[mpi]"')
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
pytestmark = [
    pytest.mark.skipif(MPIEXEC is None, reason='needs mpiexec: pip install -e ".[mpi]"'),
    pytest.mark.skipif(os.name != "posix", reason="its faults are signals"),
]
U = np.finfo("float32").eps / 2  # the largest relative error of a rounding
ROUNDING = {"rtol": 1e-9, "atol": 1e-11}  # in double precision; a mistake would be larger


def command(ranks, *arguments):
    """Return what starts so many ranks."""
    script = Path(program.__file__)
    return [MPIEXEC, "-n", str(ranks), sys.executable, str(script), *map(str, arguments)]


def start(*arguments):
    """Start mpiexec with this npcnn."""
    root = Path(__file__).parent.parent
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command(*arguments), text=True, env=env, **pipes)


def end(process):
    """Return the exit code, stdout and stderr; a hang of all is none of the outcomes."""
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """This process is the only one again after each test."""
    monkeypatch.setattr(distributed, "_ranks", distributed.current())


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A function (number of ranks) -> (what each rank found, stdout, stderr); each number is started once."""
    folder, known = tmp_path_factory.mktemp("alike"), {}

    def run(size):
        if size not in known:
            code, out, err = end(start(size, "alike", folder))
            assert code == 0, err
            found = [pickle.loads((folder / f"{size}-{rank}.pickle").read_bytes()) for rank in range(size)]
            known[size] = found, out, err
        return known[size]

    run.folder = folder
    return run


@pytest.fixture(scope="module")
def alone():
    """A function (training) -> what it comes to in one process, without ranks."""
    known = {}

    def train(training):
        if training not in known:
            known[training] = program.train(training)
        return known[training]

    return train


RANKS = pytest.mark.parametrize("size", [2, 3, 4])
IN_ORDER = pytest.mark.parametrize("size", [2, 4])


def of(trainings):
    return pytest.mark.parametrize("training", trainings, ids=lambda training: training.__name__)


def assert_same(found, wanted):
    """Lists of arrays, or of numbers, are equal to the bit."""
    assert [np.asarray(w).tobytes() for w in found] == [np.asarray(w).tobytes() for w in wanted]


# ------------------------------------------------------------------ alike


@RANKS
@of(program.ALIKE)
@pytest.mark.filterwarnings("ignore:the data ended")
def test_ranks_train_as_one_process_does_up_to_rounding(ran, alone, training, size):
    found, wanted = ran(size)[0][0]["alike"][training.__name__], alone(training)
    bound = {"rtol": 1e-5, "atol": 1e-6} if training is program.single_precision else ROUNDING
    assert found["epoch"] == wanted["epoch"] and found["steps"] == wanted["steps"] > 0
    assert found["random"] == wanted["random"]  # as many random numbers were drawn
    assert found["history"].keys() == wanted["history"].keys()
    for name, values in wanted["history"].items():
        assert_allclose(found["history"][name], values, **bound, err_msg=name)
    for i, (w, v) in enumerate(zip(found["weights"], wanted["weights"], strict=True)):
        assert_allclose(w, v, **bound, err_msg=f"array {i}")


@RANKS
def test_after_training_all_ranks_have_the_same_bits(ran, size):
    first, *others = (rank["alike"] for rank in ran(size)[0])
    for name, training in first.items():
        for other in others:
            assert_same(other[name]["weights"], training["weights"])
            assert {**other[name], "weights": None} == {**training, "weights": None}


@IN_ORDER
def test_where_nothing_is_rounded_any_number_of_ranks_comes_to_the_same_bits(ran, alone, size):
    """Whole numbers, a rate and numbers of rows that are powers of two: all sums are exact, in any order."""
    assert_same(ran(size)[0][0]["alike"]["integers"]["weights"], alone(program.integers)["weights"])


@RANKS
def test_the_first_gradients_differ_by_no_more_than_a_sum_does_in_another_order(ran, size):
    """The bound of rounding.

    The gradient is a sum of N = 64 examples' terms g_n. Whichever way such a sum is added up, each term goes through at
    most N - 1 additions, each of which rounds by a factor of 1 + d, |d| <= u = 2^-24; so the sum is off by at most
    (N - 1) u sum |g_n| (Higham, "Accuracy and stability of numerical algorithms", 2002, section 4.2), to first order
    in u. One process and several ranks add up in two orders, hence twice that. The terms are alike to the bit here but
    for their factor: 1/N, or (1/N_r)(N_r/N), where each of 3 operations rounds. So

        |g - g'| <= (2 (N - 1) + 4) u sum |g_n|.

    Of that, the allreduce itself has its share of size - 1 additions, or log2 of size where they are made in pairs.
    """
    (wanted, x, y), found = program.first_gradient(), ran(size)[0][0]["first gradient"]
    N = len(x)
    slopes = (np.full((N, 3), 1 / 3) - np.eye(3)[y]) / N
    size_of_terms = np.abs(x.astype(float)).T @ np.abs(slopes), np.abs(slopes).sum(axis=0)
    for g, h, total in zip(found, wanted, size_of_terms, strict=True):
        assert (np.abs(g.astype(float) - h) <= (2 * (N - 1) + 4) * U * total).all()
        assert np.abs(g).max() > 0.01


@RANKS
def test_an_allreduce_is_off_by_no_more_than_its_additions_round(ran, size):
    given = np.array([program.numbers(rank) for rank in range(size)], float)
    bound = (size - 1) * U * np.abs(given).sum(axis=0) * (1 + 1e-6)
    for rank in ran(size)[0]:
        assert (np.abs(rank["sum"] - given.sum(axis=0)) <= bound).all()


@RANKS
def test_adam_moves_a_bias_before_batch_normalization_by_rounding_and_nothing_else_notices(ran, size):
    """What rounding can be made into.

    BatchNormalization takes the mean away, so the gradient of a bias in front of it is zero, and what is computed is
    rounding, another on each number of ranks. SGD makes nothing of it. Adam divides by the gradient's own size: it
    moves such a bias by up to its learning rate a step, in a direction that rounding chooses. The output does not
    depend on it: loss and all other weights stay alike, as far as single precision goes.
    """
    (wanted, losses, steps), (found, theirs, _) = program.adam_behind_batch_normalization(), ran(size)[0][0]["adam"]
    assert_allclose(theirs, losses, rtol=1e-3)
    moving_mean = 4  # follows the bias
    for i, (w, v) in enumerate(zip(found, wanted, strict=True)):
        bound = 2.1 * 0.01 * steps if i in (1, moving_mean) else 1e-3
        assert_allclose(w, v, atol=bound, rtol=0, err_msg=f"array {i}")


@RANKS
def test_without_a_seed_all_train_from_the_weights_of_rank_0(ran, size):
    (before, after, random_state), *others = (rank["without seed"] for rank in ran(size)[0])
    assert_same(after, before)  # the learning rate is 0
    for drawn, theirs, state in others:
        assert not np.array_equal(drawn[0], before[0])
        assert_same(theirs, before)
        assert state == random_state


# ------------------------------------------------------------------ in a fixed order, the same bits


@pytest.fixture(scope="module")
def alone_in_parts():
    """What the trainings come to in one process, in four parts."""
    before, known = distributed.current(), {}
    distributed.start(parts=program.PARTS)
    try:
        for training in program.IN_PARTS:
            with contextlib.suppress(UserWarning):
                known[training.__name__] = program.train(training)
        known["slow"] = program.train(program.dropout)["weights"]
    finally:
        distributed._ranks = before
    return known


@IN_ORDER
@of(program.IN_PARTS)
def test_in_parts_one_two_and_four_ranks_come_to_the_same_bits(ran, alone_in_parts, training, size):
    for rank in ran(size)[0]:
        found, wanted = rank["parts"][training.__name__], alone_in_parts[training.__name__]
        assert_same(found["weights"], wanted["weights"])
        assert_same(found["losses"], wanted["losses"])
        assert found["random"] == wanted["random"]
        for name, values in wanted["history"].items():  # a validation is added up by ranks
            assert_allclose(found["history"][name], values, **ROUNDING, err_msg=name)


@of(program.IN_PARTS)
def test_in_parts_a_training_is_that_of_one_process_up_to_rounding(alone, alone_in_parts, training):
    found, wanted = alone_in_parts[training.__name__], alone(training)
    bound = {"rtol": 1e-5, "atol": 1e-6} if training is program.single_precision else ROUNDING
    for w, v in zip(found["weights"], wanted["weights"], strict=True):
        assert_allclose(w, v, **bound)
    for name, values in wanted["history"].items():
        assert_allclose(found["history"][name], values, **bound, err_msg=name)


@IN_ORDER
def test_in_parts_the_ranks_arrays_are_added_in_pairs(ran, size):
    wanted = ranks_in_order.add_up([program.numbers(rank) for rank in range(size)])
    for rank in ran(size)[0]:
        assert_array_equal(rank["sum in order"], wanted)


@IN_ORDER
def test_ranks_that_waited_long_for_rank_0_come_to_the_same_bits(ran, alone_in_parts, size):
    for rank in ran(size)[0]:
        assert_same(rank["slow"], alone_in_parts["slow"])


def test_three_ranks_have_no_parts_in_pairs(ran):
    wanted = "must be powers of two, and at least one part a rank; got 4 parts, 3 ranks"
    assert all(wanted in rank["parts"] for rank in ran(3)[0])


@IN_ORDER
def test_what_cannot_be_done_in_parts_is_refused_on_all_ranks(ran, size):
    for rank in ran(size)[0]:
        assert "needs the whole batch at once; train without parts=" in rank["batch normalization in parts"]
        assert "has rows of its own" in rank["rows of its own"]


# ------------------------------------------------------------------ rank 0 and the others


@RANKS
def test_rank_0_alone_prints_warns_and_runs_callbacks(ran, size):
    (first, *others), out, err = ran(size)
    assert out.count("prints") == out.count("rank 0 prints") == out.count("Epoch 1/1") == out.count("val_loss") == 1
    assert err.count("UserWarning: rank 0 warns") == err.count("UserWarning: rank ") == 1
    steps = first["hooks"].count("on_train_batch_end")
    assert steps == 3 and first["hooks"][0] == "on_train_begin" and first["hooks"][-1] == "on_train_end"
    assert all(rank["hooks"] == [] for rank in others)


@RANKS
def test_rank_0_evaluates_predicts_and_saves_while_no_other_does(ran, alone, size):
    model, data, _ = program.plain()
    saved = load_model(ran.folder / f"{size}.keras") if ran(size) else None
    values, outputs = ran(size)[0][0]["own"]
    assert_allclose(saved.predict(data[0], verbose=0), outputs, rtol=1e-6)
    assert_allclose(saved.evaluate(*data, verbose=0), values, rtol=1e-6)


@RANKS
@pytest.mark.parametrize(
    "what, wanted",
    [
        ("data", "another data: 22 examples with the checksum "),
        ("labels", "another data: 22 examples with the checksum "),
        ("count", "another data: 24 examples"),
        ("validation", "another validation data: 7 examples with the checksum "),
        ("layers", "has another layer 1: {'class': 'ReLU'"),
        ("rate", "has another layer 1: {'rate': 0.65}; rank 0 has {'rate': 0.4}"),
        ("optimizer", "has another optimizer: {'class': "),
        ("learning rate", "has another optimizer: {'_learning_rate': 1.1}; rank 0 has {'_learning_rate': 0.1}"),
        ("metrics", "has another metrics: ['accuracy']; rank 0 has []"),
        ("epochs", "has another fit: (2, "),
        ("version", "has another version of npcnn: "),
    ],
)
def test_what_is_another_on_one_rank_is_named_on_all_before_a_step_is_taken(ran, size, what, wanted):
    for rank in ran(size)[0]:
        error = rank["refused"][what]
        assert error.startswith("ValueError: fit: rank 1 (process ") and wanted in error


@RANKS
def test_what_would_part_the_ranks_is_refused_on_all(ran, size):
    for rank in ran(size)[0]:
        assert "RuntimeError: fit: " in rank["refused"]["weights"]
        assert "is no longer the same on all ranks; callbacks run on rank 0 alone" in rank["refused"]["weights"]
        assert "must be one of npcnn.optimizers, got OwnOptimizer" in rank["refused"]["own optimizer"]


@RANKS
def test_ranks_on_one_machine_share_its_cores(ran, size):
    wanted = max(1, len(threads.cpu_set()) // size)
    assert [rank["cpus"] for rank in ran(size)[0]] == [wanted] * size


@RANKS
def test_each_row_of_a_batch_is_one_ranks(ran, size):
    for N in range(10):
        taken = [list(range(N))[rank["rows"][N]] for rank in ran(size)[0]]
        assert sum(taken, []) == list(range(N))
        assert max(map(len, taken)) - min(map(len, taken)) <= 1


def test_without_mpiexec_start_changes_nothing(alone, monkeypatch):
    for name in distributed.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "mpi4py", None)  # it is not even imported
    wanted, hook, cores = alone(program.batch_normalization), sys.excepthook, threads.available_cpus()
    for _ in range(2):
        ranks = distributed.start()
        assert (ranks.rank, ranks.size) == (0, 1) and distributed.current() is ranks
        assert_same(program.train(program.batch_normalization)["weights"], wanted["weights"])
    assert sys.excepthook is hook and threads.available_cpus() == cores


@pytest.mark.parametrize("arguments", [{"timeout": 0}, {"parts": 3}, {"parts": -1}])
def test_start_refuses_what_is_out_of_range(arguments):
    before = distributed.current()
    with pytest.raises(ValueError, match=f"distributed.*{next(iter(arguments))}"):
        distributed.start(**arguments)
    assert distributed.current() is before


# ------------------------------------------------------------------ faults, each for real


def is_running(process):
    """Return whether there is such a process, and it is more than what its parent has not asked for yet."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")")[-1].split()[0] not in "ZX"
    return False


def finish(folder, parts=program.PARTS):
    """Go on with a training in this process; return the weights that it ends with."""
    distributed.start(parts=parts)
    return program.long_training(folder)[0].get_weights()


@pytest.fixture
def never_stopped(tmp_path):
    """The weights of the training that nobody stops, in four parts, or in one."""

    def train(parts=program.PARTS):
        weights = finish(tmp_path / "whole", parts)
        shutil.rmtree(tmp_path / "whole")
        return weights

    return train


def fault(folder, what, rank=1, *, ranks=2, parts=program.PARTS, at=None):
    """Start a training in which something goes wrong on a rank at some batch; return exit code, stdout, stderr."""
    at = at or random.Random(what).randint(5, 18)
    ended = end(start(ranks, what, folder, rank, parts, at))
    processes = [int(path.name.split()[1]) for path in folder.glob("process *")]
    until = time.monotonic() + 20
    while any(map(is_running, processes)) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(processes) >= ranks and not any(map(is_running, processes))
    return ended


def check_stopped(folder, ended, message):
    """All have stopped with one message, and left a whole backup and nothing else."""
    code, out, err = ended
    assert code != 0
    if message:
        assert err.count("npcnn: ") == 1 and message in err, err
        assert "All ranks stop; from a backup, any number of ranks can go on." in err
    assert not list(folder.glob("ended-*")) and not (folder / "model.keras").exists()
    assert [path.name for path in (folder / "backup").iterdir() if path.suffix != ".tmp"] == ["backup.npz"]
    assert backup.read(folder / "backup" / "backup.npz")["weights"]


NOT_COME = "has not come to step "
SILENT = [
    ("killed", 1, {}, ""),  # mpiexec says so, and ends all others
    ("killed", 0, {"ranks": 4}, ""),
    ("stopped", 0, {"ranks": 4}, NOT_COME),
    ("hangs", 1, {}, NOT_COME),
    ("exits", 1, {}, NOT_COME),
    ("fails", 1, {}, "has failed"),
    ("full", 0, {}, "rank 0 ("),
]


@pytest.mark.parametrize("what, rank, options, message", SILENT)
def test_after_a_fault_on_one_rank_the_training_goes_on_to_the_bits_it_would_have_come_to(
    tmp_path, never_stopped, what, rank, options, message
):
    ended = fault(tmp_path, what, rank, **options)
    check_stopped(tmp_path, ended, message)
    if message == NOT_COME:
        assert f"npcnn: rank {rank} (process " in ended[2]  # no other is accused
    if what == "fails":
        assert ended[2].count("LookupError: no such image") == 1
    if what == "full":
        assert ended[2].count("OSError: [Errno 27] cannot be saved: ") == 1 and not list(
            (tmp_path / "backup").glob(".*")
        )
    assert_same(finish(tmp_path), never_stopped())
    assert not list((tmp_path / "backup").glob(".*"))  # what was half written is removed


def test_killed_on_four_ranks_then_on_two_a_training_ends_alike_up_to_rounding(tmp_path, never_stopped):
    for ranks in 4, 2:
        check_stopped(tmp_path, fault(tmp_path, "killed", ranks - 1, ranks=ranks, parts=0, at=7), "")
    code, out, err = fault(tmp_path, "none", ranks=3, parts=0)
    assert code == 0 and out.count("BackupAndRestore: going on at epoch ") == 1
    weights = [pickle.loads((tmp_path / f"ended-{rank}").read_bytes())[0] for rank in range(3)]
    for w, v in zip(weights[0], never_stopped(parts=None), strict=True):
        assert_allclose(w, v, **ROUNDING)
    for each in weights[1:]:
        assert_same(each, weights[0])


def test_without_mpi4py_several_processes_say_so_once(tmp_path):
    code, out, err = fault(tmp_path, "no mpi4py")
    assert code != 0 and err.count('several processes need mpi4py: pip install "npcnn[mpi]"') == 1, err


@pytest.mark.parametrize("rank", ["every", 1])
def test_ctrl_c_ends_all_ranks_after_the_step_and_what_was_learned_is_kept(tmp_path, never_stopped, rank):
    """It comes to all of them, by way of mpiexec, or to one."""
    if rank == "every":
        process = start(2, "interrupts mpiexec", tmp_path, 0, program.PARTS, 9)
        code, out, err = end(process)
    else:
        code, out, err = fault(tmp_path, "interrupted", rank, at=9)
    assert (code, err) == (0, "") and "what was learned is kept" in out
    weights, interrupted = zip(*(pickle.loads((tmp_path / f"ended-{i}").read_bytes()) for i in range(2)), strict=True)
    assert interrupted == (True, True)
    assert_same(weights[1], weights[0])
    assert_same(load_model(tmp_path / "model.keras").get_weights(), weights[0])
    kept = backup.read(tmp_path / "backup" / "backup.npz")["weights"].values()
    if rank == "every":
        assert_same(kept, weights[0])
    assert_same(finish(tmp_path), never_stopped())
