"""The final states that others than the holder decide on."""

from typing import Final

from job_engine.job.states import State
from job_engine.job.times import epoch
from job_engine.store.jobs.after import ended
from job_engine.store.transaction import Transaction
from job_engine.store.waits import IS_READY, OTHER_JOBS

DETAIL_LIMIT: Final = 500
"""Characters of a message that the history keeps."""


def close(
    tx: Transaction,
    seq: int,
    state: str,
    message: str | None = None,
    detail: str | None = None,
) -> None:
    """Bring a job that is not final into a final state, whoever holds it; its holder and who waits for it are told.

    Args:
        message: its status message from now on; None: the one that it has.
        detail: for the history and the holder; None: the message.
    """
    id_, attempt, holder, claimed, started, running, waits, said = tx.execute(
        "select id, attempt, holder, claimed, started, state = 'RUNNING', waits, substr(message, 1, ?) from job"
        " where seq = ?",
        (DETAIL_LIMIT, seq),
    ).fetchone()
    ended(tx, [(seq, id_, state, message or (said if state == State.FAILED else detail))])
    if waits == OTHER_JOBS:
        tx.execute("delete from after where job = ?", (seq,))
    if holder is not None:
        tx.end_hold(holder)
    tx.event(
        seq,
        state.lower(),
        attempt or None,
        detail or (message and message[:DETAIL_LIMIT]),
        holder,
        claimed if running and holder is not None else None,  # the claim of a detached one has its own event
    )
    duration = max(0, int(tx.now - epoch(started))) if started is not None else None
    tx.execute(
        "update job set state = ?, ended = ?, duration = ?, updated = ?, progress = 100, holder = null,"
        " message = coalesce(?, message), status_changed = coalesce(?, status_changed) where seq = ?",
        (state, tx.iso, duration, tx.iso, message, message and tx.iso, seq),
    )
    tx.changed.append(id_)


def fail_unknown(tx: Transaction, action: str, message: str, limit: int) -> int:
    """FAILED with ``message``, for up to ``limit`` ready jobs of an ``action`` that no executor has; how many there
    were."""
    ready = f"select seq from job where {IS_READY} and action = ? limit ?"
    rows = tx.execute(ready, (action, limit)).fetchall()
    for (seq,) in rows:
        close(tx, seq, State.FAILED, message)
    return len(rows)
