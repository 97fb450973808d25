"""Pictures of a model. Each function returns a matplotlib Figure and, given a path, saves it.

`results.py` shows how well it learned, `inside.py` what it has learned and why it answers as it does. No screen is
needed: figures are made without pyplot and its windows.
"""

from npcnn.plots.figures import BLUE, GREY, ORANGE
from npcnn.plots.results import accuracy_curves, confusion_matrix, digit, mistakes

__all__ = ["BLUE", "GREY", "ORANGE", "accuracy_curves", "confusion_matrix", "digit", "mistakes"]
