"""Conditions on documents in memory: the same answers as `job_engine.store.query` gets from the database."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from job_engine.store import full_text
from job_engine.store.columns import Kind
from job_engine.store.conditions import And, Comparison, Condition, Moment, Value
from job_engine.store.filter_times import iso_of
from job_engine.store.query import FULLTEXT, FULLTEXT_OF, NUMERIC, TEXT_ONLY, numeric, span_of


def matches(condition: Condition, document: Mapping[str, Any], kinds: Mapping[str, Kind], now: float) -> bool:
    """Whether ``document`` satisfies ``condition``.

    Args:
        kinds: of attributes that are no plain text.
        now: seconds since the epoch, for date maths.

    Raises:
        Invalid: the condition compares an attribute with what it can never be.
    """
    if isinstance(condition, Comparison):
        kind = kinds.get(condition.path[0], "json") if len(condition.path) == 1 else "json"
        return _compares(condition, document, kind, now)
    results = [matches(term, document, kinds, now) for term in condition.terms]
    return all(results) if isinstance(condition, And) else any(results)


def _compares(item: Comparison, document: Mapping[str, Any], kind: Kind, now: float) -> bool:
    if item.operator == "!=":
        return not _compares(Comparison(item.path, "=", item.value), document, kind, now)
    value = item.value
    if value is None:
        return not any(True for _ in _present(document, item.path))
    if item.operator == "==" and item.path == FULLTEXT:
        text = " ".join(str(leaf) for name in FULLTEXT_OF for leaf in _leaves(document, (name,)))
        return full_text.has(text, str(value))
    if isinstance(value, tuple):
        # every element is looked at, so that one that can never be is always refused
        results = [_compares(Comparison(item.path, "=", each), document, kind, now) for each in value]
        return any(results)
    test = _test(item, kind, now)
    return any(test(leaf) for leaf in _leaves(document, item.path))


def _leaves(document: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values at a path that can be compared: through objects and arrays of objects, and of a last array each."""
    value = document.get(path[0]) if isinstance(document, Mapping) else None
    if len(path) > 1:
        for part in value if isinstance(value, list) else [value]:
            yield from _leaves(part, path[1:])
    elif isinstance(value, list):
        yield from (element for element in value if isinstance(element, str | int | float))
    elif isinstance(value, str | int | float):
        yield value


def _present(document: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values at a path that are not null, objects' included; an empty object or array has none."""
    value = document.get(path[0]) if isinstance(document, Mapping) else None
    if len(path) > 1:
        for part in value if isinstance(value, list) else [value]:
            yield from _present(part, path[1:])
    elif isinstance(value, list | dict):
        yield from (part for part in (value if isinstance(value, list) else value.values()) if part is not None)
    elif value is not None:
        yield value


def _test(item: Comparison, kind: Kind, now: float) -> "Any":
    value, operator = item.value, item.operator
    if operator == "==" and kind != "number":
        return lambda leaf: isinstance(leaf, str) and full_text.has(leaf, str(value))
    if kind == "date" and operator != "^=":
        span = span_of(value, now)
        return lambda leaf: span is not None and isinstance(leaf, str) and _ordered(leaf, operator, *map(iso_of, span))
    if kind == "date":
        return lambda leaf: isinstance(leaf, str) and isinstance(value, str) and leaf.startswith(value)
    if kind == "number":
        if isinstance(value, bool | Moment) or operator in TEXT_ONLY:
            return lambda leaf: False
        number = numeric(item, value)
        return lambda leaf: _is_number(leaf) and _ordered(leaf, operator, number, number)
    return lambda leaf: _anything(leaf, operator, value, item)


def _anything(leaf: Any, operator: str, value: Value, item: Comparison) -> bool:
    """A value of any type, compared as its own type allows."""
    if isinstance(value, Moment):
        return (
            isinstance(leaf, str)
            and operator != "^="
            and _ordered(leaf, operator, iso_of(value.first), iso_of(value.last))
        )
    if isinstance(leaf, bool):
        return operator == "=" and (value is leaf or value == str(leaf).lower())
    if isinstance(leaf, str):
        if operator == "^=":
            return isinstance(value, str) and leaf.startswith(value)
        if isinstance(value, str):
            return _ordered(leaf, operator, value, value)
        return operator == "=" and leaf == (str(value).lower() if isinstance(value, bool) else str(value))
    if isinstance(value, bool) or operator == "^=":
        return False
    if isinstance(value, str) and not NUMERIC.fullmatch(value):
        return False
    number = numeric(item, value)
    return _ordered(leaf, operator, number, number)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(leaf: Any, operator: str, first: Any, last: Any) -> bool:
    """``leaf`` compared with an interval."""
    match operator:
        case "=":
            return bool(first <= leaf <= last)
        case "<":
            return bool(leaf < first)
        case "<=":
            return bool(leaf <= last)
        case ">":
            return bool(leaf > last)
        case _:
            return bool(leaf >= first)
