"""What all pictures share: their colours, figures without a screen, tiles, files that appear whole or not at all."""

import os
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from npcnn.checks import check_path

PathLike = str | os.PathLike[str]

# Two colours that common kinds of colour vision tell apart (Okabe and Ito, "Color universal design", 2008).
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"
NOTHING = "#B4B4B4"  # between tiles, and where there is no number
# The same two for signed numbers: white is zero, orange is positive, blue is negative.
SIGNED: Colormap = LinearSegmentedColormap.from_list("signed", ["#004068", BLUE, "#FFFFFF", ORANGE, "#8A3900"])
SIGNED = SIGNED.with_extremes(bad=NOTHING)

WIDTH, HEIGHT, TILE = 9.0, 6.0, 1.3  # inches: the most of a sheet of tiles, and of one tile


def new_figure(rows: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, list[Any]]:
    """Return a figure of rows x columns panels, each width x height inches, and the panels."""
    figure = Figure(figsize=(columns * width, rows * height), dpi=150, layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def saved(figure: Figure, path: PathLike | None) -> Figure:
    """Save the figure if there is a path, and return it."""
    if path is not None:
        path = check_path("path", path)
        if not path.parent.is_dir():
            raise FileNotFoundError(f"path: there is no folder {path.parent}")
        form, forms = path.suffix[1:].lower() or "png", figure.canvas.get_supported_filetypes()
        if form not in forms:
            raise ValueError(f"path must end in one of .{', .'.join(forms)}, got {str(path)!r}")
        unfinished = f"{path}.part"  # a picture that is there is replaced by a whole one, or not at all
        figure.savefig(unfinished, format=form)
        os.replace(unfinished, path)
    return figure


def in_rows(tiles: np.ndarray, columns: int = 16) -> np.ndarray:
    """Put tiles (count, h, w) in rows: (rows, columns, h, w), the last row filled up with NaN."""
    columns = min(columns, len(tiles))
    missing = np.full((-len(tiles) % columns, *tiles.shape[1:]), np.nan)
    return np.concatenate([tiles, missing]).reshape(-1, columns, *tiles.shape[1:])


def sheet(tiles: np.ndarray) -> np.ndarray:
    """Lay tiles (rows, columns, h, w) out as one image (rows h, columns w)."""
    rows, columns, h, w = tiles.shape
    return tiles.transpose(0, 2, 1, 3).reshape(rows * h, columns * w)


def sheets(titles: list[str], tiles: list[np.ndarray]) -> tuple[Figure, list[Any]]:
    """Return a figure with a panel for each array of tiles (rows, columns, h, w), one below the other, still empty."""
    shapes = [array.shape for array in tiles]
    sizes = [rows * min(TILE, HEIGHT / rows, WIDTH / columns * h / w) for rows, columns, h, w in shapes]
    heights = [0.45 + (0.3 if rows * h == 1 else size) for size, (rows, _, h, _) in zip(sizes, shapes, strict=True)]
    figure, panels = new_figure(len(tiles), 1, WIDTH + 1, float(np.mean(heights)), height_ratios=heights)
    for axes, title in zip(panels, titles, strict=True):
        blank(axes, title)
        axes.set_anchor("W")
    return figure, panels


def blank(axes: Any, title: str, **options: Any) -> None:
    """Give the panel a title, and take away what belongs to curves."""
    axes.set_title(title, loc="left", fontsize=10, **options)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def show_tiles(axes: Any, tiles: np.ndarray, **options: Any) -> Any:
    """Draw tiles (rows, columns, h, w) as one image, with lines between them; return the image."""
    rows, columns, h, w = tiles.shape
    image = sheet(tiles)
    drawn = axes.imshow(image, cmap=SIGNED, aspect="auto" if len(image) == 1 else "equal", **options)
    look = {"color": NOTHING, "linewidth": min(2, 600 / image.shape[1])}
    axes.hlines(np.arange(1, rows) * h - 0.5, -0.5, columns * w - 0.5, **look)
    axes.vlines(np.arange(1, columns) * w - 0.5, -0.5, rows * h - 0.5, **look)
    return drawn


def show_signed(axes: Any, tiles: np.ndarray, unit: str) -> None:
    """Draw tiles of signed numbers, with a colour bar that says what their unit is and ends where the numbers do."""
    largest = float(np.nanmax(np.abs(tiles))) or 1.0
    drawn = show_tiles(axes, tiles, vmin=-largest, vmax=largest)
    bar = axes.figure.colorbar(drawn, ax=axes, label=unit, pad=0.01, fraction=0.05, panchor=False)
    if np.nanmin(tiles) >= 0:
        bar.ax.set_ylim(0, largest)
