"""What a model does with data: train on it, evaluate on it, predict from it."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from npcnn import distributed, losses, optimizers
from npcnn.array import Array
from npcnn.backup import Place
from npcnn.batches import ArrayBatches, Batch, Batches, StreamBatches, checksum, class_weights, is_stream, unpack
from npcnn.checks import (
    as_array,
    check_count,
    check_flag,
    check_frequency,
    check_images,
    check_labels,
    check_optional_count,
    check_sample_weight,
    check_seed,
    check_steps,
    only_array,
)
from npcnn.console import Progress, resolve_verbose
from npcnn.diagnosis import quiet, watched
from npcnn.history import History
from npcnn.hooks import CallbackList
from npcnn.keras_arguments import ATTRIBUTES, check_neutral
from npcnn.layers.activation import Activation
from npcnn.layers.layer import Layer, Shape
from npcnn.layers.softmax import Softmax
from npcnn.layers.weighted import WeightedLayer
from npcnn.metrics import WeightedMean
from npcnn.metrics import get as metric_named
from npcnn.ownership import claim, in_training
from npcnn.planning import make_plan
from npcnn.threads import Workers, flag_interrupt, share
from npcnn.training import Plan, train_step


class Trainer:
    """Compile, fit, evaluate and predict: the part of `npcnn.Sequential` that needs no more than these attributes."""

    layers: list[Layer]
    kernels: Any
    dtype: Any
    threads: Any
    rng: np.random.Generator
    input_shape: Shape | None
    output_shape: Any
    trainable_params: Any
    build: Callable
    _as_it_was_if_refused: Callable[..., AbstractContextManager]

    optimizer: Any = None
    loss: Any = None
    metrics: Sequence[Any] = ()
    history: History | None = None
    stop_training = False  # a callback that sets it ends `fit` after the step at hand
    place: Place  # how far the last `fit` has come
    _predicting: Any = (None, None)  # the plan of the last `predict`, and what it depends on

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Sequence[Any] | str | None = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        **old: Any,
    ) -> None:
        """Choose how to train.

        Args:
            optimizer: a name such as "adam", "sgd", or an object from `npcnn.optimizers`.
            loss: "sparse_categorical_crossentropy", "categorical_crossentropy", or an object from `npcnn.losses`.
            metrics: a list of "accuracy" or objects from `npcnn.metrics`; "accuracy" alone is a list of it. For either,
                a list or dictionary with one entry, for the one output, is that entry.
            weighted_metrics: the same, for means in which examples count as they do in the loss; where a name is taken,
                it becomes "weighted_accuracy", say.
            loss_weights: Keras has it, npcnn has not: None.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: change how Keras computes, and nothing here.
            old: arguments that Keras has dropped; the error says what to write instead.

        Raises:
            ValueError: a name is unknown.
            TypeError: there is no such argument.
        """
        if loss_weights is not None and metrics is None:
            raise ValueError(f"compile: its third argument is loss_weights, as in Keras; use metrics={loss_weights!r}")
        check_neutral("compile", {"loss_weights": loss_weights, **old})
        if run_eagerly is not None:
            check_flag("compile: run_eagerly", run_eagerly)
        check_optional_count("compile: steps_per_execution", steps_per_execution)
        if jit_compile not in ("auto", None):
            check_flag("compile: jit_compile", jit_compile)
        loss = of_the_output("loss", loss)
        if isinstance(loss, (list, tuple)) and len(loss) == 1:
            loss = loss[0]
        measured = metrics_in("metrics", metrics)
        taken = {metric.name for metric in measured}
        for metric in metrics_in("weighted_metrics", weighted_metrics):
            measured.append(WeightedMean(metric, f"weighted_{metric.name}" if metric.name in taken else metric.name))
        found = losses.get(loss), measured, optimizers.get(optimizer)
        names = ["loss", *(metric.name for metric in measured)]
        if len(set(names)) < len(names):
            raise ValueError(f"metrics must have different names, and none of them 'loss'; got {names[1:]}")
        last = self.layers[-1].in_line()[-1].split_activation()[-1] if self.layers else None
        if isinstance(last, Softmax) and getattr(found[0], "from_logits", False):
            warnings.warn("from_logits=True, but the model ends in softmax; was this intended?", stacklevel=2)
        self.loss, self.metrics, self.optimizer = found
        if getattr(self.optimizer, "kernels", "") is None:
            self.optimizer.kernels = self.kernels

    # ------------------------------------------------------------------ train

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float | None = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        *,
        seed: int | None = None,
        **old: Any,
    ) -> History:
        """Train: `epochs` times over the examples, one update of the weights for every `batch_size` of them.

        Ctrl-C stops after the step at hand (if that ended an epoch, after its validation); what was learned is kept,
        and the finished epochs are in the history. A program that calls `fit` in a loop should check
        `history.interrupted`. (If it handles or ignores Ctrl-C itself, none of this applies.)

        Args:
            x: examples (N, *input_shape), of any number type; they are not scaled. Or an iterable of batches (x, y) or
                (x, y, sample_weight), such as a generator: for data larger than memory.
            y: labels, as the loss wants them; None with an iterable.
            batch_size: examples a step, 32 if None; the last batch of an epoch may be smaller.
            epochs: the number of the last epoch: how often to go over all the examples, if `initial_epoch` is 0.
            verbose: 0 silent, 1 a progress bar an epoch, 2 a line an epoch; "auto" is 1 on a terminal, else 2.
            callbacks: a list of objects from `npcnn.callbacks`.
            validation_split: the share of examples, taken from the tail before any shuffling, to validate on.
            validation_data: (x, y) or (x, y, sample_weight) to validate on after each epoch, or an iterable of batches;
                overrides validation_split.
            shuffle: whether each epoch takes the examples in a new order.
            class_weight: how much examples of each class count, {0: 1.0, 1: 5.0}; 1 where a class is not mentioned.
            sample_weight: how much each example counts (N,); multiplied by that of its class.
            initial_epoch: the number of the first epoch, counted from 0.
            steps_per_epoch: batches an epoch; None goes over all the data.
            validation_steps, validation_batch_size: the same for the validation; its batch size is that of training.
            validation_freq: validate after every so many epochs, or after those in a list, counted from 1.
            seed: of the order, and of what Dropout draws; None goes on from the model's seed.
            old: arguments that Keras has dropped; the error says what to write instead.

        Raises:
            RuntimeError: before compile.
            ValueError: data or arguments are unusable; the weights are as before.
            TypeError: there is no such argument, or this class has a train_step.
        """
        check_neutral("fit", old)
        self._need_compile("fit")
        epochs, initial_epoch = check_count("epochs", epochs), check_count("initial_epoch", initial_epoch, least=0)
        check_flag("shuffle", shuffle)
        verbose, rng = resolve_verbose(verbose), self.rng if seed is None else check_seed("seed", seed)
        due, ranks = check_frequency("validation_freq", validation_freq), distributed.current()
        if ranks.rank:  # rank 0 prints, and runs the callbacks
            verbose, callbacks = 0, None
        with in_training("fit", self):
            with self._as_it_was_if_refused():
                weights, order = (sample_weight, class_weight), rng if shuffle else None
                size = check_optional_count("batch_size", batch_size, 32)
                steps = check_steps("steps_per_epoch", steps_per_epoch)
                train = self._batches("", x, y, weights, size, steps, order)
                size = check_optional_count("validation_batch_size", validation_batch_size, size)
                steps = check_steps("validation_steps", validation_steps)
                valid: Batches | None = None
                if validation_data is not None:
                    xv, yv, weights = unpack("validation_data", validation_data)
                    valid = self._batches("validation_data: ", xv, yv, (weights, None), size, steps)
                elif isinstance(train, ArrayBatches):
                    train, valid = train.split(validation_split or 0.0)
                elif validation_split:
                    raise ValueError("validation_split needs arrays; with an iterable of batches use validation_data")
                params = {"verbose": verbose, "epochs": epochs, "steps": train.steps}
                hooks = CallbackList(callbacks, self, params, last=History())
            claim(self.optimizer, self)
            facts = {"data": train.summary(), "first batch": train.first, "batches": (train.size, train.steps)}
            if valid:
                facts |= {"validation data": valid.summary(), "validation batches": (valid.size, valid.steps)}
            fit = {"epochs": (initial_epoch, epochs), "shuffle": shuffle, "validation_freq": validation_freq}
            distributed.check_alike(ranks, self, {**facts, "fit": fit})
            for batches in filter(None, (train, valid)):
                batches.rows = ranks.rows

            plan, progress = ranks.plan(watched(self._plan(), self, train)), None
            logs: dict[str, float] = {}
            totals, data = np.zeros((1 + len(self.metrics), 2)), train.summary()
            own = getattr(x, "own_part", False)  # and random numbers of its own, on each rank
            self.place = Place(rng, initial_epoch, totals, start=None if own else train.random_state, data=data)
            self.history = history = next(each for each in hooks.callbacks if isinstance(each, History))
            self.stop_training = history.interrupted = False
            with Workers(self.threads), flag_interrupt(history):
                hooks.call("on_train_begin")
                ranks.share(self)
                train.go_on(self.place.start, self.place.taken)  # a backup may have moved it
                moved = (self.place.epoch, self.place.step) != (initial_epoch, 0)
                if moved and hasattr(x, "rng") and not hasattr(x, "random_state"):
                    what = "x draws random numbers of its own, which the backup has not kept"
                    warnings.warn(f"fit: {what}; the weights become others than without a break", stacklevel=2)
                for epoch in range(self.place.epoch, epochs):
                    with Progress(f"Epoch {epoch + 1}/{epochs}", train.steps, verbose) as progress:
                        now = valid if due(epoch + 1) else None
                        logs = self._train_epoch(epoch, plan, train, now, rng, hooks, progress) or logs
                    if ranks.stops(self):
                        break
                hooks.call("on_train_end", logs=logs)
                ranks.share(self)
        if history.interrupted and verbose and progress:
            where = f"epoch {epoch + 1} after {progress.done} of {train.steps or 'its'} batches"
            print(f"Stopped in {where}; what was learned is kept. (history.interrupted is True)")
        return history

    def _train_epoch(
        self,
        epoch: int,
        plan: Plan,
        train: Batches,
        valid: Batches | None,
        rng: np.random.Generator,
        hooks: CallbackList,
        progress: Progress,
    ) -> dict[str, float]:
        """Take a step for every batch, and validate; return the means of all values, or {} if it was not finished."""
        ranks = distributed.current()
        hooks.call("on_epoch_begin", epoch)
        distributed.check_alike(ranks, self)
        ranks.share(self)
        logs = self._take_steps(plan, train, rng, hooks, progress)
        if not logs:
            warnings.warn("x has no more batches, so training ends; a generator gives them only once", stacklevel=3)
            self.stop_training = True
        if not logs or (ranks.was_interrupted(self) and progress.done != train.steps):
            return {}
        if valid:
            means = self._test_epoch(plan, valid, hooks, ranks=ranks)
            logs = logs | {f"val_{name}": mean for name, mean in means.items()}
        distributed.check_weights(ranks, self)
        place = self.place
        place.epoch, place.step, place.totals = epoch + 1, 0, np.zeros_like(place.totals)
        place.start, place.taken = train.where()
        hooks.call("on_epoch_end", epoch, logs=logs)
        progress.show(logs)
        return logs

    def _take_steps(
        self, plan: Plan, batches: Batches, rng: np.random.Generator, hooks: CallbackList, progress: Progress
    ) -> dict[str, float]:
        """Take a step for every batch; return the means over the examples, each before the step of its batch."""
        params, place, means, ranks = self.trainable_params, self.place, {}, distributed.current()
        if place.step:
            means = self._named(place.totals)
            progress.show(means, batches=place.step)
        for step, (x, y, weights) in enumerate(batches.epoch(place.step), place.step):
            hooks.call("on_train_batch_begin", step)
            ranks.begin_step(self, len(x))
            with quiet():
                place.totals = place.totals + ranks.train_step(plan, self.optimizer, params, x, y, rng, weights)
            place.step, (place.start, place.taken) = step + 1, batches.where()
            means = self._named(place.totals)
            hooks.call("on_train_batch_end", step, logs=means)
            progress.show(means, batches=1)
            if ranks.stops(self):
                break
        else:
            ranks.begin_step(self, None)
        return means

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """Take one step on these examples; return what `evaluate` would, of this batch, before the step.

        Raises:
            RuntimeError: before compile.
            ValueError: the data is unusable; the weights are as before.
        """
        self._need_compile("train_on_batch")
        check_flag("return_dict", return_dict)
        with in_training("train_on_batch", self):
            with self._as_it_was_if_refused():
                x, y, weights = self._batch("", x, y, (sample_weight, class_weight))
            claim(self.optimizer, self)
            with Workers(self.threads):
                totals = train_step(self._plan(), self.optimizer, self.trainable_params, x, y, self.rng, weights)
        return self._as_asked(self._named(totals), return_dict)

    # ------------------------------------------------------------------ evaluate

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **old: Any,
    ) -> float | list[float] | dict[str, float]:
        """Return the loss, or [loss, *metrics] if there are metrics, or all of it under its names.

        Args:
            x, y, sample_weight: examples, labels and weights, as for `fit`; x may be an iterable of batches, too.
            batch_size: how many examples a thread takes at a time, 32 if None.
            verbose, callbacks: as for `fit`.
            steps: how many batches to take; None takes all.
            return_dict: whether to return {"loss": ..., "accuracy": ...}.
            old: as for `fit`.

        Raises:
            RuntimeError: before compile or build.
            ValueError: the data is unusable.
        """
        check_neutral("evaluate", old)
        check_flag("return_dict", return_dict)
        self._need_compile("evaluate")
        if is_stream(x):
            self._need_weights("evaluate")
        size, steps = check_optional_count("batch_size", batch_size, 32), check_steps("steps", steps)
        batches, verbose = self._batches("", x, y, (sample_weight, None), size, steps), resolve_verbose(verbose)
        hooks = CallbackList(callbacks, self, {"verbose": verbose, "epochs": 1, "steps": batches.steps})
        with Workers(self.threads), Progress("Evaluate", batches.steps, verbose) as progress:
            means = self._test_epoch(self._plan(), batches, hooks, progress)
            progress.show(means)
        return self._as_asked(means, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """Return what `evaluate` would, of these examples as one batch."""
        size = max(1, len(x)) if hasattr(x, "__len__") else 1
        return self.evaluate(x, y, size, verbose=0, sample_weight=sample_weight, return_dict=return_dict)

    def _test_epoch(
        self, plan: Plan, batches: Batches, hooks: CallbackList, progress: Progress | None = None, ranks: Any = None
    ) -> dict[str, float]:
        """Return the means of the loss and the metrics over all examples; threads take a batch each."""

        def totals_of(batch: Batch) -> np.ndarray:
            x, y, weights = batch
            if not len(x):  # of a batch that is smaller than there are ranks
                return np.zeros((1 + len(self.metrics), 2))
            output, _ = plan.forward(x)
            return plan.score(y, output, weights)[0]

        totals, done, means = np.zeros((1 + len(self.metrics), 2)), 0, {}
        size = 1 if hooks.watch("on_test_batch_begin", "on_test_batch_end") else batches.group
        hooks.call("on_test_begin")
        for group in batches.groups(size):
            hooks.call("on_test_batch_begin", done)
            for batch_totals in share(totals_of, group):
                totals = totals + batch_totals
            means = self._named(totals)
            hooks.call("on_test_batch_end", done, logs=means)
            done += len(group)
            if progress:
                progress.show({}, batches=len(group))
        if not means:
            raise ValueError("there is no batch to evaluate; a generator gives its batches only once")
        means = self._named(ranks.sum(totals)) if ranks else means
        hooks.call("on_test_end", logs=means)
        return means

    # ------------------------------------------------------------------ predict

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        **old: Any,
    ) -> np.ndarray:
        """Return the model's output for every example: for the MNIST model, ten probabilities (N, 10).

        Args:
            x: examples (N, *input_shape), or an iterable of batches, as for `fit`, whose labels are not looked at.
            batch_size: how many examples a thread takes at a time, 32 if None.
            verbose, callbacks: as for `fit`.
            steps: how many batches to take; None takes all.
            old: as for `fit`.

        Raises:
            RuntimeError: before build.
            ValueError: the data is unusable.
        """
        check_neutral("predict", old)
        if self.input_shape is None and not is_stream(x):
            self._build_for("x", x)
        self._need_weights("predict")
        size, steps = check_optional_count("batch_size", batch_size, 32), check_steps("steps", steps)
        if is_stream(x):
            batches: Batches = StreamBatches(x, self._images_of_batch, steps)
        else:
            batches = ArrayBatches(check_images("x", x, self.input_shape, self.dtype), None, None, size, steps)
        outputs: list[np.ndarray] = []
        plan, verbose = self._plan_of_predict(), resolve_verbose(verbose)
        hooks = CallbackList(callbacks, self, {"verbose": verbose, "epochs": 1, "steps": batches.steps})
        size = 1 if hooks.watch("on_predict_batch_begin", "on_predict_batch_end") else batches.group
        with Workers(self.threads), Progress("Predict", batches.steps, verbose) as progress:
            hooks.call("on_predict_begin")
            for group in batches.groups(size):
                hooks.call("on_predict_batch_begin", len(outputs))
                outputs += share(lambda batch: plan.forward(batch[0])[0], group)
                hooks.call("on_predict_batch_end", len(outputs) - 1, logs={"outputs": outputs[-1]})
                progress.show({}, batches=len(group))
            hooks.call("on_predict_end")
        if not outputs:
            raise ValueError("there is no batch to predict; a generator gives its batches only once")
        return np.concatenate(outputs)

    def predict_on_batch(self, x: Any) -> np.ndarray:
        """Return the model's output for these examples as one batch."""
        return self(x)

    def __call__(self, x: Any, training: bool = False) -> np.ndarray:
        """Return the model's output for one batch; with `training`, as in a step of `fit`, with Dropout and the like.

        With `training`, layers with state change it, too, and Dropout draws anew in each call.

        Raises:
            RuntimeError: before build.
            ValueError: the data is unusable.
        """
        training = check_flag("training", False if training is None else training)
        if self.input_shape is None:
            self._build_for("x", x)
        with Workers(self.threads):
            x = check_images("x", x, self.input_shape, self.dtype)
            plan = self._plan_of_predict()
            output, caches = plan.forward(x, training, self.rng)
            if training:
                plan.update_state(caches)
            return output.view(Array)

    # ------------------------------------------------------------------ what the methods above share

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def _plan(self) -> Plan:
        return make_plan(self.layers, self.dtype, self.loss, self.metrics, self.kernels)

    def _plan_of_predict(self) -> Plan:
        """The plan without the loss, kept until a layer changes: building it takes as long as predicting an image."""
        layers = [inner for layer in self.layers for inner in layer.in_line()]
        activations = [layer.activation for layer in layers if isinstance(layer, WeightedLayer | Activation)]
        key = self.kernels, [(layer, layer.kernels, id(layer.params)) for layer in layers], activations
        if key != self._predicting[0]:
            self._predicting = key, make_plan(self.layers, self.dtype, kernels=self.kernels)
        return self._predicting[1]

    def _named(self, totals: np.ndarray) -> dict[str, float]:
        """Return loss and metrics under their names, given their sums and counts."""
        finish = [float, *(getattr(metric, "finish", float) for metric in self.metrics)]
        means = [f(float(total / count) if count else 0.0) for f, (total, count) in zip(finish, totals, strict=True)]
        return dict(zip(self.metrics_names, means, strict=True))

    def _as_asked(self, means: dict[str, float], return_dict: bool) -> float | list[float] | dict[str, float]:
        if return_dict:
            return means
        return list(means.values()) if self.metrics else means["loss"]

    def _batches(
        self,
        prefix: str,
        x: Any,
        y: Any,
        weights: tuple[Any, Any],
        size: int,
        steps: int | None,
        rng: np.random.Generator | None = None,
    ) -> Batches:
        """Return the batches of arrays, checked, or of an iterable; `weights` are of examples, and of classes."""
        if not is_stream(x):
            return ArrayBatches(*self._batch(prefix, x, y, weights), size, steps, rng)
        if y is not None or weights[0] is not None:
            raise ValueError(
                f"{prefix}x yields batches, so y and sample_weight must come in them: (x, y, sample_weight)"
            )

        def check(i: int, batch: Any) -> Batch:
            x, y, sample_weight = unpack(f"{prefix}batch {i}", batch)
            return self._batch(f"{prefix}batch {i}: ", x, y, (sample_weight, weights[1]))

        batches = StreamBatches(x, check, steps, rng)
        first = check(0, batches.look_at_first())  # builds the model, and refuses unusable data before anything begins
        if not hasattr(x, "random_state") and not getattr(x, "own_part", False):
            batches.first = checksum(*first)
        return batches

    def _batch(self, prefix: str, x: Any, y: Any, weights: tuple[Any, Any]) -> Batch:
        """Return examples, labels and weights, checked; build a model that has no shape yet in that of x."""
        if self.input_shape is None:
            self._build_for(f"{prefix}x", x)
        x, y = self._check_examples(prefix, x, y)
        sample_weight, class_weight = weights
        if sample_weight is None and class_weight is None:
            return x, y, None
        found = np.ones(len(x))
        if sample_weight is not None:
            found *= check_sample_weight(f"{prefix}sample_weight", sample_weight, len(x))
        if class_weight is not None:
            outputs = self.output_shape[-1]
            found *= class_weights(y, class_weight, outputs if outputs > 1 else None)
        if np.abs(found).max() > np.finfo(self.dtype).max:
            raise ValueError(f"{prefix}sample_weight must be finite numbers in {self.dtype}, got {np.abs(found).max()}")
        return x, y, found.astype(self.dtype)

    def _build_for(self, name: str, x: Any) -> None:
        """Build a model that has no shape yet in that of the examples x."""
        shape = as_array(name, only_array(x)).shape
        if len(shape) < 2:
            raise ValueError(f"{name} must have at least two axes, (N, ...), got shape {shape}")
        self.build(shape[1:])

    def _images_of_batch(self, i: int, batch: Any) -> Batch:
        x = batch[0] if isinstance(batch, tuple) else batch
        return check_images(f"batch {i}: x", x, self.input_shape, self.dtype), None, None

    def _check_examples(self, prefix: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        x = check_images(f"{prefix}x", x, self.input_shape, self.dtype)
        y = check_labels(f"{prefix}y", y, len(x))
        if callable(getattr(self.loss, "check_labels", None)):
            try:
                y = self.loss.check_labels(y, (len(x), *self.output_shape))
            except ValueError as error:
                raise ValueError(f"{prefix}{error}") from None
        return x, y

    def _need_compile(self, method: str) -> None:
        if self.loss is None:
            raise RuntimeError(f"{method}: the model is not compiled; call compile(optimizer, loss, metrics=...) first")
        for own in ("train_step", "test_step", "call", "compute_loss"):
            if callable(getattr(self, own, None)):
                raise TypeError(f"{method}: npcnn would not call {type(self).__name__}.{own}; {ATTRIBUTES[own]}")

    def _need_weights(self, method: str) -> None:
        if self.input_shape is None or not self.layers:
            hint = "put layers.Input(shape) in front, or call build(input_shape) or fit first"
            raise RuntimeError(f"{method}: the model has no weights yet; {hint}")


def metrics_in(argument: str, given: Any) -> list[Any]:
    """Return the metrics of a list, a name, or one of these for the one output in a list or dictionary."""
    if isinstance(given, dict):
        given = [of_the_output(argument, given)]
    if isinstance(given, (list, tuple)) and len(given) == 1 and isinstance(given[0], (list, tuple)):
        given = given[0]
    given = [given] if isinstance(given, str) else given
    if given is not None and not isinstance(given, (list, tuple)):
        raise ValueError(f"{argument} must be a list like ['accuracy'], got {given!r}")
    return [metric_named(metric) for metric in given or ()]


def of_the_output(argument: str, value: Any) -> Any:
    """Return value; of a dictionary with an entry for each output, the entry for the only one, whatever its name."""
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"{argument}: the model has one output, got entries for {list(value)}")
    return next(iter(value.values()))
