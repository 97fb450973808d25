"""Training on several processes at once, on one machine or many: `mpiexec -n 4 python examples/train_mnist.py`.

The loss of a batch is a mean over its N examples, so its gradient is a sum over them, and a sum may be computed in
parts. Each process, called a *rank*, takes some rows of every batch, N_r of N. With L_r the mean over its own,

    L = sum over r of (N_r / N) L_r,      dL/dw = sum over r of (N_r / N) dL_r/dw.

Each rank has all the weights. It goes forward and backward on its rows; then the ranks add up their gradients (an
*allreduce*: every rank gets the sum), and each takes the same step of the optimizer. So the weights stay the same
everywhere, without being sent. `Ranks.train_step` is all of it, to be read beside `train_step` in training.py.

Two kinds of layer look beyond their rows: BatchNormalization takes its means over the whole batch, and layers that draw
random numbers draw them for the whole batch (see `PartPlan`). So any number of ranks trains alike, up to rounding.

The processes talk by MPI, through mpi4py: `pip install "npcnn[mpi]"`. On several machines the program is the same, and
mpiexec is told their names.
"""

import copy
import os
import platform
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import npcnn
from npcnn import backup, threads, training
from npcnn.checks import check_count, check_positive
from npcnn.layers.batch_normalization import BatchNormalization
from npcnn.layers.layer import Layer
from npcnn.optimizers import Optimizer
from npcnn.threads import delay_interrupt
from npcnn.training import Gradients, Plan, penalties

LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")  # what a launcher of MPI tells the processes it starts
DATA, GIVEN_UP = 0, 1  # the tags of messages: numbers to add, and "I have waited too long"
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
        self.place = "the start"  # where the training is
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
        advice = "All ranks stop; a backup, if there is one, is whole, and any number of ranks can go on from it."
        print(f"npcnn: {message}. {advice}", file=sys.stderr, flush=True)
        self.comm.Abort(1)

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
                if theirs.get(key) != found[0].get(key):
                    both = f"{theirs.get(key, 'none')}; rank 0 has {found[0].get(key, 'none')}"
                    raise ValueError(f"fit: {self.names[rank]} has another {key}: {both}")

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


def part_of(plan: Plan, ranks: Ranks) -> "PartPlan":
    """Return the plan for some rows of a batch, on one of these ranks."""
    steps = [part_of_step(step, ranks) for step in plan.steps]
    return PartPlan(steps, plan.dtype, plan.loss, plan.metrics, plan.joined, plan)


def part_of_step(step: Layer, ranks: Ranks) -> Layer:
    """Return a step that knows of the other ranks' rows as far as it must; it shares its parameters with `step`."""
    part: Any = copy.copy(step)
    part.kernel_regularizer = part.bias_regularizer = None  # `PartPlan.gradients_of` adds the penalty, once
    if isinstance(step, BatchNormalization):
        part.channel_mean = partial(mean_over_ranks, ranks)
    if step.draws:
        part.forward = partial(draw_for_all, step)
    return part


def mean_over_ranks(ranks: Ranks, array: np.ndarray) -> np.ndarray:
    """Return the mean over all axes but the last, and over all ranks; as `BatchNormalization.channel_mean`."""
    rows = array.reshape(-1, array.shape[-1])
    total = ranks.sum(np.append(rows.sum(axis=0, dtype=np.float64), len(rows)))
    return (total[:-1] / total[-1]).astype(array.dtype)


def draw_for_all(step: Any, x: np.ndarray, training: bool = False, rng: Any = None) -> tuple[np.ndarray, Any]:
    """Go forward through a layer that draws random numbers, as it would on the whole batch."""
    own = getattr(step, "seed", None)
    if own is not None and rng is not None:
        rng = RowsOfDraw(np.random.default_rng([own, int(step.steps)]), rng.rows, rng.N)
    if rng is not None and (getattr(step, "noise_shape", None) or (None,))[0] == 1:
        rng = rng.rng  # one draw for the whole batch
    plain = copy.copy(step)
    plain.seed = None
    return type(step).forward(plain, x, training, rng)


@dataclass
class RowsOfDraw:
    """Random numbers for some rows of a batch: those that one process would draw for these rows."""

    rng: np.random.Generator
    rows: slice
    N: int

    def random(self, shape: Sequence[int], dtype: Any = float) -> np.ndarray:
        """Return uniform random numbers from 0 to 1."""
        return self.rng.random((self.N, *shape[1:]), dtype)[self.rows]

    def standard_normal(self, shape: Sequence[int], dtype: Any = float) -> np.ndarray:
        """Return normally distributed random numbers."""
        return self.rng.standard_normal((self.N, *shape[1:]), dtype)[self.rows]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"with several ranks, a layer draws by rng.random or rng.standard_normal, not by {name}")


@dataclass
class PartPlan(Plan):
    """What a model does to some rows of a batch, given how the whole of it is dealt with."""

    whole: Any

    def forward(self, x: np.ndarray, training: bool = False, rng: Any = None) -> tuple[np.ndarray, list[Any]]:
        """Do as `Plan.forward`, and let `whole` look at it."""
        output, caches = super().forward(x, training, rng)
        if training and len(x):
            self.whole.look(x, caches)
        return output, caches

    def score(self, y: Any, output: np.ndarray, weights: Any = None) -> tuple[np.ndarray, Any]:
        """Return what `Plan.score` does; `whole` knows the penalties on weights."""
        return self.whole.score(y, output, weights)

    def score_and_slope(self, y: Any, output: np.ndarray, weights: Any, N: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the totals of some rows, and the gradient of the mean over all N with respect to their output."""
        if not len(output):
            return np.zeros((1 + len(self.metrics), 2)), output
        totals, cache = self.score(y, output, weights)
        return totals, self.loss.backward(cache) * (len(output) / N)

    def gradients_of(self, flat: np.ndarray, shapes: Gradients, params: dict[str, np.ndarray]) -> Gradients:
        """Return the gradients that stand one behind the other in `flat`, and those of the penalties with them."""
        ends = np.cumsum([g.size for g in shapes.values()])[:-1]
        cut = zip(shapes.items(), np.split(flat, ends), strict=True)
        grads = {key: part.reshape(g.shape) for (key, g), part in cut if key in params}
        for step in self.whole.steps:
            for key, penalty in penalties(step).items():
                grads[f"{step.name}/{key}"] += penalty.gradient(step.params[key])
        return grads


# ------------------------------------------------------------------ the same bits on any number of ranks


class RanksInOrder(Ranks):
    """Ranks that add up gradients in an order that does not depend on how many they are: to the bit, all train alike.

    A batch is cut into `parts`, whatever the number of ranks. Gradients of neighbouring parts are added, then those of
    neighbouring pairs, and so on, within a rank and then between ranks (*recursive doubling*: in round i, a rank and
    the one whose number differs in bit i send each other their sums). All additions are those of one tree, and floating
    point addition is commutative, so the ranks of a pair get the same bits.

    It costs more than an allreduce: a rank computes its parts one after the other, smaller than they could be, and
    sends all numbers in each round, where MPI's own way sends half of what is left.
    """

    def __init__(self, comm: Any, timeout: float, parts: int) -> None:
        super().__init__(comm, timeout)
        self.parts = parts
        if any(count & (count - 1) for count in (parts, self.size)) or parts < self.size:
            wanted = "powers of two, and at least one part a rank"
            raise ValueError(f"distributed: parts and ranks must be {wanted}; got {parts} parts, {self.size} ranks")

    def part_of(self, plan: Plan) -> Plan:
        """Return the plan for one part of a batch.

        Raises:
            ValueError: a layer takes means over the whole batch, which is never in one place.
        """
        for step in plan.steps:
            if isinstance(step, BatchNormalization):
                raise ValueError(f"{step}: it needs the whole batch at once; train without parts=")
        return part_of(plan, self)

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
        """Take one step as `Ranks` do, part by part."""
        first, N = self.position(len(x))
        each = self.parts // self.size
        bounds = [N * i // self.parts - first for i in range(self.rank * each, (self.rank + 1) * each + 1)]
        if bounds[0] or bounds[-1] != len(x):
            raise ValueError(f"{self.names[self.rank]} has rows of its own; parts= needs batches cut into equal parts")
        found, drawn = [], rng.bit_generator.state
        for rows in map(slice, bounds[:-1], bounds[1:]):
            rng.bit_generator.state = drawn  # each part draws for the whole batch
            here = slice(first + rows.start, first + rows.stop)
            output, caches = plan.forward(x[rows], training=True, rng=RowsOfDraw(rng, here, N))
            some = None if weights is None else weights[rows]
            totals, dy = plan.score_and_slope(y[rows], output, some, N)
            states = list(caches)
            _, grads = plan.backward(dy, caches)
            found.append((totals, np.concatenate([g.ravel() for g in grads.values()])))
        totals, flat = (self.sum(add_up(list(arrays))) for arrays in zip(*found, strict=True))
        with delay_interrupt():
            plan.update_state(states)
            optimizer.update(params, plan.gradients_of(flat, grads, params))
        return totals

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of the ranks' arrays, on every rank, by recursive doubling."""
        bit = 1
        while bit < self.size:
            theirs, other = np.empty_like(array), self.rank ^ bit
            for request in (self.comm.Irecv(theirs, other, DATA), self.comm.Isend(array, other, DATA)):
                self.wait(request)
            array += theirs
            bit *= 2
        return array


def add_up(arrays: list[np.ndarray]) -> np.ndarray:
    """Return the sum of a power of two of arrays: neighbours first, then the sums of neighbours, and so on."""
    while len(arrays) > 1:
        arrays = [a + b for a, b in zip(arrays[::2], arrays[1::2], strict=True)]
    return arrays[0]


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
            (see `RanksInOrder`); None cuts it by ranks, which is faster, and alike up to rounding.

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
    parts = parts and check_count("distributed.start: parts", parts)
    _ranks = RanksInOrder(comm, timeout, parts) if parts else Ranks(comm, timeout)
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


def settings(thing: Any) -> str:
    """Return of what class something is, and those of its attributes that are numbers, texts and the like."""
    kinds = int | float | str | tuple | None
    plain = {key: value for key, value in vars(thing).items() if isinstance(value, kinds)}
    shapes = {key: w.shape for key, w in getattr(thing, "params", {}).items()}
    return f"{type(thing).__name__} {plain | shapes}"


def stop_all(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print an error that nobody has handled, and stop all ranks."""
    if _ranks.rank:
        time.sleep(1)  # where all of them fail alike, rank 0 says it
    traceback.print_exception(kind, error, trace)
    _ranks.stop(f"{_ranks.names[_ranks.rank]} has failed")
