"""The parameters of a query: paging, filter, select, orderby and aggregation (contract, section 3)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from job_engine.api.filter import parse
from job_engine.api.identity import Caller
from job_engine.job.errors import Invalid
from job_engine.store.conditions import And, Condition
from job_engine.store.query import Page

LAST: Final = 10_000
"""Documents that one answer has at most."""
NAMES_LIMIT: Final = 100
"""Names that each of select, orderby and aggregation may have."""

_NAME = re.compile(r"[A-Za-z0-9_@:/.-]{1,255}", re.ASCII)
_STEP = re.compile(r"[^/.]+")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a query asks for."""

    first: int = 1
    last: int = LAST
    condition: Condition | None = None
    select: tuple[str, ...] | None = None
    order: tuple[tuple[str, bool], ...] = ()  # attribute, descending
    aggregations: tuple[str, ...] = ()

    def page(self, caller: Caller) -> Page:
        """What the store is asked, by ``caller``."""
        limit = max(0, min(self.last - self.first + 1, LAST)) if self.last > 0 else 0
        claims = None if caller.admin else sorted(caller.claims)
        return Page(self.condition, claims, self.first - 1, limit, self.order)


def parameters(fields: Sequence[tuple[str, str]]) -> Parameters:
    """The parameters in a URL or form.

    Raises:
        Invalid: the filter is none, or a name cannot be an attribute's. Numbers that are none are ignored.
    """
    if not fields:
        return Parameters()
    first, last = 1, LAST
    filters: list[Condition] = []
    names: dict[str, list[str]] = {"select": [], "orderby": [], "aggregation": []}
    for name, value in fields:
        if name == "first":
            first = max(1, _number(value, first))
        elif name == "last":
            last = _number(value, last)
        elif name == "filter" and value.strip():
            filters.append(parse(value))
        elif name in names:
            names[name] += (part.strip() for part in value.split(",") if part.strip())
    return Parameters(
        first,
        min(last, LAST + first - 1),
        And(tuple(filters)) if len(filters) > 1 else filters[0] if filters else None,
        _checked("select", names["select"]) if names["select"] else None,
        tuple(_order(_checked("orderby", names["orderby"]))),
        _checked("aggregation", names["aggregation"]),
    )


def _number(text: str, default: int) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else default


def _checked(parameter: str, names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > NAMES_LIMIT:
        raise Invalid(f"{parameter} has more than {NAMES_LIMIT} names")
    for name in names:
        if not _NAME.fullmatch(name) or (parameter != "select" and not _STEP.search(name)):
            raise Invalid(f"{parameter}: {name[:60]!r} is not the name of an attribute")
    return tuple(dict.fromkeys(names))


def _order(names: Iterable[str]) -> Iterable[tuple[str, bool]]:
    for name in names:
        attribute, _, direction = name.rpartition(":")
        if direction in ("asc", "desc") and attribute:
            yield attribute, direction == "desc"
        else:
            yield name, False
