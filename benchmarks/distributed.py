"""More than one machine: what can be measured on this one, and what a model of the costs predicts for others.

    python benchmarks/distributed.py                # 2 to 3 minutes on two cores; pip install -e ".[mpi]" brings MPI
    python benchmarks/distributed.py --accuracy     # 10 to 15 minutes on two cores; needs no MPI

The first trains the MNIST model with 1, 2 and 4 ranks, which `mpiexec` starts anew in every round; times an allreduce
between two ranks; and times the steps of one process by batch size, of this model and of one with ten times as many
filters and units, which has a hundred times as many weights. To these times it fits the model of
`distributed_model.py`, in which a node is a machine like this one, compares it with the two ranks here, and predicts
the efficiency of up to 1,024 nodes.

The second trains at global batch sizes from 64 to 8,192 in one process, which computes what ranks would, to rounding
(`distributed_accuracy.py`).
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import common
import distributed_accuracy
import distributed_model
import distributed_report
import numpy as np
from distributed_model import NETWORKS, THIS, Work, fit_line

from npcnn import distributed, kernels, layers

TOGETHER = 1024  # rows of the product that times a multiply-add
BUFFERS = tuple(1024 * 4**i for i in range(9))  # bytes, 1 KB to 64 MB
NODES = tuple(2**i for i in range(1, 11))
STEPS: dict[str, Callable] = {"plain": distributed_model.plain, "best": distributed_model.best}

# ------------------------------------------------------------------ on each rank


def throughput(args: Any) -> dict[str, Any]:
    """Train at each batch size; return the seconds of an epoch, and at what time all was warm."""
    distributed.start()
    (x, y, *_), _ = common.digits(args.data, args.images, 1)
    model = common.mnist_model(args.kernels)
    weights, seconds = model.get_weights(), {}
    for size in args.batch_sizes:
        common.train(model, weights, x[: 2 * size], y[: 2 * size], size)
    warm = time.time()
    for size in args.batch_sizes:
        start = time.perf_counter()
        common.train(model, weights, x, y, size)
        seconds[size] = time.perf_counter() - start
    return {"warm": warm, "seconds": seconds}


def allreduce(args: Any) -> dict[str, Any]:
    """Return the median seconds of an allreduce of each number of bytes; the first is not counted."""
    distributed.start()
    from mpi4py import MPI

    found = {}
    for size in BUFFERS:
        buffer, samples = np.zeros(size // distributed_model.NUMBER, np.float32), []
        for _ in range(31):
            MPI.COMM_WORLD.Barrier()
            start = time.perf_counter()
            MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, buffer)
            samples.append(time.perf_counter() - start)
        found[size] = statistics.median(samples[1:])
    return found


ON_RANKS = {"throughput": throughput, "allreduce": allreduce}

# ------------------------------------------------------------------ here


def on_ranks(args: Any, ranks: int, what: str) -> dict[str, Any]:
    """Return what this script prints, called as now, on so many ranks; a single one needs no MPI."""
    mpiexec = [*shlex.split(args.mpiexec), "-n", str(ranks)] if ranks > 1 else []
    command = [*mpiexec, sys.executable, *sys.argv, "--on-ranks", what]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} failed: see above")
    return json.loads(done.stdout.splitlines()[-1])


def measure(args: Any) -> dict[str, Any]:
    """Return what was measured, what was fitted to it, and what that predicts."""
    from tqdm import tqdm

    epochs: dict[int, list[dict[str, float]]] = {ranks: [] for ranks in args.ranks}
    buffers: list[dict[str, float]] = []
    with tqdm(total=args.rounds * len(epochs), desc="Ranks", file=sys.stderr) as progress:
        for _ in range(args.rounds):
            for ranks, found in epochs.items():
                start = time.time()
                one = on_ranks(args, ranks, "throughput")
                found.append({"warm-up": one["warm"] - start, **one["seconds"]})
                progress.update()
            if max(epochs) > 1:
                buffers.append(on_ranks(args, 2, "allreduce"))
    results: dict[str, Any] = {"images": args.images, "epoch": {}, "steps": measure_steps(args)}
    for ranks, found in epochs.items():
        results["epoch"][ranks] = {key: common.spread([one[key] for one in found]) for key in found[0]}
    if buffers:
        seconds = [statistics.median(one[str(size)] for one in buffers) for size in BUFFERS]
        fixed, per_byte = fit_line(BUFFERS, seconds)  # a ring of two: 2 alpha + n / bandwidth
        results |= {"allreduce": dict(zip(BUFFERS, seconds, strict=True)), "here": [fixed / 2, 1 / per_byte]}
    works = {name: Work(**steps["work"]) for name, steps in results["steps"].items()}
    return results | predict(works, {"strong": args.global_batch, "weak": args.local_batch})


def measure_steps(args: Any) -> dict[str, Any]:
    """Return, for each model, the seconds of a step of one process by batch size, and the `Work` fitted to them."""
    tasks: dict[Any, tuple[Callable, int]] = {}
    results: dict[str, Any] = {}
    for name, width, sizes in ((THIS, 1, (8, 32, 128, 512)), (f"{args.wider} times as wide", args.wider, (8, 32, 64))):
        (x, y, *_), _ = common.digits(args.data, max(sizes), 1)
        new = partial(common.mnist_model, args.kernels, filters=(32 * width, 64 * width), units=128 * width)
        models = {"step": new(), "dense only": new()}
        for layer in models["dense only"].layers:
            layer.trainable = isinstance(layer, layers.Dense)  # so that the backward pass ends with the dense layers
        models["dense only"].compile("adam", "sparse_categorical_crossentropy")
        if name == THIS:
            models["one thread"] = new(threads=1)  # as each of two ranks on two cores
        for what, model in models.items():
            for size in sizes:
                train = partial(common.train, model, model.get_weights(), x, y, size)
                tasks[name, what, size] = train, len(x)
        every, dense = models["step"].layers, [each for each in models["step"].layers if isinstance(each, layers.Dense)]
        C, U = max((layer.params["kernel"].shape for layer in dense), key=np.prod)
        factors = np.ones((C, TOGETHER), np.float32), np.ones((TOGETHER, U), np.float32)
        tasks[name, "product", TOGETHER] = partial(np.matmul, *factors), C * TOGETHER * U
        parameters, of_dense = (sum(w.size for each in some for w in each.params.values()) for some in (every, dense))
        results[name] = {
            "multiply_adds": sum(layer.multiply_adds for layer in every),
            "seconds": {what: dict.fromkeys(sizes) for what in models},
            "work": {"parameters": parameters, "dense": of_dense, "largest": (C, U)},
        }
    times = common.time_in_turns(tasks, args.rounds)
    for name, found in results.items():
        for what, seconds in found["seconds"].items():
            seconds |= {size: size * times[name, what, size]["median"] for size in seconds}
        found["lines"] = {what: fit_line(list(each), list(each.values())) for what, each in found["seconds"].items()}
        (fixed, per_image), (_, dense_only) = found["lines"]["step"], found["lines"]["dense only"]
        overlap, product = max(0.0, per_image - dense_only), times[name, "product", TOGETHER]["median"]
        found["work"] |= {"fixed": fixed, "per_image": per_image, "overlap": overlap, "multiply_add": product}
    return results


def predict(works: dict[str, Work], batches: dict[str, int]) -> dict[str, Any]:
    """Return efficiencies, {model: {scaling: {network and step: one for each of NODES}}}, and what they come from."""
    efficiency, parts, factored = ({name: {} for name in works} for _ in range(3))
    for name, work in works.items():
        for scaling, batch in batches.items():
            of = getattr(distributed_model, scaling)
            efficiency[name][scaling] = {
                f"{label}, {key}": [of(step, work, network, nodes, batch) for nodes in NODES]
                for label, network in NETWORKS.items()
                for key, step in STEPS.items()
            }
        for label, network in NETWORKS.items():
            case = work, network, 64, batches["weak"]
            steps = {key: distributed_model.plain(*case, way) for key, way in distributed_model.ALLREDUCE.items()}
            for step in (distributed_model.overlapped, distributed_model.factored):
                steps[step.__name__] = distributed_model.best(*case, [step])
            parts[name][label] = {"computing": work.compute(batches["weak"]), **steps}
            factored[name][label] = [distributed_model.largest_factored(work, network, nodes) for nodes in NODES]
    return {"batches": batches, "nodes": NODES, "efficiency": efficiency, "parts": parts, "factored": factored}


if __name__ == "__main__":
    parser = common.parser(__doc__, rounds=3)
    counts = {"type": common.positive, "nargs": "+", "metavar": "N"}
    help = "processes that share the cores (default: 1 2 4)"
    parser.add_argument("--ranks", default=[1, 2, 4], help=help, **counts)
    help = "global; what --accuracy trains at, too (default: 64 256 1024; with --accuracy, 64 to 8192)"
    parser.add_argument("--batch-sizes", help=help, **counts)
    help = "images per epoch; a multiple of the batch sizes (default: %(default)s)"
    parser.add_argument("--images", type=common.positive, default=8192, help=help)
    help = "of the second model for the predictions, in times the first (default: %(default)s)"
    parser.add_argument("--wider", type=common.positive, default=10, metavar="TIMES", help=help)
    help = "of all nodes together, for strong scaling (default: %(default)s)"
    parser.add_argument("--global-batch", type=common.positive, default=8192, help=help)
    help = "of a node, for weak scaling (default: %(default)s)"
    parser.add_argument("--local-batch", type=common.positive, default=64, help=help)
    help = "rung (default: %(default)s)"
    parser.add_argument("--kernels", choices=kernels.RUNGS, default=kernels.RUNGS[-1], help=help)
    beside = Path(sys.executable).with_name("mpiexec")
    help = "command that starts ranks; for Open MPI, 'mpiexec --oversubscribe' (default: %(default)s)"
    parser.add_argument("--mpiexec", default=str(beside) if beside.exists() else "mpiexec", help=help)
    parser.add_argument("--on-ranks", choices=ON_RANKS, help=argparse.SUPPRESS)
    distributed_accuracy.add_options(parser)
    args = parser.parse_args()
    args.batch_sizes = args.batch_sizes or (distributed_accuracy.SIZES if args.accuracy else [64, 256, 1024])
    if args.on_ranks:
        print(json.dumps(ON_RANKS[args.on_ranks](args)))
    else:
        name, how = (
            ("distributed_accuracy", distributed_accuracy.measure) if args.accuracy else ("distributed", measure)
        )
        common.main(name, args, how, distributed_report.report, distributed_report.draw)
