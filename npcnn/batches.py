"""Where `fit`, `evaluate` and `predict` take their batches from: arrays, or an iterable of batches.

A batch is (x, y, weights): images, labels and how much each counts in the loss; y is None for `predict`, weights are
None where all count alike. Both classes below have `epoch()`, which yields the batches of one epoch.
"""

import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, count, islice
from typing import Any

import numpy as np

from npcnn.checks import check_fraction, check_not_negative

Batch = tuple[np.ndarray, Any, np.ndarray | None]


class Batches:
    """What the two kinds share: how many batches make an epoch.

    A pass goes over all the data. Without `steps`, an epoch is a pass; with it, an epoch is so many batches, and the
    next goes on behind them.
    """

    group = 1  # how many batches may be in memory at a time
    endless = False  # whether one pass after another may be in an epoch
    size: int | None = None  # examples a batch, if that is known
    first = ""  # a checksum of the first batch, of an iterable that may give others on another rank
    rows: Callable[[int], slice] = staticmethod(partial(slice, 0))  # which of a batch of so many are yielded: all

    def __init__(self, length: int | None, steps: int | None, rng: np.random.Generator | None) -> None:
        self.length, self.fixed_steps, self.rng = length, steps, rng
        self.running: Iterator[Batch] | None = None
        self.start: Any = None  # the random numbers when the pass that is running began, see `random_state`
        self.taken = 0  # how many of its batches were yielded

    @property
    def steps(self) -> int | None:
        """How many batches an epoch has, if that is known."""
        return self.fixed_steps or self.length

    @property
    def random_state(self) -> Any:
        """The state of the random numbers that the order of the batches, and what is in them, depend on."""
        return self.rng.bit_generator.state if self.rng else None

    @random_state.setter
    def random_state(self, state: Any) -> None:
        if self.rng:
            self.rng.bit_generator.state = state

    def one_pass(self) -> Iterator[Batch]:
        """Yield all batches once."""
        raise NotImplementedError

    def epoch(self, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch, from number `first` on; warn if there are less than `steps` asks for."""
        for step in range(first, self.fixed_steps) if self.fixed_steps else count(first):
            batch = next(self.running, None) if self.running else None
            if batch is None and (step == 0 or (self.endless and self.fixed_steps)):
                self._begin()
                batch = next(self.running, None) if self.running else None
            if batch is None:
                if self.fixed_steps:
                    warnings.warn(f"the data ended after {step} of {self.fixed_steps} steps of an epoch", stacklevel=4)
                self.running, self.taken = None, 0
                return
            self.taken += 1
            yield batch

    def _begin(self) -> None:
        """Begin a new pass."""
        self.start = self.random_state
        self.running, self.taken = self.one_pass(), 0

    def where(self) -> tuple[Any, int]:
        """Return from where another training can `go_on`: random numbers, and how many batches behind them."""
        return (self.start, self.taken) if self.taken else (self.random_state, 0)

    def go_on(self, start: Any, taken: int) -> None:
        """Go to where another training was; the random numbers that are not the batches' alone stay as they are."""
        now = self.rng.bit_generator.state if self.rng else None
        if start:
            self.random_state = start
        if taken:
            self._begin()
            self.taken = sum(1 for _ in islice(self.running or (), taken))
        if self.taken < taken:
            raise ValueError(f"x has {self.taken} batches; there were {taken} and more when the backup was made")
        if self.rng:
            self.rng.bit_generator.state = now

    def summary(self) -> str:
        """Return a text by which other data is told from this, where that can be done."""
        return "an iterable of batches"

    def groups(self, size: int) -> Iterator[list[Batch]]:
        """Yield the batches of one epoch in lists of `size`; the last may be shorter."""
        batches = self.epoch()
        while group := list(islice(batches, size)):
            yield group


class ArrayBatches(Batches):
    """The examples in arrays, `size` a batch.

    Args:
        x, y, weights: the arrays; y and weights may be None.
        size: examples a batch; the last of a pass may be smaller.
        steps: see `Batches`.
        rng: for a new order in each pass; None takes the examples as they stand.
    """

    group = 64

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray | None,
        weights: np.ndarray | None,
        size: int,
        steps: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(-(-len(x) // size), steps, rng)
        self.x, self.y, self.weights, self.size = x, y, weights, size

    def one_pass(self) -> Iterator[Batch]:
        """Yield all batches once."""
        order = None if self.rng is None else self.rng.permutation(len(self.x))
        for i in range(0, len(self.x), self.size):
            rows = self.rows(min(self.size, len(self.x) - i))
            which: Any = slice(i + (rows.start or 0), i + rows.stop)
            which = which if order is None else order[which]
            yield self.x[which], take(self.y, which), take(self.weights, which)

    def summary(self) -> str:
        """Return how many examples there are, and a checksum of about a hundred of them, their labels and weights."""
        some = slice(None, None, max(1, len(self.x) // 100))
        crc = checksum(self.x[some], take(self.y, some), take(self.weights, some))
        return f"{len(self.x)} examples with the checksum {crc}"

    def split(self, share: float) -> tuple["ArrayBatches", "ArrayBatches | None"]:
        """Return the examples in two: the last `share` of them, for validation, in the second."""
        check_fraction("validation_split", share)
        at = int(len(self.x) * (1 - share))
        if at == 0:
            raise ValueError(f"validation_split={share} of {len(self.x)} examples leaves none to train on")
        head, tail = slice(None, at), slice(at, None)
        valid = self.part(tail, None, None) if at < len(self.x) else None
        return self.part(head, self.fixed_steps, self.rng), valid

    def part(self, which: slice, steps: int | None, rng: np.random.Generator | None) -> "ArrayBatches":
        """Return some of the examples."""
        return ArrayBatches(self.x[which], take(self.y, which), take(self.weights, which), self.size, steps, rng)


class StreamBatches(Batches):
    """Batches that the user's own iterable gives: for data that is larger than memory, or made on the way.

    Args:
        source: an object with `__len__` and `__getitem__`, each of whose items is a batch, like Keras' `Sequence`; or
            any iterable. A generator gives its batches once only.
        check: turns what the source gives into a batch, or says what is wrong with it; takes its number, too.
        steps: see `Batches`.
        rng: for a new order of the batches in each pass, where they can be told apart by number.
    """

    def __init__(
        self,
        source: Any,
        check: Callable[[int, Any], Batch],
        steps: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.numbered = hasattr(source, "__len__") and hasattr(source, "__getitem__")
        self.endless = self.numbered and hasattr(source, "__next__")  # as what ImageDataGenerator.flow returns
        try:
            length = len(source)
        except TypeError:  # Python's way to say that it has none
            length = None
        super().__init__(length, steps, rng)
        self.source, self.check = source, check
        self.started: Iterator[Any] | None = None  # of an iterator, what is left once its first batch was looked at

    @property
    def random_state(self) -> Any:
        """The state of the random numbers of the order, and that of the source, if it has a `random_state`."""
        return [super().random_state, getattr(self.source, "random_state", None)]

    @random_state.setter
    def random_state(self, state: Any) -> None:
        order, of_source = state
        if self.rng:
            self.rng.bit_generator.state = order
        if of_source is not None:
            self.source.random_state = of_source

    def look_at_first(self) -> Any:
        """Return the first batch as the source gives it, which will yet be yielded."""
        if self.numbered:
            return self.source[0]
        self.started = iter(self.source)
        first = list(islice(self.started, 1))
        if not first:
            raise ValueError("x yields no batches")
        self.started = chain(first, self.started)
        return first[0]

    def one_pass(self) -> Iterator[Batch]:
        """Yield all batches once, checked."""
        if self.numbered:
            order = range(len(self.source)) if self.rng is None else self.rng.permutation(len(self.source)).tolist()
            given: Iterator[Any] = (self.source[i] for i in order)
        else:
            given, self.started = self.started or iter(self.source), None
        for i, batch in enumerate(given):
            x, y, weights = self.check(i, batch)
            which = slice(None) if getattr(self.source, "own_part", False) else self.rows(len(x))
            yield x[which], take(y, which), take(weights, which)
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()


def checksum(*arrays: np.ndarray | None) -> str:
    """Return a checksum of what is in these arrays."""
    crc = 0
    for array in arrays:
        crc = crc if array is None else zlib.crc32(array.tobytes(), crc)
    return f"{crc:08x}"


def take(array: np.ndarray | None, which: Any) -> np.ndarray | None:
    """Return array[which], or None if there is no array."""
    return None if array is None else array[which]


def is_stream(x: Any) -> bool:
    """Return whether x is an iterable of batches rather than an array, or what becomes one."""
    if isinstance(x, (np.ndarray, list, tuple, str, dict)) or hasattr(x, "__array__"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__getitem__")


def unpack(name: str, given: Any) -> tuple[Any, Any, Any]:
    """Return x, y and the weights of the examples, or None, of (x, y), (x, y, sample_weight) or an iterable of them."""
    if is_stream(given):
        return given, None, None
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        got = f"{type(given).__name__} of {len(given)}" if hasattr(given, "__len__") else type(given).__name__
        raise ValueError(f"{name} must be (x, y) or (x, y, sample_weight), got {got}")
    x, y, weights = (*given, None)[:3]
    return x, y, weights


def class_weights(y: np.ndarray, class_weight: dict[int, float], classes: int | None = None) -> np.ndarray:
    """Return for each label, or one-hot row, the weight of its class; a class that is not mentioned has weight 1.

    `classes` is how many there are, if that is known.
    """
    if not isinstance(class_weight, dict):
        raise ValueError(f"class_weight must be a dictionary like {{0: 1.0, 1: 5.0}}, got {class_weight!r}")
    for label, weight in class_weight.items():
        is_number = isinstance(label, (int, float, np.integer, np.floating)) and type(label) is not bool
        is_class = is_number and label >= 0 and label % 1 == 0  # 2.0 too, from the unique values of float labels
        if not is_class or (classes and label >= classes):
            most = f", with classes from 0 to {classes - 1}" if classes else ""
            raise ValueError(f"class_weight must be a dictionary like {{0: 1.0, 1: 5.0}}{most}, got {class_weight!r}")
        check_not_negative(f"class_weight[{label}]", weight)
    labels = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y)).astype(int)
    table = np.ones(1 + labels.max(initial=0))
    for label, weight in class_weight.items():
        table[int(label) : int(label) + 1] = weight
    return table[labels]


def cut(items: Any, size: int) -> Iterator[Any]:
    """Yield runs of `size` items; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
