"""Tables and picture of versus.py."""

from typing import Any

import common
import numpy as np


def best(times: dict[str, dict], names: list[str]) -> dict[str, float]:
    """Return the times of whoever of these contenders has the smallest median."""
    return min((times[name] for name in names), key=lambda found: found["median"])


def race_table(results: dict[str, Any], what: str) -> str:
    """Return a table of seconds per batch size: npcnn, the best Keras, the best PyTorch, and npcnn over the best."""
    families: dict[str, list[str]] = {}
    for name in next(iter(results[what].values())):
        families.setdefault(results["labels"][name].partition(",")[0], []).append(name)
    rivals = [name for family, names in families.items() if family != "npcnn" for name in names]
    lines = []
    for size, times in results[what].items():
        fastest = [best(times, names) for names in families.values()]
        line = [size, *("{median:.3g} ({min:.3g} to {max:.3g})".format(**found) for found in fastest)]
        if rivals:
            line.append(f"{times['npcnn']['median'] / best(times, rivals)['median']:.2f}")
        lines.append(line)
    header = ["batch size", *(family if family == "npcnn" else f"{family}, best" for family in families)]
    return common.table([*header, "npcnn / best rival"] if rivals else header, lines)


def report(results: dict[str, Any]) -> None:
    """Print the tables."""
    cores = common.cores(results)
    print(f"\nSeconds for an epoch of {results['images']:,} images on {cores}, median (min to max) of the rounds.\n")
    print(race_table(results, "epoch"))
    print(f"\nSeconds for predicting {results['predictions']:,} images on {cores}.\n")
    print(race_table(results, "predict"))

    size, losses = next(iter(results["loss"].items()))
    lines = []
    for name, times in results["start"].items():
        memory, warm_up, loss = (found.get(name) for found in (results["peak_memory"], results["warm_up"], losses))
        cells = [f"{memory / 1e6:.0f} MB" if memory else "", common.short(warm_up) if warm_up else ""]
        label = results["labels"].get(name, name)
        lines.append([label, common.short(times["median"]), *cells, f"{loss['median']:.4f}" if loss else ""])
    print("\nFrom `python` to the end of the first step; the warm-up that no epoch counts; mean loss of the epoch.\n")
    print(common.table(["", "first step", "peak memory", "warm-up", f"loss, batch size {size}"], lines))

    work, speed = results["dense_flop"] / 1e6, results["sgemm_flops"]["max"] / 1e9
    print(f"\nDense limit: {results['images']:,} images of {work:.1f} million operations, forward and backward,")
    print(f"at the {speed:.0f} GFLOP/s of a matrix product here, take {results['dense_limit']:.3g} s.")


def draw(results: dict[str, Any]) -> dict[str, Any]:
    """Return {"versus": figure}: epoch and predict by batch size, start and memory."""
    labels, names = results["labels"], list(results["peak_memory"])
    figure, ((epoch, predict), (start, memory)) = common.subplots(2, 2, figsize=(11, 8))
    for axis, what in ((epoch, "epoch"), (predict, "predict")):
        sizes = list(results[what])
        for name, (colour, marker) in zip(names, common.STYLES, strict=False):
            times = [results[what][size][name] for size in sizes]
            low, middle, high = (np.array([found[key] for found in times]) for key in ("min", "median", "max"))
            style = {"color": colour, "marker": marker, "lw": 2.5 if name == "npcnn" else 1.5, "capsize": 3}
            axis.errorbar(range(len(sizes)), middle, [middle - low, high - middle], label=labels[name], **style)
        axis.set_xticks(range(len(sizes)), sizes)
        axis.set(xlabel="batch size", ylabel="seconds", ylim=(0, None), xlim=(-0.3, len(sizes) - 0.7))
    epoch.axhline(results["dense_limit"], color="black", ls=":", label="dense limit")
    epoch.set_title(f"One epoch of training, {results['images']:,} images")
    predict.set_title(f"Predicting {results['predictions']:,} images")
    bars(start, {labels.get(name, name): times["median"] for name, times in results["start"].items()}, "{:.1f} s")
    start.set_title("From `python` to the end of the first step")
    bars(memory, {labels[name]: size / 1e6 for name, size in results["peak_memory"].items() if size}, "{:.0f} MB")
    memory.set_title("Peak memory, data included")
    figure.legend(*epoch.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    title = f"npcnn, Keras and PyTorch: the same network, medians of {results['rounds']} rounds"
    figure.suptitle(f"{title}\n{common.title(results)}")
    return {"versus": figure}


def bars(axis: Any, values: dict[str, float], layout: str) -> None:
    """Draw a bar for each value, npcnn's in its colour."""
    colours = [common.STYLES[0][0] if label.startswith("npcnn") else "#999999" for label in values]
    drawn = axis.barh(list(values), list(values.values()), color=colours)
    axis.bar_label(drawn, [layout.format(value) for value in values.values()], padding=4)
    axis.set_xlim(0, 1.2 * max(values.values(), default=1))
    axis.invert_yaxis()
    axis.grid(visible=False)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
