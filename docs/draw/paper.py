"""What the pictures are drawn with: a white card, and on it text, grids of numbers, arrows, frames.

Lengths and sizes of type are pixels of a README, x to the right and y down. What values do is blue and solid, what
gradients do is orange and dashed, weights are yellow; and all have their names beside them, so that nothing is said by
colour alone. What a backward pass need not visit is hatched.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from npcnn.plots import BLUE, ORANGE

BLACK, WHITE, DARK_GREY = "#222222", "#FFFFFF", "#555555"
BLUE_TINT, ORANGE_TINT, YELLOW_TINT, GREY_TINT = "#D4E7F3", "#FADFCF", "#FFF3B8", "#EEEEEE"
INK = {ORANGE: "#B04C00"}  # for type, which needs more contrast than lines do
WIDTH = 800
Point = tuple[float, float]
Cell = tuple[int, int]


def use_style() -> None:
    """Make matplotlib draw the same on every machine, whatever its settings there.

    Text becomes outlines, because a reader's machine may lack the font, or have one of other widths.
    """
    matplotlib.rcdefaults()
    matplotlib.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "npcnn", "hatch.linewidth": 0.8})


def number(value: float) -> str:
    """A number as it is read, with a minus sign as wide as a plus."""
    return f"{value:g}".replace("-", "−")


class Grid:
    """Where the cells of a drawn array are: rows and columns of squares."""

    def __init__(self, left: float, top: float, shape: Cell, size: float) -> None:
        self.left, self.top, self.size = left, top, size
        self.right, self.bottom = left + shape[1] * size, top + shape[0] * size
        self.middle = (left + self.right) / 2, (top + self.bottom) / 2

    def centre(self, i: int, j: int) -> Point:
        """The middle of cell i, j."""
        return self.left + (j + 0.5) * self.size, self.top + (i + 0.5) * self.size

    def box(self, first: Cell, shape: Cell) -> tuple[float, float, float, float]:
        """Left, top, width and height of the cells from `first` on."""
        (i, j), (rows, columns) = first, shape
        return self.left + j * self.size, self.top + i * self.size, columns * self.size, rows * self.size


class Picture:
    """A white card with a title. It stays white where the page around it is dark."""

    def __init__(self, title: str, height: float) -> None:
        self.figure = Figure(figsize=(WIDTH / 96, height / 96), dpi=96)
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        self.axes.axis("off")
        self.figure.patch.set_visible(False)
        card = {"boxstyle": "round,pad=0,rounding_size=12", "facecolor": WHITE, "edgecolor": "#BBBBBB"}
        self.axes.add_patch(FancyBboxPatch((1, 1), WIDTH - 2, height - 2, **card))
        self.title = title
        self.text((24, 32), title, 20, weight="bold", ha="left")

    def text(
        self, at: Point, text: str, size: float = 17, colour: str = BLACK, code: bool = False, **look: Any
    ) -> None:
        """Write text, centred on `at` unless `look` says otherwise; `code` in a font of even widths."""
        look = {"ha": "center", "va": "center_baseline", "family": "DejaVu Sans" + " Mono" * code} | look
        self.axes.text(*at, text, fontsize=size * 0.75, color=INK.get(colour, colour), **look)

    def grid(
        self,
        at: Point,
        values: np.ndarray,
        size: float = 44,
        fill: str = WHITE,
        edge: str = BLUE,
        fills: Mapping[Cell, str] | None = None,
        hatched: np.ndarray | None = None,
    ) -> Grid:
        """Draw an array, one axis being one row, as squares with its numbers in them.

        `fills` gives some cells a fill of their own; where `hatched` is True they are hatched.
        """
        values = np.atleast_2d(values)
        grid = Grid(*at, values.shape, size)
        for cell, value in np.ndenumerate(values):
            blank = hatched is not None and hatched[cell]
            self.frame(
                grid.box(cell, (1, 1)),
                edge,
                1.2,
                GREY_TINT if blank else (fills or {}).get(cell, fill),
                hatch="///" if blank else None,
            )
            x, y = grid.centre(*cell)
            if blank:
                self.axes.add_patch(Circle((x, y), 0.27 * size, facecolor=WHITE, edgecolor="none", zorder=2))
            self.text((x, y + 0.06 * size), number(value), 0.45 * size)
        return grid

    def frame(
        self,
        box: tuple[float, float, float, float],
        colour: str = BLACK,
        width: float = 3,
        fill: str = "none",
        dashed: bool = False,
        hatch: str | None = None,
    ) -> None:
        """Draw a rectangle: left, top, width, height."""
        left, top, wide, high = box
        if hatch:
            hatching = {"facecolor": fill, "edgecolor": "#AAAAAA", "linewidth": 0, "hatch": hatch}
            self.axes.add_patch(Rectangle((left, top), wide, high, **hatching))
            fill = "none"
        style = (0, (3, 2)) if dashed else "-"
        look = {"facecolor": fill, "edgecolor": colour, "linewidth": width, "linestyle": style}
        self.axes.add_patch(Rectangle((left, top), wide, high, **look))

    def ring(self, at: Point, radius: float, colour: str = BLACK) -> None:
        """Draw a ring around a number."""
        self.axes.add_patch(Circle(at, radius, facecolor="none", edgecolor=colour, linewidth=2, zorder=3))

    def node(self, at: Point, text: str, radius: float = 24) -> None:
        """Draw an operation: a sign in a circle."""
        self.axes.add_patch(Circle(at, radius, facecolor=GREY_TINT, edgecolor=BLACK, linewidth=1.5, zorder=2))
        self.text((at[0], at[1] + 1), text, radius * 0.95, zorder=3)

    def arrow(
        self, start: Point, end: Point, colour: str = BLACK, dashed: bool = False, bend: float = 0, width: float = 2
    ) -> None:
        """Draw an arrow, straight unless it has a `bend`."""
        style = (0, (4, 2)) if dashed else "-"
        self.axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=14,
                shrinkA=0,
                shrinkB=0,
                color=colour,
                linewidth=width,
                linestyle=style,
                connectionstyle=f"arc3,rad={bend}",
                zorder=3,
            )
        )

    def line(self, points: Sequence[Point], colour: str = BLACK, width: float = 2, dashed: bool = False) -> None:
        """Draw a line through points."""
        xs, ys = zip(*points, strict=True)
        self.axes.plot(xs, ys, color=colour, linewidth=width, linestyle=(0, (4, 2)) if dashed else "-")

    def save(self, path: Path) -> None:
        """Save as SVG, each time the same bytes; other formats, to look at, follow the name."""
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        self.figure.savefig(path, dpi=96, transparent=True, metadata=metadata | {"Title": self.title})
