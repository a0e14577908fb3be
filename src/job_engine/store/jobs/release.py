"""Attempts that end without a final state: the job is QUEUED again."""

from collections.abc import Iterable
from typing import Final

from job_engine.job.attend import LEAVES_QUEUE, Released
from job_engine.job.states import State
from job_engine.job.times import iso
from job_engine.store.jobs.close import DETAIL_LIMIT, close
from job_engine.store.transaction import Transaction
from job_engine.store.waits import NOT_BEFORE, READY, waits_for

DEATHS: Final = 3
"""Attempts in a row that may end with the death of a process in which nothing else ran before the job is FAILED."""
WHO_ENDED: Final = {"failed": "raised"}
"""Kinds of events for releases whose name is also that of a final state."""


def release(tx: Transaction, released: Iterable[Released]) -> None:
    """Back to QUEUED, or FAILED after `DEATHS` deaths; detached: RUNNING without a holder.

    Each must be held by its claim, as for `finish`. In a cluster a job that is ready at once keeps its entry, which
    the executor gives back: the next claim by it is granted.
    """
    for item in released:
        id_, attempt, begun, failures, deaths, mode, holder, claimed = tx.execute(
            "select id, attempt, begun, failures, deaths, mode, holder, claimed from job where seq = ?", (item.seq,)
        ).fetchone()
        died, failed = item.why == "died", item.why == "failed"
        deaths = 0 if failed else deaths + (died and not item.beside)
        if deaths >= DEATHS:
            message = f"not run again: its process died {deaths} times in a row without progress (last: {item.detail})"
            tx.execute("update job set deaths = ?, begun = attempt where seq = ?", (deaths, item.seq))
            close(tx, item.seq, State.FAILED, message)
            continue
        kind = WHO_ENDED.get(item.why, item.why)
        held_since = claimed if holder is not None else None  # the claim of a detached one has its own event
        tx.event(item.seq, kind, attempt, item.detail[:DETAIL_LIMIT] or None, holder, held_since)
        tx.changed.append(id_)
        if item.why == "detached":
            tx.monitored = True
            tx.execute(
                "update job set holder = null, entry = null, begun = attempt, updated = ?, output = coalesce(?, output)"
                " where seq = ?",
                (tx.iso, item.output, item.seq),
            )
            continue
        not_before = iso(tx.now + item.delay) if item.delay > 0 else None
        waits = waits_for(mode, not_before)
        if waits == NOT_BEFORE:
            tx.wake_at(tx.now + item.delay)
        tx.ready |= waits == READY
        tx.execute(
            "update job set state = 'QUEUED', holder = null, waits = ?, not_before = coalesce(?, not_before),"
            " deaths = ?, failures = ?, begun = ?, updated = ?, output = coalesce(?, output),"
            " entry = iif(?, null, entry) where seq = ?",
            (
                waits, not_before, deaths, failures + failed, attempt if died or failed else begun, tx.iso, item.output,
                item.why in LEAVES_QUEUE or waits != READY, item.seq,
            ),
        )  # fmt: skip


def end_holds(tx: Transaction, executor: str, how: str) -> None:
    """Release all that ``executor`` holds, because it is dead or was not heard of; ``how`` says it for the history.

    That says nothing of the jobs: an attempt that had started runs again, and one that had not goes back as if it had
    never been claimed.
    """
    rows = tx.execute(
        "select seq, claim, begun = attempt from job where state = 'RUNNING' and holder = ?", (executor,)
    ).fetchall()
    if rows:
        release(
            tx,
            [
                Released(seq, claim, "lost" if began else "unstarted", how if began else "")
                for seq, claim, began in rows
            ],
        )
        tx.end_hold(executor)
