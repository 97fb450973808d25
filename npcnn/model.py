"""Sequential, the class users work with: layers in a row, to train, evaluate, predict with, and save."""

import contextlib
import itertools
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from npcnn import losses, optimizers
from npcnn.checks import as_array, check_count, check_dtype, check_fraction, check_images, check_labels, check_seed
from npcnn.console import Progress, resolve_verbose, summary_table
from npcnn.history import History
from npcnn.kernels import DEFAULT, check_rung
from npcnn.layers.input import Input
from npcnn.layers.layer import Layer, Shape
from npcnn.layers.softmax import Softmax
from npcnn.layers.weighted import WeightedLayer
from npcnn.metrics import get as metric_named
from npcnn.threads import Workers, flag_interrupt, share
from npcnn.training import Plan, cut, make_plan, train_step

GROUP = 64  # batches per update of the progress bar, outside training


class Sequential:
    """A model whose layers each take what the one before returns.

    Args:
        layers: the layers in order. With an `Input` in front, the weights exist at once; without, they are made by
            `build`, or by `fit` in the shape of its data.
        name: what saved files call the model.
        kernels: the rung of the kernel ladder for layers that name none themselves (see `npcnn.kernels`).
        dtype: "float32", or "float64" where exactness matters more than speed.
        threads: how many threads work on a batch; None takes the CPUs this process may use. It changes the speed
            and not one bit of the results.
        seed: where the random numbers start: the initial weights, then the order of the examples. Equal seeds give
            equal weights, bit for bit; None takes a new one from the system.

    Raises:
        ValueError: an argument is out of range, or two layers do not fit together; the layer is named.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        name: str = "sequential",
        kernels: str = DEFAULT,
        dtype: str = "float32",
        threads: int | None = None,
        seed: int | None = 0,
    ) -> None:
        if not isinstance(layers, (list, tuple)):
            raise TypeError(f"Sequential: layers must be a list of layers, got {type(layers).__name__}")
        if not isinstance(name, str) or not name:
            raise ValueError(f"Sequential: name must be a non-empty string, got {name!r}")
        layers = list(layers)
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential: layers must be objects from npcnn.layers, got {layer!r}")
            if not hasattr(layer, "params"):
                raise TypeError(f"Sequential: {type(layer).__name__}.__init__ must call super().__init__()")
        if len({id(layer) for layer in layers}) < len(layers):
            raise ValueError("Sequential: the same layer object is in the list twice; create a second one")
        shape = layers.pop(0).output_shape if layers and isinstance(layers[0], Input) else None
        if not layers:
            raise ValueError("Sequential: layers is empty; a model needs at least one layer behind its Input")
        shape = shape or layers[0].input_shape  # that of a layer which is part of another model too

        self.layers, self.name = layers, name
        self.kernels = check_rung(kernels, "Sequential")
        self.dtype = check_dtype("Sequential: dtype", dtype)
        self.threads = None if threads is None else check_count("Sequential: threads", threads)
        self.rng, self.seeded = check_seed("Sequential: seed", seed), seed is not None
        self.input_shape: Shape | None = None
        self.optimizer: Any = None
        self.loss: Any = None
        self.metrics: list[Any] = []
        self.history: History | None = None
        self._predicting: Any = (None, None)  # the plan of the last `predict`, and what it depends on
        with self._as_it_was_if_refused():
            self._name_layers()
            for layer in layers:
                layer.model_kernels = layer.model_kernels or self.kernels
                layer.dtype = layer.dtype or self.dtype
            if shape:
                self.build(shape)

    # ------------------------------------------------------------------ build and compile

    def build(self, input_shape: Shape) -> None:
        """Make the weights, for examples of `input_shape` (without the batch axis).

        Raises:
            ValueError: a layer cannot take what the one before returns.
        """
        if isinstance(input_shape, (list, tuple)) and list(input_shape[:1]) == [None]:
            input_shape = input_shape[1:]  # as one would write it for Keras, with the batch axis in front
        first = shape = Input(input_shape).shape
        with self._as_it_was_if_refused():
            for layer in self.layers:
                if layer.output_shape is None:
                    layer.params = {}
                    layer.build(shape, self.rng)
                    layer.input_shape = shape
                elif layer.input_shape not in (None, shape):
                    raise layer.error(f"is built for input_shape {layer.input_shape}, got {shape}; make a new layer")
                if layer.output_shape is None:
                    raise layer.error("build must set output_shape")
                for key, p in layer.params.items():
                    if not isinstance(p, np.ndarray) or p.dtype != layer.dtype:
                        got = f"{p.dtype} array" if isinstance(p, np.ndarray) else type(p).__name__
                        wanted = f"this layer's dtype is {layer.dtype}; use self.dtype"
                        raise layer.error(f"build made {key!r} a {got}, and {wanted}")
                shape = layer.output_shape = tuple(layer.output_shape)
            self.input_shape = first

    @contextlib.contextmanager
    def _as_it_was_if_refused(self) -> Iterator[None]:
        """After an error, the layers, the shape of the input and the random numbers are what they were before."""
        before = [(thing, dict(vars(thing))) for thing in (self, *self.layers)]
        state = self.rng.bit_generator.state
        try:
            yield
        except BaseException:
            for thing, attributes in before:
                thing.__dict__ = attributes
            self.rng.bit_generator.state = state
            raise

    def compile(self, optimizer: Any = "adam", loss: Any = None, metrics: Sequence[Any] = ()) -> None:
        """Choose how to train.

        Args:
            optimizer: "adam", "sgd", or an object from `npcnn.optimizers`.
            loss: "sparse_categorical_crossentropy", "categorical_crossentropy", or an object from `npcnn.losses`.
            metrics: a list of "accuracy" or objects from `npcnn.metrics`.

        Raises:
            ValueError: a name is unknown.
        """
        if metrics is not None and not isinstance(metrics, (list, tuple)):
            raise ValueError(f"metrics must be a list like ['accuracy'], got {metrics!r}")
        found = losses.get(loss), [metric_named(metric) for metric in metrics or ()], optimizers.get(optimizer)
        names = ["loss", *(metric.name for metric in found[1])]
        if len(set(names)) < len(names):
            raise ValueError(f"metrics must have different names, and none of them 'loss'; got {names[1:]}")
        if found[2] is not self.optimizer and isinstance(found[2], optimizers.Optimizer) and found[2].slots:
            raise ValueError(f"optimizer: this {type(found[2]).__name__} has trained another model; make a new one")
        if isinstance(self.layers[-1].split_activation()[-1], Softmax) and getattr(found[0], "from_logits", False):
            warnings.warn("from_logits=True, but the model ends in softmax; was this intended?", stacklevel=2)
        self.loss, self.metrics, self.optimizer = found
        if getattr(self.optimizer, "kernels", "") is None:
            self.optimizer.kernels = self.kernels

    # ------------------------------------------------------------------ train, evaluate, predict

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int | None = 32,
        epochs: int = 1,
        verbose: int | str = "auto",
        *,
        validation_split: float = 0.0,
        validation_data: tuple[np.ndarray, np.ndarray] | None = None,
        shuffle: bool = True,
        seed: int | None = None,
    ) -> History:
        """Train: `epochs` times over the examples, one update of the weights for every `batch_size` of them.

        Ctrl-C stops after the step at hand (if that ended an epoch, after its validation); what was learned is kept,
        and the finished epochs are in the history. A program that calls `fit` in a loop should check
        `history.interrupted`. (If it handles or ignores Ctrl-C itself, none of this applies.)

        Args:
            x: examples (N, *input_shape), of any number type; they are not scaled.
            y: labels, as the loss wants them.
            batch_size: examples a step; the last batch of an epoch may be smaller. The memory that a step needs grows
                with it.
            epochs: how often to go over all the examples.
            verbose: 0 silent, 1 a progress bar an epoch, 2 a line an epoch; "auto" is 1 on a terminal, else 2.
            validation_split: the share of examples, taken from the tail before any shuffling, to validate on.
            validation_data: (x, y) to validate on after each epoch; overrides validation_split.
            shuffle: whether each epoch takes the examples in a new order.
            seed: of that order; None goes on from the model's seed.

        Raises:
            RuntimeError: before compile.
            ValueError: data or arguments are unusable; the weights are as before.
        """
        self._need_compile("fit")
        batch_size = check_count("batch_size", 32 if batch_size is None else batch_size)
        epochs = check_count("epochs", epochs)
        verbose = resolve_verbose(verbose)
        rng = self.rng if seed is None else check_seed("seed", seed)
        with self._as_it_was_if_refused():
            if self.input_shape is None:
                shape = as_array("x", x).shape
                if len(shape) < 2:
                    raise ValueError(f"x must have at least two axes, (N, ...), got shape {shape}")
                self.build(shape[1:])
            x, y = self._check_examples("", x, y)
            if validation_data is None:
                x, y, validation = split_tail(x, y, validation_split)
            elif isinstance(validation_data, (tuple, list)) and len(validation_data) == 2:
                validation = self._check_examples("validation_data: ", *validation_data)
            else:
                size = f" of {len(validation_data)}" if hasattr(validation_data, "__len__") else ""
                raise ValueError(f"validation_data must be a pair (x, y), got {type(validation_data).__name__}{size}")

        self.history = history = History()
        plan = self._plan()
        with Workers(self.threads), flag_interrupt(history):
            for epoch in range(epochs):
                order = rng.permutation(len(x)) if shuffle else np.arange(len(x))
                batches = list(cut(order, batch_size))
                totals, seen = np.zeros(1 + len(self.metrics)), 0
                with Progress(f"Epoch {epoch + 1}/{epochs}", len(batches), verbose) as progress:
                    for batch in batches:
                        totals = totals + train_step(plan, self.optimizer, self.params, x[batch], y[batch])
                        seen += len(batch)
                        progress.show(self._named(totals / seen), batches=1)
                        if history.interrupted:
                            break
                    if seen == len(x):
                        values = self._named(totals / seen)
                        if validation:
                            means = self._means(plan, validation[0], validation[1], batch_size)
                            values |= {f"val_{name}": value for name, value in self._named(means).items()}
                            progress.show(values)
                        history.append(values)
                if history.interrupted:
                    break
        if history.interrupted and verbose:
            where = f"epoch {epoch + 1} after {seen} of {len(x)} examples"
            print(f"Stopped in {where}; what was learned is kept. (history.interrupted is True)")
        return history

    def evaluate(
        self,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int | None = 32,
        verbose: int | str = "auto",
        *,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Return the loss, or [loss, *metrics] if there are metrics, or all of it under its names.

        Args:
            x, y: examples and labels, as for `fit`.
            batch_size: how many examples a thread takes at a time.
            verbose: as for `fit`.
            return_dict: whether to return {"loss": ..., "accuracy": ...}.

        Raises:
            RuntimeError: before compile or build.
            ValueError: the data is unusable.
        """
        self._need_compile("evaluate")
        self._need_weights("evaluate")
        x, y = self._check_examples("", x, y)
        batch_size = check_count("batch_size", 32 if batch_size is None else batch_size)
        batches = -(-len(x) // batch_size)
        with Workers(self.threads), Progress("Evaluate", batches, resolve_verbose(verbose)) as progress:
            values = self._named(self._means(self._plan(), x, y, batch_size, progress))
            progress.show(values)
        if return_dict:
            return values
        return list(values.values()) if self.metrics else values["loss"]

    def predict(self, x: np.ndarray, batch_size: int | None = 32, verbose: int | str = 0) -> np.ndarray:
        """Return the model's output for every example: for the MNIST model, ten probabilities (N, 10).

        Args:
            x: examples (N, *input_shape).
            batch_size: how many examples a thread takes at a time.
            verbose: as for `fit`, but silent unless asked.

        Raises:
            RuntimeError: before build.
            ValueError: the data is unusable.
        """
        self._need_weights("predict")
        x = check_images("x", x, self.input_shape)
        batches = list(cut(np.arange(len(x)), check_count("batch_size", 32 if batch_size is None else batch_size)))
        plan, outputs = self._plan_of_predict(), []
        with Workers(self.threads), Progress("Predict", len(batches), resolve_verbose(verbose)) as progress:
            for group in cut(batches, GROUP):
                outputs += share(lambda batch: plan.forward(x[batch])[0], group)
                progress.show({}, batches=len(group))
        return np.concatenate(outputs)

    # ------------------------------------------------------------------ look at it, keep it

    @property
    def params(self) -> dict[str, np.ndarray]:
        """Every parameter, under the key "layer/parameter"; the arrays themselves, not copies."""
        return {f"{layer.name}/{key}": p for layer in self.layers for key, p in layer.params.items()}

    @property
    def output_shape(self) -> Shape | None:
        """The shape of one output, without the batch axis."""
        return self.layers[-1].output_shape

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all parameters, in Keras' order: layer by layer, kernel before bias."""
        return [p.copy() for p in self.params.values()]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Copy `weights`, as from `get_weights` here or in Keras, into the parameters.

        Raises:
            RuntimeError: before build.
            ValueError: their number or a shape does not fit; nothing is changed then.
        """
        self._need_weights("set_weights")
        if not isinstance(weights, (list, tuple)):
            raise TypeError(f"set_weights: weights must be a list of arrays, got {weights!r}")
        weights = [np.asarray(w) for w in weights]
        if len(weights) != len(self.params):
            raise ValueError(f"set_weights: this model has {len(self.params)} arrays of weights, got {len(weights)}")
        for (key, p), w in zip(self.params.items(), weights, strict=True):
            if w.shape != p.shape or w.dtype.kind not in "biuf":
                raise ValueError(f"set_weights: {key} has shape {p.shape}, got {w.dtype} of shape {w.shape}")
        for p, w in zip(self.params.values(), weights, strict=True):
            p[...] = w

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print a table: every layer, its output shape, its parameters, its multiply-adds for one image.

        Raises:
            RuntimeError: before build.
        """
        self._need_weights("summary")
        print_fn(summary_table(self, self._plan().steps))

    def save(self, path: str | os.PathLike, overwrite: bool = True) -> None:
        """Write the model to a .keras file, which Keras can load too; it appears whole or not at all.

        The file holds layers, weights, loss, metrics, and the optimizer with its state; and, for npcnn alone, history,
        kernels, threads and the state of the random numbers (not if the model was made with seed=None).

        Args:
            path: where to; the name must end in ".keras".
            overwrite: whether a file of that name may be replaced.

        Raises:
            RuntimeError: before build.
            ValueError: the name does not end in ".keras", or the model cannot be described in such a file.
            FileExistsError: the file is there and overwrite is False.
        """
        from npcnn import keras_format

        self._need_weights("save")
        keras_format.write(self, path, overwrite)

    # ------------------------------------------------------------------ what the methods above share

    def _plan(self) -> Plan:
        return make_plan(self.layers, self.dtype, self.loss, self.metrics, self.kernels)

    def _plan_of_predict(self) -> Plan:
        """The plan without the loss, kept until a layer changes: building it takes as long as predicting an image."""
        activations = [layer.activation for layer in self.layers if isinstance(layer, WeightedLayer)]
        layers = [(layer, layer.kernels, id(layer.params)) for layer in self.layers], activations
        if (self.kernels, layers) != self._predicting[0]:
            self._predicting = (self.kernels, layers), make_plan(self.layers, self.dtype, kernels=self.kernels)
        return self._predicting[1]

    def _named(self, values: np.ndarray) -> dict[str, float]:
        return dict(zip(["loss", *(metric.name for metric in self.metrics)], map(float, values), strict=True))

    def _means(
        self, plan: Plan, x: np.ndarray, y: np.ndarray, size: int, progress: Progress | None = None
    ) -> np.ndarray:
        """[loss, *metrics] over all examples."""

        def totals_of(batch: np.ndarray) -> np.ndarray:
            output, _ = plan.forward(x[batch])
            return plan.score(y[batch], output)[0]

        totals = np.zeros(1 + len(self.metrics))
        for group in cut(list(cut(np.arange(len(x)), size)), GROUP):
            totals += sum(share(totals_of, group))
            if progress:
                progress.show({}, batches=len(group))
        return totals / len(x)

    def _check_examples(self, prefix: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        x = check_images(f"{prefix}x", x, self.input_shape)
        y = check_labels(f"{prefix}y", y, len(x))
        if callable(getattr(self.loss, "check_labels", None)):
            try:
                y = self.loss.check_labels(y, (len(x), *self.output_shape))
            except ValueError as error:
                raise ValueError(f"{prefix}{error}") from None
        return x, y

    def _need_compile(self, method: str) -> None:
        if self.loss is None:
            raise RuntimeError(f"{method}: the model is not compiled; call compile(optimizer, loss, metrics) first")

    def _need_weights(self, method: str) -> None:
        if self.input_shape is None:
            hint = "put layers.Input(shape) in front, or call build(input_shape) or fit first"
            raise RuntimeError(f"{method}: the model has no weights yet; {hint}")

    def _name_layers(self) -> None:
        """Give every unnamed layer Keras' name for it: the class in snake case, with a counter from the second on."""
        taken = {layer.name for layer in self.layers if layer.name}
        if len(taken) < sum(layer.name is not None for layer in self.layers):
            raise ValueError(f"Sequential: two layers have the same name: {[x.name for x in self.layers]}")
        counters: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        for layer in self.layers:
            if layer.name is None:
                kind = layer.default_name
                layer.name = next(name for i in counters[kind] if (name := f"{kind}_{i}" if i else kind) not in taken)
                taken.add(layer.name)


def split_tail(x: np.ndarray, y: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray, tuple | None]:
    """Cut the last `share` of the examples off, for validation."""
    check_fraction("validation_split", share)
    at = int(len(x) * (1 - share))
    if at == 0:
        raise ValueError(f"validation_split={share} of {len(x)} examples leaves none to train on")
    return x[:at], y[:at], (x[at:], y[at:]) if at < len(x) else None


def load_model(
    path: str | os.PathLike, *, kernels: str | None = None, threads: int | None = None, seed: int | str | None = "saved"
) -> Sequential:
    """Return the model in a .keras file that `Sequential.save` or Keras wrote, ready to go on training.

    Args:
        path: the file.
        kernels, threads: as for `Sequential`; None takes what the model had when it was saved.
        seed: "saved" continues the saved random state; without one (a model of seed=None, or a file from Keras) it acts
            as None. An integer or None: as for `Sequential`.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds a layer that npcnn lacks; a ValueError that says what is wrong.
        ValueError: an argument is out of range.
    """
    from npcnn import keras_format

    given: dict[str, Any] = {}
    if kernels is not None:
        given["kernels"] = check_rung(kernels, "load_model")
    if threads is not None:
        given["threads"] = check_count("load_model: threads", threads)
    if not isinstance(seed, str) or seed != "saved":
        check_seed("load_model: seed", seed)
        given["seed"] = seed
    return keras_format.read(path, Sequential, **given)
