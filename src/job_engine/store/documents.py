"""Jobs as documents: what the record's rows say, read only."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import msgspec

from job_engine.job.states import is_final
from job_engine.job.times import iso
from job_engine.store import access, deadline, query
from job_engine.store.aggregations import aggregate
from job_engine.store.columns import JOBS, Source, resources_of
from job_engine.store.counts import Counts
from job_engine.store.waits import IS_READY

Document = dict[str, Any]
Row = tuple[Any, ...]

_PLAIN: Final = {
    "id": "id",
    "state": "state",
    "action": "action",
    "execution-mode": "mode",
    "priority": "priority",
    "parent-job": "parent",
    "created": "created",
    "updated": "updated",
    "started": "started",
    "duration": "duration",
    "not-before": "not_before",
    "progress": "progress",
    "return-code": "return_code",
    "status-message": "message",
    "time-of-status-change": "status_changed",
}
_COUNTED: Final = {"attempt": "attempt", "failures": "failures", "deaths": "deaths"}  # absent when 0
_JSON: Final = {"tags": "tags", "affected-resources": "affected", "nested-jobs": "nested"}
_HEAVY: Final = ("output", "result", "document")
"""Columns that can be long, read only when somebody wants what is in them."""

_FIRST: Final = 6
"""Columns of a row before those of `_NAMES`."""
_NAMES: Final = (*_PLAIN, *_COUNTED, *_JSON)
_COLUMNS: Final = ", ".join(f"job.{column}" for column in (*_PLAIN.values(), *_COUNTED.values(), *_JSON.values()))
_ACL: Final = "(select acl.document from acl where acl.id = job.acl)"
_HAVE_COLUMNS: Final = frozenset({*_NAMES, "acl", "resource-type", "output", "result", "operations"})
_MEMBER: Final = re.compile(r"executor-[0-9a-f]{16}")
"""A holder in a cluster: the member that stands for an executor's session in ZooKeeper."""
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the record has it.

    Attributes:
        acl: its normalised ACL, as JSON text.
        holder: the executor that holds it.
        last_holder: that one, or the one that finished it.
    """

    seq: int
    document: Document
    acl: str
    holder: str | None
    last_holder: str | None
    claimed: str | None  # when its last attempt began to be held
    claim: int  # the number by which that attempt is named


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a query: documents, each with its ACL as JSON text."""

    count: int
    documents: list[tuple[Document, str]]
    aggregations: Document


def _columns(select: Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    """The columns for these attributes (None: all), and which heavy ones are among them."""
    heavy: tuple[str, ...] = _HEAVY
    if select is not None:
        wanted = set(select)
        heavy = tuple(name for name in _HEAVY if name in wanted or (name == "document" and not wanted <= _HAVE_COLUMNS))
    first = f"job.seq, iif(job.state = 'RUNNING', job.holder, null), job.holder, job.claimed, job.claim, {_ACL}"
    return f"{first}, {_COLUMNS}{''.join(f', job.{name}' for name in heavy)}", heavy


def _job(row: Row, heavy: tuple[str, ...]) -> Job:
    seq, holder, last_holder, claimed, claim, acl = row[:_FIRST]
    document: Document = {"resource-type": "job"}
    for name, value in zip(_NAMES, row[_FIRST:], strict=False):
        if value is not None and not (value == 0 and name in _COUNTED):
            document[name] = _decode(value) if name in _JSON else value
    for name, value in zip(heavy, row[_FIRST + len(_NAMES) :], strict=True):
        if name == "document":
            document |= {k: v for k, v in _decode(value).items() if k not in document}
        elif value is not None:
            document[name] = _decode(value) if name == "result" else value
    document["acl"] = _decode(acl)
    return Job(seq, document, acl, holder, last_holder, claimed, claim)


def job(connection: sqlite3.Connection, id_: str) -> Job | None:
    """The job with this id."""
    return of_row(row(connection, id_))


def row(connection: sqlite3.Connection, id_: str) -> Row | None:
    """What `of_row` makes the job with this id of; two rows are equal if the job is the same in all that is shown."""
    columns, _ = _columns(None)
    found: Row | None = connection.execute(f"select {columns} from job where id = ?", (id_,)).fetchone()
    return found


def of_row(row: Row | None) -> Job | None:
    """The job that a row says, None of None."""
    return None if row is None else _job(row, _HEAVY)


def standing(connection: sqlite3.Connection, id_: str) -> Job | None:
    """The job with this id, of its document only what is short: enough to tell who may do what with it now."""
    found = jobs(connection, [id_], ())
    return found[0] if found else None


def jobs(connection: sqlite3.Connection, ids: Sequence[str], select: Sequence[str] | None) -> list[Job]:
    """The jobs with these ids that there are, with the attributes that ``select`` names (None: all)."""
    columns, heavy = _columns(select)
    found = connection.execute(f"select {columns} from job where id in ({','.join('?' * len(ids))})", list(ids))
    return [_job(row, heavy) for row in found]


def acls(connection: sqlite3.Connection, ids: Sequence[str]) -> list[tuple[str, str]]:
    """The jobs with these ids that there are: id, and normalised ACL as JSON text."""
    statement = f"select job.id, {_ACL} from job where job.id in (select value from json_each(?))"
    return connection.execute(statement, (msgspec.json.encode(ids).decode(),)).fetchall()


def search_jobs(
    connection: sqlite3.Connection,
    page: query.Page,
    now: float,
    counts: Counts,
    *,
    select: Sequence[str] | None = None,
    aggregations: Sequence[str] = (),
) -> Found:
    """One page of jobs, and the figures over all that match.

    Raises:
        Invalid: the condition compares an attribute with what it can never be; or the search takes too long.
    """
    columns, heavy = _columns(select)
    condition = query.where(JOBS, page, now)
    with deadline.within(connection, deadline.SEARCH):
        total = counts.count(connection, JOBS.table, condition)
        rows = query.rows(connection, JOBS, columns, condition, page) if total else []
        figures = aggregate(connection, JOBS, condition, list(aggregations))
    found = [_job(row, heavy) for row in rows]
    return Found(total, [(item.document, item.acl) for item in found], figures)


def search_resources(
    connection: sqlite3.Connection,
    type_: str,
    page: query.Page,
    now: float,
    counts: Counts,
    *,
    aggregations: Sequence[str] = (),
) -> Found:
    """One page of another type's resources; see `search_jobs`."""
    source: Source = resources_of(type_)
    condition = query.where(source, page, now)
    columns = "document, (select acl.document from acl where acl.id = resource.acl)"
    with deadline.within(connection, deadline.SEARCH):
        rows = query.rows(connection, source, columns, condition, page)
        total = counts.count(connection, source.table, condition)
        figures = aggregate(connection, source, condition, list(aggregations))
    return Found(total, [({**_decode(text), "acl": _decode(acl)}, acl) for text, acl in rows], figures)


def events(connection: sqlite3.Connection, job: Job) -> list[Document]:
    """The history of a job, oldest first: ``at, kind, attempt, executor, detail``, as far as there is any.

    The record keeps an event for what is out of the ordinary; the rest is told from the job itself. No event is
    earlier than the one before it, though the clock was set back: it has the time of that one.
    """
    document = job.document
    found: list[Document] = [{"at": document["created"], "kind": "added"}]
    rows = connection.execute(
        "select at, kind, attempt, holder, claimed, detail from event where job = ? order by at", (job.seq,)
    ).fetchall()
    for at, kind, attempt, holder, claimed, detail in rows:
        if claimed is not None:
            found.append(_event(claimed, "claimed", attempt, holder, None))
        found.append(_event(iso(at / 1e6), kind, attempt, holder, detail))
    if job.last_holder is not None and job.claimed is not None:
        found.append(_event(job.claimed, "claimed", document.get("attempt"), job.last_holder, None))
        if is_final(document["state"]):
            kind, message = document["state"].lower(), document.get("status-message")
            found.append(_event(document["updated"], kind, document.get("attempt"), job.last_holder, message))
    for earlier, event in pairwise(found):
        event["at"] = max(earlier["at"], event["at"])
    return found


def _event(at: str, kind: str, attempt: int | None, holder: str | None, detail: str | None) -> Document:
    event = {"at": at, "kind": kind, "attempt": attempt, "detail": detail}
    event["executor"] = holder if holder is None or _MEMBER.fullmatch(holder) else f"executor/{holder}"
    return {name: value for name, value in event.items() if value is not None}


def log(
    connection: sqlite3.Connection, seq: int, after: tuple[int, int], limit: int, last: int | None = None
) -> list[Document]:
    """Lines of a job's log, oldest first.

    Args:
        after: (attempt, number) of the last line that is known; (0, 0): from the beginning.
        last: only this many at the end.
    """
    columns = "select attempt, n, at, level, text from log where job = ?"
    if last is not None:
        statement, bound = f"{columns} order by attempt desc, n desc limit ?", (seq, min(last, limit))
        found = connection.execute(statement, bound).fetchall()[::-1]
    else:
        statement = f"{columns} and (attempt, n) > (?, ?) order by attempt, n limit ?"
        found = connection.execute(statement, (seq, *after, limit)).fetchall()
    return [dict(zip(("attempt", "n", "at", "level", "text"), row, strict=True)) for row in found]


def entry(connection: sqlite3.Connection, seq: int) -> str | None:
    """In a cluster: under which name a job is in the locking queue."""
    (name,) = connection.execute("select entry from job where seq = ?", (seq,)).fetchone()
    return None if name is None else str(name)


def waited_for(
    connection: sqlite3.Connection, seq: int, limit: int, claims: Sequence[str] | None
) -> tuple[list[tuple[str, str | None]], int]:
    """The ids and states of up to ``limit`` jobs that a job waits for, and how many they are in all.

    Args:
        claims: of who asks, who is not told the states of jobs that they do not see; None sees everything.
    """
    seen, bound = access.visible("job.acl", claims, access.DATA)
    rows = "from after join job on job.seq = after.needs where after.job = ?"
    found = connection.execute(
        f"select job.id, iif({seen}, job.state, null) {rows} order by job.seq limit ?", (*bound, seq, limit)
    ).fetchall()
    (number,) = connection.execute("select count(*) from after where job = ?", (seq,)).fetchone()
    return found, int(number)


def waiting_for(
    connection: sqlite3.Connection, seq: int, limit: int, claims: Sequence[str] | None
) -> tuple[list[str], int]:
    """The ids of up to ``limit`` jobs that wait for a job, and how many they are in all, of those that are seen by who
    has ``claims`` (None: of all)."""
    seen, bound = access.visible("job.acl", claims, access.META)
    rows = f"from after join job on job.seq = after.job where after.needs = ? and {seen}"
    found = connection.execute(f"select job.id {rows} order by job.seq limit ?", (seq, *bound, limit))
    (number,) = connection.execute(f"select count(*) {rows}", (seq, *bound)).fetchone()
    return [id_ for (id_,) in found], int(number)


def matching(
    connection: sqlite3.Connection, page: query.Page, now: float, after: int, limit: int
) -> list[tuple[int, str, int]]:
    """Up to ``limit`` jobs that match, of those after job number ``after``: their numbers, rising, when each was last
    updated, and how many lines of log it has.

    Raises:
        Invalid: the condition compares an attribute with what it can never be.
    """
    text, bound = query.where(JOBS, page, now)
    lines = "(select count(*) from log where log.job = job.seq)"
    statement = f"select job.seq, job.updated, {lines} from job where {text} and job.seq > ? order by job.seq limit ?"
    return connection.execute(statement, [*bound, after, limit]).fetchall()


def unchanged(connection: sqlite3.Connection, seen: Sequence[tuple[int, str]]) -> list[int]:
    """The numbers of those jobs that were not updated since they were ``seen``, each by its number and time."""
    statement = (
        "select job.seq from json_each(?) n cross join job"
        " on job.seq = json_extract(n.value, '$[0]') and job.updated = json_extract(n.value, '$[1]')"
    )
    return [seq for (seq,) in connection.execute(statement, (msgspec.json.encode(seen).decode(),))]


def ready_ahead(connection: sqlite3.Connection, job: Job, actions: Iterable[str], limit: int) -> int:
    """How many ready jobs of ``actions`` are claimed before a queued one, counted up to ``limit``."""
    number = 0
    for action in actions:
        (more,) = connection.execute(
            f"select count(*) from (select 1 from job indexed by job_queued where {IS_READY}"
            " and action = ? and (priority, seq) < (?, ?) limit ?)",
            (action, job.document["priority"], job.seq, limit - number),
        ).fetchone()
        number += int(more)
    return number
