"""Where a document's attributes are kept: in a column, or in JSON text. What filters, orders and aggregations ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from job_engine.job.attributes import ATTRIBUTES, Attribute

Kind = Literal["text", "number", "date", "json"]


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute's column, as an SQL expression; ``json``: its text holds the attribute's whole value."""

    expression: str
    kind: Kind
    always: bool = False  # there in every document
    order: str | None = None  # what to order by instead, because an index or the rows' own order serves it


@dataclass(frozen=True, slots=True)
class Source:
    """A table of documents.

    Attributes:
        rest: the expression of the JSON object with what has no column; None when there is no other attribute.
        absent: attributes that filters take for absent.
        kinds: of attributes in ``rest`` that are no plain text.
    """

    table: str
    acl: str
    number: str  # orders the rows when nothing else does
    rest: str | None
    columns: Mapping[str, Column]
    absent: frozenset[str] = frozenset()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    always: tuple[str, tuple[str, ...]] = ("1", ())  # a condition on every query, and what it binds


_TYPES: Final[Mapping[str, Kind]] = {"string": "text", "date-time": "date", "integer": "number", "number": "number"}
"""Kinds of the types of `job_engine.job.attributes`; other types are json."""


def _in_document(attribute: Attribute) -> Column:
    """An attribute of the closed table that is kept in a job's document text."""
    place = f"'$.\"{attribute.name}\"'"
    if attribute.type == "boolean":  # extracted it would be a number, and no JSON any more
        return Column(f"(job.document -> {place})", "json")
    return Column(f"json_extract(job.document, {place})", _TYPES.get(attribute.type, "json"))


JOBS: Final = Source(
    table="job",
    acl="job.acl",
    number="job.seq",
    rest=None,
    absent=frozenset({"status-message", "operations"}),
    columns={name: _in_document(attribute) for name, attribute in ATTRIBUTES.items()}
    | {
        "id": Column("job.id", "text", True, "job.seq"),
        "resource-type": Column("'job'", "text", True),
        "state": Column("job.state", "text", True),
        "action": Column("job.action", "text", True),
        "execution-mode": Column("job.mode", "text", True),
        "parent-job": Column("job.parent", "text"),
        "output": Column("job.output", "text"),
        "created": Column("job.created", "date", True, "job.seq"),  # made and numbered in the same order
        "updated": Column("job.updated", "date", True),
        "started": Column("job.started", "date"),
        "not-before": Column("job.not_before", "date"),
        "time-of-status-change": Column("job.status_changed", "date"),
        "priority": Column("job.priority", "number", True),
        "progress": Column("job.progress", "number", True),
        "return-code": Column("job.return_code", "number"),
        "duration": Column("job.duration", "number"),
        "attempt": Column("nullif(job.attempt, 0)", "number"),
        "failures": Column("nullif(job.failures, 0)", "number"),
        "deaths": Column("nullif(job.deaths, 0)", "number"),
        "tags": Column("job.tags", "json"),
        "affected-resources": Column("job.affected", "json"),
        "nested-jobs": Column("job.nested", "json"),
        "result": Column("job.result", "json"),
        "acl": Column("(select acl.document from acl where acl.id = job.acl)", "json", True),
    },
)


DIGESTS: Final[Mapping[str, frozenset[str]]] = {"credential": frozenset({"hash", "digest"})}
"""Attributes with digests of passwords and secrets, by type."""


def resources_of(type_: str) -> Source:
    """The documents of another resource type."""
    return Source(
        table="resource",
        acl="resource.acl",
        number="resource.id",
        rest="resource.document",
        absent=DIGESTS.get(type_, frozenset()),  # or who sees a credential could find its digest letter by letter
        kinds=dict.fromkeys(
            ("created", "updated", "expiry", "last-tick", "next-tick", "last-run", "run-at", "heard"), "date"
        ),
        columns={
            "id": Column("resource.id", "text", True),
            "resource-type": Column("resource.type", "text", True),
            "acl": Column("(select acl.document from acl where acl.id = resource.acl)", "json", True),
        },
        always=("resource.type = ?", (type_,)),
    )
