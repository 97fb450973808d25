"""What a user sees in a terminal: a line or a bar an epoch, as Keras users know it, and the table of `summary()`."""

import sys
import time
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from npcnn.kernels import rung_of
from npcnn.layers.conv_relu_max_pool import ConvReLUMaxPool
from npcnn.layers.max_pool2d import MaxPool2D
from npcnn.layers.weighted import WeightedLayer


def resolve_verbose(verbose: Any) -> int:
    """Return 0 (silent), 1 (a bar) or 2 (a line when done); "auto" is a bar on a terminal, else a line."""
    if not isinstance(verbose, (str, int, np.integer)) or verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
    return (1 if sys.stdout.isatty() else 2) if verbose == "auto" else int(verbose)


class Progress(AbstractContextManager["Progress"]):
    """Batches done, time, and running means of the loss and the metrics; a context manager.

    Args:
        label: what is being done, in front of the line.
        total: how many batches there are; None if nobody knows.
        verbose: 0, 1 or 2, see `resolve_verbose`.
    """

    def __init__(self, label: str, total: int | None, verbose: int) -> None:
        self.label, self.total, self.verbose = label, total, verbose
        self.done, self.line, self.start = 0, "", time.perf_counter()
        self.bar: Any = None
        if verbose == 1:
            from tqdm import tqdm

            layout = "{desc} {n_fmt}/{total_fmt} |{bar:20}| {elapsed}<{remaining}{postfix}"
            self.bar = tqdm(total=total, desc=label, bar_format=layout, file=sys.stdout)

    def show(self, values: dict[str, float], batches: int = 0) -> None:
        """So many more batches are done; `values` are the means so far."""
        self.done += batches
        self.line = " - ".join(f"{name}: {value:.4f}" for name, value in values.items())
        if self.bar is not None:
            self.bar.set_postfix_str(self.line, refresh=batches == 0)
            self.bar.update(batches)

    def __exit__(self, kind: type | None, *rest: Any) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.verbose == 2 and kind is None and self.done:
            done, seconds = f"{self.done}/{self.total or self.done}", time.perf_counter() - self.start
            print(f"{self.label} {done} - {seconds:.1f} s", *([self.line] if self.line else []), sep=" - ", flush=True)


def summary_table(model: Any, layers: list[Any], steps: list[Any]) -> str:
    """Return a table: every layer, its output shape, its parameters, its multiply-adds for one image, its kernels.

    `steps` are what the model makes of its layers (see `npcnn.planning.make_plan`): some run as one. It makes nothing
    of them, and they have neither shapes nor weights, before it is built.
    """
    fused = {part.name for step in steps if isinstance(step, ConvReLUMaxPool) for part in (step.conv, step.pool)}
    rows = [("Layer", "Output shape", "Parameters", "Multiply-adds", "Kernels")]
    for layer in layers:
        kinds = ", ".join(type(part).__name__ for part in layer.split_activation())
        shape, rung = batch_shape(layer.output_shape), ""
        counts = f"{layer.count_params():,}", f"{layer.multiply_adds:,}" if steps else "?"
        if isinstance(layer, WeightedLayer | MaxPool2D):
            rung = "fused" if layer.name in fused else rung_of(layer.operation, layer.kernels or model.kernels)
        rows.append((f"{layer.name} ({kinds})", shape, *counts, rung))
    rows.append(("Total", "", f"{model.count_params():,}", f"{model.multiply_adds:,}" if steps else "?", ""))

    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{side}{width}}}" for side, width in zip("<<>><", widths, strict=True))
    lines = [form.format(*row).rstrip() for row in rows]
    rule = "-" * max(map(len, lines))
    size = sum(w.nbytes for w in model.weights) / 1024
    title = f"Model {model.name!r}: input {batch_shape(model.input_shape)}, {model.dtype}, {size:,.0f} KiB of weights"
    still = sum(w.size for w in model.non_trainable_weights)
    note = [f"{still:,} of the parameters are not trained by gradients"] if still else []
    if frozen := sum(p.size for key, p in model.params.items() if key not in model.trainable_params):
        note[0] += f"; {frozen:,} of these are frozen"
    return "\n".join([title, rule, lines[0], rule, *lines[1:-1], rule, lines[-1], *note])


def batch_shape(shape: tuple[int, ...] | None) -> str:
    """Return the shape of a batch of examples of `shape`, or "?" if that is not known."""
    return "?" if shape is None else f"(N, {', '.join(map(str, shape))})"
