"""The same bits on any number of ranks: gradients added up in an order that does not depend on how many there are."""

from typing import Any

import numpy as np

from npcnn.distributed.part_plan import PartPlan, RowsOfDraw
from npcnn.distributed.ranks import DATA, Ranks
from npcnn.layers.batch_normalization import BatchNormalization
from npcnn.threads import delay_interrupt
from npcnn.training import Plan


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
        size = comm.size if comm else 1
        if any(count & (count - 1) for count in (parts, size)) or parts < size:
            wanted = "powers of two, and at least one part a rank"
            raise ValueError(f"distributed: parts and ranks must be {wanted}; got {parts} parts, {size} ranks")
        super().__init__(comm, timeout)
        self.parts = parts

    def plan(self, plan: Plan) -> Plan:
        """Return the plan for one part of a batch.

        Raises:
            ValueError: a layer takes means over the whole batch, which is never in one place.
        """
        for step in plan.steps:
            if isinstance(step, BatchNormalization):
                raise ValueError(f"{step}: it needs the whole batch at once; train without parts=")
        return PartPlan.of(plan, self)

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
        first, N = self.first, self.N
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
            found.append((totals, plan.flat(grads)))
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
