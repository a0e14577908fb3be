"""Why a job that is QUEUED waits, and the end of that."""

from job_engine.job.times import epoch
from job_engine.store.transaction import Transaction


def waits_for(mode: str, not_before: str | None) -> int:
    """Why a QUEUED job is not ready (see the schema), by its mode and a not-before in the future."""
    return 2 if mode == "pull" else 0 if not_before is None else 1


def ripen(tx: Transaction) -> None:
    """Make jobs ready whose not-before is past, and ask to be called again when the next one's will be."""
    due = "state = 'QUEUED' and waits = 1 and not_before <= ?"
    ripe = tx.execute(f"update job set waits = 0 where {due} returning id, action", (tx.iso,)).fetchall()
    if ripe:
        tx.ready = True
        tx.changed += [id_ for id_, _ in ripe]
        tx.added |= {action for _, action in ripe}
    tx.settles |= tx.execute("select 1 from settling limit 1").fetchone() is not None
    (following,) = tx.execute("select min(not_before) from job where state = 'QUEUED' and waits = 1").fetchone()
    if following is not None:
        tx.wake_at(epoch(following))
