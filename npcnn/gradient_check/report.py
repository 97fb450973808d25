"""What a gradient check says: a table with a row for each argument, and a verdict."""

from dataclasses import dataclass, field
from operator import itemgetter
from types import SimpleNamespace

import numpy as np


class GradientError(AssertionError):
    """A gradient is wrong, or a layer breaks the contract; the message is the table."""


class Row(SimpleNamespace):
    """What was found out about the gradient with respect to one argument.

    `checked` counts its slopes, `measured` those of them that could be compared, `kinks` the others. `error` is the
    largest relative error, `where` it is, `analytic` and `numeric` the two slopes there; `wrong` are the places of all
    that are beyond the tolerance (for "adjoint", which cannot tell: [None]). `slopes` are all of them, each
    (where, verdict, error, analytic, numeric).
    """

    def __init__(self, argument: str, shape: tuple[int, ...], slopes: list[tuple]) -> None:
        """Take slopes as (where, *what `slopes.compare` returns)."""
        compared = [slope for slope in slopes if slope[1] != "kink"]
        self.argument, self.shape, self.slopes = argument, shape, slopes
        self.checked, self.measured = len(slopes), len(compared)
        self.kinks = self.checked - self.measured
        self.wrong = [where for where, verdict, *_ in compared if verdict == "wrong"]
        worst = max(compared, key=itemgetter(2), default=(None, "kink", 0.0, 0.0, 0.0))
        self.where, _, self.error, self.analytic, self.numeric = worst
        self.verdict = f"FAIL in {len(self.wrong)}" if self.wrong else "ok" if compared else "kinks only"

    def drawing(self) -> str:
        """Draw two axes as text: x where any entry is wrong, . where all are right, a blank where none was compared.

        The axes are H and W of an image, KH and KW of a filter. Of the other axes, those are named in which a part only
        is wrong. What was measured in one direction only ("adjoint") gives no drawing.
        """
        there = [(where, verdict) for where, verdict, *_ in self.slopes if where is not None]
        right, wrong = ([where for where, verdict in there if verdict == kind] for kind in ("ok", "wrong"))
        if not wrong or not self.shape:
            return ""
        first = 1 if self.argument == "x" and len(self.shape) > 2 else 0  # behind the batch axis
        drawn = range(first, min(first + 2, len(self.shape)))
        marks = np.full([self.shape[axis] for axis in drawn], " ")
        for places, mark in ((right, "."), (wrong, "x")):
            for where in places:
                marks[where[drawn.start : drawn.stop]] = mark
        axes = "axes {} and {}" if len(drawn) == 2 else "axis {}"
        lines = [f"  gradient of {self.argument}, shape {self.shape}, {axes.format(*drawn)}: 'x' is wrong, '.' right"]
        for axis in sorted(set(range(len(self.shape))) - set(drawn)):
            indices = sorted({where[axis] for where in wrong})
            if len(indices) < self.shape[axis]:
                lines.append(f"  (along axis {axis}, wrong only at {', '.join(map(str, indices))})")
        return "\n".join(lines + [f"    {' '.join(row)}".rstrip() for row in np.atleast_2d(marks)])


@dataclass
class Result:
    """A finished check: print it, ask `passed` and `max_error`, or call `raise_on_failure()`."""

    title: str
    method: str
    h: float
    tolerance: float
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # broken promises that are no wrong number

    @property
    def passed(self) -> bool:
        """Whether every gradient is right and no promise is broken."""
        return not self.problems and not any(row.wrong for row in self.rows)

    @property
    def max_error(self) -> float:
        """The largest relative error of any argument; infinite if nothing could be measured."""
        return max((row.error for row in self.rows if row.measured), default=np.inf)

    def drawing(self) -> str:
        """Draw where each wrong gradient is wrong; see `Row.drawing`."""
        return "\n".join(drawing for row in self.rows if (drawing := row.drawing()))

    def raise_on_failure(self) -> None:
        """Raise GradientError, with the table as its message, unless the check passed."""
        if not self.passed:
            raise GradientError(f"\n{self}")

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "FAIL"
        lines = [
            f"{self.title}, {self.method}, h = {self.h:g}: {verdict} "
            f"(largest error {self.max_error:.1e}, tolerance {self.tolerance:.0e})",
            f"  {'argument':16} {'shape':16} {'checked':>7}  {'error':7}  {'where':14} "
            f"{'analytic':>13} {'numeric':>13}  {'kinks':>5}  verdict",
        ]
        for row in self.rows:
            everywhere = "all at once" if row.measured else "-"
            where = everywhere if row.where is None else str(row.where)
            lines.append(
                f"  {row.argument:16} {str(row.shape):16} {row.checked:7}  {row.error:7.1e}  {where:14} "
                f"{row.analytic:13.6g} {row.numeric:13.6g}  {row.kinks:5}  {row.verdict}"
            )
        return "\n".join(lines + [f"  FAIL: {problem}" for problem in self.problems])
