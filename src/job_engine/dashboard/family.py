"""The jobs around one job: its parent, its children, its dependencies, and the elements of a bulk job."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from job_engine.dashboard import formatting, record
from job_engine.dashboard.jobs import JobRow
from job_engine.dashboard.visitor import Visitor
from job_engine.job.bulk import FAILED, BulkResult
from job_engine.job.bulk_message import found
from job_engine.job.errors import Forbidden, Invalid, NotFound
from job_engine.job.states import State

SHOWN_CHILDREN: Final = 100
"""Children on the page of their parent; a list with a filter has the rest."""
CHILD_ATTRIBUTES: Final = "state,action,name,target-resource,progress,status-message,started,duration"
"""The attributes that the line of a child shows."""
ORDER: Final = "state,created"
"""The order of children: canceled and failed ones come first."""
NAMED_ELEMENTS: Final = 5
"""Elements that are named for each reason."""
SHOWN_REASONS: Final = 100
"""Reasons that are shown: as many as a result of ours tells apart, and more than anybody reads."""

IDS_PER_FILTER: Final = 200
"""Ids in one filter: with those of 200 characters it is below the limit of filters."""
LINKED_CHILDREN: Final = 10_000
"""Children that are looked at for links, as many as a page of the API has."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")


@dataclass(frozen=True, slots=True)
class Family:
    """The parent and the children of one job.

    Attributes:
        parent: the document of the job that made it, or what the visitor may see of that.
        number: of its children; how many of them are in which state, and where the list of those is.
    """

    parent: dict[str, Any] | None
    children: list[JobRow]
    number: int
    states: list[tuple[str, int, str]]
    link: str


async def of(visitor: Visitor, document: dict[str, Any]) -> Family | None:
    """The family of a job, as far as the visitor sees it; None: it has none."""
    mine = f"parent-job='{document['id']}'"
    parent = await _parent(visitor, document.get("parent-job"))
    listed = await record.get(
        visitor,
        "job",
        filter=mine,
        select=CHILD_ATTRIBUTES,
        orderby=ORDER,
        last=SHOWN_CHILDREN,
        aggregation="terms:state",
    )
    if parent is None and not listed["count"]:
        return None
    counts = {each["key"]: each["doc_count"] for each in listed["aggregations"]["terms:state"]["buckets"]}
    return Family(
        parent,
        [JobRow.of(child) for child in listed["resources"]],
        listed["count"],
        [(state, counts[state], _list(mine, state)) for state in State if counts.get(state)],
        _list(mine),
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """The jobs that one waits for, or was to wait for, and those that wait for it.

    Attributes:
        needs_more: how many more there are than are shown.
    """

    needs: list[JobRow]
    needs_more: int
    needed_by: list[JobRow]
    needed_by_more: int


async def waiting_of(visitor: Visitor, document: dict[str, Any], reason: dict[str, Any] | None) -> Waiting | None:
    """The jobs that ``document`` waits for and that wait for it, as far as the visitor sees them; None: there are none.

    Args:
        reason: what the API explains of the job; none of a job that has ended, for which nobody waits.
    """
    needs = document.get("after", [])
    needed_by = reason.get("needed-by", []) if reason else []
    if not needs and not needed_by:
        return None
    more = reason.get("needed-by-count", 0) - len(needed_by) if reason else 0
    rows = await _rows(visitor, needs[:SHOWN_CHILDREN]), await _rows(visitor, needed_by)
    return Waiting(rows[0], max(0, len(needs) - SHOWN_CHILDREN), rows[1], more)


async def _rows(visitor: Visitor, ids: Sequence[str]) -> list[JobRow]:
    """The rows of jobs, in this order; of a job that is deleted or none of the visitor's it has the id alone."""
    if not ids:
        return []
    listed = await record.get(visitor, "job", filter=f"id={_array(ids)}", select=CHILD_ATTRIBUTES, last=len(ids))
    there = {job["id"]: job for job in listed["resources"]}
    return [JobRow.of(there.get(id_, {"id": id_})) for id_ in ids]


async def _parent(visitor: Visitor, id_: str | None) -> dict[str, Any] | None:
    if id_ is None:
        return None
    try:
        return await record.get(visitor, id_)  # type: ignore[no-any-return]
    except (Forbidden, NotFound):  # it is deleted, or none of the visitor's
        return {"id": id_}


def _list(filter: str, state: str = "") -> str:
    """The list of jobs with this filter, as a link below the root."""
    return f"?{formatting.query(state=state, filter=filter)}"


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
    def of(cls, document: dict[str, Any], links: Mapping[str, str]) -> "Elements | None":
        """What a document says of them, with ``links`` of `links_of`; None: it is no bulk job's."""
        result = found(document.get("status-message"))
        if result is None:
            return None
        return cls(result.total, result.counts, _causes(links, result), formatting.one_line(result.sentence))


def _causes(links: Mapping[str, str], result: BulkResult) -> list[Cause]:
    causes = []
    for reason, kept in result.ranked[:SHOWN_REASONS]:
        first = list(kept.data.values())[:NAMED_ELEMENTS]
        named = [
            (
                formatting.one_line(each.get("name") or each["id"]),
                links.get(each["id"]),
                formatting.plain(each.get("message")),
            )
            for each in first
        ]
        more = max(0, kept.count - sum(each["count"] for each in first))
        causes.append(Cause(formatting.one_line(reason), kept.category == FAILED, kept.count, named, more))
    return causes


async def links_of(visitor: Visitor, document: dict[str, Any]) -> dict[str, str]:
    """Where the named elements lead, below the root: to the jobs made for them, else to the elements themselves.

    An element that was skipped has no job, and one that is no document of this record leads nowhere.
    """
    result = found(document.get("status-message"))
    if result is None:
        return {}
    named = {
        each["id"] for _, kept in result.ranked[:SHOWN_REASONS] for each in list(kept.data.values())[:NAMED_ELEMENTS]
    }
    ids = {id_ for id_ in named if "/" in id_ and _PLAIN.fullmatch(id_)}
    if not ids:
        return {}
    mine = f"parent-job='{document['id']}'"
    targets: set[str] = set()
    for some in _batched(ids, IDS_PER_FILTER):
        filter_ = f"{mine} and target-resource/href={_array(some)}"
        made = await record.get(visitor, "job", filter=filter_, select="target-resource", last=LINKED_CHILDREN)
        targets |= {job["target-resource"]["href"] for job in made["resources"] if "target-resource" in job}
    links = {id_: _list(f"{mine} and target-resource/href='{id_}'") for id_ in targets & ids}
    documented = {name for name, type_ in visitor.api.types.items() if "GET" in type_.one}  # else as `status` answers
    for type_ in sorted({id_.partition("/")[0] for id_ in ids - targets} & documented):
        for some in _batched([id_ for id_ in ids - targets if id_.startswith(f"{type_}/")], IDS_PER_FILTER):
            with suppress(Forbidden, Invalid):  # not for this visitor, or not a type that one can search
                there = await record.get(visitor, type_, filter=f"id={_array(some)}", select="id", last=len(some))
                links |= {each["id"]: ("" if type_ == "job" else "api/") + each["id"] for each in there["resources"]}
    return links


def _batched(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """``ids`` in parts of ``size`` at most."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _array(ids: Iterable[str]) -> str:
    """These ids as an array of a filter."""
    return "[" + ", ".join(f"'{id_}'" for id_ in sorted(ids)) + "]"
