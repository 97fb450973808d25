"""Pictures of how well a model learned: its curves, what it confuses, its mistakes, and what it says to one digit."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from npcnn.checks import check_count
from npcnn.plots.figures import BLUE, GREY, ORANGE, PathLike, new_figure, saved

MOST_CLASSES = 200  # that a confusion matrix can show


def accuracy_curves(history: Any, path: PathLike | None = None) -> Figure:
    """Draw accuracy and loss over the epochs, training and validation, as far as the history has them.

    Args:
        history: what `fit` returned, or a dictionary of lists like {"loss": [...], "val_accuracy": [...]}.
        path: a file to save the picture to.

    Raises:
        ValueError: the history has no epoch, neither accuracy nor loss, or lists of unequal length.
    """
    values = getattr(history, "history", history)
    if not isinstance(values, dict) or not all(isinstance(value, (list, tuple)) for value in values.values()):
        raise TypeError(f"history must be what fit returned, or a dictionary of lists, got {history!r}")
    names = [name for name in ("accuracy", "loss") if name in values]
    lengths = {key: len(values[key]) for key in values}
    if not names or len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"history must have 'accuracy' or 'loss', and as many epochs of each, got {lengths}")
    epochs = np.arange(1, lengths[names[0]] + 1)
    figure, panels = new_figure(1, len(names), 5, 3.6)
    for axes, name in zip(panels, names, strict=True):
        form = "{} {:.2%}" if name == "accuracy" else "{} {:.4f}"
        curves = [(name, "training", BLUE), (f"val_{name}", "validation", ORANGE)]
        curves = sorted((c for c in curves if c[0] in values), key=lambda c: values[c[0]][-1], reverse=True)
        # The upper curve's label stands on its end and the lower one's hangs from it: never in each other's way.
        for (key, label, colour), align in zip(curves, ("bottom", "top"), strict=False):
            last = values[key][-1]
            axes.plot(epochs, values[key], "o-", color=colour, markersize=4, linewidth=1.8, label=label)
            place = {"xytext": (8, 0), "textcoords": "offset points", "va": align}
            axes.annotate(form.format(label, last), (epochs[-1], last), color=colour, **place)
        axes.set(title=name.capitalize(), xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if name == "accuracy":
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")
        axes.margins(x=0.04, y=0.08)
        axes.grid(alpha=0.25)
    return saved(figure, path)


def confusion_matrix(
    y_true: np.ndarray, y_pred: np.ndarray, path: PathLike | None = None, class_names: Sequence[str] | None = None
) -> Figure:
    """Draw how often each class was taken for each other one.

    Right answers, on the diagonal, all have one pale colour, or their numbers would drown the mistakes; a
    mistake is the darker the larger its share of its row.

    Args:
        y_true, y_pred: class numbers (N,).
        path: a file to save the picture to.
        class_names: what to call the classes; None takes their numbers.

    Raises:
        ValueError: the two are no class numbers, differ in length, are empty, or hold a class without a name.
    """
    highest = max(_highest_class("y_true", y_true), _highest_class("y_pred", y_pred))
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true and y_pred must have one length, got {len(y_true)} and {len(y_pred)}")
    if highest >= MOST_CLASSES:
        raise ValueError(f"y_true and y_pred must be class numbers below {MOST_CLASSES}, got {highest}")
    if isinstance(class_names, str) or not isinstance(class_names, (Sequence, np.ndarray, type(None))):
        raise TypeError(f"class_names must be a list of names, got {class_names!r}")
    names = [str(k) for k in range(highest + 1)] if class_names is None else list(class_names)
    if highest >= len(names):
        raise ValueError(f"class_names has {len(names)} names, but the classes go up to {highest}")
    K = len(names)
    counts = np.zeros((K, K), int)
    np.add.at(counts, (y_true, y_pred), 1)
    right = int(np.trace(counts))

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    strength = 0.8 * shares / max(shares.max(), 1e-9)
    cells = 1 - strength[..., None] * (1 - np.array(to_rgb(ORANGE)))
    cells[range(K), range(K)] = 1 - 0.15 * (1 - np.array(to_rgb(BLUE)))
    figure, (axes,) = new_figure(1, 1, max(4, 0.6 * K), max(4, 0.6 * K))
    axes.pcolormesh(np.arange(-0.5, K), np.arange(-0.5, K), cells, edgecolors="#DDDDDD", linewidth=0.8)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            look = {"color": BLUE, "weight": "bold"} if i == j else {"color": "black"}
            axes.text(j, i, f"{count:,}", ha="center", va="center", fontsize=9, **look)
    axes.set(title=f"{right:,} of {len(y_true):,} right, {right / len(y_true):.2%}", aspect="equal")
    axes.set(xlabel="predicted", ylabel="true", ylim=(K - 0.5, -0.5))
    axes.set(xticks=range(K), yticks=range(K), xticklabels=names, yticklabels=names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return saved(figure, path)


def mistakes(
    images: np.ndarray, y_true: np.ndarray, probabilities: np.ndarray, path: PathLike | None = None, count: int = 25
) -> Figure:
    """Draw the worst mistakes: wrong answers, the most certain first; if none is, the least certain right ones.

    Args:
        images: (N, H, W) or (N, H, W, 1).
        y_true: class numbers (N,).
        probabilities: what the model returned, (N, K).
        path: a file to save the picture to.
        count: how many to draw at most.

    Raises:
        ValueError: the three are not so shaped, are empty, a class is not among the K, or count is below 1.
    """
    images, y_true, probabilities = np.asarray(images), np.asarray(y_true), np.asarray(probabilities)
    of_grey_images = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 1)
    if not of_grey_images or probabilities.ndim != 2 or not len(images) == len(y_true) == len(probabilities):
        shapes = f"{images.shape}, {y_true.shape} and {probabilities.shape}"
        raise ValueError(f"images, y_true and probabilities must be (N, H, W), (N,) and (N, K), got {shapes}")
    if _highest_class("y_true", y_true) >= probabilities.shape[1]:
        raise ValueError(f"y_true goes up to {y_true.max()}, probabilities has {probabilities.shape[1]} classes")
    if probabilities.dtype.kind not in "biuf" or np.isnan(probabilities).any():
        raise ValueError(f"probabilities must be numbers, got {probabilities.dtype}, some of them NaN")
    check_count("count", count)
    y_pred, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    if len(wrong):
        shown = wrong[np.argsort(-certainty[wrong], kind="stable")][:count]
        title = f"{len(wrong):,} wrong of {len(images):,}; the {len(shown)} the model was most certain of"
    else:
        shown = np.argsort(certainty, kind="stable")[:count]
        title = f"None wrong of {len(images):,}; the {len(shown)} the model was least certain of"

    columns = min(5, len(shown))
    figure, panels = new_figure(-(-len(shown) // columns), columns, max(1.6, 5.6 / columns), 1.8)
    for axes in panels:
        axes.axis("off")
    for axes, n in zip(panels, shown, strict=False):
        axes.imshow(images[n].squeeze(), cmap="gray_r")
        answer = f" → {y_pred[n]}" if len(wrong) else ""
        axes.set_title(f"true {y_true[n]}{answer} ({certainty[n]:.1%})", fontsize=9)
    figure.suptitle(title, fontsize=11)
    return saved(figure, path)


def digit(original: Any, prepared: np.ndarray, probabilities: np.ndarray, path: PathLike | None = None) -> Figure:
    """Draw a picture as it was given, what the network saw of it, and the probabilities it answered.

    Args:
        original: a path, a Pillow image, or an array.
        prepared: (28, 28), what the network was given.
        probabilities: (K,), what it returned.
        path: a file to save the picture to.
    """
    prepared, probabilities = np.asarray(prepared), np.asarray(probabilities)
    if prepared.ndim != 2 or probabilities.ndim != 1 or not probabilities.size:
        shapes = f"{prepared.shape} and {probabilities.shape}"
        raise ValueError(f"digit: prepared and probabilities must have shapes (H, W) and (K,), got {shapes}")
    if not isinstance(original, str | os.PathLike | Image.Image) and np.ndim(original) < 2:
        raise TypeError(f"digit: original must be a path, a Pillow image or an array (H, W), got {original!r}")
    if isinstance(original, str | os.PathLike):
        with Image.open(original) as file:
            original = ImageOps.exif_transpose(file)
    if isinstance(original, Image.Image) and original.mode[0] not in "IF":  # those hold more than 8 bits
        original = original.convert("RGBA")
        original.thumbnail((1000, 1000))
    figure, (given, seen, bars) = new_figure(1, 3, 3.3, 3.4)
    given.imshow(np.asarray(original), cmap="gray")
    given.set(title="the picture", facecolor="#BBBBBB")  # seen where a picture is transparent
    seen.imshow(prepared, cmap="gray")
    seen.set(title="what the network saw, {} x {}".format(*np.shape(prepared)))
    for axes in (given, seen):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    classes, best = range(len(probabilities)), int(np.argmax(probabilities))
    drawn = bars.barh(classes, probabilities, color=[ORANGE if k == best else GREY for k in classes])
    bars.bar_label(drawn, [f"{p:.1%}" if p >= 0.0005 else "" for p in probabilities], padding=4)
    bars.set(title=f"{best}, {probabilities[best]:.1%} certain", xticks=[], yticks=classes, xlim=(0, 1.25))
    bars.invert_yaxis()
    bars.tick_params(length=0)
    bars.spines["bottom"].set_visible(False)
    return saved(figure, path)


def _highest_class(name: str, labels: np.ndarray) -> int:
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu" or labels.min() < 0:
        got = f"{labels.dtype} of shape {labels.shape}"
        raise ValueError(f"{name} must be class numbers from 0, (N,) with N at least 1, got {got}")
    return int(labels.max())
