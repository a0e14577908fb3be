"""What the relay asks of the record and notes in it: which jobs are to be in the locking queue, and under which entry.

Every change is conditional on what was read before (the entry, the attempt, that nobody holds the job), so each may be
repeated, or be made by two relays at once. Nothing here makes a job run or ends one, but for `end_holds`, which is
`store.jobs`' release.
"""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from job_engine.job.attend import Released
from job_engine.job.bulk import MONITOR
from job_engine.job.states import State, is_final
from job_engine.store import jobs
from job_engine.store.transaction import Transaction
from job_engine.store.waits import IS_READY, READY, Waits

MONITORED: Final = f"instr(coalesce(tags, ''), '\"{MONITOR}\"') > 0"
"""Tagged `monitor`: a bulk job whose children are watched. It stays RUNNING, and nobody is to run it again."""

_READY: Final = f"entry is null and {IS_READY}"
_DETACHED: Final = f"entry is null and state = 'RUNNING' and holder is null and mode <> 'pull' and not {MONITORED}"
_PUBLISHED: Final = "entry is not null and state in ('QUEUED', 'RUNNING')"
INDEXES: Final = (
    f"create index if not exists job_unpublished on job (priority, seq) where {_READY}",
    f"create index if not exists job_orphaned on job (priority, seq) where {_DETACHED}",
    f"create index if not exists job_published on job (entry) where {_PUBLISHED}",
)
"""The relay's own: a record without one pays nothing for them."""

_COLUMNS: Final = f"seq, id, state, waits, mode, holder, attempt, entry, priority, {MONITORED}, claimed"


class Row(NamedTuple):
    """What the relay knows of a job."""

    seq: int
    id: str
    state: str
    waits: Waits
    mode: str
    holder: str | None
    attempt: int
    entry: str | None
    priority: int
    monitored: int
    claimed: str | None  # when the last attempt began

    @property
    def ready(self) -> bool:
        """It waits for nothing but an executor."""
        return self.state == State.QUEUED and self.waits == READY

    @property
    def final(self) -> bool:
        """Nothing is left to do."""
        return is_final(self.state)

    @property
    def held(self) -> bool:
        """An executor of ours runs it."""
        return self.state == State.RUNNING and self.holder is not None

    @property
    def detached(self) -> bool:
        """It runs, and nobody of ours holds it."""
        return self.state == State.RUNNING and self.holder is None

    @property
    def wanted(self) -> bool:
        """It is to be in the queue: a ready job, or a detached one that whoever takes its entry may run again."""
        return self.ready or (self.detached and self.mode != "pull" and not self.monitored)


class Picked(NamedTuple):
    """A job to be put into the queue."""

    priority: int
    seq: int
    id: str


class Note(NamedTuple):
    """A job was found or put under a name."""

    seq: int
    name: str
    path: str  # the whole path of the entry: it becomes the job's tag
    instead: str | None = None  # the entry that it had when it was read


class Hold(NamedTuple):
    """One attempt that is held."""

    seq: int
    attempt: int
    id: str
    holder: str
    entry: str | None


# Reads


def read(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, Row]:
    """All published jobs that are not final, and the jobs with these ids, by id."""
    published = f"select {_COLUMNS} from job indexed by job_published where {_PUBLISHED}"
    found = {row[1]: Row._make(row) for row in connection.execute(published)}
    others = [id_ for id_ in ids if id_ not in found]
    if others:
        found |= rows(connection, others)
    return found


def rows(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, Row]:
    """The jobs with these ids that there are, by id."""
    statement = f"select {_COLUMNS} from job where id in (select value from json_each(?))"
    found = connection.execute(statement, (msgspec.json.encode(list(ids)).decode(),))
    return {row[1]: Row._make(row) for row in found}


def holds(connection: sqlite3.Connection) -> list[Hold]:
    """Everything that is held."""
    statement = (
        "select seq, attempt, id, holder, entry from job indexed by job_running"
        " where state = 'RUNNING' and holder is not null"
    )
    return [Hold._make(row) for row in connection.execute(statement)]


def unpublished(connection: sqlite3.Connection) -> int:
    """How many ready jobs are not in the queue yet; needs the relay's indexes."""
    return int(connection.execute(f"select count(*) from job indexed by job_unpublished where {_READY}").fetchone()[0])


def depth(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """How many jobs are ready, by priority, best first; published or not, with or without a relay."""
    statement = (
        f"select priority, count(*) from job indexed by job_queued where {IS_READY} group by priority order by priority"
    )
    return connection.execute(statement).fetchall()


# Changes


def prepare(tx: Transaction) -> None:
    """Make the relay's indexes, if they are not there yet."""
    for statement in INDEXES:
        tx.execute(statement)


def publish(tx: Transaction, notes: Iterable[Note], limit: int, below: int | None = None) -> list[Picked]:
    """Note what was put, and pick what to put next, best first.

    A note is refused when its job needs no entry any more, or has another: the next comparison removes that one.

    Args:
        limit: how many to pick at most; 0: none.
        below: only of priorities better than this one.
    """
    adopt(tx, notes)
    return _pick(tx, limit, below) if limit > 0 else []


def adopt(tx: Transaction, notes: Iterable[Note]) -> list[bool]:
    """Note entries that were found in the queue; whether each was."""
    return [_note(tx, note) for note in notes]


def clear(tx: Transaction, entries: Iterable[tuple[int, str]]) -> list[bool]:
    """Forget that jobs are under these (job's number, entry), unless they are held or have another by now."""
    statement = (
        "update job set entry = null where seq = ? and entry = ?"
        " and (state = 'QUEUED' or (state = 'RUNNING' and holder is null))"
    )
    return [tx.execute(statement, pair).rowcount > 0 for pair in entries]


def end_holds(tx: Transaction, gone: Iterable[Hold], how: str) -> list[Hold]:
    """Release attempts whose executor is gone, as far as they are still held; those that were.

    That says nothing of the jobs: an attempt that had started runs again, and one that had not goes back as if it had
    never been claimed.
    """
    ended = []
    for hold in gone:
        now = tx.execute(
            "select claim, begun = attempt from job where seq = ? and attempt = ? and state = 'RUNNING'"
            " and holder is not null",
            (hold.seq, hold.attempt),
        ).fetchone()
        if now is None:
            continue
        claim, began = now
        jobs.release(tx, [Released(hold.seq, claim, "lost" if began else "unstarted", how if began else "")])
        tx.end_hold(hold.holder)
        ended.append(hold)
    return ended


def _note(tx: Transaction, note: Note) -> bool:
    """Whether the job is under this name now: noted, or claimed by it before that."""
    tags = msgspec.json.encode([note.path]).decode()
    # a bulk job may have been run by this entry already, and detached: it is not to be run again for want of its tag
    noted = tx.execute(
        f"update job set entry = ?, tags = ? where seq = ? and entry is ? and (({IS_READY})"
        f" or (state = 'RUNNING' and holder is null and mode <> 'pull' and not {MONITORED}))",
        (note.name, tags, note.seq, note.instead),
    )
    if noted.rowcount:
        return True
    # who claims at once comes before the note; then the tag is still missing, unless the job has told its own
    claimed = tx.execute(
        f"update job set tags = iif({MONITORED}, tags, ?) where seq = ? and entry = ?"
        " and state in ('QUEUED', 'RUNNING')",
        (tags, note.seq, note.name),
    )
    return claimed.rowcount > 0


def _pick(tx: Transaction, limit: int, below: int | None) -> list[Picked]:
    found: list[tuple[Any, ...]] = []
    bound, values = ("", (limit,)) if below is None else (" and priority < ?", (below, limit))
    for index, condition in (("job_unpublished", _READY), ("job_orphaned", _DETACHED)):
        found += tx.execute(
            f"select priority, seq, id from job indexed by {index} where {condition}{bound}"
            " order by priority, seq limit ?",
            values,
        ).fetchall()
    return [Picked._make(row) for row in sorted(found)[:limit]]
