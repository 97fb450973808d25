"""npcnn: a convolutional network one can read, and that trains faster than the frameworks on the same CPU."""

from npcnn import layers, losses, metrics, optimizers
from npcnn.history import History
from npcnn.model import Sequential, load_model

__version__ = "0.1.0"
__all__ = ["History", "Sequential", "layers", "load_model", "losses", "metrics", "optimizers"]
