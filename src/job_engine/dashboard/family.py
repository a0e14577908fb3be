"""A job's family: the job that made it, those that it made, and what a bulk job says of its elements."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from job_engine.dashboard import people, record
from job_engine.dashboard.jobs import Row
from job_engine.dashboard.visitor import Visitor
from job_engine.job.bulk import FAILED, BulkResult
from job_engine.job.bulk_message import found
from job_engine.job.errors import Forbidden, NotFound
from job_engine.job.states import State

SHOWN: Final = 100
"""Children on the page of their parent; a list with a filter has the rest."""
SELECTED: Final = ("state", "action", "name", "target-resource", "progress", "status-message", "started", "duration")
"""What a child's line is made of."""
ORDER: Final = "state,created"
"""By this the canceled and failed ones come first."""
NAMED: Final = 5
"""Elements that are named of each reason."""
REASONS: Final = 100
"""Reasons that are shown: as many as a result of ours tells apart, and more than anybody reads."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")


@dataclass(frozen=True, slots=True)
class Family:
    """The jobs around one.

    Attributes:
        parent: the document of the job that made it, or what the visitor may see of that.
        number: of its children; how many of them are in which state, and where the list of those is.
    """

    parent: dict[str, Any] | None
    children: list[Row]
    number: int
    states: list[tuple[str, int, str]]
    link: str


async def of(visitor: Visitor, document: dict[str, Any]) -> Family | None:
    """The family of a job, as far as the visitor sees it; None: it has none."""
    mine = f"parent-job='{document['id']}'"
    parent = await _parent(visitor, document.get("parent-job"))
    listed = await record.get(
        visitor, "job", filter=mine, select=",".join(SELECTED), orderby=ORDER, last=SHOWN, aggregation="terms:state"
    )
    if parent is None and not listed["count"]:
        return None
    counts = {each["key"]: each["doc_count"] for each in listed["aggregations"]["terms:state"]["buckets"]}
    return Family(
        parent,
        [Row.of(child) for child in listed["resources"]],
        listed["count"],
        [(state, counts[state], _list(mine, state)) for state in State if counts.get(state)],
        _list(mine),
    )


async def _parent(visitor: Visitor, id_: str | None) -> dict[str, Any] | None:
    if id_ is None:
        return None
    try:
        return await record.get(visitor, id_)  # type: ignore[no-any-return]
    except (Forbidden, NotFound):  # it is deleted, or none of the visitor's
        return {"id": id_}


def _list(filter: str, state: str = "") -> str:
    """The list of jobs with this filter, as a link below the root."""
    return f"?{people.query(state=state, filter=filter)}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why elements of a bulk job failed or were skipped.

    Attributes:
        elements: the first of them: what they are called, where they are if that is known, and what was said.
        more: how many more there are.
    """

    reason: str
    failed: bool
    number: int
    elements: Sequence[tuple[str, str | None, str]]
    more: int


@dataclass(frozen=True, slots=True)
class Elements:
    """What became of the elements of a bulk job."""

    total: int
    counts: list[tuple[str, int]]
    causes: list[Cause]
    sentence: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Elements | None":
        """What a document says of them; None: it is no bulk job's."""
        result = found(document.get("status-message"))
        if result is None:
            return None
        return cls(result.total, result.counts, _causes(document["id"], result), people.one_line(result.sentence))


def _causes(id_: str, result: BulkResult) -> list[Cause]:
    causes = []
    for reason, kept in result.ranked[:REASONS]:
        first = list(kept.data.values())[:NAMED]
        named = [
            (
                people.one_line(each.get("name") or each["id"]),
                _job_of(id_, each["id"]),
                people.plain(each.get("message")),
            )
            for each in first
        ]
        more = max(0, kept.count - sum(each["count"] for each in first))
        causes.append(Cause(people.one_line(reason), kept.category == FAILED, kept.count, named, more))
    return causes


def _job_of(parent: str, element: str) -> str | None:
    """Where the child is that was made for an element, as a link below the root."""
    if not _PLAIN.fullmatch(element):
        return None
    if element.startswith("job/"):
        return element
    return _list(f"parent-job='{parent}' and target-resource/href='{element}'") if "/" in element else None
