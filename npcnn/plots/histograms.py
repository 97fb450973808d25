"""Pictures of a training: how weights and gradients are distributed, before it and after its epochs."""

import numpy as np
from matplotlib.figure import Figure

from npcnn.callbacks import Histograms
from npcnn.plots.figures import BLUE, GREY, ORANGE, PathLike, new_figure, saved

MOST = 9  # epochs that are drawn: the first, the last, and some between
WHEN = "before training (0) and after its epochs; each histogram is scaled to its highest bar"


def weight_histograms(histograms: Histograms, path: PathLike | None = None) -> Figure:
    """Draw how the weights of each parameter are distributed, before training (0) and after its epochs.

    Args:
        histograms: the callback that `fit` was given.
        path: a file to save the picture to.

    Raises:
        TypeError: it is no `npcnn.callbacks.Histograms`.
        ValueError: it has recorded nothing.
    """
    _check("weight_histograms", histograms)
    figure = _ridges(histograms, histograms.weights, "weight", "not finite", BLUE)
    figure.suptitle(f"The weights {WHEN}", fontsize=10)
    return saved(figure, path)


def gradient_histograms(histograms: Histograms, path: PathLike | None = None) -> Figure:
    """Draw how large the gradients of each parameter are, before training (0) and after its epochs.

    They are those of the loss on the examples that the callback has, without their signs. Gradients of exactly zero
    have no place on such an axis; their share is written beside.

    Args:
        histograms: the callback that `fit` was given.
        path: a file to save the picture to.

    Raises:
        TypeError: it is no `npcnn.callbacks.Histograms`.
        ValueError: it has recorded nothing, or the model has no weights that are trained.
    """
    _check("gradient_histograms", histograms)
    if not histograms.gradients:
        raise ValueError("gradient_histograms: the model has no weights that are trained, so there are no gradients")
    figure = _ridges(histograms, histograms.gradients, "size of the gradient", "zero", ORANGE)
    # One axis for all shows whether gradients grow smaller on their way back; a few tiny ones must not stretch it.
    found = [each for every in histograms.gradients.values() for each in every if each[0].any()]
    seen = [edges[np.argmax(counts >= counts.max() / 100)] for counts, edges in found]
    for axes in figure.axes if found else []:
        axes.set_xscale("log")
        axes.set_xlim(min(seen) / 2, 2 * max(edges[-1] for _, edges in found))
    figure.suptitle(f"The gradients of the loss on {len(histograms.y):,} examples, {WHEN}", fontsize=10)
    return saved(figure, path)


def _check(name: str, histograms: Histograms) -> None:
    if not isinstance(histograms, Histograms):
        raise TypeError(f"{name}: takes the npcnn.callbacks.Histograms that fit was given, got {histograms!r}")
    if not histograms.epochs:
        raise ValueError(f"{name}: nothing is recorded yet; call fit(..., callbacks=[histograms]) first")


def _ridges(histograms: Histograms, found: dict[str, list], unit: str, others: str, colour: str) -> Figure:
    """Draw a panel for each parameter, in it a histogram for each epoch; `others` are what they leave out."""
    sizes = {key: sum(first[0]) for key, (first, *_) in histograms.weights.items()}
    epochs = sorted({round(i) for i in np.linspace(0, len(histograms.epochs) - 1, MOST)})
    columns = min(4, len(found))
    figure, panels = new_figure(-(-len(found) // columns), columns, 2.9, 0.8 + 0.3 * len(epochs))
    for axes in panels[len(found) :]:
        figure.delaxes(axes)
    for axes, (key, each) in zip(panels, found.items(), strict=False):
        for row, epoch in enumerate(epochs):
            counts, edges = each[epoch]
            heights = 0.9 * counts / max(counts.max(), 1) - row
            axes.stairs(heights, edges, baseline=-row, fill=True, color=colour)
            if edges[0] == edges[-1]:
                axes.vlines(edges[0], -row, heights[0], color=colour, linewidth=2)
            axes.axhline(-row, color=GREY, linewidth=0.5)
            if missing := 1 - counts.sum() / sizes[key]:
                axes.text(1.02, -row, f"{missing:.0%} {others}", transform=axes.get_yaxis_transform(), fontsize=8)
        axes.set_title(f"{key} ({sizes[key]:,})", fontsize=9)
        axes.set(xlabel=unit, ylabel="epoch", yticks=[-row for row in range(len(epochs))])
        axes.set_yticklabels([histograms.epochs[epoch] for epoch in epochs])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure
