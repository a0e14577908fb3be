"""What a holder says of a job that goes on."""

from collections.abc import Iterable
from typing import Final

from job_engine.job.attend import Write
from job_engine.job.times import iso
from job_engine.store.attributes import set_attributes
from job_engine.store.grants import Holds
from job_engine.store.transaction import Transaction

LOG_LIMIT: Final = 20_000
"""Lines of log that one attempt may leave in the record, whatever its executor sends."""


def write(tx: Transaction, holds: Holds, writes: Iterable[Write]) -> None:
    """Apply what a holder says of its jobs, each by its attempt in ``holds``, which was read in this transaction."""
    for item in writes:
        moved = item.checkpoint is not None
        if item.started is not None:
            tx.execute(
                "update job set begun = attempt, started = ?, updated = ? where seq = ?",
                (iso(item.started), tx.iso, item.seq),
            )
        if item.checkpoint is not None:
            tx.execute(
                "insert or replace into checkpoint (job, value) values (?, ?)",
                (item.seq, bytes(item.checkpoint).decode()),
            )
        if item.changes:
            before = tx.execute("select progress from job where seq = ?", (item.seq,)).fetchone()
            progress = item.changes.get("progress")
            moved = moved or (isinstance(progress, int) and progress > before[0])
            set_attributes(tx, item.seq, item.changes)
        if moved:
            tx.execute("update job set deaths = 0 where seq = ? and deaths > 0", (item.seq,))
        if item.started is None:  # who writes has begun, though an executor tells that of what lasts a while only
            tx.execute("update job set begun = attempt where seq = ? and begun < attempt", (item.seq,))
        if item.log:
            tx.executemany(
                "insert or ignore into log (job, attempt, n, at, level, text) values (?, ?, ?, ?, ?, ?)",
                [(item.seq, item.attempt, *line) for line in item.log if line[0] <= LOG_LIMIT],
            )
        tx.changed.append(holds[item.seq][1])
