"""From images to rows of numbers."""

from typing import Any

from npcnn.layers.reshape import Reshape


class Flatten(Reshape):
    """Lay the numbers of each example out in one row, last axis fastest, so that a Dense layer can take them.

    Forward: y[n] = x[n] read in row-major order. Backward: the same numbers in the old shape. It is a Reshape to (-1,).

    Shapes: x (N, H, W, C) or any other, y (N, H W C).
    """

    def __init__(self, data_format: str | None = None, **common: Any) -> None:
        super().__init__((-1,), data_format=data_format, **common)
