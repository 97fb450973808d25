"""Data to learn from: `from npcnn.datasets import mnist`."""
