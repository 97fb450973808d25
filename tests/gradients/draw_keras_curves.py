"""Draw the losses of 200 training steps, npcnn's and Keras', on top of each other, and print how far apart they are.

python tests/gradients/draw_keras_curves.py keras-curves.png
python tests/gradients/draw_keras_curves.py keras-curves.png --seeds 10   (in float32 also from other weights; minutes)

The numbers behind the picture go to a file of the same name beside it, keras-curves.json.
"""

import argparse
import json
from importlib import metadata
from pathlib import Path

import numpy as np
from training_beside_keras import EXACT_BETAS, seed_model, train_here, train_in_keras

from npcnn import __version__


def measure(rung):
    """Return the losses and their relative difference at every step, in float32 and in float64."""
    versions = {name: metadata.version(name) for name in ("numpy", "keras")} | {"npcnn": __version__}
    results = {"kernels": rung, "versions": versions}
    for dtype, options in (("float32", {}), ("float64", EXACT_BETAS)):
        npcnn, _ = train_here(seed_model, rung, dtype, **options)
        keras, _ = train_in_keras(seed_model, dtype, **options)
        difference = np.abs(npcnn[:, 0] / keras[:, 0] - 1)
        same = bool(np.allclose(npcnn[:, 1], keras[:, 1], rtol=0, atol=1e-6))
        print(f"{dtype}: losses equal to {difference.max():.1e}, all accuracies equal: {same}")
        curves = {"npcnn": npcnn[:, 0], "keras": keras[:, 0], "relative_difference": difference}
        results[dtype] = {name: [float(f"{value:.6g}") for value in curve] for name, curve in curves.items()}
    return results


def draw(results, path):
    """Draw the two losses above, their differences below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (losses, differences) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, height_ratios=[2, 1])
    losses.plot(results["float32"]["keras"], color="orange", linewidth=5, alpha=0.6, label="Keras on TensorFlow")
    losses.plot(results["float32"]["npcnn"], color="black", linewidth=1, label="npcnn")
    for dtype in ("float32", "float64"):
        differences.semilogy(np.maximum(results[dtype]["relative_difference"], 1e-17), label=dtype, linewidth=1)
    losses.set(ylabel="loss of the batch", title="The same 200 steps: 8 digits each, Adam, from the same weights")
    differences.set(ylabel="relative difference", xlabel="step", ylim=(1e-17, 1))
    losses.legend()
    differences.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="where the picture goes, a .png")
    parser.add_argument("--rung", default="fused", help="npcnn's kernels (default: fused)")
    parser.add_argument("--seeds", type=int, default=0, help="print float32 on all rungs from so many initial weights")
    arguments = parser.parse_args()

    numbers = arguments.path.with_suffix(".json")
    numbers.write_text(json.dumps(measure(arguments.rung)) + "\n")
    draw(json.loads(numbers.read_text()), arguments.path)

    for seed in range(arguments.seeds):
        keras, _ = train_in_keras(seed_model, "float32", seed)
        for rung in ("im2col", "jit", "fused"):
            npcnn, _ = train_here(seed_model, rung, "float32", seed)
            difference = np.abs(npcnn[:, 0] / keras[:, 0] - 1)
            parted = f", parted at step {np.argmax(difference > 1e-4) + 1}" if difference.max() > 1e-4 else ""
            print(f"seed {seed}, {rung}: losses equal to {difference.max():.1e}{parted}")


if __name__ == "__main__":
    main()
