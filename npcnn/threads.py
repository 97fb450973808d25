"""Threads that share the work on a batch, BLAS limited to one thread meanwhile, and Ctrl-C.

Kernels and NumPy both release the GIL while they compute. BLAS has threads of its own, which spin while they wait and
would take the cores from ours; so it is limited to one thread while ours are at work, and then put back.
"""

import contextlib
import functools
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from npcnn.history import History

processes = 1  # how many share the CPUs, see `distributed.start`


def cpu_set() -> set[int]:
    """Return the numbers of the CPUs that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def available_cpus() -> int:
    """Return how many CPUs this process may use, or its share of them."""
    return max(1, len(cpu_set()) // processes)


class Blas:
    """BLAS limited to one thread while anyone needs that. The setting is process-wide.

    The first to need it changes the setting, the last one to leave puts it back.
    """

    def __init__(self) -> None:
        self._lock, self._users = threading.Lock(), 0
        self._before: list[tuple[Any, int]] = []  # each library, and how many threads it had

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = [(library, library.get_num_threads()) for library in loaded_blas()]
                for library, _ in self._before:
                    library.set_num_threads(1)
            self._users += 1

    def __exit__(self, *exception: Any) -> None:
        with self._lock:
            if self._users == 1:
                self._put_back()
            self._users = max(0, self._users - 1)  # it is 0 where a forked child leaves what its parent entered

    def after_fork(self) -> None:
        """In a forked child, where nobody is at work any more: put the setting back."""
        if self._users:
            self._put_back()
        self._lock, self._users = threading.Lock(), 0

    def _put_back(self) -> None:
        for library, threads in self._before:
            library.set_num_threads(threads)


@functools.cache
def loaded_blas() -> list[Any]:
    """The BLAS that NumPy has loaded. Finding it takes ten times as long as predicting an image."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


BLAS = Blas()


class Workers:
    """Threads that share work, and BLAS held to one thread while they do: a context manager.

    Within it, in the thread that entered it, `share` divides work among these threads.

    Args:
        threads: how many; None takes the CPUs this process may use.
    """

    def __init__(self, threads: int | None) -> None:
        self.threads = threads or available_cpus()
        self._jobs: SimpleQueue[Callable | None] = SimpleQueue()
        self.started: list[threading.Thread] = []

    def __enter__(self) -> "Workers":
        BLAS.__enter__()
        self._outer, _here.workers = getattr(_here, "workers", None), self
        return self

    def __exit__(self, *exception: Any) -> None:
        _here.workers = self._outer
        try:
            for _ in self.started:
                self._jobs.put(None)
            for thread in self.started:
                thread.join()
        finally:
            self.started.clear()
            BLAS.__exit__()

    def map(self, function: Callable, items: Sequence) -> list:
        """Return [function(item) for every item]; the calling thread works too, so it need not be woken up."""
        results: list[Any] = [None] * len(items)
        done: SimpleQueue[int | BaseException] = SimpleQueue()  # how many items a thread did, or what stopped it
        numbers = deque(range(len(items)))

        def work(take: Callable[[], int]) -> int:
            count = 0
            while numbers:
                try:
                    i = take()
                except IndexError:  # another thread was quicker
                    break
                results[i] = function(items[i])
                count += 1
            return count

        # From the two ends, so that a thread often finds in its cache what it worked on in the layer before.
        def job() -> None:
            try:
                done.put(work(numbers.pop))
            except BaseException as error:
                numbers.clear()
                done.put(error)

        others = min(self.threads, len(items)) - 1
        while len(self.started) < others:
            thread = threading.Thread(target=self._work, daemon=True)
            thread.start()
            self.started.append(thread)
        try:
            for _ in range(others):
                self._jobs.put(job)
            left = len(items) - work(numbers.popleft)
            while left:  # a thread that wakes up when all is done need not be waited for
                found = done.get()
                if isinstance(found, BaseException):
                    try:
                        raise found
                    finally:
                        del found  # its traceback leads here: together they would stay until the next collection
                left -= found
            return results
        finally:
            numbers.clear()  # after an error or Ctrl-C, the others need not begin what is left

    def _work(self) -> None:
        while job := self._jobs.get():
            job()
            del job  # and with it the arrays it worked on; the next may be long in coming


_here = threading.local()  # .workers: those that this thread has entered


def _after_fork() -> None:
    BLAS.after_fork()
    _here.workers = None  # their threads did not come along


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def thread_count() -> int:
    """Return among how many threads `share` would divide work here."""
    workers = getattr(_here, "workers", None)
    return workers.threads if workers else 1


def share(function: Callable, items: Iterable) -> list:
    """Return [function(item) for every item], computed by the threads of the `Workers` around, if there are any.

    Where a thread already works on a share, what it shares again is its own to do.
    """
    items, workers = list(items), getattr(_here, "workers", None)
    if workers is None or len(items) < 2:
        return [function(item) for item in items]
    _here.workers = None
    try:
        return workers.map(function, items)
    finally:
        _here.workers = workers


@contextlib.contextmanager
def flag_interrupt(history: History) -> Iterator[History]:
    """Have Ctrl-C set `history.interrupted`, which is looked at between steps, so that no step is cut in half.

    The second Ctrl-C raises KeyboardInterrupt where it strikes, or after the update (see `delay_interrupt`). All this
    is only done where Python's own handler is in place: a program that ignores Ctrl-C, as one does that a script starts
    in the background, or that has a handler of its own, keeps what it has. Signal handlers belong to the main thread.
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


@contextlib.contextmanager
def delay_interrupt() -> Iterator[None]:
    """Have Ctrl-C do what it does only when the block is done, so that no weight is a step ahead of the others."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    struck: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: struck.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        for number, frame in struck:
            before(number, frame)
