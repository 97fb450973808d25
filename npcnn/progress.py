"""What a user sees during long work: one line an epoch, as Keras users know it."""

import sys
import time
from types import TracebackType
from typing import Any


def resolve_verbose(verbose: Any) -> int:
    """Return 0 (silent), 1 (a bar) or 2 (a line when done); "auto" is a bar on a terminal, else a line.

    Raises:
        ValueError: it is none of these.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
    return (1 if sys.stdout.isatty() else 2) if verbose == "auto" else int(verbose)


class Progress:
    """Batches done, time, and running means of the loss and the metrics; a context manager.

    Args:
        label: what is being done, in front of the line.
        total: how many batches there are.
        verbose: 0, 1 or 2, see `resolve_verbose`.
    """

    def __init__(self, label: str, total: int, verbose: int) -> None:
        from tqdm import tqdm

        self.label, self.total, self.verbose = label, total, verbose
        self.done = 0
        self.values: dict[str, float] = {}
        self.start = time.perf_counter()
        layout = "{desc} {n_fmt}/{total_fmt} |{bar:20}| {elapsed}<{remaining}{postfix}"
        self.bar = tqdm(total=total, desc=label, bar_format=layout, file=sys.stdout, disable=verbose != 1)

    def __enter__(self) -> "Progress":
        return self

    def show(self, values: dict[str, float], batches: int = 0) -> None:
        """So many more batches are done; `values` are the means so far."""
        self.values = values
        self.done += batches
        self.bar.set_postfix_str(_line(values), refresh=batches == 0)
        self.bar.update(batches)

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.bar.close()
        if self.verbose == 2 and kind is None:
            seconds = time.perf_counter() - self.start
            print(f"{self.label} {self.done}/{self.total} - {seconds:.1f} s - {_line(self.values)}", flush=True)


def _line(values: dict[str, float]) -> str:
    return " - ".join(f"{name}: {value:.4f}" for name, value in values.items())
