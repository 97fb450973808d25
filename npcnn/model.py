"""Sequential, the class users work with: layers in a row, to train, evaluate, predict with, and save."""

import contextlib
import copy
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from npcnn import defaults
from npcnn.checks import (
    check_dtype,
    check_flag,
    check_name,
    check_optional_count,
    check_path,
    check_rng,
    check_seed,
    check_threads,
)
from npcnn.console import summary_table
from npcnn.keras_arguments import check_neutral
from npcnn.kernels import DEFAULT, check_rung
from npcnn.layers.input import Input
from npcnn.layers.layer import Layer, Shape
from npcnn.trainer import Trainer


class Sequential(Trainer, Layer):
    """A model whose layers each take what the one before returns. It may itself be a layer of another.

    Args:
        layers: the layers in order; more can follow by `add`. With an `Input` in front, or `input_shape=` at the first
            layer, the weights exist at once; without, they are made by `build`, or by `fit` in the shape of its data.
        trainable: whether training moves the layers at all, whatever each says itself.
        name: what saved files call the model.
        kernels: the rung of the kernel ladder for layers that name none themselves (see `npcnn.kernels`).
        dtype: "float32", or "float64" where exactness matters more than speed; None takes what `set_floatx` was told,
            "float32" at first.
        threads: how many threads work on a batch; None takes the CPUs this process may use. It changes the speed
            and not one bit of the results.
        seed: where the random numbers start: the initial weights, then the order of the examples. Equal seeds give
            equal weights, bit for bit; None takes a new one from the system, and "default" what `set_random_seed` was
            told, 0 at first.

    Raises:
        ValueError: an argument is out of range, or two layers do not fit together; the layer is named.
    """

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        kernels: str = DEFAULT,
        dtype: str | None = None,
        threads: int | None = None,
        seed: int | str | None = "default",
    ) -> None:
        if not isinstance(layers, (list, tuple, type(None))):
            raise TypeError(f"Sequential: layers must be a list of layers, got {type(layers).__name__}")
        if name is not None:
            check_name("Sequential", name)
        self._trainable = check_flag("Sequential: trainable", trainable)
        self.name, self.is_named = name or "sequential", name is not None
        self.kernels = self.model_kernels = check_rung(kernels, "Sequential")
        self.dtype = check_dtype("Sequential: dtype", defaults.floatx if dtype is None else dtype)
        seed = defaults.seed if isinstance(seed, str) and seed == "default" else seed
        self.threads = threads
        self.rng, self.seeded = check_seed("Sequential: seed", seed), seed is not None
        self.layers: list[Layer] = []
        self.given_shape: Shape | None = None  # the Input's
        self.input_shape: Shape | None = None
        self._append(list(layers or ()))

    # ------------------------------------------------------------------ layers

    def add(self, layer: Layer) -> None:
        """Put a layer behind the last one; its weights are made at once if the shape of its input is known.

        Raises:
            TypeError: it is no layer.
            ValueError: it does not fit behind the last one, or has the name of another; the model is as before.
        """
        self._append([layer])

    def pop(self) -> Layer:
        """Take the last layer out, and return it.

        Raises:
            ValueError: there is none.
        """
        if not self.layers:
            raise ValueError("pop: the model has no layers")
        *self.layers, last = self.layers
        return last

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return the layer of that name, or in that place.

        Raises:
            ValueError: there is none.
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer: give a name or an index, got name={name!r}, index={index!r}")
        if index is not None:
            if not isinstance(index, (int, np.integer)):
                raise ValueError(f"get_layer: index must be an integer, got {index!r}")
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"get_layer: there is no layer {index}; the model has {len(self.layers)} layers")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"get_layer: there is no layer {name!r}, only {[layer.name for layer in self.layers]}")

    def build(self, input_shape: Shape | None = None, rng: np.random.Generator | int | None = None) -> None:
        """Make the weights, for examples of `input_shape`, with the batch axis, None, in front or without it.

        None takes the shape that is known already, from an Input or the first layer.

        Raises:
            ValueError: a layer cannot take what the one before returns.
        """
        if input_shape is None and self.input_shape:
            return
        if isinstance(input_shape, (list, tuple)) and list(input_shape[:1]) == [None]:
            input_shape = input_shape[1:]
        first = shape = Input(input_shape).shape
        if not self.layers:
            raise ValueError("Sequential: there are no layers to build; call add(layer) first")
        with self._as_it_was_if_refused():
            rng = self.rng if rng is None else check_rng("build: rng", rng)
            for layer in self.layers:
                shape = self._build_layer(layer, shape, rng)
            self.input_shape = first

    def _build_layer(self, layer: Layer, shape: Shape, rng: np.random.Generator) -> Shape:
        """Make a layer's weights if it has none yet; return the shape of its output."""
        if layer.output_shape is None:
            if not isinstance(layer, Sequential):
                layer.params = {}
            layer.build(shape, rng)
            layer.input_shape = shape
        elif layer.input_shape not in (None, shape):
            raise layer.error(f"is built for input_shape {layer.input_shape}, got {shape}; make a new layer")
        if layer.output_shape is None:
            raise layer.error("build must set output_shape")
        for key, p in layer.variables.items():
            if not isinstance(p, np.ndarray) or p.dtype != layer.dtype:
                got = f"{p.dtype} array" if isinstance(p, np.ndarray) else type(p).__name__
                wanted = f"this layer's dtype is {layer.dtype}; use self.dtype"
                raise layer.error(f"build made {key!r} a {got}, and {wanted}")
        return tuple(layer.output_shape)

    def _append(self, new: list[Any]) -> None:
        """Put layers behind the last one, give them names, and weights if their shape is known."""
        for layer in new:
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential: layers must be objects from npcnn.layers, got {layer!r}")
            if callable(getattr(layer, "call", None)):
                hint = "here a layer has forward and backward; npcnn/layers/relu.py is a short one"
                raise TypeError(f"Sequential: {type(layer).__name__} has call, as layers in Keras have; {hint}")
            if not hasattr(layer, "params"):
                raise TypeError(f"Sequential: {type(layer).__name__}.__init__ must call super().__init__()")
        together = [*self.layers, *new]
        if len({id(layer) for layer in together}) < len(together):
            raise ValueError("Sequential: the same layer object is in the list twice; create a second one")
        with self._as_it_was_if_refused(new):
            if new and isinstance(new[0], Input) and not self.layers and self.given_shape is None:
                self.given_shape = new[0].shape
                new = new[1:]
            if any(isinstance(layer, Input) for layer in new):
                raise ValueError("Sequential: an Input can only be the first layer, and there can only be one")
            self.layers = [*self.layers, *new]
            self._name_layers(new)
            for layer in new:
                if isinstance(layer, Sequential) and layer.dtype != self.dtype:
                    both = f"{layer.name!r} is of dtype {layer.dtype}, the model around it of {self.dtype}"
                    raise ValueError(f"Sequential: {both}; make both of one")
                layer.model_kernels = layer.model_kernels or self.kernels
                layer.dtype = layer.dtype or self.dtype
            # Else that of a first layer which says it, or is part of another model too.
            shape = self.input_shape or self.given_shape
            if self.layers and (shape := shape or self.layers[0].given_shape or self.layers[0].input_shape):
                self.build(shape)

    def _name_layers(self, new: list[Layer]) -> None:
        """Give every unnamed layer Keras' name for it: the class in snake case, with a counter from the second on."""
        unnamed = [each for each in new if each.name is None or (isinstance(each, Sequential) and not each.is_named)]
        to_name = {id(layer) for layer in unnamed}
        named = [layer.name for layer in self.layers if id(layer) not in to_name]
        taken = set(named)
        if len(taken) < len(named):
            raise ValueError(f"Sequential: two layers have the same name: {named}")
        counters: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        for layer in unnamed:
            kind = layer.default_name
            layer.name = next(name for i in counters[kind] if (name := f"{kind}_{i}" if i else kind) not in taken)
            taken.add(layer.name)
            if isinstance(layer, Sequential):
                layer.is_named = True

    @contextlib.contextmanager
    def _as_it_was_if_refused(self, new: Iterable[Layer] = ()) -> Iterator[None]:
        """After an error, the layers, the shape of the input and the random numbers are what they were before."""
        things: list[Any] = [self, *self.layers, *new]
        for thing in things:
            things += thing.layers if isinstance(thing, Sequential) and thing is not self else []
        before = [(thing, dict(vars(thing))) for thing in things]
        state = self.rng.bit_generator.state
        try:
            yield
        except BaseException:
            for thing, attributes in before:
                thing.__dict__ = attributes
            self.rng.bit_generator.state = state
            raise

    # ------------------------------------------------------------------ as a layer of another model

    def in_line(self) -> list[Layer]:
        """The layers this model is made of, sharing its weights, under names like "sequential/dense"."""
        found = [copy.copy(inner) for layer in self.layers for inner in layer.in_line()]
        for inner in found:
            inner.name = f"{self.name}/{inner.name}"
            inner.trainable = inner.trainable and self.trainable
        return found

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass of one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    # ------------------------------------------------------------------ look at it, keep it

    @property
    def threads(self) -> int | None:
        """How many threads work on a batch; it may be set at any time."""
        return self._threads

    @threads.setter
    def threads(self, value: int | None) -> None:
        self._threads = check_threads("Sequential: threads", value)

    @property
    def params(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        """Every parameter, under the key "layer/parameter"; the arrays themselves, not copies."""
        return {f"{layer.name}/{key}": p for layer in self.layers for key, p in layer.params.items()}

    @property
    def trainable(self) -> bool:
        """Whether training moves this model; setting it sets it for every layer, also of models within."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_flag(f"{self}: trainable", value)
        for layer in self.layers:
            layer.trainable = value

    @property
    def trainable_params(self) -> dict[str, np.ndarray]:
        """Those of `params` that an optimizer moves: of layers that are not frozen."""
        layers = self.layers if self.trainable else []
        return {f"{layer.name}/{key}": p for layer in layers for key, p in layer.trainable_params.items()}

    @property
    def state(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        """What training moves without gradients, under such keys."""
        return {f"{layer.name}/{key}": a for layer in self.layers for key, a in layer.state.items()}

    @property
    def variables(self) -> dict[str, np.ndarray]:
        """Parameters and state, in Keras' order: layer by layer, kernel before bias."""
        return {f"{layer.name}/{key}": a for layer in self.layers for key, a in layer.variables.items()}

    @property
    def output_shape(self) -> Shape | None:  # type: ignore[override]
        """The shape of one output, without the batch axis."""
        return self.layers[-1].output_shape if self.layers else None

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] = print,
        expand_nested: bool = False,
        show_trainable: bool = False,
    ) -> None:
        """Print a table: every layer, its output shape, its parameters, its multiply-adds for one image.

        Args:
            line_length, positions, show_trainable: Keras has them; here the table is as wide as it has to be, and its
                last line says how many parameters are frozen.
            print_fn: what gets the table, in place of `print`.
            expand_nested: whether a model within the model is shown layer by layer.
        """
        check_optional_count("summary: line_length", line_length)
        check_flag("summary: expand_nested", expand_nested)
        if not callable(print_fn or print):
            raise TypeError(f"summary: print_fn must be a function like print, got {print_fn!r}")
        steps = [] if self.output_shape is None else self._plan().steps
        layers = [inner for layer in self.layers for inner in layer.in_line()] if expand_nested else self.layers
        (print_fn or print)(summary_table(self, layers, steps))

    def save(
        self,
        filepath: str | os.PathLike,
        overwrite: bool = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
    ) -> None:
        """Write the model to a .keras file, which Keras can load too; it appears whole or not at all.

        The file holds layers, weights, loss, metrics, and the optimizer with its state; and, for npcnn alone, history,
        kernels, threads and the state of the random numbers (not if the model was made with seed=None).

        Args:
            filepath: where to; the name must end in ".keras", or in ".h5" or ".hdf5" for the form of Keras 2, which
                has nothing for npcnn alone.
            overwrite: whether a file of that name may be replaced.
            include_optimizer: False leaves out how to train: the optimizer with its state, loss and metrics.
            save_format: Keras' old argument, "keras" or "h5"; the end of the name says it.

        Raises:
            RuntimeError: before build.
            ValueError: the name ends otherwise, or the model cannot be described in such a file.
            FileExistsError: the file is there and overwrite is False.
        """
        from npcnn import keras_format

        if save_format not in (None, "keras", "h5"):
            raise ValueError(f"save: save_format must be 'keras' or 'h5', got {save_format!r}")
        check_flag("save: overwrite", overwrite)
        check_flag("save: include_optimizer", include_optimizer)
        self._need_weights("save")
        keras_format.write(self, check_path("save: filepath", filepath), overwrite, include_optimizer)

    def save_weights(self, filepath: str | os.PathLike, overwrite: bool = True) -> None:
        """Write the weights, and the optimizer's state if there is one, to a file that Keras can load too.

        Args:
            filepath: where to; the name must end in ".weights.h5", as in Keras.
            overwrite: whether a file of that name may be replaced.

        Raises:
            RuntimeError, ValueError, FileExistsError: as for `save`.
        """
        from npcnn import keras_format

        self._need_weights("save_weights")
        path = check_path("save_weights: filepath", filepath)
        keras_format.write_weights(self, path, check_flag("save_weights: overwrite", overwrite))

    def load_weights(self, filepath: str | os.PathLike, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Replace the weights by those in a file, which were of a model with the same shapes.

        Args:
            filepath: a file from `save_weights` or `save`, here or in Keras; of Keras 2, too.
            skip_mismatch, by_name: False; npcnn loads the weights of the whole model.

        Raises:
            RuntimeError: before build.
            FileNotFoundError: there is no such file.
            FileFormatError: it is damaged, or does not fit this model; nothing is changed then.
        """
        from npcnn import keras_format

        check_neutral("load_weights", {"skip_mismatch": skip_mismatch, "by_name": by_name})
        self._need_weights("load_weights")
        keras_format.read_weights(self, check_path("load_weights: filepath", filepath))

    def get_config(self) -> dict[str, Any]:
        """Return a description of the layers, as Keras gives it: names, shapes and arguments, no weights."""
        from npcnn.keras_format import config

        return config.write_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sequential":
        """Return a new model, not compiled, with the layers that `get_config` described."""
        from npcnn import keras_format

        return cls(**keras_format.arguments_in(config, cls))

    def to_json(self, **arguments: Any) -> str:
        """Return `get_config`, and how the model is trained, in JSON: see `npcnn.models.model_from_json`.

        Args:
            arguments: for `json.dumps`, such as indent=2.
        """
        from npcnn import keras_format

        return keras_format.model_to_json(self, **arguments)


def load_model(
    filepath: str | os.PathLike,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    kernels: str | None = None,
    threads: int | None = None,
    seed: int | str | None = "saved",
) -> Sequential:
    """Return the model in a .keras file that `Sequential.save` or Keras wrote, ready to go on training.

    Args:
        filepath: the file.
        custom_objects: None; npcnn has only layers of its own in files.
        compile: whether the model is compiled as it was; False leaves out optimizer, loss and metrics.
        safe_mode: changes nothing; a file never runs code here.
        kernels, threads: as for `Sequential`; None takes what the model had when it was saved.
        seed: "saved" continues the saved random state; without one (a model of seed=None, or a file from Keras) it acts
            as None. An integer or None: as for `Sequential`.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds a layer that npcnn lacks; a ValueError that says what is wrong.
        ValueError: an argument is out of range.
    """
    from npcnn import keras_format

    if custom_objects:
        raise ValueError(f"load_model: custom_objects={custom_objects!r} is not supported; leave it out")
    given: dict[str, Any] = {}
    if kernels is not None:
        given["kernels"] = check_rung(kernels, "load_model")
    if threads is not None:
        given["threads"] = check_threads("load_model: threads", threads)
    if not isinstance(seed, str) or seed != "saved":
        check_seed("load_model: seed", seed)
        given["seed"] = seed
    filepath = check_path("load_model: filepath", filepath)
    return keras_format.read(filepath, Sequential, check_flag("load_model: compile", compile), **given)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Sequential:
    """Return the model that a text describes, from `Sequential.to_json` here or in Keras; its weights are new ones.

    Args:
        json_string: the text.
        custom_objects: None; npcnn has only layers of its own in files.

    Raises:
        FileFormatError: it is no such text, or has a layer that npcnn lacks.
    """
    from npcnn import keras_format

    if custom_objects:
        raise ValueError(f"model_from_json: custom_objects={custom_objects!r} is not supported; leave it out")
    return keras_format.model_from_json(json_string, Sequential)
