"""What belongs to one model, and to one training at a time: an optimizer, and the layers while they are trained."""

import contextlib
import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from npcnn.optimizers import Optimizer

# Who trains with an optimizer. Kept here and not on the optimizer, so that copies of a model and its optimizer, and
# models that nobody needs any more, are free of each other; by id, as one that is a dataclass may have no hash.
_OWNERS: dict[int, tuple[weakref.ref, str]] = {}
_TRAINED: dict[int, tuple[int, str]] = {}  # for each layer in training: by which thread, in which model

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_TRAINED.clear)  # the child's other threads are gone


def check_owner(method: str, optimizer: Any, model: Any) -> None:
    """Refuse to train with an optimizer that has trained another model; to evaluate with both is no harm.

    It remembers things about the weights it moves, and counts its steps: two models would disturb each other.

    Raises:
        ValueError: it is another model's.
    """
    owner, name = _OWNERS.get(id(optimizer), (None, None)) if isinstance(optimizer, Optimizer) else (None, None)
    if owner is not None and owner() is not model:
        hint = f"make a new one for {model.name!r}"
        raise ValueError(f"{method}: this {type(optimizer).__name__} has trained another model, {name!r}; {hint}")


def claim(optimizer: Any, model: Any) -> None:
    """Note that this optimizer is this model's from now on, if it is no other's yet."""
    if isinstance(optimizer, Optimizer):
        if id(optimizer) not in _OWNERS:
            weakref.finalize(optimizer, _OWNERS.pop, id(optimizer), None)  # before another may have this id
            _OWNERS[id(optimizer)] = weakref.ref(model), model.name


def with_inner(layers: Iterable[Any]) -> Iterator[Any]:
    """Yield the layers, each with those that are in it."""
    for layer in layers:
        yield layer
        yield from with_inner(getattr(layer, "layers", []))


@contextlib.contextmanager
def in_training(method: str, model: Any) -> Iterator[None]:
    """Keep the layers of a model for the thread that trains it.

    Two trainings at once would mix their steps, also those of two models that have a layer in common. What a thread
    calls from within its own training, as a callback may, is its own affair.

    Raises:
        RuntimeError: another thread is training one of them.
        ValueError: the optimizer is another model's.
    """
    check_owner(method, model.optimizer, model)
    me, mine = (threading.get_ident(), model.name), []
    try:
        for thing in (model, *with_inner(model.layers)):
            owner = _TRAINED.setdefault(id(thing), me)  # one step, whatever other threads do
            if owner is me:
                mine.append(id(thing))
            elif owner[0] != me[0]:
                which = f"{thing} is being trained by another thread"
                where = "" if thing is model else f", in the model {owner[1]!r}"
                raise RuntimeError(f"{method}: {which}{where}; wait for it before you train {model.name!r}")
        yield
    finally:
        for key in mine:
            _TRAINED.pop(key, None)  # a child of `fork` has none
