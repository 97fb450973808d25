"""The contract every layer keeps, and what all of them share: a name, a dictionary of parameters, checks."""

import inspect
import re
from typing import Any

import numpy as np

from npcnn import kernels as ladder
from npcnn.checks import as_array, check_dtype

Shape = tuple[int, ...]


class Layer:
    """A function of an array, with parameters, that knows its own derivative.

    A subclass writes three methods:

        build(input_shape, rng)             allocates `params`, sets `output_shape`
        forward(x, training)  -> y, cache   y = f(x; params)
        backward(dy, cache)   -> dx, grads  dx = dL/dx and grads[key] = dL/dparams[key], given dy = dL/dy

    L is the loss, one number. dL/dy, the gradient of L with respect to y, has the shape of y, and says for each of its
    numbers how much L changes with it. Backward is the chain rule: it turns dL/dy into dL/dx, which is the dL/dy of the
    layer before.

    forward and backward keep nothing on the layer: what backward needs travels in the cache. So a layer may run
    in several threads at once, and be checked by calling the two.

    Args:
        name: what error messages, `summary()` and saved files call this layer; a model finds one if None.
        dtype: float type of the parameters, "float32" or "float64"; None takes the model's, else float32.
        kernels: which rung of the kernel ladder does the arithmetic (see `npcnn.kernels`); None takes the
            model's, else "im2col".
    """

    # False for the first layer with parameters in a model: training needs no gradient of the data, and dx is None.
    needs_dx = True

    def __init__(self, *, name: str | None = None, dtype: str | None = None, kernels: str | None = None) -> None:
        self.name, self.dtype, self.kernels = name, dtype, kernels
        self.model_kernels: str | None = None  # the rung of the first model that this layer is part of
        self.params: dict[str, np.ndarray] = {}
        self.input_shape: Shape | None = None
        self.output_shape: Shape | None = None
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise self.error(f"name must be a non-empty string without '/', got {name!r}")
        if dtype is not None:
            self.dtype = check_dtype(f"{self}: dtype", dtype)
        if kernels is not None:
            ladder.check_rung(kernels, str(self))

    def __str__(self) -> str:
        kind = type(self).__name__
        return f"{kind} {self.name!r}" if self.name else kind

    def error(self, message: str) -> ValueError:
        """A ValueError that names this layer; the caller raises it."""
        return ValueError(f"{self}: {message}")

    # ------------------------------------------------------------------ what a subclass writes

    def build(self, input_shape: Shape, rng: np.random.Generator | int | None = None) -> None:
        """Allocate `params` for inputs of `input_shape` (without the batch axis) and set `output_shape`."""
        self.input_shape = self.output_shape = self.check_input_shape(input_shape)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y = f(x; params) and whatever `backward` will need."""
        raise NotImplementedError

    def backward(self, dy: np.ndarray, cache: Any) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Return dL/dx and the gradients of the parameters, given dy = dL/dy."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again, under Keras' names, read from its attributes."""
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names if name not in ("dtype", "kernels")}

    # ------------------------------------------------------------------ what all layers share

    @property
    def rung(self) -> str:
        """The rung this layer runs on: its own, else its model's, else "im2col", which needs no compiler."""
        return self.kernels or self.model_kernels or "im2col"

    @property
    def default_name(self) -> str:
        """What a model calls this layer if it has no name: its class in snake case, as in Keras."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", type(self).__name__).lower()

    @property
    def parameter_count(self) -> int:
        """How many numbers this layer learns."""
        return sum(p.size for p in self.params.values())

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass of one image; only layers with weights have any worth counting."""
        return 0

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The shapes that `params` will have once the layer is built for inputs of `input_shape`."""
        return {}

    def split_activation(self) -> "list[Layer]":
        """This layer as a list of layers: `activation="relu"` is short for a ReLU layer behind this one."""
        return [self]

    def check_input_shape(self, input_shape: Shape, axes: str | None = None, argument: str = "input_shape") -> Shape:
        """Return `input_shape` as a tuple of positive ints; `axes` names the axes it must have, as in "H, W, C"."""
        try:
            shape = tuple(input_shape)
        except TypeError:
            shape = ()
        if not shape or not all(type(i) is not bool and isinstance(i, (int, np.integer)) and i > 0 for i in shape):
            raise self.error(f"{argument} must be positive sizes without the batch axis, got {input_shape!r}")
        if axes is not None and len(shape) != len(axes.split(",")):
            raise self.error(f"{argument} must be ({axes}) without the batch axis, got {input_shape!r}")
        return tuple(int(i) for i in shape)

    def check_input(self, x: np.ndarray) -> np.ndarray:
        """Return x as a floating (or complex) array, or say why this layer cannot take it."""
        if self.input_shape is None:
            raise RuntimeError(f"{self}: not built yet; call build(input_shape, rng), or put it in a Sequential")
        return self._check_array("x", x, self.input_shape)

    def check_gradient(self, dy: np.ndarray, N: int) -> np.ndarray:
        """Return dy as a floating (or complex) array, or say why it is no gradient of this layer's N outputs."""
        dy = self._check_array("dy", dy, self.output_shape)
        if len(dy) != N:
            raise self.error(f"dy must have one gradient for each of the {N} outputs of forward, got {len(dy)}")
        return dy

    def _check_array(self, argument: str, value: Any, shape: Shape) -> np.ndarray:
        array = as_array(f"{self}: {argument}", value)
        if array.shape[1:] != shape:
            raise self.error(f"{argument} must have shape (N, {', '.join(map(str, shape))}), got {array.shape}")
        if array.dtype.kind in "biu" or array.dtype == np.float16:
            return array.astype(self.dtype or np.float32)
        if array.dtype.kind not in "fc":
            raise TypeError(f"{self}: {argument} must be an array of numbers, got dtype {array.dtype}")
        return array
