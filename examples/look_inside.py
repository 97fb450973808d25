"""Look inside a trained model: its filters, what each layer makes of a digit, and why it answers as it does.

python examples/look_inside.py mnist_model.keras
"""

import argparse
import copy
from pathlib import Path

import numpy as np

from npcnn import Sequential, load_model, plots
from npcnn.callbacks import Histograms
from npcnn.datasets import mnist
from npcnn.digit_image import prepare_digit
from npcnn.gradient_check import check_layer

parser = argparse.ArgumentParser(description="Draw the inside of a model that train_mnist.py saved.")
parser.add_argument("model", type=Path, help="a .keras file")
parser.add_argument("--image", default="8", help="the number of a test digit, or a picture file (default: %(default)s)")
parser.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
parser.add_argument("--train", type=int, default=0, metavar="EPOCHS", help="train such a model anew and draw that, too")
parser.add_argument("--out", type=Path, help="folder for the pictures (default: that of the model, with _inside)")
args = parser.parse_args()
if args.train < 0:
    parser.error(f"--train must be at least 0, got {args.train}")
out = args.out or args.model.with_name(f"{args.model.stem}_inside")

try:
    model = load_model(args.model)
    (x_train, y_train), (x_test, y_test) = mnist.load_data(args.data)
    if not args.image.isdecimal():
        digit, label = prepare_digit(args.image), None  # None: the class that the model answers
    elif int(args.image) < len(x_test):
        digit, label = x_test[int(args.image)], int(y_test[int(args.image)])
    else:
        parser.error(f"--image must be a file, or below {len(x_test):,}, the number of test digits; got {args.image}")
    out.mkdir(parents=True, exist_ok=True)
except (ImportError, OSError, ValueError) as error:
    parser.error(str(error))
image = digit[..., None] / np.float32(255)


def check(path):
    """Check the gradients of the first layer that has weights, in 64 bits, on this digit; say what came out."""
    x = image[None]
    for layer in (inner for outer in model.layers for inner in outer.in_line()):
        if layer.params:
            break
        x, _ = layer.forward(x)
    else:
        raise ValueError("no layer has weights")
    layer = copy.copy(layer)
    layer.params = {key: w.astype(np.float64) for key, w in layer.params.items()}
    result = check_layer(layer, x.astype(np.float64), "complex", entries=1000)
    plots.gradient_check(result, path)
    passes = f"forward and backward pass of {layer.name}"
    if result.passed:
        return f"Everything is blue: {passes} agree, entry by entry; the largest error is {result.max_error:.0e}."
    return f"Orange is wrong: {passes} do not agree.\n{result}"


def draw(name, picture, look_for=None):
    """Save a picture, and say what to look for in it; None: what the function that draws it returns."""
    try:
        said = picture(out / f"{name}.png")
        print(f"{out / name}.png\n    {look_for or said}", flush=True)
    except (TypeError, ValueError) as error:
        print(f"{name} is not drawn: {error}")


draw(
    "filters",
    lambda path: plots.filters(model, path),
    "First layer: a filter that is orange on one side and blue on the other answers to edges in that direction.\n"
    "    Later layers: these filters read feature maps, not pixels, and to the eye they look like noise.",
)
draw(
    "feature_maps",
    lambda path: plots.feature_maps(model, image, path),
    "Further down, maps are coarser and answer to more special things, until one number for each class is left.",
)
draw(
    "saliency",
    lambda path: plots.saliency(model, image, label, path),
    "Ink where it is orange would raise the score of the class, where it is blue it would lower it.",
)
draw(
    "occlusion",
    lambda path: plots.occlusion(model, image, label, path),
    "Where it turns pale or blue, the model needs to see what is there; elsewhere it does not.",
)
draw("gradient_check", check)
if args.train:
    print(f"Training such a model from new weights, {args.train} epochs; {args.model} stays as it is.")
    histograms = Histograms(x_train[:256, ..., None] / np.float32(255), y_train[:256])
    fresh = Sequential.from_config(model.get_config())
    fresh.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fresh.fit(x_train[..., None] / np.float32(255), y_train, 64, args.train, callbacks=[histograms])
    draw(
        "weight_histograms",
        lambda path: plots.weight_histograms(histograms, path),
        "The weights spread from where they began; a layer whose weights stand still learns nothing.",
    )
    draw(
        "gradient_histograms",
        lambda path: plots.gradient_histograms(histograms, path),
        "The first layers learn well if their gradients are not far smaller than those of the last ones.",
    )
else:
    print("Add --train 3 to see how weights and gradients change while such a model is trained.")
