"""Conv2D, ReLU and MaxPool2D as one step: what a model on the rung `fused` makes of three neighbours that fit."""

from typing import Any

import numpy as np

from npcnn.kernels import conv_relu_max_pool
from npcnn.layers.conv2d import Conv2D
from npcnn.layers.layer import Layer
from npcnn.layers.max_pool2d import MaxPool2D
from npcnn.layers.relu import ReLU


class ConvReLUMaxPool(Layer):
    """The function of the three layers, computed in one pass.

    Forward:   y = max over each 2 x 2 window of max(conv(x), 0)
    Backward:  as through the three layers: for each window, only its winner's gradient goes on, and only if y > 0

    It is made from a convolution and a pool that are built, and shares the convolution's parameters, so training it
    trains them. The arithmetic, and why it is faster, is in `npcnn/kernels/conv_relu_max_pool.py`.

    Shapes: x (N, H, W, C), y (N, OH, OW, F).
    """

    def __init__(self, conv: Conv2D, pool: MaxPool2D) -> None:
        super().__init__(dtype=conv.dtype, kernels="fused")
        self.trainable = conv.trainable
        self.name = conv.name  # in a model within a model it has a "/", which a layer of one's own must not have
        self.conv, self.pool, self.params = conv, pool, conv.params
        self.input_shape, self.output_shape = conv.input_shape, pool.output_shape
        self.kernel_regularizer, self.bias_regularizer = conv.kernel_regularizer, conv.bias_regularizer

    @staticmethod
    def fits(steps: list[Any]) -> bool:
        """Whether these three steps are on the rung `fused` and of the form that its kernel computes."""
        if [type(step) for step in steps] != [Conv2D, ReLU, MaxPool2D]:
            return False
        conv, relu, pool = steps
        return (
            relu.is_plain
            and conv.rung == pool.rung == "fused"
            and conv.strides == conv.dilation_rate == (1, 1)
            and pool.pool_size == pool.strides == (2, 2)
            and pool.pads == ((0, 0), (0, 0))
        )

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y (N, OH, OW, F) for x (N, H, W, C), and the cache for `backward`."""
        x = self.check_input(x)
        y, cache = conv_relu_max_pool.forward(x, *self.conv.kernel_and_bias(), self.conv.pads)
        return y, (cache, len(x))

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dx (N, H, W, C) and {"kernel": dw, "bias": db}, given dy (N, OH, OW, F)."""
        cache, N = cache
        dx, dw, db = conv_relu_max_pool.backward(self.check_gradient(dy, N), cache, self.needs_dx)
        return dx, self.conv.name_gradients(dw, db)
