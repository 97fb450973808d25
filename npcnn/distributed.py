"""Training on several processes at once, on one machine or many: `mpiexec -n 4 python examples/train_mnist.py`.

The loss of a batch is a mean over its N examples, so its gradient is a sum over them, and a sum may be computed in
parts. Each process, called a *rank*, takes some rows of every batch, N_r of N. With L_r the mean over its own,

    L = sum over r of (N_r / N) L_r,      dL/dw = sum over r of (N_r / N) dL_r/dw.

Each rank has all the weights. It goes forward and backward on its rows; then the ranks add up their gradients (an
*allreduce*: every rank gets the sum), and each takes the same step of the optimizer. So the weights stay the same
everywhere, without being sent. `Ranks.train_step` is all of it, to be read beside `train_step` in training.py.

Two kinds of layer look beyond their rows: BatchNormalization takes its means over the whole batch, and layers that draw
random numbers draw them for the whole batch (see part_plan.py). So any number of ranks trains alike, up to rounding.

The processes talk by MPI, through mpi4py: `pip install "npcnn[mpi]"`. On several machines the program is the same, and
mpiexec is told their names.
"""

import os
import platform
import sys
import time
import traceback
import warnings
from typing import Any

import numpy as np

import npcnn
from npcnn import backup, threads, training
from npcnn.checks import check_count, check_positive
from npcnn.optimizers import Optimizer
from npcnn.part_plan import PartPlan, RowsOfDraw, part_of
from npcnn.threads import delay_interrupt
from npcnn.training import Plan

LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")  # what a launcher of MPI tells the processes it starts
DATA, GIVEN_UP = 0, 1  # the tags of messages: numbers to add, and "I have waited too long"
START = "the start of fit"
NAP = 5e-5  # seconds between two looks at whether the others have come


class Ranks:
    """The processes that train together; without a communicator, this one alone.

    Args:
        comm: a communicator of mpi4py.
        timeout: how many seconds a rank waits for another before all of them are stopped.

    Attributes: `rank`, the number of this process, counted from 0, and `size`, how many there are.
    """

    def __init__(self, comm: Any = None, timeout: float = 300.0) -> None:
        self.comm, self.timeout = comm, timeout
        self.rank: int = comm.rank if comm else 0
        self.size: int = comm.size if comm else 1
        self.place = START  # where the training is
        self.names = self.all_of(f"rank {self.rank} (process {os.getpid()} on {platform.node()})")

    def rows(self, N: int) -> slice:
        """Return which rows of a batch of N are this rank's; of fewer than `size`, some have none."""
        return slice(N * self.rank // self.size, N * (self.rank + 1) // self.size)

    # ------------------------------------------------------------------ one step

    def train_step(
        self,
        plan: Any,
        optimizer: Any,
        params: dict[str, np.ndarray],
        x: np.ndarray,
        y: np.ndarray,
        rng: np.random.Generator,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Take one step on a batch of which x, y and weights are this rank's rows; else as `training.train_step`."""
        if not isinstance(plan, PartPlan):
            return training.train_step(plan, optimizer, params, x, y, rng, weights)
        first, N = self.position(len(x))
        output, caches = plan.forward(x, training=True, rng=RowsOfDraw(rng, slice(first, first + len(x)), N))
        totals, dy = plan.score_and_slope(y, output, weights, N)
        with delay_interrupt():
            plan.update_state(caches)
            _, grads = plan.backward(dy, caches)
            flat = self.sum(np.concatenate([g.ravel() for g in grads.values()]))  # the one line
            optimizer.update(params, plan.gradients_of(flat, grads, params))
        return self.sum(totals)

    def position(self, count: int) -> tuple[int, int]:
        """Return where in the batch this rank's `count` rows begin, and how many rows it has in all."""
        counts = np.zeros(self.size, int)
        counts[self.rank] = count
        counts = self.sum(counts)
        return int(counts[: self.rank].sum()), int(counts.sum())

    # ------------------------------------------------------------------ what the ranks tell each other

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of the ranks' arrays, on every rank; it takes the place of this rank's."""
        if self.comm:
            from mpi4py import MPI

            self.wait(self.comm.Iallreduce(MPI.IN_PLACE, array))
        return array

    def all_of(self, value: Any) -> list[Any]:
        """Return the ranks' values, on every rank."""
        self.meet()
        return self.comm.allgather(value) if self.comm else [value]

    def meet(self) -> None:
        """Go on when all ranks have come here."""
        if self.comm:
            self.wait(self.comm.Ibarrier())

    def wait(self, request: Any) -> None:
        """Wait until what all ranks take part in is done; stop all of them if one does not come in time."""
        start, crowded = time.monotonic(), threads.processes > len(threads.cpu_set())
        while not request.Test():
            waited = time.monotonic() - start
            if waited > self.timeout or (waited > 0.1 and self.comm.iprobe(tag=GIVEN_UP)):
                self.give_up()
            time.sleep(NAP if crowded or waited > 0.1 else 0)

    def give_up(self) -> None:
        """Tell the others, who do the same if they wait too; then stop all ranks, and say which of them was silent."""
        from mpi4py import MPI

        others = (rank for rank in range(self.size) if rank != self.rank)
        told = [self.comm.isend(None, dest=rank, tag=GIVEN_UP) for rank in others]
        come, status, end = {self.rank}, MPI.Status(), time.monotonic() + min(1.0, self.timeout / 4)
        while time.monotonic() < end and len(come) <= len(told):
            if self.comm.iprobe(tag=GIVEN_UP, status=status):
                self.comm.recv(source=status.source, tag=GIVEN_UP)
                come.add(status.source)
            time.sleep(NAP)
        missing = ", ".join(name for rank, name in enumerate(self.names) if rank not in come) or "a rank"
        if self.rank > min(come):
            time.sleep(2)  # that one says it
        self.stop(f"{missing} has not come to {self.place} in {self.timeout:g} s: it hangs, or has ended")

    def stop(self, message: str) -> None:
        """Print a message, and stop all ranks."""
        backed_up = "" if self.place == START else "; from a backup, any number of ranks can go on"
        print(f"npcnn: {message}. All ranks stop{backed_up}.", file=sys.stderr, flush=True)
        self.comm.Abort(1)
        os._exit(1)  # Abort may return before it takes effect

    # ------------------------------------------------------------------ what `fit` needs

    def part_of(self, plan: Plan) -> Plan:
        """Return the plan for this rank's rows."""
        return plan if self.size == 1 else part_of(plan, self)

    def check_alike(self, model: Any, facts: dict[str, Any]) -> None:
        """Refuse to train where ranks have different models, data or versions; `facts` are more that must be alike.

        Raises:
            ValueError: they have; on all ranks.
            TypeError: nobody knows what the optimizer remembers.
        """
        if self.size == 1:
            return
        if not isinstance(model.optimizer, Optimizer):
            kind = type(model.optimizer).__name__
            raise TypeError(f"fit: with several ranks, the optimizer must be one of npcnn.optimizers, got {kind}")
        mine = {
            "version of npcnn": npcnn.__version__,
            **{f"layer {i}": settings(layer) for i, layer in enumerate(model._plan().steps)},
            **{key: settings(getattr(model, key)) for key in ("optimizer", "loss")},
            "metrics": [metric.name for metric in model.metrics],
            **facts,
        }
        found = self.all_of(mine)
        for rank, theirs in enumerate(found):
            for key in {**found[0], **theirs}:
                there, here = theirs.get(key, "none"), found[0].get(key, "none")
                if isinstance(there, dict) and isinstance(here, dict):
                    there, here = without(there, here), without(here, there)
                if there != here:
                    raise ValueError(f"fit: {self.names[rank]} has another {key}: {there}; rank 0 has {here}")

    def share(self, model: Any) -> None:
        """Bring all ranks into the state of rank 0: weights, optimizer, random numbers, place, history."""
        if self.size == 1:
            return
        state = backup.state_of(model, [model.history]) if self.rank == 0 else None
        self.meet()
        state = self.comm.bcast(state)
        if self.rank:
            backup.put_back(state, model, [model.history])
            model.stop_training = state["stop_training"]

    def stops(self, model: Any) -> bool:
        """Return whether the training ends here: a callback wants it, or Ctrl-C was pressed on any rank.

        Callbacks run on rank 0. If one of them has changed the learning rate, it is changed on all ranks.
        """
        optimizer, place = model.optimizer, model.place
        if self.size > 1:
            self.place = f"step {place.step + 1} of epoch {place.epoch + 1}"
            rate = 0.0 if optimizer.is_scheduled else float(optimizer.learning_rate)
            first = self.rank == 0
            told = self.sum(np.array([first and model.stop_training, model.history.interrupted, first and rate], float))
            model.stop_training, model.history.interrupted = bool(told[0]), bool(told[1])
            if not optimizer.is_scheduled and rate != told[2]:
                optimizer.learning_rate = float(told[2])
        return model.stop_training or model.history.interrupted

    def check_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Refuse to go on where the weights are no longer the same everywhere, up to rounding.

        Raises:
            RuntimeError: they are not; on all ranks.
        """
        if self.size == 1:
            return
        sizes = np.array([np.abs(w).sum(dtype=float) for w in weights.values()])
        mean = self.sum(sizes / self.size)
        for key, here, there in zip(weights, sizes, mean, strict=True):
            if abs(here - there) > 1e-3 * there:
                cause = "callbacks run on rank 0 alone, and may change weights at the end of an epoch, not within it"
                raise RuntimeError(f"fit: {key} is no longer the same on all ranks; {cause}")


# ------------------------------------------------------------------ to begin

_ranks = Ranks()


def start(timeout: float = 300.0, parts: int | None = None) -> Ranks:
    """Join the processes that `mpiexec` has started, and return which of them this is; elsewhere, rank 0 of 1.

    Call it at the top of a program, before the model is made. From then on, `fit` trains on all ranks together:
    `batch_size` is that of them all, and each takes its rows of every batch. Callbacks run on rank 0; the validation is
    shared. `evaluate`, `predict` and `save` are this rank's own affair, so let rank 0 save. On the others nothing is
    printed, and warnings are not shown. An error on any rank stops all of them, and so does one that does not come.

    Ranks on one machine share its cores.

    Args:
        timeout: how many seconds a rank waits for another; longer than whatever one rank does alone, such as a callback
            on rank 0, or the compiling of kernels.
        parts: into how many parts to cut each batch, a power of two, so that 1, 2, 4 ... ranks train alike to the bit
            (see ranks_in_order.py); None cuts it by ranks, which is faster, and alike up to rounding.

    Raises:
        ImportError: there are several processes, but no mpi4py.
        RuntimeError: mpi4py belongs to another MPI than mpiexec.
        ValueError: an argument is out of range.
    """
    global _ranks
    check_positive("distributed.start: timeout", timeout)
    comm = world() if any(name in os.environ for name in LAUNCHED) else None
    if comm and comm.size > 1 and not _ranks.comm:
        sys.excepthook = stop_all
        threads.processes = processes_here(comm)
        if comm.rank:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            warnings.simplefilter("ignore")
    comm = comm if comm and comm.size > 1 else None
    if parts is None:
        _ranks = Ranks(comm, timeout)
    else:
        from npcnn.ranks_in_order import RanksInOrder

        _ranks = RanksInOrder(comm, timeout, check_count("distributed.start: parts", parts))
    return _ranks


def current() -> Ranks:
    """Return what `start` returned; before it, rank 0 of 1."""
    return _ranks


def world() -> Any:
    """Return the communicator of all processes that mpiexec has started.

    Raises:
        ImportError, RuntimeError: see `start`.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter where there is no MPI library
        if any(os.environ.get(name, "0") != "0" for name in LAUNCHED):
            time.sleep(1)  # rank 0 says it
            raise SystemExit(1) from None
        how = 'pip install "npcnn[mpi]" brings it and mpiexec'
        raise ImportError(f"several processes need mpi4py: {how} ({error})") from None
    size = os.environ.get("PMI_SIZE") or os.environ.get("OMPI_COMM_WORLD_SIZE")
    if size and int(size) != MPI.COMM_WORLD.size:
        both = f"{size} processes were started, but in mpi4py's MPI there is {MPI.COMM_WORLD.size}"
        raise RuntimeError(f"{both}: this mpiexec belongs to another MPI; use the one beside this Python")
    return MPI.COMM_WORLD


def processes_here(comm: Any) -> int:
    """Return among how many ranks the CPUs are divided that this process may use."""
    from mpi4py import MPI

    sets = comm.Split_type(MPI.COMM_TYPE_SHARED).allgather(threads.cpu_set())
    return sum(bool(each & threads.cpu_set()) for each in sets)


def settings(thing: Any) -> dict[str, Any]:
    """Return of what class something is, its attributes that are numbers, texts and the like, and its shapes."""
    plain = {key: value for key, value in vars(thing).items() if isinstance(value, int | float | str | tuple | None)}
    shapes = {key: w.shape for key, w in getattr(thing, "params", {}).items()}
    return {"class": type(thing).__name__, **plain, **shapes}


def without(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of one that the other has not alike."""
    return {key: value for key, value in one.items() if other.get(key) != value}


def stop_all(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print an error that nobody has handled, and stop all ranks."""
    if _ranks.rank:
        time.sleep(1)  # where all of them fail alike, rank 0 says it
    traceback.print_exception(kind, error, trace)
    _ranks.stop(f"{_ranks.names[_ranks.rank]} has failed")
