"""The picture of a gradient check: where the backward pass is wrong."""

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from npcnn.gradient_check import Result, Row
from npcnn.plots.figures import PathLike, in_rows, saved, sheet, sheets, show_tiles

LEAST = -17  # the power of ten that stands for an error of zero; a number of 64 bits has sixteen digits


def gradient_check(result: Result, path: PathLike | None = None) -> Figure:
    """Draw the relative error of every gradient that a check measured, in the shape of its argument.

    White is the tolerance: blue is right, orange is wrong, and marked with a cross, too. Grey was not measured, or
    stands at a kink. A kernel has a tile for each channel (down) and filter (across), a batch of images one for each
    image (down) and channel (across).

    Args:
        result: what `check_layer`, `check_loss` or `check_model` returned.
        path: a file to save the picture to.

    Raises:
        TypeError: it is no such result.
        ValueError: its method, "adjoint", measures all entries at once, so that it cannot say where.
    """
    if not isinstance(result, Result):
        raise TypeError(f"gradient_check: takes what check_layer(...) returned, got {result!r}")
    rows = [row for row in result.rows if any(where is not None for where, *_ in row.slopes)]
    if not rows:
        raise ValueError(f"gradient_check: the method {result.method!r} cannot say where; use 'central' or 'complex'")
    found = [_errors(row) for row in rows]
    titles = []
    for row, (errors, _) in zip(rows, found, strict=True):
        title = f"{row.argument} {row.shape}: {row.verdict}, largest error {row.error:.1e}"
        if (measured := int(np.isfinite(errors).sum())) < np.prod(row.shape):
            title += f", {measured:,} of {np.prod(row.shape):,} entries measured"
        if len(row.shape) == 4 and 1 not in (row.shape[2 if _is_kernel(row) else 0], row.shape[3]):
            title += "; channels down, filters across" if _is_kernel(row) else "; images down, channels across"
        titles.append(title)
    figure, panels = sheets(titles, [errors for errors, _ in found])
    power = np.log10(result.tolerance)
    norm = TwoSlopeNorm(power, LEAST, max(0, power + 1))
    for axes, (errors, wrong) in zip(panels, found, strict=True):
        drawn = show_tiles(axes, errors, norm=norm)
        i, j = np.nonzero(sheet(wrong) == 1)
        axes.plot(j, i, "x", color="black", markersize=3, markeredgewidth=0.7)
    bar = figure.colorbar(
        drawn, ax=panels, label="relative error; white is the tolerance", pad=0.01, fraction=0.05, panchor=False
    )
    bar.set_ticks([LEAST, -14, -12, -10, -8, -6, -4, -2, 0])
    bar.ax.yaxis.set_major_formatter(lambda power, _: "0" if power == LEAST else f"1e{power:.0f}")
    figure.suptitle(str(result).split("\n")[0], fontsize=10)
    return saved(figure, path)


def _errors(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors, as powers of ten, and 1 where one is wrong, as tiles (rows, columns, h, w)."""
    errors, wrong = np.full(row.shape, np.nan), np.zeros(row.shape)
    for where, verdict, error, *_ in row.slopes:
        if where is not None and verdict != "kink":
            errors[where] = np.clip(np.log10(max(error, 10.0**LEAST)), LEAST, 0)
            wrong[where] = verdict == "wrong"
    return _tiles(row, errors), _tiles(row, wrong)


def _tiles(row: Row, array: np.ndarray) -> np.ndarray:
    if array.ndim != 4:
        return array.reshape(1, 1, *(array.shape[:1] if array.ndim > 1 else (1,)), -1)
    tiles = array.transpose((2, 3, 0, 1) if _is_kernel(row) else (0, 3, 1, 2))
    return in_rows(tiles.reshape(-1, *tiles.shape[2:])) if 1 in tiles.shape[:2] else tiles


def _is_kernel(row: Row) -> bool:
    return row.argument.split("/")[-1] == "kernel"
