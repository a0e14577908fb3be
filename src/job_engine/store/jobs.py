"""The six verbs that change jobs, and those made of them: add, claim, write, finish, release, cancel.

Nothing else changes a job; `attributes` sets its columns on their behalf.

Each takes many jobs at once, writes their history with them, and is safe to repeat after a lost answer. A verb checks
before it writes, so one that raises has changed nothing.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final

from job_engine.job.attend import Finished, Granted, Released, Write
from job_engine.job.attributes import shorten
from job_engine.job.document import NewJob
from job_engine.job.errors import Conflict
from job_engine.job.states import State, is_final
from job_engine.job.times import epoch, iso
from job_engine.store.attributes import set_attributes
from job_engine.store.grants import Holds, granted, ready
from job_engine.store.transaction import Transaction

DEATHS: Final = 3
"""Attempts in a row that may end with the death of their process before the job is FAILED."""
DETAIL_LIMIT: Final = 500
"""Characters of a message that the history keeps."""
KEY_KEPT: Final = 7 * 86400.0
"""Seconds for which a repetition of an add with a key is known as one."""
ALIKE: Final = 0.7
"""How alike the names of two actions are, from 0 to 1, so that one may be meant by the other."""
LOG_LIMIT: Final = 20_000
"""Lines of log that one attempt may leave in the record, whatever its executor sends."""

HOLDERS_OWN: Final = frozenset({"state", "progress", "return-code", "status-message", "output"})
"""Attributes of a held job that only its holder writes."""
WHO_ENDED: Final = {"failed": "raised"}
"""Kinds of events for releases whose name is also that of a final state."""


# ---------------------------------------------------------------------------------------------------------------- add


def add(tx: Transaction, jobs: Sequence[NewJob], key: str | None = None) -> list[str]:
    """Add jobs, all or none.

    Args:
        jobs: checked jobs, in the order in which they shall run within one priority.
        key: the caller's name for this add; when an add with it was done before, nothing is added.

    Returns:
        The ids, of the first add with this key if there was one. A job with a key of its own likewise.

    Raises:
        Conflict: the key was used by an add whose jobs are deleted.
    """
    if key is not None:
        return _once(tx, key, jobs)
    if any(job.key is not None for job in jobs):
        return [id_ for job in jobs for id_ in _once(tx, job.key and f"{job.acl['owners'][0]} {job.key}", [job])]
    return _insert(tx, jobs)[1]


def _once(tx: Transaction, key: str | None, jobs: Sequence[NewJob]) -> list[str]:
    if key is None:
        return _insert(tx, jobs)[1]
    row = tx.execute("select first, last from added where key = ?", (key,)).fetchone()
    if row is not None:
        ids = [id_ for (id_,) in tx.execute("select id from job where seq between ? and ? order by seq", row)]
        if len(ids) <= row[1] - row[0]:
            raise Conflict("conflict: of the jobs that were added with this idempotency key some are deleted")
        return ids
    first, ids = _insert(tx, jobs)
    last = first + len(ids) - 1
    tx.execute("insert into added (key, first, last, at) values (?, ?, ?, ?)", (key, first, last, tx.now))
    # each add takes away up to two that are old, so that the table needs no sweeper
    tx.execute(
        "delete from added where id in (select id from added order by id limit 2) and at < ?", (tx.now - KEY_KEPT,)
    )
    return ids


def _sequence(tx: Transaction) -> int:
    """The highest number that a job was ever given."""
    row = tx.execute("select seq from sqlite_sequence where name = 'job'").fetchone()
    return int(row[0]) if row else 0


def _insert(tx: Transaction, jobs: Sequence[NewJob]) -> tuple[int, list[str]]:
    """The number of the first job, and all ids."""
    first = _sequence(tx) + 1
    seq = first - 1
    rows = []
    acl, number = None, 0
    for job in jobs:
        seq += 1
        if job.acl is not acl:  # most often the same for all of one add
            acl, number = job.acl, tx.acl(job.acl)
        waits = _waits(job.mode, job.not_before)
        if waits == 1:
            tx.wake_at(epoch(job.not_before or job.created))
        tx.ready |= waits == 0
        rows.append(
            (
                seq, job.id, waits, job.action, job.mode, job.priority, job.target, job.parent,
                number, job.created, job.created, job.not_before, job.message,
                job.created if job.message is not None else None, job.tags, job.affected, job.nested, job.document,
            )
        )  # fmt: skip
        tx.added.add(job.action)
    tx.executemany(
        "insert into job (seq, id, state, waits, action, mode, priority, target, parent, acl, created, updated,"
        " not_before, message, status_changed, tags, affected, nested, document)"
        " values (?, ?, 'QUEUED', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    ids = [job.id for job in jobs]
    tx.changed += ids
    return first, ids


def _waits(mode: str, not_before: str | None) -> int:
    """Why a QUEUED job is not ready (see the schema), by its mode and a not-before in the future."""
    return 2 if mode == "pull" else 0 if not_before is None else 1


def ripen(tx: Transaction) -> None:
    """Make jobs ready whose not-before is past, and ask to be called again when the next one's will be."""
    due = "state = 'QUEUED' and waits = 1 and not_before <= ?"
    ids = tx.execute(f"update job set waits = 0 where {due} returning id", (tx.iso,)).fetchall()
    if ids:
        tx.ready = True
        tx.changed += [id_ for (id_,) in ids]
    (following,) = tx.execute("select min(not_before) from job where state = 'QUEUED' and waits = 1").fetchone()
    if following is not None:
        tx.wake_at(epoch(following))


# -------------------------------------------------------------------------------------------------------------- claim


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


# -------------------------------------------------------------------------------------------------------------- write


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
        if item.log:
            tx.executemany(
                "insert or ignore into log (job, attempt, n, at, level, text) values (?, ?, ?, ?, ?, ?)",
                [(item.seq, item.attempt, *line) for line in item.log if line[0] <= LOG_LIMIT],
            )
        tx.changed.append(holds[item.seq][1])


# --------------------------------------------------------------------------------------------------------------- edit


def edit(tx: Transaction, seq: int, changes: dict[str, Any], hold: int | None = None) -> None:
    """What a client's PUT says of one job: `write`, `finish`, `release` and `cancel` for those without an attend.

    Args:
        changes: checked attributes; ``None`` deletes one.
        hold: the attempt in the request's ``Job-Hold``, if it carries one for this job.

    Raises:
        Conflict: the job is final; or it is held, and what is edited is its holder's, or the hold is another's.
        Invalid: an attribute that a job always has would be deleted.
    """
    id_, state, holder, attempt, waits = tx.execute(
        "select id, state, holder, attempt, waits from job where seq = ?", (seq,)
    ).fetchone()
    if is_final(state):
        raise Conflict("edit is not allowed in final state")
    if hold is not None and (holder is None or hold != attempt):
        raise Conflict(f"conflict with {id_}: attempt {hold} does not hold it any more")
    if holder is not None and hold is None and (guarded := HOLDERS_OWN & changes.keys()):
        raise Conflict(f"conflict with {id_}: only the executor that holds it writes {', '.join(sorted(guarded))}")
    changes = dict(changes)
    target = changes.pop("state", None) or state
    if target == State.RUNNING and waits == 1:
        raise Conflict(f"conflict with {id_}: it waits for its not-before")
    set_attributes(tx, seq, changes)
    tx.changed.append(id_)
    if target == state:
        return
    if target == State.CANCELED:
        cancel(tx, [seq])
    elif target == State.RUNNING:  # by hand, or by an executor of another kind: it runs detached, without a holder
        tx.execute(
            "update job set state = 'RUNNING', waits = 0, attempt = attempt + 1, begun = attempt + 1, started = ?,"
            " claimed = ?, updated = ? where seq = ?",
            (tx.iso, tx.iso, tx.iso, seq),
        )
        tx.event(seq, "claimed", attempt + 1, "detached")
    elif target == State.QUEUED:
        if holder is not None:
            tx.ended.add(holder)
        release(tx, [Released(seq, attempt, "released")])
    else:
        _close(tx, seq, target)


# ------------------------------------------------------------------------------------------------------------- finish


def finish(tx: Transaction, holds: Holds, finished: Sequence[Finished]) -> None:
    """Final states of jobs, each by its attempt in ``holds``, which was read in this transaction.

    The row itself is the history of this attempt: `holder` and `claimed` stay as they are, and no event is written. A
    repetition after a lost answer finds the hold ended and so never gets here: the first finish stands.
    """
    plain, said = [], []
    for item in finished:
        started, lasted = iso(min(item.started, item.ended)), max(0, int(item.ended - item.started))
        plain.append((item.state, started, iso(item.ended), lasted, tx.iso, item.return_code, item.seq))
        if item.message or item.result is not None or item.output or item.attempt > 1:
            message = shorten(item.message) if item.message else None
            result = None if item.result is None else bytes(item.result).decode()
            said.append((message, message and tx.iso, result, item.output, item.seq))
    tx.executemany(
        "update job set state = ?, started = ?, ended = ?, duration = ?, updated = ?, progress = 100, begun = attempt,"
        " return_code = coalesce(?, return_code) where seq = ?",
        plain,
    )
    tx.executemany(
        "update job set message = coalesce(?, message), status_changed = coalesce(?, status_changed),"
        " result = coalesce(?, result), output = coalesce(?, iif(attempt > 1, null, output)) where seq = ?",
        said,
    )
    tx.changed += [holds[item.seq][1] for item in finished]


def _close(tx: Transaction, seq: int, state: str, message: str | None = None, detail: str | None = None) -> None:
    """Bring a job that is not final into a final state, whoever holds it; its holder is told."""
    id_, attempt, holder, claimed, started, running = tx.execute(
        "select id, attempt, holder, claimed, started, state = 'RUNNING' from job where seq = ?", (seq,)
    ).fetchone()
    if holder is not None:
        tx.ended.add(holder)
    tx.event(
        seq,
        state.lower(),
        attempt or None,
        detail or (message and message[:DETAIL_LIMIT]),
        holder,
        claimed if running else None,
    )
    duration = max(0, int(tx.now - epoch(started))) if started is not None else None
    tx.execute(
        "update job set state = ?, ended = ?, duration = ?, updated = ?, progress = 100, holder = null,"
        " message = coalesce(?, message), status_changed = coalesce(?, status_changed) where seq = ?",
        (state, tx.iso, duration, tx.iso, message, message and tx.iso, seq),
    )
    tx.changed.append(id_)


# ------------------------------------------------------------------------------------------------------------ release


def release(tx: Transaction, released: Iterable[Released]) -> None:
    """Back to QUEUED, or FAILED after `DEATHS` deaths; each must be held by its attempt, as for `finish`."""
    for item in released:
        id_, attempt, begun, failures, deaths, mode, holder, claimed = tx.execute(
            "select id, attempt, begun, failures, deaths, mode, holder, claimed from job where seq = ?", (item.seq,)
        ).fetchone()
        died, failed = item.why == "died", item.why == "failed"
        deaths = 0 if failed else deaths + died
        if deaths >= DEATHS:
            message = f"not run again: its process died {deaths} times in a row without progress (last: {item.detail})"
            tx.execute("update job set deaths = ?, begun = attempt where seq = ?", (deaths, item.seq))
            _close(tx, item.seq, State.FAILED, message)
            continue
        kind = WHO_ENDED.get(item.why, item.why)
        tx.event(item.seq, kind, attempt, item.detail[:DETAIL_LIMIT] or None, holder, claimed)
        not_before = iso(tx.now + item.delay) if item.delay > 0 else None
        waits = _waits(mode, not_before)
        if waits == 1:
            tx.wake_at(tx.now + item.delay)
        tx.ready |= waits == 0
        tx.execute(
            "update job set state = 'QUEUED', holder = null, waits = ?, not_before = coalesce(?, not_before),"
            " deaths = ?, failures = ?, begun = ?, updated = ?, output = coalesce(?, output) where seq = ?",
            (
                waits, not_before, deaths, failures + failed, attempt if died or failed else begun, tx.iso, item.output,
                item.seq,
            ),
        )  # fmt: skip
        tx.changed.append(id_)


def end_holds(tx: Transaction, executor: str, how: str) -> None:
    """Release all that ``executor`` holds, because it is dead or was not heard of; ``how`` says it for the history.

    An attempt that had started counts as a death; one that had not goes back as if it had never been claimed.
    """
    rows = tx.execute(
        "select seq, attempt, begun from job where state = 'RUNNING' and holder = ?", (executor,)
    ).fetchall()
    if rows:
        release(
            tx,
            [
                Released(seq, attempt, "died" if begun == attempt else "unstarted", how if begun == attempt else "")
                for seq, attempt, begun in rows
            ],
        )
        tx.ended.add(executor)


def fail_unknown(tx: Transaction, action: str, known: Iterable[str], limit: int) -> int:
    """FAILED, for up to ``limit`` ready jobs of an ``action`` that no executor has; how many there were.

    The most alike of the ``known`` is named.
    """
    alike = get_close_matches(action, sorted(known), 1, ALIKE)
    hint = f" (did you mean {alike[0]}?)" if alike else ""
    ready = "select seq from job where state = 'QUEUED' and waits = 0 and action = ? limit ?"
    rows = tx.execute(ready, (action, limit)).fetchall()
    for (seq,) in rows:
        _close(tx, seq, State.FAILED, f"Not implemented action ID: {action}{hint}")
    return len(rows)


# ------------------------------------------------------------------------------------------------------------- cancel


def cancel(tx: Transaction, seqs: Iterable[int], why: str | None = None) -> None:
    """CANCELED, for queued and running jobs; their holders are told. A final job is left as it is.

    Args:
        why: for the history and the holder, e.g. ``timed out`` or ``by user/jane``.
    """
    for seq in seqs:
        row = tx.execute("select state from job where seq = ?", (seq,)).fetchone()
        if row is not None and not is_final(row[0]):
            _close(tx, seq, State.CANCELED, detail=why)


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
