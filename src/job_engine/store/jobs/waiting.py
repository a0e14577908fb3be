"""The end of a wait: jobs whose not-before is past become ready."""

from typing import Final

from job_engine.job.times import epoch
from job_engine.store.transaction import Transaction
from job_engine.store.waits import NOT_BEFORE, READY

_IN_TIME: Final = f"state = 'QUEUED' and waits = {NOT_BEFORE}"
_RIPEN: Final = f"update job set waits = {READY} where {_IN_TIME} and not_before <= ? returning id, action"
_FOLLOWING: Final = f"select min(not_before) from job where {_IN_TIME}"


def ripen(tx: Transaction) -> None:
    """Make jobs ready whose not-before is past, and ask to be called again when the next one's will be."""
    ripe = tx.execute(_RIPEN, (tx.iso,)).fetchall()
    if ripe:
        tx.ready = True
        tx.changed += [id_ for id_, _ in ripe]
        tx.added |= {action for _, action in ripe}
    tx.settles |= tx.execute("select 1 from settling limit 1").fetchone() is not None
    (following,) = tx.execute(_FOLLOWING).fetchone()
    if following is not None:
        tx.wake_at(epoch(following))
