"""What the end of jobs does to those that wait for them: they become ready, or fail too, chains of them included.

It is done in the transaction in which the jobs end, but of a job that very many wait for only a part: the record knows
what is left, and the next transactions go on with it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from job_engine.job.states import State
from job_engine.job.times import epoch
from job_engine.store import access
from job_engine.store.jobs.after import without_reason
from job_engine.store.jobs.close import close
from job_engine.store.transaction import Transaction
from job_engine.store.waits import NEXT_WAIT, NOT_BEFORE, OTHER_JOBS, READY

SETTLED: Final = 500
"""Waiting jobs that one transaction settles, so that others wait for some hundredths of a second only."""


def settle(tx: Transaction) -> None:
    """Settle jobs that wait for jobs which have ended, up to `SETTLED`; when there are more, ask to go on soon."""
    left = SETTLED
    while (row := tx.execute("select needs, failure from settling limit 1").fetchone()) is not None:
        needs, failure = row
        if left <= 0:
            tx.wake_at(tx.now)
            return
        jobs = [job for (job,) in tx.execute("select job from after where needs = ? limit ?", (needs, left))]
        if not jobs:
            tx.execute("delete from settling where needs = ?", (needs,))
            continue
        left -= len(jobs)
        if failure is not None:
            run_anyway = set(_running_anyway(tx, jobs))
            strange = set(_seen_by_others(tx, jobs, needs))
            for job in jobs:
                if job not in run_anyway:
                    close(tx, job, State.FAILED, without_reason(failure) if job in strange else failure)
            jobs = [job for job in jobs if job in run_anyway]
        _meet(tx, needs, jobs)


def _seen_by_others(tx: Transaction, jobs: Sequence[int], needs: int) -> list[int]:
    """Those of the jobs that somebody may read who may not read ``needs``, and so not why it failed; all of them once
    that one is deleted."""
    rows = tx.execute(
        "select seq from job where seq in (select value from json_each(?)) and exists (select 1 from access reader"
        " where reader.acl = job.acl and reader.level >= ? and not exists (select 1 from job needed"
        " join access same on same.acl = needed.acl where needed.seq = ? and same.principal = reader.principal"
        " and same.level >= ?))",
        (_json(jobs), access.DATA, needs, access.DATA),
    )
    return [seq for (seq,) in rows]


def _running_anyway(tx: Transaction, jobs: Sequence[int]) -> list[int]:
    rows = tx.execute(
        "select seq from job where seq in (select value from json_each(?))"
        " and json_extract(document, '$.\"after-failure\"') = 'run'",
        (_json(jobs),),
    )
    return [seq for (seq,) in rows]


def _meet(tx: Transaction, needs: int, jobs: Sequence[int]) -> None:
    """These need not wait for ``needs`` any more; who waits for no other either is ready, or waits for its time."""
    if not jobs:
        return
    among = "(select value from json_each(?))"
    tx.execute(f"delete from after where needs = ? and job in {among}", (needs, _json(jobs)))
    rows = tx.execute(
        f"update job set waits = {NEXT_WAIT}"
        f" where seq in {among} and waits = {OTHER_JOBS} and not exists (select 1 from after where after.job = job.seq)"
        " returning id, action, waits, not_before",
        (tx.iso, _json(jobs)),
    ).fetchall()
    for id_, action, waits, not_before in rows:
        tx.changed.append(id_)
        if waits == READY:
            tx.ready = True
            tx.added.add(action)
        elif waits == NOT_BEFORE:
            tx.wake_at(epoch(not_before))


def _json(values: Sequence[int]) -> str:
    return msgspec.json.encode(values).decode()
