"""Conditions on documents, as values: what a CIMI filter says, before it becomes SQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Scalar = str | int | bool | None
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "^=", "=="]


@dataclass(frozen=True, slots=True)
class Moment:
    """A date in a filter: an interval, as long as the date is imprecise."""

    first: int  # milliseconds since the epoch
    last: int


Value = Scalar | Moment | tuple[str | int | Moment, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An attribute compared with a value.

    Attributes:
        path: names from the document down; it goes through objects and arrays.
    """

    path: tuple[str, ...]
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class And:
    """All of the conditions hold."""

    terms: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One of the conditions holds."""

    terms: "tuple[Condition, ...]"


Condition = Comparison | And | Or


def attributes(condition: Condition) -> Iterator[str]:
    """The attributes that a condition looks at."""
    if isinstance(condition, Comparison):
        yield condition.path[0]
    else:
        for term in condition.terms:
            yield from attributes(term)
