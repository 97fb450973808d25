"""Tables and picture of distributed.py."""

from typing import Any

import common
import distributed_accuracy
from common import short
from distributed_model import NETWORKS, NUMBER, THIS, Network, ring

RANKS = """
Ranks on one machine share its cores, its caches and its memory bandwidth, and no byte goes over a network: this shows
what it costs to cut a step into parts and to add up gradients, not what more machines would gain. With more ranks than
cores, ranks that wait take time from those that compute."""

STEPS = """
Plain: one ring allreduce after the backward pass. Best: the fastest allreduce, and with overlap and factors where they
pay. The few numbers that ranks exchange besides gradients are not counted. Assumed:"""


def report(results: dict[str, Any]) -> None:
    """Print the tables."""
    if "accuracy" in results:
        distributed_accuracy.report(results)
        return
    report_ranks(results)
    report_steps(results["steps"])
    if "here" in results:
        report_check(results)
    report_predictions(results)


def show(what: str, header: list[str], rows: list[list[str]]) -> None:
    """Print a table and, before it, what it is of."""
    print(f"\n{what}\n\n{common.table(header, rows)}")


def report_ranks(results: dict[str, Any]) -> None:
    """Print what ranks on this machine do."""
    epochs, images = results["epoch"], results["images"]
    names = [f"{ranks} rank{'s' * (ranks != '1')}" for ranks in epochs]
    first, *others = epochs.values()
    rows = []
    for size in (key for key in first if key != "warm-up"):
        speeds = [f"{images / found[size]['median']:,.0f}" for found in epochs.values()]
        rows.append([size, *speeds, *(f"{first[size]['median'] / found[size]['median']:.2f}" for found in others)])
    what = f"Images per second by global batch size, on {common.cores(results)}, and ratios to {names[0]}."
    show(what, ["batch size", *names, *(f"{name}, ratio" for name in names[1:])], rows)
    warm = ", ".join(short(found["warm-up"]["median"]) for found in epochs.values())
    print(f"\nFrom the start of the processes until all batch sizes are warm, not counted above: {warm}.{RANKS}")


def report_steps(steps: dict[str, Any]) -> None:
    """Print the steps of one process, and the lines fitted to them."""
    rows = []
    for name, found in steps.items():
        for what, suffix in (("step", ""), ("one thread", ", one thread")):
            for size, seconds in found["seconds"].get(what, {}).items():
                fixed, per_image = found["lines"][what]
                line = short(fixed + per_image * int(size))
                rows.append([f"{name}, {size} images{suffix}", short(seconds), line])
    show("A step of one process, and the line fitted to such steps.", ["", "measured", "line"], rows)


def report_check(results: dict[str, Any]) -> None:
    """Print the allreduce and the steps of two ranks, each as measured and as modelled."""
    here, work = Network(*results["here"]), results["steps"][THIS]["work"]
    times = {int(size): seconds for size, seconds in results["allreduce"].items()}
    rows = [[f"{size // 1024:,} KB", short(found), short(ring(here, 2, size))] for size, found in times.items()]
    what = "Allreduce between two ranks on this machine, and the line fitted to it:"
    what = f"{what} a latency of {short(here.latency)}, {here.bandwidth / 1e9:.3g} GB/s."
    show(what, ["", "measured", "line"], rows)
    fixed, per_image = results["steps"][THIS]["lines"]["one thread"]
    rows = []
    for size, found in results["epoch"].get("2", {}).items():
        if size != "warm-up":
            predicted = fixed + per_image * int(size) / 2 + ring(here, 2, NUMBER * work["parameters"])
            measured = found["median"] * int(size) / results["images"]
            rows.append([size, short(predicted), short(measured), f"{predicted / measured:.2f}"])
    if rows:
        what = "A step of two ranks on this machine, predicted from the lines of one thread and of the allreduce."
        show(what, ["batch size", "predicted", "measured", "ratio"], rows)


def report_predictions(results: dict[str, Any]) -> None:
    """Print efficiencies, what is assumed, and what each idea contributes."""
    steps, local = results["steps"], results["batches"]["weak"]
    nodes = ["", *(f"{count:,}" for count in results["nodes"])]
    for name, scalings in results["efficiency"].items():
        for scaling, found in scalings.items():
            rows = [[label, *(f"{100 * value:.0f} %" for value in values)] for label, values in found.items()]
            show(f"Efficiency predicted by number of nodes; {case(results, name, scaling)}.", nodes, rows)
    print(STEPS)
    for label, network in NETWORKS.items():
        print(f"- {label}: latency {short(network.latency)}, {network.bandwidth / 1e9:.3g} GB/s")
    for name, found in steps.items():
        work, product = found["work"], 2e-9 / found["work"]["multiply_add"]
        print(
            f"- {name}: {work['parameters']:,} parameters, {found['multiply_adds']:,} multiply-adds forward an image;"
        )
        print(f"  on a node like this machine {short(work['fixed'])} a step and {short(work['per_image'])} an image,")
        print(
            f"  {short(work['overlap'])} of it when the gradients of the dense layers are known; {product:.3g} GFLOP/s"
        )
    for name, networks in results["parts"].items():
        rows = [[network, *map(short, found.values())] for network, found in networks.items()]
        what = f"Predicted step on 64 nodes, {name}, local batch {local}, by allreduce; then with the best of them."
        show(what, ["", *next(iter(networks.values()))], rows)
    for name, networks in results["factored"].items():
        rows = [[network, *map(str, found)] for network, found in networks.items()]
        size = "{} x {}".format(*steps[name]["work"]["largest"])
        show(f"Largest local batch, up to 1,024, with which factors pay for the {size} weights, by nodes.", nodes, rows)


def case(results: dict[str, Any], name: str, scaling: str) -> str:
    """Return what an efficiency is of, in words."""
    batch = f"{'global' if scaling == 'strong' else 'local'} batch {results['batches'][scaling]:,}"
    return f"{results['steps'][name]['work']['parameters']:,} parameters, {batch}"


def draw(results: dict[str, Any]) -> dict[str, Any]:
    """Return {"distributed": figure}: efficiency by nodes, a row for each model, a column for each scaling."""
    if "accuracy" in results:
        return distributed_accuracy.draw(results)
    figure, axes = common.subplots(2, 2, figsize=(9, 7), sharex=True, sharey=True)
    nodes = results["nodes"]
    for row, (name, scalings) in zip(axes, results["efficiency"].items(), strict=True):
        for axis, (scaling, found) in zip(row, scalings.items(), strict=True):
            for i, (label, values) in enumerate(found.items()):
                colour, marker = common.STYLES[i // 2]  # a network has two steps, plain and best
                percent = [100 * value for value in values]
                axis.plot(nodes, percent, "--" if i % 2 == 0 else "-", color=colour, marker=marker, label=label)
            axis.set_title(case(results, name, scaling))
            axis.set_xscale("log", base=2)
            axis.set_xticks(nodes, nodes)
            axis.set_ylim(0, 103)
    for axis in axes[1]:
        axis.set_xlabel("nodes")
    for axis in axes[:, 0]:
        axis.set_ylabel("predicted efficiency, %")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return {"distributed": figure}
