"""More than one machine: what can be measured on this one, and what a model of the costs predicts for others.

    python benchmarks/distributed.py                # about 5 minutes on two cores; pip install -e ".[mpi]" brings MPI
    python benchmarks/distributed.py --accuracy     # about 12 minutes on two cores; needs no MPI

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
import numpy as np
from distributed_model import NETWORKS, Network, Work, fit_line

from npcnn import distributed, kernels, layers

THIS = "this model"
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
    """Return efficiencies, {model: {scaling: {network: {step: one for each of NODES}}}}, and what steps are made of."""
    efficiency, parts, factored = ({name: {} for name in works} for _ in range(3))
    for name, work in works.items():
        for scaling, batch in batches.items():
            of = getattr(distributed_model, scaling)
            efficiency[name][scaling] = {
                label: {key: [of(step, work, network, nodes, batch) for nodes in NODES] for key, step in STEPS.items()}
                for label, network in NETWORKS.items()
            }
        for label, network in NETWORKS.items():
            case = work, network, 64, batches["weak"]
            steps = {key: distributed_model.plain(*case, way) for key, way in distributed_model.ALLREDUCE.items()}
            for step in (distributed_model.overlapped, distributed_model.factored):
                steps[step.__name__] = distributed_model.best(*case, [step])
            parts[name][label] = {"computing": work.compute(batches["weak"]), **steps}
            factored[name][label] = [distributed_model.largest_factored(work, network, nodes) for nodes in NODES]
    return {"batches": batches, "nodes": NODES, "efficiency": efficiency, "parts": parts, "factored": factored}


# ------------------------------------------------------------------ tables and picture


def report(results: dict[str, Any]) -> None:
    """Print the tables."""
    if "accuracy" in results:
        distributed_accuracy.report(results)
        return
    report_ranks(results)
    short, steps = common.short, results["steps"]
    print("\nA step of one process: measured, and the line fitted to it.\n")
    lines = []
    for name, found in steps.items():
        for what in ("step", "one thread"):
            fixed, per_image = found["lines"].get(what, (0, 0))
            for size, seconds in found["seconds"].get(what, {}).items():
                line = short(fixed + per_image * int(size))
                lines.append([f"{name}, {size} images{', one thread' * (what != 'step')}", short(seconds), line])
    print(common.table(["", "measured", "line"], lines))
    if "here" in results:
        report_check(results)

    nodes = results["nodes"]
    for name, scalings in results["efficiency"].items():
        work = steps[name]["work"]
        for scaling, networks in scalings.items():
            batch = f"{'global' if scaling == 'strong' else 'local'} batch {results['batches'][scaling]:,}"
            print(f"\nEfficiency predicted by number of nodes; {work['parameters']:,} parameters, {batch}.\n")
            lines = [
                [f"{network}, {step}", *(f"{100 * value:.0f} %" for value in values)]
                for network, found in networks.items()
                for step, values in found.items()
            ]
            print(common.table(["", *(f"{count:,}" for count in nodes)], lines))
    print(
        "\nPlain: one ring allreduce after the backward pass. Best: the fastest allreduce, and with overlap and factors"
    )
    print("where they pay. The few numbers that ranks exchange besides gradients are not counted. Assumed:")
    for label, network in NETWORKS.items():
        print(f"- {label}: latency {short(network.latency)}, {network.bandwidth / 1e9:.3g} GB/s")
    for name, found in steps.items():
        work = found["work"]
        print(
            f"- {name}: {work['parameters']:,} parameters, {found['multiply_adds']:,} multiply-adds an image forward;"
        )
        print(f"  on a node like this machine {short(work['fixed'])} a step and {short(work['per_image'])} an image,")
        print(f"  {short(work['overlap'])} of these after the gradients of the dense layers are known;")
        print(f"  {0.002 / work['multiply_add'] / 1e6:.3g} GFLOP/s where factors are multiplied")

    local = results["batches"]["weak"]
    for name, networks in results["parts"].items():
        print(
            f"\nPredicted step of {name} on 64 nodes, local batch {local}, by allreduce; then with the best of them.\n"
        )
        lines = [[network, *map(short, found.values())] for network, found in networks.items()]
        print(common.table(["", *next(iter(networks.values()))], lines))
    for name, networks in results["factored"].items():
        C, U = steps[name]["work"]["largest"]
        print(
            f"\nLargest local batch, up to 1,024, with which the factors of {C} x {U} weights pay; {name}, by nodes.\n"
        )
        lines = [[network, *map(str, found)] for network, found in networks.items()]
        print(common.table(["", *(f"{count:,}" for count in nodes)], lines))


def report_ranks(results: dict[str, Any]) -> None:
    """Print what ranks on this machine do."""
    epochs, images = results["epoch"], results["images"]
    names = [f"{ranks} rank{'s' * (ranks != '1')}" for ranks in epochs]
    first, *others = epochs.values()
    lines = []
    for size in [key for key in first if key != "warm-up"]:
        speeds = [f"{images / found[size]['median']:,.0f}" for found in epochs.values()]
        lines.append([size, *speeds, *(f"{first[size]['median'] / found[size]['median']:.2f}" for found in others)])
    print(f"\nImages per second by global batch size, on {common.cores(results)}; ratios to {names[0]}.\n")
    print(common.table(["batch size", *names, *(f"{name}, ratio" for name in names[1:])], lines))
    warm = ", ".join(common.short(found["warm-up"]["median"]) for found in epochs.values())
    print(f"\nFrom the start of the processes until all batch sizes are warm, not counted above: {warm}.")
    print(
        "Ranks on one machine share its cores, caches and memory bandwidth, and no byte goes over a network: this shows"
    )
    print(
        "what it costs to cut a step into parts and to add up gradients, not what more machines would gain. With more"
    )
    print("ranks than cores, ranks that wait in MPI take the cores from those that compute.")


def report_check(results: dict[str, Any]) -> None:
    """Print the allreduce and the steps of two ranks, each as measured and as modelled."""
    latency, bandwidth = results["here"]
    here, (fixed, per_image) = Network(latency, bandwidth), results["steps"][THIS]["lines"]["one thread"]
    print("\nAllreduce between two ranks on this machine; the line fitted to it has a")
    print(f"latency of {common.short(latency)} and {bandwidth / 1e9:.3g} GB/s.\n")
    lines = []
    for size, seconds in results["allreduce"].items():
        modelled = distributed_model.ring(here, 2, int(size))
        lines.append([f"{int(size) // 1024:,} KB", common.short(seconds), common.short(modelled)])
    print(common.table(["", "measured", "line"], lines))
    if "2" not in results["epoch"]:
        return
    print("\nA step of two ranks on this machine: predicted from one thread's line and this allreduce, and measured.\n")
    lines, size_of_all = [], distributed_model.NUMBER * results["steps"][THIS]["work"]["parameters"]
    for size, found in results["epoch"]["2"].items():
        if size != "warm-up":
            predicted = fixed + per_image * int(size) / 2 + distributed_model.ring(here, 2, size_of_all)
            measured = found["median"] * int(size) / results["images"]
            lines.append([size, common.short(predicted), common.short(measured), f"{predicted / measured:.2f}"])
    print(common.table(["batch size", "predicted", "measured", "ratio"], lines))


def draw(results: dict[str, Any]) -> dict[str, Any]:
    """Return {"distributed": figure}: efficiency by nodes, a row for each model, a column for each scaling."""
    if "accuracy" in results:
        return distributed_accuracy.draw(results)
    figure, axes = common.subplots(2, 2, figsize=(9, 7), sharex=True, sharey=True)
    for row, (name, scalings) in zip(axes, results["efficiency"].items(), strict=True):
        for axis, (scaling, networks) in zip(row, scalings.items(), strict=True):
            for (network, found), (colour, marker) in zip(networks.items(), common.STYLES, strict=False):
                for step, line in (("best", "-"), ("plain", "--")):
                    values = [100 * value for value in found[step]]
                    axis.plot(results["nodes"], values, line, color=colour, marker=marker, label=f"{network}, {step}")
            whole = "global" if scaling == "strong" else "local"
            parameters = results["steps"][name]["work"]["parameters"]
            axis.set_title(f"{parameters:,} parameters, {whole} batch {results['batches'][scaling]:,}")
    axes[0, 0].set_xscale("log", base=2)
    axes[0, 0].set(xticks=results["nodes"], xticklabels=results["nodes"], ylim=(0, 103))
    for axis in axes[1]:
        axis.set_xlabel("nodes")
    for axis in axes[:, 0]:
        axis.set_ylabel("predicted efficiency, %")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return {"distributed": figure}


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
    elif args.accuracy:
        common.main("distributed_accuracy", args, distributed_accuracy.measure, report, draw)
    else:
        common.main("distributed", args, measure, report, draw)
