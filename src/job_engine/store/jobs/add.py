"""The first verb: add, which a caller may repeat after a lost answer."""

from collections.abc import Sequence
from typing import Final

from job_engine.job.document import NewJob
from job_engine.job.errors import Conflict
from job_engine.job.times import epoch
from job_engine.store.jobs.waiting import waits_for
from job_engine.store.transaction import Transaction

KEY_KEPT: Final = 7 * 86400.0
"""Seconds for which a repetition of an add with a key is known as one."""


def add(tx: Transaction, jobs: Sequence[NewJob], key: str | None = None) -> list[str]:
    """Add jobs, all or none.

    Args:
        jobs: checked jobs, in the order in which they shall run within one priority.
        key: the caller's name for this add; when an add with it was done before, nothing is added.

    Returns:
        The ids, of the first add with this key if there was one. A job with a key of its own likewise.

    Raises:
        Conflict: the key was used by an add whose jobs are deleted.
    """
    if key is not None:
        return _once(tx, key, jobs)
    if any(job.key is not None for job in jobs):
        return [id_ for job in jobs for id_ in _once(tx, job.key and f"{job.acl['owners'][0]} {job.key}", [job])]
    return _insert(tx, jobs)[1]


def _once(tx: Transaction, key: str | None, jobs: Sequence[NewJob]) -> list[str]:
    if key is None:
        return _insert(tx, jobs)[1]
    row = tx.execute("select first, last from added where key = ?", (key,)).fetchone()
    if row is not None:
        ids = [id_ for (id_,) in tx.execute("select id from job where seq between ? and ? order by seq", row)]
        if len(ids) <= row[1] - row[0]:
            raise Conflict("conflict: of the jobs that were added with this idempotency key some are deleted")
        return ids
    first, ids = _insert(tx, jobs)
    last = first + len(ids) - 1
    tx.execute("insert into added (key, first, last, at) values (?, ?, ?, ?)", (key, first, last, tx.now))
    # each add takes away up to two that are old, so that the table needs no sweeper
    tx.execute(
        "delete from added where id in (select id from added order by id limit 2) and at < ?", (tx.now - KEY_KEPT,)
    )
    return ids


def _sequence(tx: Transaction) -> int:
    """The highest number that a job was ever given."""
    row = tx.execute("select seq from sqlite_sequence where name = 'job'").fetchone()
    return int(row[0]) if row else 0


def _insert(tx: Transaction, jobs: Sequence[NewJob]) -> tuple[int, list[str]]:
    """The number of the first job, and all ids."""
    first = _sequence(tx) + 1
    seq = first - 1
    rows = []
    acl, number = None, 0
    for job in jobs:
        seq += 1
        if job.acl is not acl:  # most often the same for all of one add
            acl, number = job.acl, tx.acl(job.acl)
        waits = waits_for(job.mode, job.not_before)
        if waits == 1:
            tx.wake_at(epoch(job.not_before or job.created))
        tx.ready |= waits == 0
        rows.append(
            (
                seq, job.id, waits, job.action, job.mode, job.priority, job.target, job.parent,
                number, job.created, job.created, job.not_before, job.message,
                job.created if job.message is not None else None, job.tags, job.affected, job.nested, job.document,
            )
        )  # fmt: skip
        tx.added.add(job.action)
    tx.executemany(
        "insert into job (seq, id, state, waits, action, mode, priority, target, parent, acl, created, updated,"
        " not_before, message, status_changed, tags, affected, nested, document)"
        " values (?, ?, 'QUEUED', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    ids = [job.id for job in jobs]
    tx.changed += ids
    return first, ids
