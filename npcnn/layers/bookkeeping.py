"""What all layers share and no learner needs first: arguments, names, weights as lists, checks of what comes in."""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from npcnn import kernels as ladder
from npcnn.checks import as_array, check_dtype, check_flag, check_name
from npcnn.keras_arguments import NEUTRAL, check_neutral, find_attribute, refuse_old

Shape = tuple[int, ...]


@functools.cache
def own_arguments(cls: type[Any]) -> list[str]:
    """Return the arguments of a layer that are its own: not common to all, nor there for Keras' sake only."""
    common = {*inspect.signature(Bookkeeping.__init__).parameters, *NEUTRAL, "common"}
    own = inspect.signature(cls.__init__).parameters
    return [name for name in own if name not in common]


class Bookkeeping:
    """All of a layer but build, forward and backward, which `Layer` has (`layer.py`).

    Args:
        name: what error messages, `summary()` and saved files call this layer; a model finds one if None.
        dtype: float type of the parameters, "float32" or "float64"; None takes the model's, else float32.
        kernels: which rung of the kernel ladder does the arithmetic (see `npcnn.kernels`); None takes the
            model's, else "im2col".
        trainable: whether training moves `params` and `state`; False freezes them as they are.
        input_shape: the shape of one example, for the first layer of a model that has no `Input`; Keras' older forms
            `input_dim=784`, for (784,), and `batch_input_shape`, with the batch axis in front, mean the same.
        other: arguments that Keras has and npcnn has not; each must have the value that turns it off.

    Raises:
        ValueError: an argument is out of range, or asks for what npcnn has not.
        TypeError: there is no such argument.
    """

    # False for the first layer with parameters in a model: training needs no gradient of the data, and dx is None.
    needs_dx = True
    draws = False  # whether forward takes `rng`
    # Penalties on params["kernel"] and params["bias"] that training adds to the loss.
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    # `Layer` has them.
    build: Callable
    forward: Callable
    update_state: Callable

    def __new__(cls, *args: Any, **arguments: Any) -> Self:
        """Say what Keras' older arguments are called today."""
        refuse_old(cls.__name__, cls.__init__, arguments)
        return super().__new__(cls)

    if not TYPE_CHECKING:  # mypy is to know which attributes there are
        __getattr__ = find_attribute  # `layer.kernel`, and what to use instead of other attributes of Keras'

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: str | None = None,
        kernels: str | None = None,
        trainable: bool = True,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        batch_input_shape: Shape | None = None,
        **other: Any,
    ) -> None:
        self.name, self.dtype, self.kernels, self.trainable = name, dtype, kernels, trainable
        self.model_kernels: str | None = None  # the rung of the first model that this layer is part of
        self.params: dict[str, np.ndarray] = {}
        self.state: dict[str, np.ndarray] = {}
        self.input_shape: Shape | None = None
        self.output_shape: Shape | None = None
        if name is not None:
            check_name(str(self), name)
        if dtype is not None:
            self.dtype = check_dtype(f"{self}: dtype", dtype)
        if kernels is not None:
            ladder.check_rung(kernels, str(self))
        check_neutral(str(self), other)
        if batch_input_shape is not None:
            input_shape = self.without_batch_axis("batch_input_shape", batch_input_shape)
        elif input_dim is not None:
            input_shape = (input_dim,)
        self.given_shape = None if input_shape is None else self.check_input_shape(input_shape)

    def __str__(self) -> str:
        kind = type(self).__name__
        return f"{kind} {self.name!r}" if self.name else kind

    def __repr__(self) -> str:
        return f"<{self}>"

    def __call__(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """Return y = f(x); a layer that is not built yet is built for x first. For trying a layer out.

        With `training`, a layer with state changes it, as in a step of training.
        """
        if isinstance(x, Bookkeeping):
            hint = "put the layers into Sequential([...]), in a row; for branches use Keras"
            raise TypeError(f"{self}: takes an array, got {x!r}; {hint}")
        x = as_array(f"{self}: x", x)
        if self.input_shape is None:
            self.build(x.shape[1:])
        drawing = {"rng": np.random.default_rng()} if self.draws else {}
        y, cache = self.forward(x, training, **drawing)
        if training:
            self.update_state(cache)
        return y

    def error(self, message: str) -> ValueError:
        """A ValueError that names this layer; the caller raises it."""
        return ValueError(f"{self}: {message}")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again, under Keras' names, read from its attributes."""
        names = ["name", "trainable", *own_arguments(type(self))]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names}

    # ------------------------------------------------------------------ its weights

    @property
    def built(self) -> bool:
        """Whether this layer knows its shapes, and has its weights if it has any."""
        return self.output_shape is not None

    @property
    def variables(self) -> dict[str, np.ndarray]:
        """Every array that this layer learns and a file keeps, in Keras' order: `params`, then `state`."""
        return {**self.params, **self.state}

    @property
    def weights(self) -> list[np.ndarray]:
        """The same as a list; the arrays themselves, not copies."""
        return list(self.variables.values())

    @property
    def trainable(self) -> bool:
        """Whether training moves this layer; it may be set at any time, and counts from the next `fit` on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_flag(f"{self}: trainable", value)

    @property
    def trainable_params(self) -> dict[str, np.ndarray]:
        """What an optimizer moves: `params`, or nothing of a layer that is frozen."""
        return self.params if self.trainable else {}

    @property
    def trainable_weights(self) -> list[np.ndarray]:
        """The same as a list."""
        return list(self.trainable_params.values())

    @property
    def non_trainable_weights(self) -> list[np.ndarray]:
        """The other `weights`: state, and what is frozen."""
        return [w for key, w in self.variables.items() if key not in self.trainable_params]

    trainable_variables, non_trainable_variables = trainable_weights, non_trainable_weights

    def count_params(self) -> int:
        """Return how many numbers `weights` hold."""
        return sum(w.size for w in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of `weights`."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Copy `weights`, as from `get_weights` here or in Keras, into this layer's.

        Raises:
            RuntimeError: before build.
            ValueError: their number or a shape does not fit; nothing is changed then.
        """
        if self.output_shape is None:
            raise RuntimeError(f"set_weights: {self} has no weights yet; put layers.Input(shape) in front, or build it")
        if not isinstance(weights, (list, tuple)):
            raise TypeError(f"set_weights: weights must be a list of arrays, got {weights!r}")
        weights = [as_array(f"set_weights: weights[{i}]", w) for i, w in enumerate(weights)]
        if len(weights) != len(self.variables):
            raise ValueError(f"set_weights: {self} has {len(self.variables)} arrays of weights, got {len(weights)}")
        for (key, mine), w in zip(self.variables.items(), weights, strict=True):
            if w.shape != mine.shape or w.dtype.kind not in "biuf":
                raise ValueError(f"set_weights: {key} has shape {mine.shape}, got {w.dtype} of shape {w.shape}")
            if not (np.abs(w) <= np.finfo(mine.dtype).max).all():
                raise ValueError(f"set_weights: {key} must be finite numbers in {mine.dtype}, got NaN or larger ones")
        for mine, w in zip(self.weights, weights, strict=True):
            mine[...] = w

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
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass of one image; only layers with weights have any worth counting."""
        return 0

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The shapes that `params` will have once the layer is built for inputs of `input_shape`."""
        return {}

    def state_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """The same for `state`."""
        return {}

    def new_array(
        self, key: str, shape: Shape, initializer: Callable, rng: np.random.Generator | int | None = None
    ) -> np.ndarray:
        """Return what `initializer`, this layer's "{key}_initializer", makes of `shape`, in this layer's float type."""
        try:
            array = np.array(initializer(shape, rng), dtype=self.dtype or "float32", order="C")
        except ValueError as error:
            raise self.error(f"{key}_initializer: {error}") from None
        except MemoryError:
            raise self.error(f"{key} of shape {shape} needs more memory than there is; make it smaller") from None
        if array.shape != shape:
            raise self.error(f"{key}_initializer returned shape {array.shape} where {shape} is needed")
        if not np.isfinite(array).all():
            raise self.error(f"{key}_initializer must return finite numbers, got NaN or infinity")
        return array

    def split_activation(self) -> list[Any]:
        """This layer as a list of layers: `activation="relu"` is short for a ReLU layer behind this one."""
        return [self]

    def in_line(self) -> list[Any]:
        """This layer as a list of layers: a model within a model is the layers it is made of."""
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

    def without_batch_axis(self, argument: str, batch_shape: Any) -> Shape:
        """Return the shape of one example, given the one of a batch."""
        if not isinstance(batch_shape, (tuple, list)):
            raise self.error(f"{argument} must be like (None, 28, 28, 1), got {batch_shape!r}")
        return tuple(batch_shape[1:])

    def check_last_axis(self, axis: int, input_shape: Shape) -> None:
        """Say why `axis` cannot be another than the last of (N, *input_shape)."""
        if axis not in (-1, len(input_shape)):
            raise self.error(
                f"axis must be the last, -1 or {len(input_shape)}, where channels and scores are; got {axis}"
            )

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
