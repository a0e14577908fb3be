"""Conditions, orders and pages as SQL.

Values and names are bound, never written into a statement. What has a column is compared there; the rest by JSON paths
through objects and arrays. A comparison is true or not, never unknown, but where `null` is as good as false.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from job_engine.job.errors import Invalid
from job_engine.job.states import State
from job_engine.store import access, filter_times, full_text
from job_engine.store.columns import Column, Kind, Source
from job_engine.store.conditions import And, Comparison, Condition, Moment, Value

Sql = tuple[str, list[Any]]
"""An expression, and what it binds."""

NUMERIC: Final = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_STATES: Final = {str(state): f"'{state}'" for state in State}
"""States as literals: an index of the rows in one state serves only conditions that name it literally."""
TEXT_ONLY: Final = ("^=", "==")
"""Operators that ask of a text; a number never satisfies them."""
FULLTEXT: Final = ("fulltext",)
"""An attribute of filters only: the words of those in `FULLTEXT_OF`."""
FULLTEXT_OF: Final = ("id", "name", "description", "tags")
_FALSE: Final[Sql] = ("0", [])


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the documents, in which order."""

    condition: Condition | None = None
    claims: Sequence[str] | None = None  # of who asks; None sees everything
    offset: int = 0
    limit: int = 0
    order: tuple[tuple[str, bool], ...] = ()  # attribute, descending
    level: int = access.EVERYTHING  # how much of a document they must see whom the query tells about it


def where(source: Source, page: Page, now: float) -> Sql:
    """The condition on the rows of ``source`` that ``page`` counts."""
    seen, bound = access.visible(source.acl, page.claims, page.level)
    text, always = source.always[0], list(source.always[1])
    condition, values = compiled(source, page.condition, now) if page.condition is not None else ("1", [])
    return f"{text} and {seen} and ({condition})", [*always, *bound, *values]


def rows(
    connection: sqlite3.Connection, source: Source, columns: str, condition: Sql, page: Page
) -> list[tuple[Any, ...]]:
    """The columns of one page."""
    if page.limit <= 0:
        return []
    order, bound = _ordered(source, page.order)
    rest = f"from {source.table} where {condition[0]} order by {order} limit ? offset ?"
    values = [*condition[1], *bound, page.limit, page.offset]
    if order.removesuffix(" desc") == source.number:
        return connection.execute(f"select {columns} {rest}", values).fetchall()
    # first which rows, then what is in them: sorting whole rows of a large table takes seconds
    numbers = [number for (number,) in connection.execute(f"select {source.number} {rest}", values)]
    marked = ",".join("?" * len(numbers))
    statement = f"select {source.number}, {columns} from {source.table} where {source.number} in ({marked})"
    found = {row[0]: row[1:] for row in connection.execute(statement, numbers)}
    return [found[number] for number in numbers if number in found]


def compiled(source: Source, condition: Condition, now: float) -> Sql:
    """``condition`` as SQL.

    Args:
        now: seconds since the epoch, for date maths.

    Raises:
        Invalid: a value can never be that attribute's, such as a word for a number.
    """
    if isinstance(condition, Comparison):
        return _comparison(source, condition, now)
    terms = [compiled(source, term, now) for term in condition.terms]
    return _joined(terms, " and " if isinstance(condition, And) else " or ")


def _joined(terms: Sequence[Sql], word: str) -> Sql:
    """Terms under one operator, balanced: the database limits the depth of an expression, not its length."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    left, right = _joined(terms[:middle], word), _joined(terms[middle:], word)
    return f"({left[0]}{word}{right[0]})", [*left[1], *right[1]]


def _comparison(source: Source, item: Comparison, now: float) -> Sql:
    if item.operator == "!=":
        text, bound = _comparison(source, Comparison(item.path, "=", item.value), now)
        return f"not coalesce({text}, 0)", bound
    name = item.path[0]
    column = source.columns.get(name)
    if item.path == FULLTEXT and item.operator == "==":
        return _text(_joined_texts(source), "==", item.value)
    kind: Kind = source.kinds.get(name, "json") if len(item.path) == 1 else "json"
    if name in source.absent or (column is None and source.rest is None):
        return ("1", []) if item.value is None else _FALSE
    if name == "target-resource" and source.table == "job" and item.path[1:] == ("href",):
        column = Column("job.target", "text")
    elif column is not None and column.kind != "json":
        if len(item.path) > 1:  # a path into a text or a number leads nowhere
            return ("1", []) if item.value is None else _FALSE
        kind = column.kind
    if column is not None and column.kind != "json":
        return _on_column(column, item, now)
    return _in_json(source, kind, item, now)


def _joined_texts(source: Source) -> str:
    """The texts that ``fulltext`` looks through, as one."""
    texts = []
    for name in FULLTEXT_OF:
        column = source.columns.get(name)
        if column is not None or source.rest is not None:
            expression = column.expression if column is not None else f"json_extract({source.rest}, '$.{name}')"
            texts.append(f"coalesce({expression}, '')")
    return "(" + " || ' ' || ".join(texts) + ")"


def _on_column(column: Column, item: Comparison, now: float) -> Sql:
    text = column.expression
    value = item.value
    if value is None:
        return f"{text} is null", []
    if text == "job.state" and item.operator == "=" and isinstance(value, str) and value in _STATES:
        return f"{text} = {_STATES[value]}", []
    if isinstance(value, tuple):
        if column.kind == "text" and all(isinstance(element, str) for element in value):
            return f"{text} in ({','.join('?' * len(value))})", list(value)
        return _any(value, lambda element: _on_column(column, Comparison(item.path, "=", element), now))
    if column.kind == "text":
        return _text(text, item.operator, value)
    if column.kind == "number":
        return _number(text, item, value)
    return _date(text, item.operator, value, now)


def _any(values: tuple[str | int | Moment, ...], each: "Callable[[str | int | Moment], Sql]") -> Sql:
    return _joined([each(value) for value in values], " or ") if values else _FALSE


def _text(text: str, operator: str, value: Value) -> Sql:
    if isinstance(value, str):
        if operator == "==":
            patterns = full_text.globs(value)
            text = f"(' ' || {text} || ' ')"
            return (" and ".join([f"{text} glob ?"] * len(patterns)), list(patterns)) if patterns else _FALSE
        if operator == "^=":
            return f"substr({text}, 1, ?) = ?", [len(value), value]
        return f"{text} {operator} ?", [value]
    if isinstance(value, Moment):
        return _within(text, operator, (value.first, value.last))
    if operator != "=":
        return _FALSE
    return f"{text} = ?", [{True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)]


def _number(text: str, item: Comparison, value: Value) -> Sql:
    if isinstance(value, bool | Moment) or item.operator in TEXT_ONLY:
        return _FALSE
    return f"{text} {item.operator} ?", [numeric(item, value)]


def _date(text: str, operator: str, value: Value, now: float) -> Sql:
    if operator in TEXT_ONLY:
        return _text(text, operator, value)
    span = span_of(value, now)
    return _FALSE if span is None else _within(text, operator, span)


def span_of(value: Value, now: float) -> filter_times.Interval | None:
    """The interval that a value names when it is compared with a date; None when it cannot be one."""
    if isinstance(value, Moment):
        return value.first, value.last
    if isinstance(value, bool) or value is None or isinstance(value, tuple):
        return None
    return filter_times.interval(str(value), now)


def numeric(item: Comparison, value: Value) -> int | float:
    """A value that is compared with a number.

    Raises:
        Invalid: it is none.
    """
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or not NUMERIC.fullmatch(value):
        raise Invalid(f"Invalid CIMI filter. {'/'.join(item.path)} is a number, and {str(value)[:60]!r} is none.")
    return float(value) if "." in value else int(value)


def _within(text: str, operator: str, span: filter_times.Interval) -> Sql:
    first, last = (filter_times.iso_of(at) for at in span)
    match operator:
        case "=":
            return f"{text} between ? and ?", [first, last]
        case "<" | ">=":
            return f"{text} {operator} ?", [first]
        case _:
            return f"{text} {operator} ?", [last]


# --------------------------------------------------------------------------------------------------------------- JSON


def values_in(expression: str, places: Sequence[str]) -> tuple[str, str, list[Any]]:
    """Rows of a table ``v`` (``type``, ``atom``) with the values at a path, through objects and arrays.

    Args:
        expression: JSON text.
        places: the path's steps as JSON paths, each from where the one before leads.

    Returns:
        What stands after ``from``, the condition that goes with it, and what both bind, in this order.
    """
    tables: list[str] = []
    bound: list[Any] = []
    for index, place in enumerate(places[:-1]):
        alias = f"s{index}"
        tables.append(
            f"json_each(case json_type({expression}, ?) when 'array' then json_extract({expression}, ?)"
            f" when 'object' then json_array(json(json_extract({expression}, ?))) else '[]' end) {alias}"
        )
        bound += [place, place, place]
        expression = f"iif({alias}.type = 'object', {alias}.value, '{{}}')"
    tables.append(f"json_each({expression}, ?) v")
    return ", ".join(tables), f"json_type({expression}, ?) <> 'object'", [*bound, places[-1], places[-1]]


def located(source: Source, path: Sequence[str]) -> tuple[str, list[str]]:
    """The JSON text that holds an attribute, and the places that lead to it."""
    column = source.columns.get(path[0])
    if column is None or column.kind != "json":
        return source.rest or "'{}'", [f'$."{step}"' for step in path]
    return column.expression, ["$", *(f'$."{step}"' for step in path[1:])]


def _in_json(source: Source, kind: Kind, item: Comparison, now: float) -> Sql:
    value = item.value
    tables, no_object, bound = values_in(*located(source, item.path))
    if value is None:
        return f"not exists (select 1 from {tables} where v.type <> 'null')", bound[:-1]
    if isinstance(value, tuple):
        test = _any(value, lambda element: _on_atom(kind, Comparison(item.path, "=", element), now))
    else:
        test = _on_atom(kind, item, now)
    column = source.columns.get(item.path[0])
    there = (
        f"{column.expression} is not null and " if column is not None and not column.always else ""
    )  # cheap, so first
    return f"({there}exists (select 1 from {tables} where {no_object} and {test[0]}))", [*bound, *test[1]]


def _on_atom(kind: Kind, item: Comparison, now: float) -> Sql:
    """A value at a JSON path compared; its type is known only there."""
    value, operator = item.value, item.operator
    if kind == "date":
        test = _date("v.atom", operator, value, now)
        return f"(v.type = 'text' and {test[0]})", test[1]
    if kind == "number":
        test = _number("v.atom", item, value)
        return f"(v.type in ('integer', 'real') and {test[0]})", test[1]
    text = _text("v.atom", operator, value)
    result = f"(v.type = 'text' and {text[0]})"
    if operator in TEXT_ONLY or isinstance(value, Moment):
        return result, text[1]
    if isinstance(value, bool):
        return f"({result} or v.type = '{'true' if value else 'false'}')", text[1]
    if isinstance(value, int):
        return f"({result} or (v.type in ('integer', 'real') and v.atom {operator} ?))", [*text[1], value]
    if isinstance(value, str) and NUMERIC.fullmatch(value):
        number = f"(v.type in ('integer', 'real') and v.atom {operator} ?)"
        return f"({result} or {number})", [*text[1], numeric(item, value)]
    if value in ("true", "false") and operator == "=":
        return f"({result} or v.type = ?)", [*text[1], value]
    return result, text[1]


# --------------------------------------------------------------------------------------------------------------- order


def _ordered(source: Source, order: Sequence[tuple[str, bool]]) -> Sql:
    """What stands after ``order by``: missing values last, and in doubt the older first."""
    parts: list[str] = []
    bound: list[Any] = []
    for name, descending in order:
        if name in source.absent:
            continue
        direction = " desc" if descending else ""
        column = source.columns.get(name)
        if column is not None and column.order is not None:
            parts.append(f"{column.order}{direction}")
            return ", ".join(parts), bound  # no two rows have the same
        if column is not None and column.kind != "json":
            parts.append(f"{column.expression}{direction}{'' if column.always else ' nulls last'}")
            continue
        expression, places = located(source, tuple(re.split(r"[./]", name)))
        parts.append(f"json_extract({expression}, ?){direction} nulls last")
        bound.append("$" + "".join(place[1:] for place in places))
    return ", ".join([*parts, source.number]), bound
