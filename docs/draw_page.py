"""Photograph the page that examples/explore.py writes, with one number explained: docs/pictures/page.png.

python examples/train_mnist.py --epochs 1
python docs/draw_page.py mnist_model.keras

It needs Playwright and Chromium, as the tests of the page do.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from npcnn import explorer, load_model
from npcnn.datasets import mnist

parser = argparse.ArgumentParser(description="Photograph the page of a model.")
parser.add_argument("model", type=Path, help="a .keras file that train_mnist.py saved")
parser.add_argument("--data", default="auto", help="auto, mnist, tfds, sample, or a path (default: %(default)s)")
picture = Path(__file__).with_name("pictures") / "page.png"
parser.add_argument("--output", type=Path, default=picture, help="file (default: docs/pictures/page.png)")
args = parser.parse_args()

program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
no_sandbox = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []  # Chromium has none for root
with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
    file = Path(folder) / "page.html"
    explorer.write(load_model(args.model), file, *mnist.load_data(args.data)[1])
    browser = driver.chromium.launch(executable_path=program, args=no_sandbox)
    page = browser.new_page(viewport={"width": 1440, "height": 960}, reduced_motion="reduce")
    page.goto(file.as_uri())
    page.evaluate("""() => {
      const y = network.ys[1], largest = y.indexOf(Math.max(...y)); // of the first layer
      const [row, column, tile] = unravel(network.steps[0].output, largest);
      select(1, { tile, row, column });
    }""")
    page.screenshot(path=args.output)
    browser.close()
