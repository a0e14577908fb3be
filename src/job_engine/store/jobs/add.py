"""The first verb: add, which a caller may repeat after a lost answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import msgspec

from job_engine.job.document import NewJob
from job_engine.job.errors import Conflict, Invalid, JobEngineError
from job_engine.job.states import State
from job_engine.job.times import epoch
from job_engine.store.jobs import after
from job_engine.store.jobs.active import active
from job_engine.store.jobs.after import Needed
from job_engine.store.jobs.family import canceled_families
from job_engine.store.transaction import Transaction
from job_engine.store.waits import NOT_BEFORE, OTHER_JOBS, READY, waits_for

KEY_KEPT: Final = 7 * 86400.0
"""Seconds for which a repetition of an add with a key is known as one."""
_PLAIN: Final = "insert into job (seq, id, state, action, mode, priority, acl, created, updated, document) values "
_PLAIN_ROW: Final = "(?, ?, 'QUEUED', ?, 'push', ?, ?, ?, ?, ?)"
_TOGETHER: Final = 20
"""Rows of one statement: to bind what is null, and to begin a statement, costs more than to write a row."""
_PLAIN_ROWS: Final = _PLAIN + ", ".join([_PLAIN_ROW] * _TOGETHER)
_DELETED: Final = "conflict: of the jobs that were added with this idempotency key some are deleted"


Sees = Callable[[str], bool]
"""Whether the caller may be told of the job with this id."""


def anything(id_: str) -> bool:
    """What an administrator sees."""
    return True


@dataclass(slots=True)
class Added:
    """What an add came to whose jobs may fail one by one.

    Attributes:
        ids: of the jobs that were added, in order.
        refused: why a job was not added, by its place among those to be added.
        repeated: whether an earlier add with the same key had added them already; then nothing is known of refusals.
    """

    ids: list[str]
    refused: dict[int, "Refusal"] = field(default_factory=dict)
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one job is not added, and the active job because of which, if there is one that the caller sees."""

    error: JobEngineError
    active: str | None = None


def add(tx: Transaction, jobs: Sequence[NewJob], key: str | None = None, sees: Sees = anything) -> list[str]:
    """Add jobs, all or none.

    Args:
        jobs: checked jobs, in the order in which they shall run within one priority.
        key: the caller's name for this add; when an add with it was done before, nothing is added.
        sees: whether the caller may be told of a job that others have added, by its id.

    Returns:
        The ids, of the first add with this key if there was one. A job with a key of its own likewise.

    Raises:
        Conflict: the key was used by an add whose jobs are deleted; or one is not to be added while another is active,
            or because its parent was canceled.
        Invalid: one is to wait for a job that there is not.
    """
    if key is not None:
        return _once(tx, key, jobs, sees)
    if any(job.key is not None for job in jobs):
        return _keyed(tx, jobs, sees)
    return _insert(tx, jobs, _needed(tx, jobs, sees))[1]


def add_each(tx: Transaction, jobs: Sequence[NewJob], key: str | None = None, sees: Sees = anything) -> Added:
    """Add those of ``jobs`` that can be added; the keys of single ones do not count here.

    Args:
        sees: as for `add`.
        key: likewise; when it is known, what is left of the first add's jobs is the answer, however few.
    """
    if key is not None and (first := added_before(tx, key)) is not None:
        return Added(first[0], repeated=True)
    known, refused = _checked(tx, jobs, sees)
    accepted = [job for n, job in enumerate(jobs) if n not in refused] if refused else jobs
    number, ids = _insert(tx, accepted, known)
    if key is not None:
        _remember(tx, [(key, number, number + len(ids) - 1)])
    return Added(ids, refused)


def added_before(tx: Transaction, key: str) -> tuple[list[str], int] | None:
    """The ids of the jobs left that an add with this key made, and how many it made; None: there was none."""
    row = tx.execute("select first, last from added where key = ?", (key,)).fetchone()
    if row is None:
        return None
    ids = [id_ for (id_,) in tx.execute("select id from job where seq between ? and ? order by seq", row)]
    return ids, row[1] - row[0] + 1


def _once(tx: Transaction, key: str, jobs: Sequence[NewJob], sees: Sees) -> list[str]:
    if (first := added_before(tx, key)) is not None:
        ids, number = first
        if len(ids) < number:
            raise Conflict(_DELETED)
        return ids
    number, ids = _insert(tx, jobs, _needed(tx, jobs, sees))
    _remember(tx, [(key, number, number + len(ids) - 1)])
    return ids


def _keyed(tx: Transaction, jobs: Sequence[NewJob], sees: Sees) -> list[str]:
    """Add jobs that have keys of their own, if not all of them; what is known by its key is not added again."""
    keys = [None if job.key is None else f"{job.acl['owners'][0]} {job.key}" for job in jobs]
    rows = tx.execute(
        "select added.key, job.id from added left join job on job.seq = added.first"
        " where added.key in (select value from json_each(?))",
        (msgspec.json.encode(sorted({key for key in keys if key is not None})).decode(),),
    )
    there: dict[str | None, str | None] = dict(rows.fetchall())
    if None in there.values():
        raise Conflict(_DELETED)
    new: list[tuple[int, NewJob]] = []
    ids: list[str] = []
    for n, (key, job) in enumerate(zip(keys, jobs, strict=True)):
        id_ = there.get(key)
        if id_ is None:
            new.append((n, job))
            id_ = job.id
            if key is not None:
                there[key] = id_
        ids.append(id_)
    accepted = [job for _, job in new]
    number, _ = _insert(tx, accepted, _needed(tx, accepted, sees, [n for n, _ in new], len(jobs)))
    _remember(tx, [(key, seq, seq) for seq, (n, _) in enumerate(new, number) if (key := keys[n]) is not None])
    return ids


def _remember(tx: Transaction, adds: Sequence[tuple[str, int, int]]) -> None:
    """Note keys, each with the numbers of the first and the last job that was added with it."""
    tx.executemany("insert into added (key, first, last, at) values (?, ?, ?, ?)", [(*add, tx.now) for add in adds])
    # each add takes away up to two that are old, so that the table needs no sweeper
    tx.execute(
        "delete from added where id in (select id from added order by id limit ?) and at < ?",
        (2 * len(adds), tx.now - KEY_KEPT),
    )


def _needed(
    tx: Transaction,
    jobs: Sequence[NewJob],
    sees: Sees,
    places: Sequence[int] | None = None,
    number: int | None = None,
) -> dict[str, Needed]:
    """What jobs are to wait for; raises what keeps one of them from being added, as `add` does.

    Args:
        places: where each is among the ``number`` jobs of the add, for messages; None: they are all.
    """
    known, refused = _checked(tx, jobs, sees)
    number = len(jobs) if number is None else number
    for n, refusal in refused.items():
        place = f"job {n if places is None else places[n]} of {number}: " if number > 1 else ""
        if isinstance(refusal.error, Invalid):
            raise Invalid(f"{place}{refusal.error.message}", refusal.error.attribute)
        raise type(refusal.error)(f"{place}{refusal.error.message}")
    return known


def _checked(tx: Transaction, jobs: Sequence[NewJob], sees: Sees) -> tuple[dict[str, Needed], dict[int, Refusal]]:
    """What jobs are to wait for, and which of them cannot be added, by their places."""
    refused: dict[int, Refusal] = {}
    parents = {job.parent for job in jobs if job.parent is not None}
    canceled = canceled_families(tx, parents) if parents else set()
    if not canceled and not any(job.after or job.unless_active for job in jobs):
        return {}, refused
    known = after.needed(tx, jobs)
    there: dict[tuple[str, str | None], str] = {}  # active jobs of this very add
    seq = _sequence(tx)
    for n, job in enumerate(jobs):
        what = (job.action, job.target)
        if job.parent in canceled:
            refused[n] = Refusal(Conflict(f"conflict: its parent-job {job.parent} was canceled"))
        elif (error := after.missing(job, known)) is not None:
            refused[n] = Refusal(error)
        elif job.unless_active and (other := there.get(what) or active(tx, *what)) is not None:
            shown = other if sees(other) else None
            what_else = shown or "a job that you may not see"
            refused[n] = Refusal(Conflict(f"conflict: {job.action} is active already: {what_else}"), shown)
        else:
            seq += 1
            known[job.id] = Needed(seq, State.QUEUED, None)
            there.setdefault(what, job.id)
    return known, refused


def _sequence(tx: Transaction) -> int:
    """The highest number that a job was ever given."""
    row = tx.execute("select seq from sqlite_sequence where name = 'job'").fetchone()
    return int(row[0]) if row else 0


def _insert(tx: Transaction, jobs: Sequence[NewJob], known: dict[str, Needed]) -> tuple[int, list[str]]:
    """The number of the first job, and all ids.

    Args:
        known: what there is of those that these jobs are to wait for.
    """
    first = _sequence(tx) + 1
    seq = first - 1
    plain: list[tuple[object, ...]] = []
    full: list[tuple[object, ...]] = []
    acl, number = None, 0
    for job in jobs:
        seq += 1
        if job.acl is not acl:  # most often the same for all of one add
            acl, number = job.acl, tx.acl(job.acl)
        tx.added.add(job.action)
        if job.plain:
            plain.append((seq, job.id, job.action, job.priority, number, job.created, job.created, job.document))
            continue
        waits = waits_for(job.mode, job.not_before)
        if job.after and after.wait(tx, job, seq, known):
            waits = OTHER_JOBS
        if waits == NOT_BEFORE:
            tx.wake_at(epoch(job.not_before or job.created))
        tx.ready |= waits == READY
        full.append(
            (
                seq, job.id, waits, job.action, job.mode, job.priority, job.target, job.parent,
                number, job.created, job.created, job.not_before, job.message,
                job.created if job.message is not None else None, job.tags, job.affected, job.nested, job.document,
            )
        )  # fmt: skip
    if plain:
        tx.ready = True
        _insert_plain(tx, plain)
    if full:
        tx.executemany(
            "insert into job (seq, id, state, waits, action, mode, priority, target, parent, acl, created, updated,"
            " not_before, message, status_changed, tags, affected, nested, document)"
            " values (?, ?, 'QUEUED', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            full,
        )
    ids = [job.id for job in jobs]
    tx.changed += ids
    return first, ids


def _insert_plain(tx: Transaction, rows: Sequence[tuple[object, ...]]) -> None:
    whole = len(rows) - len(rows) % _TOGETHER
    for n in range(0, whole, _TOGETHER):
        tx.execute(_PLAIN_ROWS, tuple(chain.from_iterable(rows[n : n + _TOGETHER])))
    if whole < len(rows):
        tx.executemany(_PLAIN + _PLAIN_ROW, rows[whole:])
