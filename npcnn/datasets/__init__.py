"""Data to learn from: the modules `mnist` and `fashion_mnist`; `MappedFiles` for large files of your own."""

from npcnn.datasets.mapped_files import MappedFiles as MappedFiles
