"""The parameters of a query: paging, filter, select, orderby and aggregation (contract, section 3)."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from job_engine.api import acl
from job_engine.api.call import Call
from job_engine.api.filter import parse
from job_engine.api.filter.parse import LENGTH_LIMIT, STEPS_LIMIT
from job_engine.api.identity import Caller
from job_engine.job.errors import Invalid
from job_engine.store import access
from job_engine.store.conditions import And, Condition, attributes
from job_engine.store.query import Page

LAST: Final = 10_000
"""Documents that one answer has at most."""
NAMES_LIMITS: Final = {"select": 100, "orderby": 10, "aggregation": 10}
"""Names that each of these may have: every one of the last two can be a look at all documents."""
STRANGERS_FILTER: Final = 4 << 10
"""Characters that the filters of who has not logged in may have; of others, as many as one filter."""
IN_THREAD: Final = 4 << 10
"""Characters of filters from which they are parsed beside the event loop: about 60 ms of it."""

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
    text: str = ""  # of the filters, as they were sent

    def page(self, caller: Caller, type_: str) -> Page:
        """What the store is asked, by ``caller``, of a type."""
        limit = max(0, min(self.last - self.first + 1, LAST)) if self.last > 0 else 0
        if acl.sees_all(caller.claims, type_):
            return Page(self.condition, None, self.first - 1, limit, self.order)
        return Page(self.condition, sorted(caller.claims), self.first - 1, limit, self.order, self._level())

    @property
    def heads(self) -> set[str]:
        """The attributes that decide which documents are found, and in which order, or that are aggregated."""
        names = [
            *(attributes(self.condition) if self.condition is not None else ()),
            *(name for name, _ in self.order),
            *(name.partition(":")[2] for name in self.aggregations),
        ]
        return {re.split(r"[./]", name)[0] for name in names}

    def _level(self) -> int:
        """How much of a document the caller must see: else an answer would tell what a look at it does not show."""
        heads = self.heads
        if not heads.isdisjoint(("acl", "payload")):  # a payload may hold secrets that are shown to few
            return access.EVERYTHING
        return access.META if heads <= acl.SHOWN_AS_META else access.DATA


async def asked(call: Call) -> Parameters:
    """The parameters of a request, in its URL or its form; raises as `parameters` does."""
    fields = await call.fields()
    length = sum(len(value) for name, value in fields if name == "filter")
    limit = LENGTH_LIMIT if call.caller.known else STRANGERS_FILTER
    if length > limit:
        raise Invalid(f"Invalid CIMI filter. It has more than {limit} characters.")
    return parameters(fields) if length < IN_THREAD else await asyncio.to_thread(parameters, fields)


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
        " and ".join(value for name, value in fields if name == "filter"),
    )


def _number(text: str, default: int) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else default


def _checked(parameter: str, names: Sequence[str]) -> tuple[str, ...]:
    limit = NAMES_LIMITS[parameter]
    if len(names) > limit:
        raise Invalid(f"{parameter} has more than {limit} names")
    for name in names:
        steps = len(_STEP.findall(name))
        if not _NAME.fullmatch(name) or (parameter != "select" and not 0 < steps <= STEPS_LIMIT):
            raise Invalid(f"{parameter}: {name[:60]!r} is not the name of an attribute")
    return tuple(dict.fromkeys(names))


def _order(names: Iterable[str]) -> Iterable[tuple[str, bool]]:
    for name in names:
        attribute, _, direction = name.rpartition(":")
        if direction in ("asc", "desc") and attribute:
            yield attribute, direction == "desc"
        else:
            yield name, False
