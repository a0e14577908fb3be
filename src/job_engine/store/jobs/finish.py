"""The final states that holders tell."""

from collections.abc import Sequence

from job_engine.job.attend import Finished, json_text
from job_engine.job.attributes import shorten
from job_engine.job.times import iso
from job_engine.store.grants import listed
from job_engine.store.holds import Holds
from job_engine.store.jobs.after import ended
from job_engine.store.transaction import Transaction


def finish(tx: Transaction, holds: Holds, finished: Sequence[Finished]) -> None:
    """Final states of jobs, each by its claim in ``holds``, which was read in this transaction.

    The row itself is the history of this attempt: `holder` and `claimed` stay as they are, and no event is written. A
    repetition after a lost answer finds the hold ended and so never gets here: the first finish stands.
    """
    alike: dict[tuple[object, ...], list[int]] = {}  # quick jobs begin and end by the dozen in one millisecond
    said = []
    for item in finished:
        ended_at = item.ended
        started_at = min(item.started, ended_at)
        end = item.state, iso(started_at), iso(ended_at), int(ended_at - started_at), tx.iso, item.return_code
        if (seqs := alike.get(end)) is None:
            alike[end] = [item.seq]
        else:
            seqs.append(item.seq)
        result = json_text(item.result)
        if item.message or result is not None or item.output or holds[item.seq].attempt > 1:
            message = shorten(item.message) if item.message else None
            said.append((message, message and tx.iso, result, item.output, item.seq))
    tx.executemany(
        "update job set state = ?, started = ?, ended = ?, duration = ?, updated = ?, progress = 100, begun = attempt,"
        " return_code = coalesce(?, return_code) where seq in (select value from json_each(?))",
        [(*end, listed(seqs)) for end, seqs in alike.items()],
    )
    tx.executemany(
        "update job set message = coalesce(?, message), status_changed = coalesce(?, status_changed),"
        " result = coalesce(?, result), output = coalesce(?, iif(attempt > 1, null, output)) where seq = ?",
        said,
    )
    tx.changed += [holds[item.seq].id for item in finished]
    ended(tx, ((item.seq, holds[item.seq].id, item.state, item.message) for item in finished))
