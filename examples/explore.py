"""Write one HTML page in which a trained model runs, and open it: draw a digit, and look inside.

python examples/explore.py mnist_model.keras
"""

import argparse
import webbrowser
from pathlib import Path

from npcnn import explorer, load_model
from npcnn.datasets import mnist

parser = argparse.ArgumentParser(description="Write a page in which a model that train_mnist.py saved runs; open it.")
parser.add_argument("model", type=Path, help="a .keras file")
parser.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
parser.add_argument("--out", type=Path, help="file (default: the model's name with .html)")
parser.add_argument("--no-open", action="store_true", help="only write the page")
args = parser.parse_args()

page = (args.out or args.model.with_suffix(".html")).absolute()
if page.is_dir():
    parser.error(f"--out must be a file, got the folder {page}")
try:
    model = load_model(args.model)
    _, (images, labels) = mnist.load_data(args.data)
    page.parent.mkdir(parents=True, exist_ok=True)
    explorer.write(model, page, images, labels)
except (ImportError, OSError, RuntimeError, ValueError) as error:
    parser.error(str(error))
print(f"Saved the page to {page}, {page.stat().st_size / 1e6:.1f} MB; it needs no network")
if not args.no_open and not webbrowser.open(page.as_uri()):
    print("Found no browser here; open the file in one")
