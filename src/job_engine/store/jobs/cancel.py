"""Cancel, and delete."""

from collections.abc import Iterable

from job_engine.job.states import State, is_final
from job_engine.store.jobs.close import close
from job_engine.store.transaction import Transaction


def cancel(tx: Transaction, seqs: Iterable[int], why: str | None = None) -> None:
    """CANCELED, for queued and running jobs; their holders are told. A final job is left as it is.

    Args:
        why: for the history and the holder, e.g. ``timed out`` or ``by user/jane``.
    """
    for seq in seqs:
        row = tx.execute("select state from job where seq = ?", (seq,)).fetchone()
        if row is not None and not is_final(row[0]):
            close(tx, seq, State.CANCELED, detail=why)


def delete(tx: Transaction, seqs: Iterable[int]) -> None:
    """Remove jobs with all that belongs to them; their holders are told."""
    for seq in seqs:
        row = tx.execute("select id, holder, state = 'RUNNING' from job where seq = ?", (seq,)).fetchone()
        if row is None:
            continue
        tx.execute("delete from job where seq = ?", (seq,))
        for table in ("event", "log", "checkpoint"):
            tx.execute(f"delete from {table} where job = ?", (seq,))
        if row[1] is not None and row[2]:
            tx.ended.add(row[1])
        tx.changed.append(row[0])
