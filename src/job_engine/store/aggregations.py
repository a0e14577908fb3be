"""Figures over all documents that a query counts: ``algorithm:attribute``, answered in Elasticsearch's shapes."""

import math
import re
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

from job_engine.job.errors import Invalid
from job_engine.job.times import epoch
from job_engine.store.columns import Source
from job_engine.store.query import Sql, located, values_in

PERCENTS: Final = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
TOP: Final = 10
"""Buckets of ``terms``."""

Values = tuple[str, list[Any], str]
"""A select of the attribute's values as ``x``, what it binds, and their kind: text, number, date or json."""


def aggregate(connection: sqlite3.Connection, source: Source, condition: Sql, names: list[str]) -> dict[str, Any]:
    """The figures by name; unknown algorithms are left out, as upstream does."""
    found: dict[str, Any] = {}
    for name in names:
        algorithm, _, attribute = name.partition(":")
        if algorithm == "missing" and attribute:
            found[name] = {"doc_count": _missing(connection, source, condition, attribute)}
        elif algorithm in ALGORITHMS and attribute:
            key = name.replace("extendedstats", "extended_stats", 1)
            found[key] = ALGORITHMS[algorithm](connection, _values(source, condition, attribute), name)
    return found


def _values(source: Source, condition: Sql, attribute: str) -> Values:
    path = tuple(re.split(r"[./]", attribute))
    column = source.columns.get(path[0])
    if path[0] in source.absent or (column is None and source.rest is None):
        return "select null as x where 0", [], "json"
    if column is not None and column.kind != "json" and len(path) == 1:
        value = column.expression
        text = f"select {value} as x from {source.table} where {condition[0]} and {value} is not null"
        return text, condition[1], column.kind
    tables, no_object, bound = values_in(*located(source, path))
    kind = source.kinds.get(path[0], "json") if len(path) == 1 else "json"
    # a truth value counts as its name, as a bucket's key shows it
    value = "case v.type when 'true' then 'true' when 'false' then 'false' else v.atom end"
    text = (
        f"select {value} as x from {source.table}, {tables} where {no_object} and v.atom is not null and {condition[0]}"
    )
    return text, [*bound, *condition[1]], kind


def _missing(connection: sqlite3.Connection, source: Source, condition: Sql, attribute: str) -> int:
    path = tuple(re.split(r"[./]", attribute))
    column = source.columns.get(path[0])
    bound: list[Any]
    if path[0] in source.absent or (column is None and source.rest is None):
        test, bound = "1", []
    elif column is not None and column.kind != "json" and len(path) == 1:
        test, bound = f"{column.expression} is null", []
    else:
        tables, _, places = values_in(*located(source, path))
        test, bound = f"not exists (select 1 from {tables} where v.type <> 'null')", places[:-1]
    statement = f"select count(*) from {source.table} where {condition[0]} and {test}"
    return int(connection.execute(statement, [*condition[1], *bound]).fetchone()[0])


def _numbers(values: Values, name: str) -> tuple[str, list[Any]]:
    """The values that can be added up; dates are milliseconds since the epoch."""
    text, bound, kind = values
    if kind == "text":
        raise Invalid(f"aggregation {name!r} needs numbers, and that attribute is text")
    if kind == "date":
        return f"select cast(round((julianday(x) - 2440587.5) * 86400000) as integer) as x from ({text})", bound
    return f"select x from ({text}) where typeof(x) in ('integer', 'real')", bound


def _one(connection: sqlite3.Connection, figures: str, values: tuple[str, list[Any]]) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(f"select {figures} from ({values[0]})", values[1]).fetchone()
    return row


def _single(figure: str) -> Callable[[sqlite3.Connection, Values, str], dict[str, Any]]:
    def value(connection: sqlite3.Connection, values: Values, name: str) -> dict[str, Any]:
        return {"value": _one(connection, figure, _numbers(values, name))[0]}

    return value


def _count(connection: sqlite3.Connection, values: Values, name: str) -> dict[str, Any]:
    return {"value": _one(connection, "count(*)", (values[0], values[1]))[0]}


def _cardinality(connection: sqlite3.Connection, values: Values, name: str) -> dict[str, Any]:
    return {"value": _one(connection, "count(distinct x)", (values[0], values[1]))[0]}


def _stats(connection: sqlite3.Connection, values: Values, name: str) -> dict[str, Any]:
    row = _one(connection, "count(x), min(x), max(x), avg(x), total(x)", _numbers(values, name))
    return dict(zip(("count", "min", "max", "avg", "sum"), row, strict=True))


def _extended(connection: sqlite3.Connection, values: Values, name: str) -> dict[str, Any]:
    stats = _stats(connection, values, name)
    mean = stats["avg"]
    text, bound = _numbers(values, name)
    figures = "total(1.0 * x * x), total((x - ?) * (x - ?))"  # the mean may be infinite, which no literal says
    squares, spread = _one(connection, figures, (text, [mean, mean, *bound]))
    variance = None if mean is None else spread / stats["count"]
    deviation = None if variance is None else math.sqrt(variance)
    bounds = (
        {"upper": None, "lower": None}
        if deviation is None
        else {"upper": mean + 2 * deviation, "lower": mean - 2 * deviation}
    )
    return {
        **stats,
        "sum_of_squares": squares,
        "variance": variance,
        "std_deviation": deviation,
        "std_deviation_bounds": bounds,
    }


def _percentiles(connection: sqlite3.Connection, values: Values, name: str) -> dict[str, Any]:
    text, bound = _numbers(values, name)
    (total,) = _one(connection, "count(x)", (text, bound))
    ranks = {percent: percent / 100 * (total - 1) for percent in PERCENTS} if total else {}
    needed = {index for rank in ranks.values() for index in (math.floor(rank), math.ceil(rank))}
    at = {
        index: value
        for index, (value,) in enumerate(connection.execute(f"select x from ({text}) order by x", bound))
        if index in needed
    }
    result: dict[str, float | None] = {str(percent): None for percent in PERCENTS}
    for percent, rank in ranks.items():
        low, high = at[math.floor(rank)], at[math.ceil(rank)]
        result[str(percent)] = low + (high - low) * (rank - math.floor(rank))
    return {"values": result}


def _terms(connection: sqlite3.Connection, values: Values, name: str) -> dict[str, Any]:
    text, bound, kind = values
    statement = f"select x, count(*) from ({text}) group by x order by count(*) desc, x limit {TOP}"
    found = connection.execute(statement, bound).fetchall()
    (total,) = _one(connection, "count(*)", (text, bound))
    if kind == "date":
        buckets = [
            {"key": round(epoch(value) * 1000), "key_as_string": value, "doc_count": number} for value, number in found
        ]
    else:
        buckets = [{"key": value, "doc_count": number} for value, number in found]
    others = total - sum(number for _, number in found)
    return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": buckets}


ALGORITHMS: Final[Mapping[str, Callable[[sqlite3.Connection, Values, str], dict[str, Any]]]] = {
    "min": _single("min(x)"),
    "max": _single("max(x)"),
    "sum": _single("total(x)"),
    "avg": _single("avg(x)"),
    "value_count": _count,
    "cardinality": _cardinality,
    "stats": _stats,
    "extendedstats": _extended,
    "percentiles": _percentiles,
    "terms": _terms,
}
