"""Numbers: percentiles, budgets, tables."""

import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest of ``values`` that at least ``share`` (0 to 1) of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Budget:
    """A number with its goal, and the minimum below which the product is not done (with ``at_most``: above which)."""

    what: str
    value: float
    goal: float
    minimum: float
    unit: str = "x"
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """``goal``, ``minimum`` or ``MISSED``."""
        for bound, word in ((self.goal, "goal"), (self.minimum, "minimum")):
            if (self.value <= bound) if self.at_most else (self.value >= bound):
                return word
        return "MISSED"

    @property
    def row(self) -> list[str]:
        """As a row under `HEADS`."""
        values = [f"{number:.3g} {self.unit}" for number in (self.value, self.goal, self.minimum)]
        return [self.what, *values, self.verdict]

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {**vars(self), "verdict": self.verdict}


HEADS = ("budget", "measured", "goal", "minimum", "met")


def budgets(found: Iterable[Budget]) -> str:
    """The budgets as a table."""
    return table(HEADS, [budget.row for budget in found])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table that reads well as plain text: the first column to the left, the others to the right."""
    lines = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    rule = [":".ljust(widths[0], "-"), *("-" * (width - 1) + ":" for width in widths[1:])]

    def text(line: Sequence[str]) -> str:
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        return f"| {' | '.join([first.strip().ljust(widths[0]), *others])} |"

    return "\n".join(text(line) for line in (lines[0], rule, *lines[1:]))


def machine() -> dict[str, Any]:
    """Where the numbers come from; ``load`` tells how busy others kept the machine."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
    }
