"""Pictures of a model. Each function returns a matplotlib Figure and, given a path, saves it.

    results.py      how well it learned: curves, confusion matrix, mistakes; and what it says to one digit
    inside.py       what it has learned, and why it answers as it does: filters, feature maps, saliency, occlusion
    histograms.py   how its weights and gradients are distributed while it is trained
    heat_map.py     where a gradient check found a gradient wrong

No screen is needed: figures are made without pyplot and its windows.
"""

from npcnn.plots.figures import BLUE, GREY, ORANGE, SIGNED
from npcnn.plots.heat_map import gradient_check
from npcnn.plots.histograms import gradient_histograms, weight_histograms
from npcnn.plots.inside import feature_maps, filters, occlusion, saliency
from npcnn.plots.results import accuracy_curves, confusion_matrix, digit, mistakes

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "SIGNED",
    "accuracy_curves",
    "confusion_matrix",
    "digit",
    "feature_maps",
    "filters",
    "gradient_check",
    "gradient_histograms",
    "mistakes",
    "occlusion",
    "saliency",
    "weight_histograms",
]
