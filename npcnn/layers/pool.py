"""What the pools do alike: the arguments of a window that slides, and of one that takes in the whole image."""

from typing import Any

import numpy as np

from npcnn.checks import check_flag, check_padding, check_pair
from npcnn.kernels.windows import find_pads, output_size
from npcnn.layers.layer import Layer, Shape

Pair = int | tuple[int, int]


class SlidingPool(Layer):
    """A window of KH x KW that slides over each channel; what it makes of what is under it, a subclass says.

    A subclass writes `forward` and `backward`, and padding="same" is their affair: forward slides the window over
    `pad(x, self.pads)`, and backward takes the padding off again with `crop(dxp, self.pads)`. Both functions are in
    `npcnn/kernels/windows.py`; `average_pooling2d.py` is an example.
    """

    def __init__(
        self,
        pool_size: Pair = 2,
        strides: Pair | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(data_format=data_format, **common)
        self.pool_size = check_pair(f"{self}: pool_size", pool_size)
        self.strides = self.pool_size if strides is None else check_pair(f"{self}: strides", strides)
        self.padding = check_padding(f"{self}: padding", padding)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Work out the output shape for images of `input_shape` (H, W, C)."""
        H, W, C = self.check_input_shape(input_shape, "H, W, C")
        self.pads = find_pads(self.padding, (H, W), self.pool_size, self.strides)
        OH, OW = output_size((H, W), self.pool_size, self.strides, pads=self.pads)
        if OH < 1 or OW < 1:
            hint = "use a smaller window or padding='same'"
            raise self.error(f"pool_size {self.pool_size} is larger than the {H} x {W} input; {hint}")
        self.input_shape, self.output_shape = (H, W, C), (OH, OW, C)


class GlobalPool(Layer):
    """A window as large as the image: one number a channel."""

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **common: Any) -> None:
        super().__init__(data_format=data_format, **common)
        self.keepdims = check_flag(f"{self}: keepdims", keepdims)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Work out the output shape for images of `input_shape` (H, W, C)."""
        self.input_shape = self.check_input_shape(input_shape, "H, W, C")
        C = self.input_shape[-1]
        self.output_shape = (1, 1, C) if self.keepdims else (C,)
