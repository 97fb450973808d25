"""What a gradient check says: a table with a row for each argument, and a verdict."""

from dataclasses import dataclass, field

import numpy as np


class GradientError(AssertionError):
    """A gradient is wrong, or a layer breaks the contract; the message is the table."""


@dataclass
class Row:
    """What was found out about the gradient with respect to one argument.

    `error` is the largest relative error, `where` it is, `analytic` and `numeric` the two slopes there; `wrong` are the
    places of all that are beyond the tolerance (for "adjoint", which cannot tell: [None]).
    """

    argument: str
    shape: tuple[int, ...]
    error: float = 0.0
    where: tuple[int, ...] | None = None
    analytic: float = 0.0
    numeric: float = 0.0
    checked: int = 0
    wrong: list[tuple[int, ...] | None] = field(default_factory=list)
    kinks: int = 0

    def add(self, where: tuple[int, ...] | None, verdict: str, error: float, analytic: float, numeric: float) -> None:
        """Count what `slopes.compare` found."""
        self.checked += 1
        if verdict == "kink":
            self.kinks += 1
            return
        if verdict == "wrong":
            self.wrong.append(where)
        if self.checked == self.kinks + 1 or error > self.error:
            self.error, self.where, self.analytic, self.numeric = error, where, analytic, numeric

    @property
    def measured(self) -> int:
        """How many slopes could be compared: not those at kinks."""
        return self.checked - self.kinks

    @property
    def verdict(self) -> str:
        """One word, and for a wrong gradient how much of it is wrong."""
        if self.wrong:
            return f"FAIL in {len(self.wrong)}"
        return "ok" if self.measured else "kinks only"


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
