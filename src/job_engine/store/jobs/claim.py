"""The claim: ready jobs become held ones."""

from collections.abc import Sequence

from job_engine.job.attend import Granted
from job_engine.store.grants import granted, ready
from job_engine.store.transaction import Transaction


def claim(tx: Transaction, executor: str, actions: Sequence[str], limit: int) -> list[Granted]:
    """Give up to ``limit`` ready jobs to ``executor``: best priority first, then in the order of their adds.

    Args:
        actions: what the executor can run; of other actions it gets none.
    """
    if limit <= 0:
        return []
    rows = ready(tx, actions, limit)
    tx.executemany(
        "update job set state = 'RUNNING', holder = ?, claimed = ?, attempt = attempt + 1, updated = ? where seq = ?",
        [(executor, tx.iso, tx.iso, row[0]) for row in rows],
    )
    tx.changed += [row[1] for row in rows]
    return [granted(tx, row, row[3] + 1) for row in rows]
