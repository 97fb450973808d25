"""Pictures of the inside of a model: what it has learned, and why it answers as it does."""

from typing import Any

import numpy as np
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from npcnn.checks import as_array, check_count
from npcnn.layers.conv2d import Conv2D
from npcnn.layers.layer import Layer
from npcnn.layers.sigmoid import Sigmoid, logistic
from npcnn.layers.softmax import Softmax
from npcnn.plots.figures import ORANGE, SIGNED, PathLike, blank, in_rows, new_figure, saved, sheets, show_signed
from npcnn.trainer import Trainer


def filters(model_or_layer: Any, path: PathLike | None = None, count: int = 64) -> Figure:
    """Draw the weights of every convolution: a column for each filter, a row for each channel it reads.

    Where there is only one channel, as in the first layer for grey images, its filters stand in rows of 16.

    Args:
        model_or_layer: a model, or a Conv2D.
        path: a file to save the picture to.
        count: how many filters and channels of a layer to draw at most, the first ones.

    Raises:
        TypeError: it is neither a model nor a Conv2D.
        ValueError: it has no Conv2D, no weights yet, or weights that are not finite; or count is below 1.
    """
    if not isinstance(model_or_layer, Trainer | Conv2D):
        raise TypeError(f"filters: takes a model or a Conv2D, got {model_or_layer!r}")
    layers = [layer for layer in _layers("filters", model_or_layer) if isinstance(layer, Conv2D)]
    if not layers or not all(layer.params for layer in layers):
        why = "has no weights yet; build it first" if layers else "has no Conv2D"
        raise ValueError(f"filters: {model_or_layer} {why}")
    check_count("filters: count", count)
    titles, tiles = [], []
    for layer in layers:
        w = layer.params["kernel"]
        KH, KW, C, F = w.shape
        first = f", the first {min(C, count)} and {min(F, count)}" if max(C, F) > count else ""
        what = "each reads 1 channel" if C == 1 else f"in columns; {C} channels, in rows"
        titles.append(f"{layer.name or 'Conv2D'}: {F} filters {KH} x {KW}, {what}{first}")
        by_channel = w[:, :, :count, :count].transpose(2, 3, 0, 1)
        tiles.append(by_channel if C > 1 else in_rows(by_channel[0]))
    figure, panels = sheets(titles, tiles)
    for axes, array in zip(panels, tiles, strict=True):
        show_signed(axes, array, "weight")
    return saved(figure, path)


def feature_maps(model: Any, image: np.ndarray, path: PathLike | None = None, count: int = 64) -> Figure:
    """Draw what every layer makes of an image: its feature maps, or its row of numbers.

    Args:
        model: a model for images (H, W, C) or (H, W).
        image: one image, scaled as those the model was trained on.
        path: a file to save the picture to.
        count: how many maps of a layer to draw at most, the first ones.

    Raises:
        TypeError: model is no model.
        ValueError: it is not built, not for images, or has weights that are not finite; this is no image for it; or
            count is below 1.
    """
    y, layers = _one_image("feature_maps", model, image)
    check_count("feature_maps: count", count)
    titles, tiles = [f"input {y.shape[1:]}"], [np.moveaxis(np.atleast_3d(y[0]), -1, 0)[None]]
    for layer in layers:
        y, _ = layer.forward(y)
        shape = y.shape[1:]
        maps = y[0, ..., :count].transpose(2, 0, 1) if len(shape) == 3 else y.reshape(1, 1, -1)
        less = f", the first {count} maps" if len(shape) == 3 and shape[2] > count else ""
        kinds = ", ".join(type(part).__name__ for part in layer.split_activation())
        titles.append(f"{layer.name} ({kinds}) {shape}{less}")
        tiles.append(in_rows(maps))
    figure, panels = sheets(titles, tiles)
    for axes, array in zip(panels, tiles, strict=True):
        show_signed(axes, array, "input" if axes is panels[0] else "output")
        if array.size <= 20:
            dark = np.abs(array) > np.abs(array).max() / 2
            for k, (value, is_dark) in enumerate(zip(array.flat, dark.flat, strict=True)):
                colour = "white" if is_dark else "black"
                axes.text(k, 0, f"{k}: {value:.2g}", ha="center", va="center", fontsize=8, color=colour)
    return saved(figure, path)


def saliency(model: Any, image: np.ndarray, label: int | None = None, path: PathLike | None = None) -> Figure:
    """Draw the gradient of a class' score with respect to the pixels: which of them, made brighter, would raise it.

    The score is what goes into the softmax (or sigmoid) at the model's end, so that a model that is sure of its answer
    has a gradient, too. It is the library's own backward pass, of dy = 1 for this class and 0 for the others. Of
    several channels, the largest gradient of each pixel is drawn.
    (K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2014.)

    Args:
        model: a model for images (H, W, C) or (H, W) that returns a number for each class.
        image: one image, scaled as those the model was trained on.
        label: the class; None takes the one that the model answers.
        path: a file to save the picture to.

    Raises:
        TypeError: model is no model.
        ValueError: it is not built, not such a model, or has weights that are not finite; this is no image for it; or
            label is none of its classes.
    """
    x, layers = _one_image("saliency", model, image)
    label, _ = _label("saliency", model, x, label)
    steps = [step for layer in layers for step in layer.split_activation()]
    if isinstance(steps[-1], Softmax | Sigmoid):
        steps.pop()
    y, caches = x, []
    for step in steps:
        y, cache = step.forward(y)
        caches.append(cache)
    dy = np.zeros_like(y)
    dy[0, label] = 1
    for step in reversed(steps):
        dy, _ = step.backward(dy, caches.pop())

    gradient = np.atleast_3d(dy[0])
    largest = np.abs(gradient).argmax(axis=2)[..., None]
    gradient = np.take_along_axis(gradient, largest, axis=2)[..., 0]
    figure, (picture, heat) = new_figure(1, 2, 3.6, 3.3)
    _show(picture, x[0], "the image")
    show_signed(heat, gradient[None, None], "change of the score per unit of brightness")
    blank(heat, f"gradient of the score of class {label}")
    return saved(figure, path)


def occlusion(
    model: Any, image: np.ndarray, label: int | None = None, path: PathLike | None = None, size: int = 7
) -> Figure:
    """Draw how probable the right class remains while a grey square covers one place of the image after the other.

    White is a probability of one half. The colours are even in the logit, log(p / (1 - p)): from 50% to 90% is as far
    as from 90% to 99%, or a model that is sure of its answer would show nothing.
    (M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 4.2.)

    Args:
        model: a model for images (H, W, C) or (H, W) that returns a probability for each class.
        image: one image, scaled as those the model was trained on.
        label: the right class; None takes the one that the model answers.
        path: a file to save the picture to.
        size: the side of the square, in pixels; it is centred at each pixel, and cut off at the edges.

    Raises:
        TypeError: model is no model.
        ValueError: it is not built, not such a model, or has weights that are not finite; this is no image for it;
            label is none of its classes; or size is below 1.
    """
    x, _ = _one_image("occlusion", model, image)
    label, whole = _label("occlusion", model, x, label)
    check_count("occlusion: size", size)
    H, W = x.shape[1:3]
    grey = (x.min() + x.max()) / 2

    def square(i: int, j: int) -> tuple[slice, slice]:
        top, left = i - size // 2, j - size // 2
        return slice(max(top, 0), top + size), slice(max(left, 0), left + size)

    probabilities = np.empty((H, W))
    for i in range(H):
        covered = np.repeat(x, W, axis=0)
        for j in range(W):
            covered[j][square(i, j)] = grey
        probabilities[i] = model.predict(covered, verbose=0)[:, label]

    worst = np.unravel_index(probabilities.argmin(), (H, W))
    rows, columns = square(*map(int, worst))
    covered = x[0].copy()
    covered[rows, columns] = grey
    figure, (picture, hidden, heat) = new_figure(1, 3, 3.4, 3.3)
    _show(picture, x[0], f"the image: class {label}, {whole:.1%}")
    _show(hidden, covered, f"covered where it matters most: {probabilities.min():.1%}")
    box = (columns.start - 0.5, rows.start - 0.5), min(columns.stop, W) - columns.start, min(rows.stop, H) - rows.start
    hidden.add_patch(Rectangle(*box, fill=False, edgecolor=ORANGE, linewidth=2))
    norm = FuncNorm((logit, logistic), 1e-4, 1 - 1e-4, clip=True)
    drawn = heat.imshow(probabilities, cmap=SIGNED, norm=norm)
    bar = figure.colorbar(drawn, ax=heat, label=f"probability of class {label}", pad=0.01)
    bar.set_ticks([1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4])
    bar.ax.minorticks_off()
    bar.ax.yaxis.set_major_formatter(lambda p, _: f"{100 * p:.5g}%")
    blank(heat, f"by where the {size} x {size} square is centred")
    return saved(figure, path)


def _layers(name: str, model: Any) -> list[Layer]:
    """The layers, also those of models within the model; of a layer, that one; or say whose weights are not finite."""
    layers = [inner for layer in getattr(model, "layers", [model]) for inner in layer.in_line()]
    for layer in layers:
        if not all(np.isfinite(array).all() for array in [*layer.params.values(), *layer.state.values()]):
            raise ValueError(f"{name}: the weights of layer {layer.name!r} are not all finite numbers")
    return layers


def logit(p: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)), for p from 1e-5 to 1 - 1e-5, or it would be infinite at the ends."""
    p = np.clip(p, 1e-5, 1 - 1e-5)
    return np.log(p / (1 - p))


def _one_image(name: str, model: Any, image: Any) -> tuple[np.ndarray, list[Layer]]:
    """Return the image as a batch of one, in the model's float type, and the layers; or say why it cannot be."""
    if not isinstance(model, Trainer):
        raise TypeError(f"{name}: model must be a model, got {model!r}")
    shape = model.input_shape
    if shape is None or len(shape) not in (2, 3):
        raise ValueError(f"{name}: model must be built for images (H, W, C) or (H, W), its input shape is {shape}")
    x = as_array(f"{name}: image", image)
    if x.shape not in (shape, (1, *shape), (*shape, 1), shape[:2] if shape[2:] == (1,) else shape):
        raise ValueError(f"{name}: image must be one image of shape {shape}, got shape {x.shape}")
    if x.dtype.kind not in "biuf" or not np.isfinite(x).all():
        raise ValueError(f"{name}: image must be finite numbers, got an array of {x.dtype} that is not")
    return x.reshape(1, *shape).astype(model.dtype), _layers(name, model)


def _label(name: str, model: Any, x: np.ndarray, label: int | None) -> tuple[int, float]:
    """Return the class, the model's own answer if `label` is None, and what the model says of it."""
    if len(model.output_shape) != 1:
        raise ValueError(f"{name}: model must return a number for each class, its output shape is {model.output_shape}")
    answer = model.predict(x, verbose=0)[0]
    label = int(answer.argmax()) if label is None else check_count(f"{name}: label", label, least=0)
    if label >= len(answer):
        raise ValueError(f"{name}: label must be a class from 0 to {len(answer) - 1}, got {label}")
    return label, float(answer[label])


def _show(axes: Any, image: np.ndarray, title: str) -> None:
    """Draw an image (H, W, C) or (H, W): three channels in colour, one in grey, of others the mean."""
    image = np.atleast_3d(image)
    span = float(np.ptp(image)) or 1.0
    image = (image - image.min()) / span if image.shape[2] == 3 else image.mean(axis=2)
    axes.imshow(image, cmap="gray")
    blank(axes, title)
