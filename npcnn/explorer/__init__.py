"""One HTML page in which a model runs: its feature maps, its gradients, and a training step, on a digit one draws.

The page needs no network and no server: weights, test digits and the program that runs the model are in the file. Its
parts lie beside this one, in plain HTML, CSS and JavaScript:

    page.html     what there is on the page; `write` puts the other files and the data into it
    page.css      how it looks: on a phone, on a desk, light, dark
    engine.js     the model: forward, backward, SGD and Adam
    digit.js      a drawing, prepared as MNIST was
    explain.js    where a number comes from: its sum of products
    pictures.js   arrays as pictures
    view.js       what the page shows
    events.js     what happens when someone draws, points, chooses or presses a key

What the page says of each layer, its equations and where they are computed, is read from the source as it is.
"""

import base64
import inspect
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn import optimizers
from npcnn.checks import check_path
from npcnn.datasets import mnist
from npcnn.keras_format.archive import write_file
from npcnn.layers.activation import Activation
from npcnn.layers.conv2d import Conv2D
from npcnn.layers.dense import Dense
from npcnn.layers.dropout import Dropout, SpatialDropout2D
from npcnn.layers.flatten import Flatten
from npcnn.layers.layer import Layer
from npcnn.layers.max_pool2d import MaxPool2D
from npcnn.layers.relu import ReLU
from npcnn.layers.softmax import Softmax
from npcnn.losses import SparseCategoricalCrossentropy
from npcnn.model import Sequential
from npcnn.optimizers.optimizer import Optimizer

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent  # that file names are relative to
KINDS = (Conv2D, Dense, MaxPool2D, ReLU, Flatten, Dropout, SpatialDropout2D, Softmax)  # the layers of engine.js
OF_EACH, WRONG = 10, 40  # test digits in the page: so many of each class, and so many more that the model reads wrong
IMAGE, CLASSES = (28, 28, 1), (10,)
LARGE = 3e6  # bytes; the page of the first example has fewer


def write(
    model: Sequential,
    filepath: str | os.PathLike[str],
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> None:
    """Write the page of a model to an HTML file, which any browser opens.

    The same model and digits give the same file, byte for byte.

    Args:
        model: a Sequential that takes images of digits (28, 28, 1), numbers from 0 to 1, and ends in ten probabilities
            from a softmax; in between, Conv2D, ReLU, MaxPool2D, Flatten, Dense and Dropout, each as often as you like.
        filepath: where to.
        images, labels: the digits to choose from, uint8 (N, 28, 28), and what they are, integers (N,). None for both
            takes the test set of the sample that comes with npcnn.

    Raises:
        RuntimeError: the model has no weights yet.
        TypeError: model is no Sequential.
        ValueError: the page cannot show the model, and the layer is named; or the digits have another form.
    """
    if (images is None) != (labels is None):
        raise ValueError(f"explorer: images and labels go together; {'images' if images is None else 'labels'} is None")
    if images is None:
        _, (images, labels) = mnist.load_data("sample")
    filepath, page = check_path("explorer: filepath", filepath), make_page(model, images, labels).encode()
    if len(page) > LARGE:
        size = f"{len(page) / 1e6:.1f} MB, most of it the model's weights"
        warnings.warn(f"explorer: the page has {size}; a browser may be slow with it", stacklevel=2)
    write_file(filepath, page)


def make_page(model: Sequential, images: np.ndarray, labels: np.ndarray) -> str:
    """Return the page as a text: see `write`."""
    if not isinstance(model, Sequential):
        raise TypeError(f"explorer: model must be a Sequential, got {type(model).__name__}")
    steps = describe_steps(model)
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.shape[1:] != IMAGE[:2] or not len(images):
        raise ValueError(f"explorer: images must be uint8 (N, 28, 28), got {images.dtype} {images.shape}")
    fits = labels.shape == images.shape[:1] and labels.dtype.kind in "iu"
    if not fits or not ((labels >= 0) & (labels < CLASSES[0])).all():
        got = f"{labels.dtype} {labels.shape}" + (f" from {labels.min()} to {labels.max()}" if fits else "")
        raise ValueError(f"explorer: labels must be integers from 0 to 9, ({len(images)},) like images; got {got}")
    read = model.predict(images[..., None] / np.float32(255), verbose=0).argmax(axis=1)
    chosen = choose_digits(labels, read)
    data = {
        "about": f"{model.name}: {model.count_params():,} weights; {(read == labels).mean():.2%} "
        f"of {len(labels):,} test digits read right",
        "steps": steps,
        "digits": to_base64(images[chosen]),
        "labels": labels[chosen].tolist(),
        "read": read[chosen].tolist(),
        "numbers": chosen.tolist(),
        "loss": describe_loss(),
        "optimizers": {cls.__name__: describe_optimizer(cls) for cls in (optimizers.SGD, optimizers.Adam)},
    }
    page = (FOLDER / "page.html").read_text("utf-8")
    page = re.sub(r'<link rel="stylesheet" href="(.*?)">', lambda m: f"<style>\n{text_of(m[1])}</style>", page)
    page = re.sub(r'<script src="(.*?)"></script>', lambda m: f"<script>\n{text_of(m[1])}</script>", page)
    # "<" occurs in JSON only within texts, where it may be written so; no text can then end the <script> it is in.
    text = json.dumps(data).replace("<", "\\u003c")
    return page.replace('type="application/json"></script>', f'type="application/json">{text}</script>')


def choose_digits(labels: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Return the numbers of the test digits to show: the first of each class, and the first that were read wrong."""
    first = [np.flatnonzero(labels == label)[:OF_EACH] for label in range(CLASSES[0])]
    return np.unique(np.concatenate([*first, np.flatnonzero(read != labels)[:WRONG]]))


# ------------------------------------------------------------------ the model


def describe_steps(model: Sequential) -> list[dict[str, Any]]:
    """Return what the page has to know of each layer, activations as layers of their own.

    Raises:
        RuntimeError, ValueError: as for `write`.
    """
    if model.output_shape is None:
        raise RuntimeError(
            "explorer: the model has no weights yet; put layers.Input((28, 28, 1)) in front, or train it"
        )
    steps: list[dict[str, Any]] = []
    for layer in (inner for outer in model.layers for inner in outer.in_line()):
        for step in layer.split_activation():
            if type(step) is Activation and step.activation is None:
                continue  # "linear" does nothing
            if steps and steps[-1]["kind"] == "Softmax":
                raise cannot_show(steps[-1]["name"], "is a softmax before the end; it knows one that the loss follows")
            steps.append(describe_step(step, layer.name))
    if model.input_shape != IMAGE or model.output_shape != CLASSES or steps[-1]["kind"] != "Softmax":
        got = f"takes {model.input_shape} and ends in {model.layers[-1]}, {model.output_shape}"
        raise ValueError(f"explorer: the page is for models of digits, (28, 28, 1) to 10 by softmax; this one {got}")
    return steps


def describe_step(step: Layer, name: str) -> dict[str, Any]:
    """Return what the page has to know of one layer, which belongs to the layer of that name.

    Raises:
        ValueError: the page cannot show it.
    """
    if type(step) not in KINDS:
        raise cannot_show(name, f"is a {type(step).__name__}; it knows {', '.join(cls.__name__ for cls in KINDS)}")
    if isinstance(step, ReLU) and not step.is_plain:
        raise cannot_show(name, "is a ReLU with max_value, negative_slope or threshold; it knows max(x, 0)")
    if isinstance(step, Dense) and len(step.input_shape) != 1:
        raise cannot_show(name, f"is a Dense on {step.input_shape}; put a Flatten in front")
    if step.kernel_regularizer or step.bias_regularizer:
        raise cannot_show(name, "has a regularizer, and the loss in the page has no penalties")
    kind = Dropout if isinstance(step, Dropout) else type(step)
    described: dict[str, Any] = {
        "kind": kind.__name__,
        "name": name,
        "input": step.input_shape,
        "output": step.output_shape,
        "equations": equations_of(kind),
        "places": places_of(step),
    }
    if kind is Softmax:  # its backward pass is joined with that of the loss
        loss = describe_loss()
        described["equations"] += f"\n\n{loss['equations']}"
        described["places"]["backward"] = loss["places"]["backward"]
    if isinstance(step, Conv2D | MaxPool2D):
        window = step.kernel_size if isinstance(step, Conv2D) else step.pool_size
        dilation = step.dilation_rate if isinstance(step, Conv2D) else (1, 1)
        (top, _), (left, _) = step.pads
        described |= {"window": window, "strides": step.strides, "dilation": dilation, "pads": (top, left)}
    if isinstance(step, Conv2D | Dense):
        w, b = step.kernel_and_bias()
        described |= {"w": to_base64(w.astype("<f4")), "b": to_base64(b.astype("<f4")), "wShape": w.shape}
        described |= {"useBias": step.use_bias, "trainable": step.trainable}
    return described


def cannot_show(name: str, why: str) -> ValueError:
    """An error that names the layer; the caller raises it."""
    return ValueError(f"explorer: the page cannot show layer {name!r}: it {why}")


# ------------------------------------------------------------------ the source


def equations_of(cls: type) -> str:
    """Return the part of a class's docstring that has its equations: what stands before shapes and arguments.

    Examples are left out, each with the sentence that introduces it.
    """
    paragraphs = re.split(r"\n\s*\n", inspect.getdoc(cls) or "")
    ends = [i for i, p in enumerate(paragraphs) if re.match("Shapes|Args|Raises|The arguments", p)]
    kept = paragraphs[: ends[0] if ends else None]
    is_example = [p.lstrip().startswith(">>>") for p in kept] + [False]
    introduces = [p.endswith(":") and is_example[k + 1] for k, p in enumerate(kept)]
    return "\n\n".join(p for k, p in enumerate(kept) if not (is_example[k] or introduces[k]))


def places_of(step: Layer) -> dict[str, list[dict[str, str]]]:
    """Return what computes a layer's forward and backward: its methods, then the clearest of their kernels."""
    computes = {way: [getattr(type(step), way)] for way in ("forward", "backward")}
    if operation := getattr(step, "operation", None):
        for way, kernel in zip(computes, ladder.find(operation, "loops"), strict=True):
            computes[way].append(kernel)
    return {way: [place_of(function) for function in functions] for way, functions in computes.items()}


def place_of(function: Any) -> dict[str, str]:
    """Return file and line of a function, and its name."""
    file = Path(inspect.getsourcefile(function)).relative_to(ROOT).as_posix()
    return {"place": f"{file}:{inspect.getsourcelines(function)[1]}", "name": function.__qualname__}


def describe_loss() -> dict[str, Any]:
    """Return equations and places of the loss."""
    loss = SparseCategoricalCrossentropy
    places = {"forward": [place_of(loss.forward_each)], "backward": [place_of(loss.backward_each)]}
    return {"equations": equations_of(loss), "places": places}


def describe_optimizer(cls: type[Optimizer]) -> dict[str, Any]:
    """Return equations and places of an optimizer."""
    places = [place_of(cls.update_one)]
    if cls is optimizers.Adam:
        places.append(place_of(ladder.find("adam", "loops")))
    return {"equations": equations_of(cls), "places": {"update": places}}


# ------------------------------------------------------------------ texts


def to_base64(array: np.ndarray) -> str:
    """Return the bytes of an array as a text."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def text_of(name: str) -> str:
    """Return one of the files beside this one."""
    return (FOLDER / name).read_text("utf-8")
