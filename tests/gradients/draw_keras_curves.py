"""Draw the losses of 200 training steps, npcnn's and Keras', on top of each other, and print how far apart they are.

python tests/gradients/draw_keras_curves.py keras-curves.png
python tests/gradients/draw_keras_curves.py keras-curves.png --seeds 10   (in float32 also from other weights; minutes)
"""

import argparse

import numpy as np
from training_beside_keras import EXACT_BETAS, seed_model, train_here, train_in_keras


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="where the picture goes, a .png")
    parser.add_argument("--rung", default="fused", help="npcnn's kernels (default: fused)")
    parser.add_argument("--seeds", type=int, default=0, help="print float32 on all rungs from so many initial weights")
    arguments = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (curves, apart) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, height_ratios=[2, 1])
    for dtype, options in (("float32", {}), ("float64", EXACT_BETAS)):
        (ours, _), (theirs, _) = (
            train_here(seed_model, arguments.rung, dtype, **options),
            train_in_keras(seed_model, dtype, **options),
        )
        difference = np.abs(ours[:, 0] / theirs[:, 0] - 1)
        same = bool(np.allclose(ours[:, 1], theirs[:, 1], rtol=0, atol=1e-6))
        print(f"{dtype}: losses equal to {difference.max():.1e}, all accuracies equal: {same}")
        if dtype == "float32":
            curves.plot(theirs[:, 0], color="orange", linewidth=5, alpha=0.6, label="Keras on TensorFlow")
            curves.plot(ours[:, 0], color="black", linewidth=1, label="npcnn")
        apart.semilogy(np.maximum(difference, 1e-17), label=dtype, linewidth=1)
    curves.set(ylabel="loss of the batch", title="The same 200 steps: 8 digits each, Adam, from the same weights")
    apart.set(ylabel="relative difference", xlabel="step", ylim=(1e-17, 1))
    curves.legend()
    apart.legend()
    figure.tight_layout()
    figure.savefig(arguments.path, dpi=120)

    for seed in range(arguments.seeds):
        theirs, _ = train_in_keras(seed_model, "float32", seed)
        for rung in ("im2col", "jit", "fused"):
            ours, _ = train_here(seed_model, rung, "float32", seed)
            difference = np.abs(ours[:, 0] / theirs[:, 0] - 1)
            parted = f", parted at step {np.argmax(difference > 1e-4) + 1}" if difference.max() > 1e-4 else ""
            print(f"seed {seed}, {rung}: losses equal to {difference.max():.1e}{parted}")


if __name__ == "__main__":
    main()
