"""Two-dimensional convolution: every output is the dot product of a filter with the patch under it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn.checks import check_count, check_padding, check_pair
from npcnn.kernels.windows import find_pads, output_size
from npcnn.layers.layer import Shape
from npcnn.layers.weighted import WeightedLayer

Pair = int | tuple[int, int]


class Conv2D(WeightedLayer):
    """Slide F filters of KH x KW x C weights over an image and take a dot product at every stop.

    Forward, for the output at row i, column j, filter f, where the filter moves by one pixel at a time (stride 1):

        y[n, i, j, f] = b[f] + sum over kh, kw, c of  x[n, i + kh, j + kw, c] * w[kh, kw, c, f]

    Backward. Each product above has two factors; the gradient of one is dy times the other, summed over every
    output in which that factor took part:

        dw[kh, kw, c, f]          = sum over n, i, j of  x[n, i + kh, j + kw, c] * dy[n, i, j, f]
        dx[n, i + kh, j + kw, c] += w[kh, kw, c, f] * dy[n, i, j, f]    for all i, j, kh, kw, f
        db[f]                     = sum over n, i, j of  dy[n, i, j, f]

    An image of 3 x 3 pixels, and one filter of 2 x 2:

    >>> conv = Conv2D(1, 2)
    >>> conv.build((3, 3, 1))
    >>> conv.set_weights([np.reshape([1, 2, 0, -1], (2, 2, 1, 1)), np.zeros(1)])
    >>> y, cache = conv.forward(np.arange(1.0, 10).reshape(1, 3, 3, 1))  # rows 1 2 3, 4 5 6, 7 8 9
    >>> y[0, :, :, 0]                              # at the top left 1 * 1 + 2 * 2 + 4 * 0 + 5 * -1
    array([[0., 2.],
           [6., 8.]])

    Two outputs have a gradient, at the top left and at the bottom right. Both saw the pixel in the middle, so its
    gradient has a part from each, 1 * -1 + 10 * 1:

    >>> dx, grads = conv.backward(np.reshape([1.0, 0.0, 0.0, 10.0], (1, 2, 2, 1)), cache)
    >>> dx[0, :, :, 0]
    array([[  1.,   2.,   0.],
           [  0.,   9.,  20.],
           [  0.,   0., -10.]])
    >>> grads["kernel"][:, :, 0, 0]                # the patch of the first, plus 10 times that of the second
    array([[51., 62.],
           [84., 95.]])

    In general the filter moves by SH rows and SW columns, and its taps are DH and DW apart. Then in all three
    equations x and dx stand at

        x[n, i SH + kh DH, j SW + kw DW, c]            (x padded with zeros where padding="same")

    (This is what the field calls convolution; mathematicians, who flip the filter first, say cross-correlation.)
    The sums are in `npcnn/kernels/conv2d.py`, written once for each rung of the ladder, slowest and clearest first.

    Shapes: x (N, H, W, C), w (KH, KW, C, F), b (F,), y (N, OH, OW, F), where, for the height,

        valid:  OH = floor((H - (DH (KH - 1) + 1)) / SH) + 1
        same:   OH = ceil(H / SH), with zeros around x; if their number is odd, the extra one goes below or right

    Args:
        filters: F, how many filters, and so how many output channels.
        kernel_size: (KH, KW), or one number for both.
        strides: (SH, SW), how far the filter moves between outputs.
        padding: "valid" (the filter stays inside the image) or "same" (at stride 1 the output is as large as x).
        dilation_rate: (DH, DW), the spacing of the filter's taps; 1 is an ordinary filter.
        activation: None, or what `Activation` takes: a name like "relu", a layer like LeakyReLU(0.1); applied to y.
        use_bias: whether b is added.
        kernel_initializer, bias_initializer: a name from `npcnn.initializers`, or a function (shape, rng) -> array.
        kernel_regularizer, bias_regularizer: a penalty on large weights, as "l2" or L2(0.001) from
            `npcnn.regularizers`; None is none.
        name, dtype, kernels: see `npcnn/layers/bookkeeping.py`.

    Raises:
        ValueError: an argument is out of range; build: the filter is larger than the image; forward: wrong shape.
        RuntimeError: forward before build.
    """

    operation = "conv2d"

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Pair = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: str | Callable = "glorot_uniform",
        bias_initializer: str | Callable = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **common: Any,
    ) -> None:
        common |= {"data_format": data_format, "groups": groups}
        regularizers = kernel_regularizer, bias_regularizer
        super().__init__(activation, use_bias, kernel_initializer, bias_initializer, *regularizers, **common)
        self.filters = check_count(f"{self}: filters", filters)
        self.kernel_size = check_pair(f"{self}: kernel_size", kernel_size)
        self.strides = check_pair(f"{self}: strides", strides)
        self.padding = check_padding(f"{self}: padding", padding)
        self.dilation_rate = check_pair(f"{self}: dilation_rate", dilation_rate)

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Allocate kernel (KH, KW, C, F) and bias (F,) for images of `input_shape` (H, W, C)."""
        H, W, C = self.check_input_shape(input_shape, "H, W, C")
        self.pads = find_pads(self.padding, (H, W), self.kernel_size, self.strides, self.dilation_rate)
        OH, OW = output_size((H, W), self.kernel_size, self.strides, self.dilation_rate, self.pads)
        if OH < 1 or OW < 1:
            size = f"kernel_size {self.kernel_size} at dilation_rate {self.dilation_rate}"
            raise self.error(f"{size} is larger than the {H} x {W} input; use a smaller kernel or padding='same'")
        self.allocate((H, W, C), (OH, OW, self.filters), rng)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y (N, OH, OW, F), or its activation if there is one, and the cache for `backward`."""
        x = self.check_input(x)
        # The function of kernels/conv2d.py that does the sums; which of them, the argument `kernels` says.
        forward, _ = ladder.find(self.operation, self.rung)
        y, cache = forward(x, *self.kernel_and_bias(), self.strides, self.pads, self.dilation_rate)
        y, activation_cache = self.activate(y, training)
        return y, (cache, activation_cache, len(x))

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dx and {"kernel": dw, "bias": db}, given dy; what came last, the activation, goes back first."""
        cache, activation_cache, N = cache
        dy = self.backward_of_activation(self.check_gradient(dy, N), activation_cache)
        _, backward = ladder.find(self.operation, self.rung)
        # needs_dx is False for the first layer with weights in a model: before it there is nothing to train, so no dx.
        dx, dw, db = backward(dy, cache, self.needs_dx)
        return dx, self.name_gradients(dw, db)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The kernel (KH, KW, C, F) and the bias (F,), for images of `input_shape` (H, W, C)."""
        _, _, C = self.check_input_shape(input_shape, "H, W, C")
        return self._with_bias((*self.kernel_size, C, self.filters))


Convolution2D = Conv2D
