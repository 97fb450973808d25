"""Read a handwritten digit from a picture file.

python examples/predict_digit.py mnist_model.keras my_seven.png
"""

import argparse
from pathlib import Path

import numpy as np

from npcnn import load_model, plots
from npcnn.digit_image import prepare_digit

parser = argparse.ArgumentParser(description="Predict which digit a picture shows: any size, dark on light or not.")
parser.add_argument("model", type=Path, help="a .keras file that train_mnist.py saved")
parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="a PNG or JPEG of one digit")
parser.add_argument("--show", action="store_true", help="draw what the network saw, beside each picture's file")
args = parser.parse_args()

try:
    model = load_model(args.model)
    digits = [prepare_digit(path) for path in args.images]  # 28 x 28, as MNIST was made
except (OSError, ValueError) as error:
    parser.error(str(error))
for path, digit in zip(args.images, digits, strict=True):
    probabilities = model.predict(digit[None, ..., None] / np.float32(255), verbose=0)[0]
    print(f"{path}: {probabilities.argmax()}")
    print("  " + "  ".join(f"{k}: {p:.1%}" for k, p in enumerate(probabilities)))
    if args.show:
        picture = path.with_name(f"{path.stem}_seen.png")
        plots.digit(path, digit, probabilities, picture)
        print(f"  saved what the network saw to {picture}")
