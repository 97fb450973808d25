"""What all pictures share: their colours, figures without a screen, and files that appear whole or not at all."""

import os
from typing import Any

from matplotlib.figure import Figure

PathLike = str | os.PathLike[str]

# Two colours that common kinds of colour vision tell apart (Okabe and Ito, "Color universal design", 2008).
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"


def new_figure(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """Return a figure of rows x columns panels, each width x height inches, and the panels."""
    figure = Figure(figsize=(columns * width, rows * height), dpi=150, layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def saved(figure: Figure, path: PathLike | None) -> Figure:
    """Save the figure if there is a path, and return it."""
    if path is not None:
        unfinished = f"{os.fspath(path)}.part"  # a picture that is there is replaced by a whole one, or not at all
        figure.savefig(unfinished, format=os.path.splitext(path)[1][1:] or "png")
        os.replace(unfinished, path)
    return figure
