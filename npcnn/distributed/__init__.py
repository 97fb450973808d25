"""Training on several processes at once, on one machine or many: `mpiexec -n 4 python examples/train_mnist.py`.

The loss of a batch is a mean over its N examples, so its gradient is a sum over them, and a sum may be computed in
parts. Each process, called a *rank*, takes some rows of every batch, N_r of N. With L_r the mean over its own,

    L = sum over r of (N_r / N) L_r,      dL/dw = sum over r of (N_r / N) dL_r/dw.

Each rank has all the weights. It goes forward and backward on its rows; then the ranks add up their gradients (an
*allreduce*: every rank gets the sum), and each takes the same step of the optimizer. So the weights stay the same
everywhere, without being sent. `Ranks.train_step` in ranks.py is all of it, to be read beside that of training.py.

Two kinds of layer look beyond their rows: BatchNormalization takes its means over the whole batch, and layers that draw
random numbers draw them for the whole batch (see part_plan.py). So any number of ranks trains alike, up to rounding.

The processes talk by MPI, through mpi4py: `pip install "npcnn[mpi]"`. On several machines the program is the same, and
mpiexec is told their names.
"""

import atexit
import faulthandler
import os
import sys
import time
import traceback
import warnings
from typing import Any

from npcnn import threads
from npcnn.checks import check_count, check_positive
from npcnn.distributed.alike import check_alike, check_weights
from npcnn.distributed.ranks import Ranks
from npcnn.distributed.ranks_in_order import RanksInOrder

__all__ = ["Ranks", "RanksInOrder", "check_alike", "check_weights", "current", "start"]

LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")  # what a launcher of MPI tells the processes it starts

_ranks = Ranks()


def start(timeout: float = 300.0, parts: int | None = None) -> Ranks:
    """Join the processes that `mpiexec` has started, and return which of them this is; elsewhere, rank 0 of 1.

    Call it at the top of a program, before the model is made. From then on, `fit` trains on all ranks together:
    `batch_size` is that of them all, and each takes its rows of every batch; the loss must be a mean over examples. An
    iterable must give the same batches on all ranks, or, with an attribute `own_part = True`, to each its own rows;
    its `random_state`, if a backup is to keep one, must then mean the same on all of them.

    Callbacks run on rank 0. They may change the learning rate at any time, weights and optimizer at the end of an
    epoch. The validation is shared. `evaluate`, `predict`, `train_on_batch` and `save` are this rank's own affair, so
    let rank 0 save. On the others nothing is printed, and warnings are not shown. An error that is not handled, or the
    end of a rank, stops all.

    Ranks on one machine share its cores.

    Args:
        timeout: how many seconds a rank waits for another; longer than whatever one rank does alone, such as a callback
            on rank 0, or the compiling of kernels.
        parts: into how many parts to cut each batch, a power of two, so that 1, 2, 4 ... ranks train alike to the bit
            (see ranks_in_order.py; values of the validation are alike up to rounding); None cuts it by ranks, which is
            faster, and alike up to rounding.

    Raises:
        ImportError: there are several processes, but no mpi4py.
        RuntimeError: mpi4py belongs to another MPI than mpiexec.
        ValueError: an argument is out of range, or another on another rank.
    """
    global _ranks
    check_positive("distributed.start: timeout", timeout)
    parts = None if parts is None else check_count("distributed.start: parts", parts)
    alone = os.environ.get("PMI_SIZE") == "1" or os.environ.get("OMPI_COMM_WORLD_SIZE") == "1"
    if not _ranks.comm and not alone and any(name in os.environ for name in LAUNCHED):
        join(world(timeout), timeout)
    comm = _ranks.comm
    for name, theirs in zip(_ranks.names, _ranks.all_of(parts), strict=True):
        if theirs != parts:
            raise ValueError(f"distributed.start: parts={parts} here, but parts={theirs} on {name}")
    _ranks = Ranks(comm, timeout) if parts is None else RanksInOrder(comm, timeout, parts)
    return _ranks


def current() -> Ranks:
    """Return what `start` returned; before it, rank 0 of 1."""
    return _ranks


def world(timeout: float) -> Any:
    """Return the communicator of all processes that mpiexec has started.

    Raises:
        ImportError, RuntimeError: see `start`.
    """
    faulthandler.dump_traceback_later(timeout, exit=True)  # MPI waits here for all, for ever
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter where there is no MPI library
        if any(os.environ.get(name, "0") != "0" for name in LAUNCHED):
            time.sleep(1)  # rank 0 says it
            raise SystemExit(1) from None
        how = 'pip install "npcnn[mpi]" brings it and mpiexec'
        raise ImportError(f"several processes need mpi4py: {how} ({error})") from None
    finally:
        faulthandler.cancel_dump_traceback_later()
    size = os.environ.get("PMI_SIZE") or os.environ.get("OMPI_COMM_WORLD_SIZE")
    if size and int(size) != MPI.COMM_WORLD.size:
        both = f"{size} processes were started, but in mpi4py's MPI there is {MPI.COMM_WORLD.size}"
        raise RuntimeError(f"{both}: this mpiexec belongs to another MPI; use the one beside this Python")
    return MPI.COMM_WORLD


def join(comm: Any, timeout: float) -> None:
    """Be one of the ranks from now on, if there are others."""
    global _ranks
    if comm.size == 1:
        return
    _ranks = Ranks(comm, timeout)
    sys.excepthook = stop_all
    atexit.register(lambda: _ranks.leave())
    threads.processes = processes_here(comm)
    for name in LAUNCHED:
        os.environ.pop(name, None)  # a program that this one starts is no rank
    if comm.rank:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        warnings.simplefilter("ignore")


def processes_here(comm: Any) -> int:
    """Return among how many ranks the CPUs are divided that this process may use."""
    from mpi4py import MPI

    sets = comm.Split_type(MPI.COMM_TYPE_SHARED).allgather(threads.cpu_set())
    return sum(bool(each & threads.cpu_set()) for each in sets)


def stop_all(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print an error that nobody has handled, and stop all ranks."""
    if _ranks.rank:
        time.sleep(1)  # where all of them fail alike, rank 0 says it
    traceback.print_exception(kind, error, trace)
    _ranks.stop(f"{_ranks.names[_ranks.rank]} has failed")
