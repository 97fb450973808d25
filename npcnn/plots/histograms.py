"""Pictures of a training: how weights and gradients are distributed, before it and after its epochs."""

import numpy as np
from matplotlib.figure import Figure

from npcnn.callbacks import Histograms
from npcnn.plots.figures import BLUE, GREY, ORANGE, PathLike, new_figure, saved

MOST = 9  # epochs that are drawn: the first, the last, and some between


def weight_histograms(histograms: Histograms, path: PathLike | None = None) -> Figure:
    """Draw how the weights of each parameter are distributed, before training (0) and after its epochs.

    Each histogram is scaled to its own highest bar.

    Args:
        histograms: the callback that `fit` was given.
        path: a file to save the picture to.

    Raises:
        TypeError: it is no `npcnn.callbacks.Histograms`.
        ValueError: it has recorded nothing.
    """
    return saved(_ridges("weight_histograms", histograms, "weights"), path)


def gradient_histograms(histograms: Histograms, path: PathLike | None = None) -> Figure:
    """Draw how large the gradients of each parameter are, before training (0) and after its epochs.

    They are those of the loss on the examples that the callback has, without their signs. Gradients of exactly zero
    have no place on such an axis; their share is written beside. Each histogram is scaled to its own highest bar.

    Args:
        histograms: the callback that `fit` was given.
        path: a file to save the picture to.

    Raises:
        TypeError: it is no `npcnn.callbacks.Histograms`.
        ValueError: it has recorded nothing.
    """
    return saved(_ridges("gradient_histograms", histograms, "gradients"), path)


def _ridges(name: str, histograms: Histograms, which: str) -> Figure:
    """Draw a panel for each parameter, in it a histogram for each epoch, one below the other."""
    if not isinstance(histograms, Histograms):
        raise TypeError(f"{name}: takes the npcnn.callbacks.Histograms that fit was given, got {histograms!r}")
    if not histograms.epochs:
        raise ValueError(f"{name}: nothing is recorded yet; give it to fit, callbacks=[histograms], first")
    of_weights = which == "weights"
    found, colour = getattr(histograms, which), BLUE if of_weights else ORANGE
    sizes = {key: sum(first[0]) for key, (first, *_) in histograms.weights.items()}
    epochs = sorted({round(i) for i in np.linspace(0, len(histograms.epochs) - 1, MOST)})
    columns = min(4, len(found))
    # All gradients have one axis: it shows whether they grow smaller from layer to layer, on their way back.
    figure, panels = new_figure(-(-len(found) // columns), columns, 2.9, 0.8 + 0.3 * len(epochs), sharex=not of_weights)
    for axes in panels[len(found) :]:
        axes.axis("off")
    for axes, (key, each) in zip(panels, found.items(), strict=False):
        axes.set(xscale="linear" if of_weights else "log")
        for row, epoch in enumerate(epochs):
            counts, edges = each[epoch]
            heights, edges = 1.4 * counts / max(counts.max(), 1) - row, edges if of_weights else 10**edges
            axes.stairs(heights, edges, baseline=-row, fill=True, facecolor=colour, edgecolor="white", zorder=row)
            if edges[0] == edges[-1]:
                axes.vlines(edges[0], -row, heights[0], color=colour, linewidth=2, zorder=row)
            axes.axhline(-row, color=GREY, linewidth=0.5, zorder=row)
            if missing := 1 - counts.sum() / sizes[key]:
                axes.text(1.02, -row, f"{missing:.0%} zero", transform=axes.get_yaxis_transform(), fontsize=8)
        axes.set_title(f"{key} ({sizes[key]:,})", fontsize=9)
        axes.set(xlabel="weight" if of_weights else "size of the gradient", ylabel="epoch")
        axes.set(yticks=[-row for row in range(len(epochs))])
        axes.set_yticklabels([histograms.epochs[epoch] for epoch in epochs])
        axes.tick_params(axis="x", labelbottom=True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure
