"""Pictures of what a model learned. Each function returns a matplotlib Figure and, given a path, saves it there.

No screen is needed: figures are made without pyplot and its windows.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Two colours that every common kind of colour vision tells apart (Okabe and Ito, "Color universal design", 2008).
TRAINING, VALIDATION, GREY = "#0072B2", "#D55E00", "#777777"


def accuracy_curves(history: Any, path: str | os.PathLike | None = None) -> "Figure":
    """Draw accuracy and loss over the epochs, training and validation.

    Args:
        history: what `fit` returned, or a dictionary of lists like {"loss": [...], "val_accuracy": [...]}.
        path: a file to save the picture to.

    Raises:
        ValueError: no epoch is in it, or its lists differ in length.
    """
    values = getattr(history, "history", history)
    if not values or "loss" not in values or not all(len(v) == len(values["loss"]) > 0 for v in values.values()):
        raise ValueError(f"history must have lists of one length, at least 1, 'loss' among them; got {values!r}")
    names = [name for name in ("accuracy", "loss") if name in values]
    figure = _figure(5 * len(names), 3.6)
    epochs = np.arange(1, len(values["loss"]) + 1)
    for axes, name in zip(_row(figure, len(names)), names, strict=True):
        for key, label, colour in ((name, "training", TRAINING), (f"val_{name}", "validation", VALIDATION)):
            if key in values:
                axes.plot(epochs, values[key], "o-", color=colour, markersize=4, linewidth=1.8, label=label)
        last = values.get(f"val_{name}", values[name])[-1]
        text = f"{last:.2%}" if name == "accuracy" else f"{last:.4f}"
        colour = VALIDATION if f"val_{name}" in values else TRAINING
        axes.annotate(text, (epochs[-1], last), xytext=(6, 0), textcoords="offset points", color=colour, va="center")
        axes.set(title=name.capitalize(), xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.margins(x=0.03)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
    return _save(figure, path)


def confusion_matrix(
    y_true: np.ndarray,
    y_pred: np.ndarray,
    path: str | os.PathLike | None = None,
    class_names: Sequence[str] | None = None,
) -> "Figure":
    """Draw how often each class was taken for each other one.

    Right answers are written on the diagonal and left uncoloured, or their numbers would drown the mistakes; a mistake
    is the darker the larger its share of its row.

    Args:
        y_true, y_pred: class numbers (N,).
        path: a file to save the picture to.
        class_names: what to call the classes; None takes their numbers.

    Raises:
        ValueError: the two differ in length, are empty, or hold a class without a name.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.shape != y_pred.shape or y_true.ndim != 1 or not len(y_true):
        raise ValueError(f"y_true and y_pred must be (N,) and alike, got {y_true.shape} and {y_pred.shape}")
    seen = int(max(y_true.max(), y_pred.max())) + 1
    names = [str(k) for k in range(max(seen, 2))] if class_names is None else list(class_names)
    if min(y_true.min(), y_pred.min()) < 0 or seen > len(names):
        raise ValueError(f"classes must be from 0 to {len(names) - 1}, one for each name; got up to {seen - 1}")
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (y_true, y_pred), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)

    figure = _figure(6.4, 6)
    (axes,) = _row(figure, 1)
    axes.imshow(shares, cmap="Oranges", vmin=0, vmax=max(shares.max() * 1.3, 1e-9))
    for (i, j), count in np.ndenumerate(counts):
        if count:
            weight, colour = ("bold", TRAINING) if i == j else ("normal", "black")
            axes.text(j, i, f"{count:,}", ha="center", va="center", color=colour, weight=weight, fontsize=9)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    right = np.trace(counts)
    axes.set(xlabel="taken for", ylabel="is", title=f"{right:,} of {len(y_true):,} right, {right / len(y_true):.2%}")
    return _save(figure, path)


def mistakes(
    images: np.ndarray,
    y_true: np.ndarray,
    probabilities: np.ndarray,
    path: str | os.PathLike | None = None,
    count: int = 25,
) -> "Figure":
    """Draw the worst mistakes: wrong answers, the most certain first. Without any, the right answers least certain.

    Args:
        images: (N, H, W) or (N, H, W, 1).
        y_true: class numbers (N,).
        probabilities: what the model returned, (N, K).
        path: a file to save the picture to.
        count: how many to draw at most.

    Raises:
        ValueError: the three differ in length, or are empty.
    """
    images, y_true, probabilities = np.asarray(images), np.asarray(y_true), np.asarray(probabilities)
    if not len(images) == len(y_true) == len(probabilities) > 0:
        lengths = f"{len(images)}, {len(y_true)} and {len(probabilities)}"
        raise ValueError(f"images, y_true and probabilities must be of one length, at least 1; got {lengths}")
    y_pred, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    if len(wrong):
        shown = wrong[np.argsort(-certainty[wrong], kind="stable")][:count]
        title = f"{len(wrong):,} mistakes in {len(images):,}; the {len(shown)} the model was most certain of"
    else:
        shown = np.argsort(certainty, kind="stable")[:count]
        title = f"No mistakes in {len(images):,}; the {len(shown)} the model was least certain of"

    columns = min(5, len(shown))
    rows = -(-len(shown) // columns)
    figure = _figure(max(1.5 * columns, 5), 1.75 * rows + 0.6)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        axes.axis("off")
    for axes, n in zip(grid, shown, strict=False):
        axes.imshow(images[n].squeeze(), cmap="gray_r")
        axes.set_title(f"{y_true[n]} taken for {y_pred[n]}\n{certainty[n]:.1%} certain", fontsize=9)
    figure.suptitle(title)
    return _save(figure, path)


def digit(
    original: Any, prepared: np.ndarray, probabilities: np.ndarray, path: str | os.PathLike | None = None
) -> "Figure":
    """Draw a picture as it was given, what the network saw of it, and the probabilities it answered.

    Args:
        original: a path, a PIL image, or an array.
        prepared: (28, 28), what the network was given.
        probabilities: (K,), what it returned.
        path: a file to save the picture to.
    """
    from PIL import Image, ImageOps

    if isinstance(original, (str, os.PathLike)):
        with Image.open(original) as file:
            original = ImageOps.exif_transpose(file).convert("RGBA")
    figure = _figure(10, 3.4)
    given, seen, bars = _row(figure, 3)
    given.imshow(np.asarray(original), cmap="gray")
    given.set_title("the picture")
    seen.imshow(prepared, cmap="gray_r")
    seen.set_title(f"what the network saw, {prepared.shape[0]} x {prepared.shape[1]}")
    given.axis("off")
    seen.set(xticks=[], yticks=[])
    best = int(np.argmax(probabilities))
    colours = [VALIDATION if k == best else GREY for k in range(len(probabilities))]
    bars.bar(range(len(probabilities)), probabilities, color=colours)
    bars.set(title=f"{best}, {probabilities[best]:.1%}", ylim=(0, 1), xlabel="digit", ylabel="probability")
    bars.set_xticks(range(len(probabilities)))
    bars.spines[["top", "right"]].set_visible(False)
    return _save(figure, path)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def _row(figure: "Figure", columns: int) -> list[Any]:
    return list(figure.subplots(1, columns, squeeze=False).flat)


def _save(figure: "Figure", path: str | os.PathLike | None) -> "Figure":
    if path is not None:
        figure.savefig(path, format=Path(path).suffix.lstrip(".") or "png")
    return figure
