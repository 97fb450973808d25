"""What a step of data-parallel training costs on p nodes: a model of computing and communicating; measures nothing.

A message of n bytes takes alpha + n / bandwidth; alpha is the latency (Hockney, "The communication challenge for MPP",
1994). A node sends and receives one message at a time, no two messages are in each other's way, and additions are free.
Then p nodes take, to add up the n bytes that each of them has,

    ring                    2 (p - 1) alpha + 2 (p - 1) / p n / bandwidth
    halving and doubling    2 lg p    alpha + 2 (p - 1) / p n / bandwidth
    recursive doubling        lg p    alpha +   lg p        n / bandwidth

and to give all nodes the n bytes that each of them has (*allgather*), lg p alpha + (p - 1) n / bandwidth (Thakur,
Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH", 2005; ring: Patarasuk and Yuan,
"Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009).

A step computes, for a fixed time and a time per image, and adds up the gradients. Two ideas make the second shorter:

    overlap    The gradients of the dense layers are sent while the convolutions are still computing theirs.
    factors    The gradient of a dense layer is dw = x.T @ dy, a sum over the images. Instead of dw, C U numbers, a node
               sends the rows of x and dy of its B images, B (C + U) numbers, and all compute dw from the rows of all
               nodes: fewer bytes while p B is below 2 C U / (C + U), for p times the arithmetic (Xie et al.,
               "Distributed machine learning via sufficient factor broadcasting", 2014).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

NUMBER = 4  # bytes, of a float32
THIS = "this model"  # the name of the one in examples/train_mnist.py


@dataclass(frozen=True)
class Network:
    """latency: seconds; bandwidth: bytes per second, of one message between two nodes."""

    latency: float
    bandwidth: float


# Measured on C5n instances, latencies are 20 to 30 us over Ethernet with TCP and 1 us over InfiniBand; one connection
# reaches 9.5 Gbit/s, four 25 (Zhuang, "MPI over multiple TCP connections on EC2 C5n instances",
# jiaweizhuang.github.io/blog/mpi-tcp-ec2). 46 to 50 us were measured on older machines with 10 Gbit (half the round
# trip; blogs.scalablelogic.com, "Enhanced networking in the AWS cloud", 2014). TCP over Ethernet leaves 94 % of the
# bits for data (1,448 of 1,538 bytes). For InfiniBand, 2 us allows for a second switch, 12 GB/s for its headers.
NETWORKS = {
    "1 Gbit Ethernet": Network(50e-6, 0.94 * 1e9 / 8),
    "10 Gbit Ethernet": Network(30e-6, 0.94 * 10e9 / 8),
    "25 Gbit Ethernet": Network(20e-6, 0.94 * 25e9 / 8),
    "100 Gbit InfiniBand": Network(2e-6, 12e9),
}

# ------------------------------------------------------------------ communication


def ring(network: Network, nodes: int, size: float) -> float:
    """Return the seconds of an allreduce of `size` bytes: pieces go round, first to be added up, then to be read."""
    return 2 * (nodes - 1) * network.latency + 2 * (nodes - 1) / nodes * size / network.bandwidth


def halving_and_doubling(network: Network, nodes: int, size: float) -> float:
    """Return the same where pairs of nodes exchange half, a quarter, ... of the bytes, and then back."""
    return 2 * rounds(nodes) * network.latency + 2 * (nodes - 1) / nodes * size / network.bandwidth


def recursive_doubling(network: Network, nodes: int, size: float) -> float:
    """Return the same where pairs of nodes exchange all the bytes, in every round with another node."""
    return rounds(nodes) * (network.latency + size / network.bandwidth)


def allgather(network: Network, nodes: int, size: float) -> float:
    """Return the seconds until all nodes have the `size` bytes of each."""
    return rounds(nodes) * network.latency + (nodes - 1) * size / network.bandwidth


def rounds(nodes: int) -> int:
    """Return lg p, rounded up."""
    return math.ceil(math.log2(nodes))


ALLREDUCE = {"ring": ring, "halving and doubling": halving_and_doubling, "recursive doubling": recursive_doubling}

# ------------------------------------------------------------------ a step


@dataclass(frozen=True)
class Work:
    """What a model costs a node.

    Args:
        fixed, per_image: seconds of a step without communication, fixed + per_image B for B images.
        overlap: of per_image, the seconds after the gradients of the dense layers are known.
        multiply_add: seconds, in the product x.T @ dy.
        parameters: how many, in all layers.
        dense: parameters of the dense layers.
        largest: (C, U) of the largest dense layer.
    """

    fixed: float
    per_image: float
    overlap: float
    multiply_add: float
    parameters: int
    dense: int
    largest: tuple[int, int]

    def compute(self, batch: float) -> float:
        """Return the seconds of a step of `batch` images on one node."""
        return self.fixed + self.per_image * batch


def plain(work: Work, network: Network, nodes: int, batch: float, allreduce: Callable = ring) -> float:
    """Return the seconds of a step, `batch` images a node, that adds up all gradients when all are known."""
    return work.compute(batch) + allreduce(network, nodes, NUMBER * work.parameters)


def overlapped(work: Work, network: Network, nodes: int, batch: float, allreduce: Callable = ring) -> float:
    """Return the same, where those of the dense layers are sent while the convolutions compute theirs."""
    early = allreduce(network, nodes, NUMBER * work.dense)
    late = allreduce(network, nodes, NUMBER * (work.parameters - work.dense))
    return work.compute(batch) + max(0.0, early - work.overlap * batch) + late


def factored(work: Work, network: Network, nodes: int, batch: float, allreduce: Callable = ring) -> float:
    """Return the same, where the nodes exchange factors of the largest dense layer's gradient, and multiply them."""
    C, U = work.largest
    early = allgather(network, nodes, NUMBER * batch * (C + U))
    late = allreduce(network, nodes, NUMBER * (work.parameters - C * U))
    arithmetic = (nodes - 1) * batch * C * U * work.multiply_add
    return work.compute(batch) + max(0.0, early - work.overlap * batch) + late + arithmetic


def best(
    work: Work, network: Network, nodes: int, batch: float, steps: Sequence[Callable] = (plain, overlapped, factored)
) -> float:
    """Return the seconds of the fastest of these steps, with the fastest allreduce."""
    return min(step(work, network, nodes, batch, allreduce) for step in steps for allreduce in ALLREDUCE.values())


def strong(step: Callable, work: Work, network: Network, nodes: int, batch: int) -> float:
    """Return the efficiency if the nodes share a batch: how much of p times the speed of one node they reach."""
    return work.compute(batch) / (nodes * step(work, network, nodes, batch / nodes))


def weak(step: Callable, work: Work, network: Network, nodes: int, batch: int) -> float:
    """Return the efficiency if each node has a batch of its own of this size."""
    return work.compute(batch) / step(work, network, nodes, batch)


def largest_factored(work: Work, network: Network, nodes: int, most: int = 1024) -> int:
    """Return the most images a node, up to `most`, with which sending factors is fastest; 0 if with none."""
    batches = range(most, 0, -1)
    without = (plain, overlapped)
    gains = (B for B in batches if best(work, network, nodes, B, [factored]) < best(work, network, nodes, B, without))
    return next(gains, 0)


def fit_line(x: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """Return a and b, neither negative, for which a + b x has the smallest squared relative errors."""
    t, x = np.asarray(seconds), np.asarray(x)
    a, b = np.linalg.lstsq(np.stack([1 / t, x / t], axis=1), np.ones(len(t)), rcond=None)[0]
    if a < 0:
        a, b = 0.0, np.sum(x / t) / np.sum((x / t) ** 2)
    if b < 0:
        a, b = np.sum(1 / t) / np.sum(1 / t**2), 0.0
    return float(a), float(b)
