"""Keras' namespace for what is done to images before training."""

from npcnn.preprocessing import image

__all__ = ["image"]
