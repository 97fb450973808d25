"""Data to learn from: `from npcnn.datasets import mnist`, or `fashion_mnist`; `MappedFiles` for large files of your own."""

from npcnn.datasets.mapped_files import MappedFiles as MappedFiles
