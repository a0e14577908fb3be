"""What the record says of a bulk job whose children it counts, and to children of one that was canceled."""

from collections.abc import Iterable

import msgspec

from job_engine.job.bulk import is_bulk
from job_engine.store.jobs.close import close
from job_engine.store.transaction import Transaction


def tell_family(tx: Transaction, id_: str, own: str | None, message: str, progress: int, state: str | None) -> bool:
    """Set progress and message of a bulk job that nobody holds, and end it when its children have ended.

    Args:
        own: the result of what it did itself, to be kept as its checkpoint: the message is about its children too.
            None: it is there.
        message: the result.
        progress: percent, 0 to 100.
        state: how it ended; None: children are left.

    Returns:
        Whether it goes on waiting for its children.
    """
    row = tx.execute(
        "select seq, message, progress from job where id = ? and state = 'RUNNING' and holder is null", (id_,)
    ).fetchone()
    if row is None:
        return False
    seq, before, done = row
    if own is not None:
        saved = msgspec.json.encode({"own": own}).decode()
        tx.execute("insert or replace into checkpoint (job, value) values (?, ?)", (seq, saved))
    if state is not None:
        tx.execute("update job set return_code = ? where seq = ?", (int(state != "SUCCESS"), seq))
        close(tx, seq, state, message, detail="its children have ended")
        return False
    if message != before or progress > done:
        tx.execute(
            "update job set message = ?, status_changed = ?, progress = max(progress, ?), updated = ? where seq = ?",
            (message, tx.iso, min(progress, 99), tx.iso, seq),
        )
        tx.changed.append(id_)
    return True


def canceled_families(tx: Transaction, parents: Iterable[str]) -> set[str]:
    """Which of these are bulk jobs that were canceled: they get no more children, so that a cancel in the middle of the
    fan-out leaves none behind, whoever makes them."""
    rows = tx.execute(
        "select id, action from job where id in (select value from json_each(?)) and state = 'CANCELED'",
        (msgspec.json.encode(sorted(parents)).decode(),),
    )
    return {id_ for id_, action in rows if is_bulk(action)}
