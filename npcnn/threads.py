"""Threads that share the work on a batch, BLAS limited to one thread meanwhile, and Ctrl-C.

Kernels and NumPy both release the GIL while they compute. BLAS has threads of its own, which spin while they wait and
would take the cores from ours; so it is limited to one thread while ours are at work, and then put back.
"""

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from npcnn.history import History


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Blas:
    """BLAS limited to one thread while anyone needs that. The setting is process-wide.

    The first to need it changes the setting, the last one to leave puts it back.
    """

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._limit = loaded_blas().limit(limits=1)
            self._users += 1

    def __exit__(self, *exception: Any) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.restore_original_limits()

    def after_fork(self) -> None:
        """In a forked child, where nobody is at work any more: put the setting back."""
        if self._users:
            self._limit.restore_original_limits()
        self._lock, self._users = threading.Lock(), 0


@functools.cache
def loaded_blas() -> Any:
    """The BLAS that NumPy has loaded. Finding it takes ten times as long as predicting an image."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


BLAS = Blas()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BLAS.after_fork)


class Workers(contextlib.ExitStack):
    """Threads that take shards, and BLAS held to one thread while they are at work: a context manager.

    Args:
        threads: how many; None takes the CPUs this process may use.
    """

    def __init__(self, threads: int | None) -> None:
        super().__init__()
        self.threads = threads or available_cpus()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        self.enter_context(BLAS)
        return self

    def map(self, function: Callable, items: Iterable) -> list:
        """Return [function(item) for every item]; the calling thread works too, so it need not be woken up."""
        items = list(items)
        results: list[Any] = [None] * len(items)
        numbers = iter(range(len(items)))  # whoever is free takes the next

        def work() -> None:
            try:
                for i in numbers:
                    results[i] = function(items[i])
            except BaseException:  # Ctrl-C too: the others need not do what is left
                list(numbers)
                raise

        others = min(self.threads, len(items)) - 1
        if others > 0 and not self._pool:
            self._pool = self.enter_context(ThreadPoolExecutor(self.threads - 1))
        waiting = [self._pool.submit(work) for _ in range(others)]
        work()
        for other in waiting:
            other.result()
        return results


@contextlib.contextmanager
def flag_interrupt(history: History) -> Iterator[History]:
    """Have Ctrl-C set `history.interrupted`, which is looked at between steps, so that no update is cut in half.

    The second Ctrl-C raises KeyboardInterrupt where it strikes. All this is only done where Python's own handler is in
    place: a program that ignores Ctrl-C, as one does that a script starts in the background, or that has a handler of
    its own, keeps what it has. Signal handlers belong to the main thread.
    """

    def handle(number: int, frame: Any) -> None:
        if history.interrupted:
            raise KeyboardInterrupt
        history.interrupted = True

    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, handle)
    try:
        yield history
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)
