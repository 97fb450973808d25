"""npcnn: a convolutional network one can read, and that trains faster than the frameworks on the same CPU."""

from npcnn import (
    activations,
    backend,
    callbacks,
    datasets,
    initializers,
    keras_names,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    preprocessing,
    regularizers,
    utils,
)
from npcnn.history import History
from npcnn.layers.input import Input
from npcnn.model import Sequential, load_model

__version__ = "0.1.0"
__all__ = [
    "History",
    "Input",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "datasets",
    "initializers",
    "layers",
]
__all__ += ["load_model", "losses", "metrics", "models", "optimizers", "preprocessing", "regularizers", "utils"]

# Keras' older paths, and what to say to a program that asks one of these for a name npcnn has not.
keras_names.install(__name__, __all__)
