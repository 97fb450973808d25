"""What versus.py says about its measurements: tables, claims, and a picture."""

from typing import Any

import common
import numpy as np
from contenders import CONTENDERS, FIRST_BATCH


def ratios(results: dict[str, Any], what: str, rivals: list[str]) -> dict[str, float]:
    """Return npcnn's median over that of the fastest of the rivals, for every batch size."""
    return {
        size: times["npcnn"]["median"] / min(times[name]["median"] for name in rivals)
        for size, times in results[what].items()
    }


def claims(results: dict[str, Any], rivals: list[str]) -> list[dict[str, Any]]:
    """Return what is claimed of npcnn, the limit, what was found, and whether it holds."""
    found: list[tuple[str, float, float]] = []
    start, memory = results["start"], results["peak_memory"]
    if str(FIRST_BATCH) in results["epoch"]:
        for family, package, limits in (("PyTorch", "torch", (0.45, 0.35)), ("Keras", "keras", (0.30, 0.20))):
            mine = [name for name in rivals if CONTENDERS[name].package == package]
            for limit, said in zip(limits, ("", " (aim)"), strict=True):
                if mine:
                    ratio = ratios(results, "epoch", mine)[str(FIRST_BATCH)]
                    found.append((f"epoch at batch {FIRST_BATCH}, x the best {family}{said}", limit, ratio))
        ratio = results["epoch"][str(FIRST_BATCH)]["npcnn"]["median"] / results["dense_limit"]
        found.append((f"epoch at batch {FIRST_BATCH}, x the dense limit (aim)", 1.0, ratio))
    if rivals:
        worst = max(ratios(results, "epoch", rivals).values())
        found.append(("epoch, x the best rival, at npcnn's worst batch size", 1.0, worst))
        worst = max(ratios(results, "predict", rivals).values())
        found.append(("predict, x the best rival, at npcnn's worst batch size", 0.6, worst))
        if all(memory.values()):
            least = min(memory[name] for name in rivals)
            found.append(("peak memory, x the most modest rival", 1.0, memory["npcnn"] / least))
    cold = start["npcnn, cold"]["median"]
    found.append(("compile, seconds: first start less a later one", 10.0, cold - start["npcnn"]["median"]))
    found.append(("later start, seconds: python to first step", 1.5, start["npcnn"]["median"]))
    return [{"claim": c, "limit": limit, "found": value, "holds": value <= limit} for c, limit, value in found]


def start_label(name: str, labels: dict[str, str]) -> str:
    """Return what a start is called."""
    return "npcnn, compiling" if name == "npcnn, cold" else labels[name]


def report(results: dict[str, Any], rivals: list[str]) -> None:
    """Print tables and claims."""
    lines = []
    for size in results["epoch"]:
        for name, label in results["labels"].items():
            line = [f"{size}, {label}"]
            for what in ("epoch", "predict"):
                t, mine = results[what][size][name], results[what][size]["npcnn"]
                bounds = f"{common.short(t['min'])} to {common.short(t['max'])}"
                line += [common.short(t["median"]), bounds, f"{mine['median'] / t['median']:.2f}"]
            lines.append([*line, f"{results['loss'][size][name]['median']:.4f}"])
    header = ["batch, contender", "epoch", "min to max", "ratio", "predict", "min to max", "ratio", "loss"]
    print("\nMedians of the rounds; ratio: npcnn's time over this one's; loss: mean over the epoch.\n")
    print(common.table(header, lines))
    if rivals:
        for what in ("epoch", "predict"):
            said = ", ".join(f"{ratio:.2f} at {size}" for size, ratio in ratios(results, what, rivals).items())
            print(f"\n{what}, npcnn over the best rival: {said}", end="")
        print()

    lines = []
    for name, time in results["start"].items():
        memory, warm_up = results["peak_memory"].get(name), results["warm_up"].get(name)
        cells = [f"{memory / 1e6:.0f} MB" if memory else "", common.short(warm_up) if warm_up else ""]
        lines.append([start_label(name, results["labels"]), common.short(time["median"]), *cells])
    print("\nFrom `python` to the first step done, peak memory, and the warm-up that no epoch counts.\n")
    print(common.table(["contender", "start", "peak memory", "warm-up"], lines))

    work, speed = results["dense_flop"] / 1e6, results["sgemm_flops"]["max"] / 1e9
    print(f"\nDense limit: {results['images']:,} images of {work:.1f} million operations, forward and backward,")
    print(f"at the {speed:.0f} GFLOP/s of sgemm here, take {results['dense_limit']:.3g} s.\n")
    for c in results["claims"]:
        print(f"{c['claim']}, at most {c['limit']}: {c['found']:.2f} {'yes' if c['holds'] else 'NO'}")


def draw(results: dict[str, Any], source: str) -> Any:
    """Return a picture: epoch and predict by batch size, start and memory."""
    labels = results["labels"]
    figure, ((epoch, predict), (start, memory)) = common.subplots(2, 2, figsize=(11, 8))
    sizes = list(results["epoch"])
    for axis, what in ((epoch, "epoch"), (predict, "predict")):
        for name, (colour, marker) in zip(labels, common.STYLES, strict=False):
            times = [results[what][size][name] for size in sizes]
            middle = np.array([t["median"] for t in times])
            low, high = (np.array([t[bound] for t in times]) for bound in ("min", "max"))
            style = {"color": colour, "marker": marker, "lw": 2.5 if name == "npcnn" else 1.5, "capsize": 3}
            axis.errorbar(range(len(sizes)), middle, [middle - low, high - middle], label=labels[name], **style)
        axis.set_xticks(range(len(sizes)), sizes)
        axis.set(xlabel="batch size", ylabel="seconds", ylim=(0, None), xlim=(-0.3, len(sizes) - 0.7))
    epoch.axhline(results["dense_limit"], color="black", ls=":", label="dense limit")
    epoch.set_title(f"One epoch of training, {results['images']:,} images")
    predict.set_title(f"Predicting {results['predictions']:,} images")
    times = {start_label(name, labels): t["median"] for name, t in results["start"].items()}
    bars(start, times, "{:.1f} s")
    start.set_title("From `python` to the first step done")
    bars(memory, {labels[name]: size / 1e6 for name, size in results["peak_memory"].items() if size}, "{:.0f} MB")
    memory.set_title("Peak memory, data included")
    handles, names = epoch.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    figure.suptitle(f"npcnn, Keras and PyTorch: the same network, medians of {results['rounds']} rounds\n{source}")
    return figure


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
