"""Whether there is an active job of an action and a target, for adds that shall not pile jobs up."""

from job_engine.store.transaction import Transaction

_INDEX = "create index if not exists job_active on job (action, target, seq) where state in ('QUEUED', 'RUNNING')"
"""Made when it is first needed: it costs each job some microseconds, which those who do not use this need not pay."""


def active(tx: Transaction, action: str, target: str | None) -> str | None:
    """The id of the oldest job of ``action`` on ``target`` (None: on none) that is queued or running."""
    tx.execute(_INDEX)
    row = tx.execute(
        "select id from job indexed by job_active where state in ('QUEUED', 'RUNNING') and action = ? and target is ?"
        " order by seq limit 1",
        (action, target),
    ).fetchone()
    return None if row is None else str(row[0])
