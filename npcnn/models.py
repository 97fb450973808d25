"""Models under Keras' name for the module."""

import os
from typing import Any

from npcnn.model import Sequential, load_model, model_from_json

__all__ = ["Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def clone_model(model: Sequential) -> Sequential:
    """Return a model with the same layers and new weights, not compiled."""
    if not isinstance(model, Sequential):
        raise TypeError(f"clone_model: takes a Sequential, got {model!r}")
    return Sequential.from_config(model.get_config())


def save_model(model: Sequential, filepath: str | os.PathLike, overwrite: bool = True, **options: Any) -> None:
    """Do as `model.save`, which takes include_optimizer=False, too."""
    if not isinstance(model, Sequential):
        raise TypeError(f"save_model: takes a Sequential, got {model!r}")
    model.save(filepath, overwrite=overwrite, **options)
