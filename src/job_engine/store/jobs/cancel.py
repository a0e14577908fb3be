"""Cancel, and delete."""

from collections.abc import Iterable

from job_engine.job.bulk import is_bulk
from job_engine.job.states import State, is_final
from job_engine.store import usage
from job_engine.store.jobs.after import DELETED, ended
from job_engine.store.jobs.close import close
from job_engine.store.transaction import Transaction


def cancel(tx: Transaction, seqs: Iterable[int], why: str | None = None) -> None:
    """CANCELED, for queued and running jobs; their holders are told. A final job is left as it is.

    Args:
        why: for the history and the holder, e.g. ``timed out`` or ``by user/jane``.
    """
    for seq in seqs:
        row = tx.execute("select state, action, id from job where seq = ?", (seq,)).fetchone()
        if row is not None and not is_final(row[0]):
            close(tx, seq, State.CANCELED, detail=why)
            if is_bulk(row[1]):
                tx.canceled.append(row[2])


def cancel_children(tx: Transaction, parent: str, limit: int) -> int:
    """Cancel up to ``limit`` of the children of a job that are not final; how many there were."""
    rows = tx.execute(
        "select seq from job where parent = ? and state in ('QUEUED', 'RUNNING') order by seq limit ?", (parent, limit)
    ).fetchall()
    cancel(tx, [seq for (seq,) in rows], f"with {parent}")
    return len(rows)


def delete(tx: Transaction, seqs: Iterable[int]) -> None:
    """Remove jobs with all that belongs to them; their holders are told."""
    counted = usage.counts(tx)
    for seq in seqs:
        row = tx.execute("select id, holder, state = 'RUNNING', waits from job where seq = ?", (seq,)).fetchone()
        if row is None:
            continue
        ended(tx, [(seq, row[0], DELETED, None)])
        if row[3] == 3:
            tx.execute("delete from after where job = ?", (seq,))
        if counted:
            usage.uncount(tx, seq)
        tx.execute("delete from job where seq = ?", (seq,))
        for table in ("event", "log", "checkpoint"):
            tx.execute(f"delete from {table} where job = ?", (seq,))
        if row[1] is not None and row[2]:
            tx.end_hold(row[1])
        tx.changed.append(row[0])
