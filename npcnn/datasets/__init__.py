"""Data to learn from: `from npcnn.datasets import mnist`, or `fashion_mnist`."""
