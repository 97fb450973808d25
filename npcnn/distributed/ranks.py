"""The ranks: how they take a step together, and what they tell each other."""

import os
import pickle
import platform
import sys
import time
from typing import Any

import numpy as np

from npcnn import backup, threads, training
from npcnn.distributed.part_plan import PartPlan, RowsOfDraw
from npcnn.threads import delay_interrupt
from npcnn.training import Plan

DATA, GIVEN_UP, LEFT = range(3)  # the tags of messages: numbers to add, "I have waited too long", "I have ended"
START = "the start of fit"
GRACE = 5.0  # seconds that a rank goes on waiting when it has heard that another one has ended
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
        self.first, self.N = 0, 0  # of the batch at hand: which row is this rank's first, and how many there are
        self.interrupted = False  # whether all ranks know that Ctrl-C was pressed
        self.place, self.names = START, [""]  # where the training is, and who the ranks are, for messages
        self.names = self.all_of(f"rank {self.rank} (process {os.getpid()} on {platform.node()})")

    def rows(self, N: int) -> slice:
        """Return which rows of a batch of N are this rank's; of fewer than `size`, some have none."""
        return slice(N * self.rank // self.size, N * (self.rank + 1) // self.size)

    def plan(self, plan: Plan) -> Plan:
        """Return what to do with this rank's rows, given what one process would do with the batch."""
        return plan if self.size == 1 else PartPlan.of(plan, self)

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
        rows = slice(self.first, self.first + len(x))
        output, caches = plan.forward(x, training=True, rng=RowsOfDraw(rng, rows, self.N))
        totals, dy = plan.score_and_slope(y, output, weights, self.N)
        with delay_interrupt():
            plan.update_state(caches)
            _, grads = plan.backward(dy, caches)
            flat = self.sum(plan.flat(grads))  # the one line
            optimizer.update(params, plan.gradients_of(flat, grads, params))
        return self.sum(totals)

    def begin_step(self, model: Any, count: int | None) -> None:
        """Tell the others how many rows this rank has, None where its data has ended, and hear what they have.

        With it goes what else must be known before a step: the learning rate, which a callback on rank 0 may have
        changed, and whether Ctrl-C was pressed on any rank. Only what all know is acted upon, at the end of the step.

        Raises:
            ValueError: the data of some ranks has ended, and not that of others; on all ranks.
        """
        if self.size == 1:
            self.first, self.N = 0, count or 0
            return
        self.place = f"step {model.place.step + 1} of epoch {model.place.epoch + 1}"
        told, optimizer = np.zeros(self.size + 2), model.optimizer
        told[self.rank] = -1 if count is None else count
        told[-2] = 0 if self.rank else optimizer.learning_rate
        told[-1] = model.history.interrupted
        told = self.sum(told)
        counts, rate = told[: self.size].astype(int), float(told[-2])
        if -1 in counts and counts.max() >= 0:
            ended = " and ".join(name for name, n in zip(self.names, counts, strict=True) if n < 0)
            raise ValueError(f"fit: the data of {ended} has ended before {self.place}, that of others has not")
        self.first, self.N = int(counts[: self.rank].sum()), int(counts.sum())
        if not optimizer.is_scheduled and rate != optimizer.learning_rate:
            optimizer.learning_rate = rate
        if told[-1]:
            model.history.interrupted = self.interrupted = True

    def stops(self, model: Any) -> bool:
        """Return whether the training ends here: a callback on rank 0 wants it, or Ctrl-C was pressed on any rank."""
        if self.size == 1:
            return model.stop_training or model.history.interrupted
        model.stop_training = bool(self.sum(np.array([float(self.rank == 0 and model.stop_training)]))[0])
        return model.stop_training or self.interrupted

    def was_interrupted(self, model: Any) -> bool:
        """Return whether Ctrl-C was pressed, as far as all ranks know."""
        return model.history.interrupted if self.size == 1 else self.interrupted

    def share(self, model: Any) -> None:
        """Bring all ranks into the state of rank 0: weights, optimizer, random numbers, place, history."""
        if self.size == 1:
            return
        state = self.from_first(backup.state_of(model, [model.history]) if self.rank == 0 else None)
        if self.rank:
            backup.put_back(state, model, [model.history])
            model.stop_training = state["stop_training"]

    # ------------------------------------------------------------------ what the ranks tell each other

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of the ranks' arrays, on every rank; it takes the place of this rank's."""
        if self.comm:
            from mpi4py import MPI

            self.wait(self.comm.Iallreduce(MPI.IN_PLACE, array))
        return array

    def all_of(self, value: Any) -> list[Any]:
        """Return the ranks' values, on every rank."""
        if not self.comm:
            return [value]
        mine, lengths = np.frombuffer(pickle.dumps(value), np.uint8), np.zeros(self.size, int)
        lengths[self.rank] = len(mine)
        found = np.zeros((self.size, self.sum(lengths).max()), np.uint8)
        found[self.rank, : len(mine)] = mine
        self.wait(self.comm.Iallgather(found[self.rank].copy(), found))
        return [pickle.loads(row[:length].tobytes()) for row, length in zip(found, lengths, strict=True)]

    def from_first(self, value: Any) -> Any:
        """Return rank 0's value, on every rank."""
        data = np.array(bytearray(pickle.dumps(value) if self.rank == 0 else b""))
        length = self.sum(np.array([len(data)]))[0]
        data = data if self.rank == 0 else np.empty(length, np.uint8)
        self.wait(self.comm.Ibcast(data))
        return pickle.loads(data.tobytes())

    def wait(self, request: Any) -> None:
        """Wait until what all ranks take part in is done; stop all of them if one does not come in time.

        MPI's own way to wait cannot be ended, so this looks again and again. Where ranks have a core each, they look
        without a pause; after 0.1 s, or where they share cores, they sleep between, to leave these to the others.
        """
        start, crowded = time.monotonic(), threads.processes > len(threads.cpu_set())
        limit = self.timeout
        while not request.Test():
            waited = time.monotonic() - start
            if waited > 0.1 and self.comm.iprobe(tag=LEFT):  # what it took part in may still be on its way
                limit = min(limit, waited + GRACE)
            if waited > limit or (waited > 0.1 and self.comm.iprobe(tag=GIVEN_UP)):
                self.give_up()
            time.sleep(NAP if crowded or waited > 0.1 else 0)

    def give_up(self) -> None:
        """Tell the others, who do the same if they wait too; then stop all ranks, and say which of them was silent."""
        from mpi4py import MPI

        others = (rank for rank in range(self.size) if rank != self.rank)
        told = [self.comm.isend(None, dest=rank, tag=GIVEN_UP) for rank in others]
        come, status, end = {self.rank}, MPI.Status(), time.monotonic() + min(1.0, self.timeout / 4)
        while time.monotonic() < end and len(come) < self.size:
            if self.comm.iprobe(tag=GIVEN_UP, status=status):
                self.comm.recv(source=status.source, tag=GIVEN_UP)
                come.add(status.source)
            time.sleep(NAP)
        del told
        missing = " and ".join(name for rank, name in enumerate(self.names) if rank not in come) or "a rank"
        if self.rank > min(come):
            time.sleep(2)  # that one says it
        self.stop(f"{missing} has not come to {self.place}: it has ended, or hangs (the limit is {self.timeout:g} s)")

    def stop(self, message: str) -> None:
        """Print a message, and stop all ranks."""
        advice = "" if self.place == START else "; from a backup, any number of ranks can go on"
        print(f"npcnn: {message}. All ranks stop{advice}.", file=sys.stderr, flush=True)
        self.comm.Abort(1)
        os._exit(1)  # Abort may return before it takes effect

    def leave(self) -> None:
        """Tell the others that this process ends, and wait until they end too; those that wait for it then stop.

        There is no limit: rank 0 may have much to do when the training is over.
        """
        others = [rank for rank in range(self.size) if rank != self.rank]
        told = [self.comm.isend(None, dest=rank, tag=LEFT) for rank in others]
        for rank in others:
            while not self.comm.iprobe(source=rank, tag=LEFT):
                time.sleep(1e-3)
            self.comm.recv(source=rank, tag=LEFT)
        del told
