"""Look at a trained model: accuracy, class by class, its learning curves, what it confuses, its worst mistakes.

python examples/evaluate_mnist.py mnist_model.keras
"""

import argparse
from pathlib import Path

import numpy as np

from npcnn import load_model, plots
from npcnn.datasets import mnist

parser = argparse.ArgumentParser(description="Evaluate a model that train_mnist.py saved.")
parser.add_argument("model", type=Path, help="a .keras file")
parser.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
args = parser.parse_args()

try:
    model = load_model(args.model)
    source = mnist.resolve(args.data)
    _, (images, labels) = mnist.load_data(source)
except (ImportError, OSError, ValueError) as error:
    parser.error(str(error))
x = images[..., None] / np.float32(255)

if model.loss is None:
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
probabilities = model.predict(x, verbose=0)
predicted = probabilities.argmax(axis=1)
values = model.evaluate(x, labels, verbose=0, return_dict=True)
accuracy = (predicted == labels).mean()
what = "MNIST test set" if source in ("mnist", "tfds") else f"held-out digits of {source}"
print(f"{what}, {len(x):,} digits: loss {values['loss']:.4f}, accuracy {accuracy:.2%}\n")
for digit in range(10):
    of_this = labels == digit
    right = int((predicted[of_this] == digit).sum())
    print(f"  {digit}: {right:4} of {of_this.sum():4} right, {right / max(of_this.sum(), 1):.1%}")
print()

history = model.history.history if model.history else {}
was_validated = {"val_loss", "val_accuracy"} <= history.keys() and not model.history.interrupted
if was_validated and not np.isclose(values["loss"], history["val_loss"][-1], rtol=1e-3):
    print(
        "These are not the digits that training validated on: "
        f"the model got {history['val_accuracy'][-1]:.2%} of those right, and {accuracy:.2%} of these."
    )
    if source == "sample":
        print("They are from MNIST's training set: a model trained on the full MNIST has seen them.")
    print()

stem = args.model.with_suffix("")
if history:
    plots.accuracy_curves(model.history, f"{stem}_curves.png")
    print(f"Saved its learning curves to {stem}_curves.png")
plots.confusion_matrix(labels, predicted, f"{stem}_confusion.png")
print(f"Saved its confusion matrix to {stem}_confusion.png")
plots.mistakes(images, labels, probabilities, f"{stem}_mistakes.png")
print(f"Saved its worst mistakes to {stem}_mistakes.png")
