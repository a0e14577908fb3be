"""What a claim gives: the jobs to choose from, and a job as it is granted. Reads only."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from job_engine.job.attend import Granted
from job_engine.store.transaction import Transaction, marks
from job_engine.store.waits import IS_READY, Waits


class Claimed(Struct, frozen=True, gc=False):  # not a NamedTuple: an exchange makes hundreds
    """One job that is held."""

    claim: int
    id: str
    attempt: int


Holds = dict[int, Claimed]
"""What an executor holds, by number of the job."""

Row = Sequence[Any]
"""What a job's row says to who is granted it."""
SEQ, ID, ACTION, ATTEMPT, MODE, TAGS = 0, 1, 2, 3, 8, 13
"""Places in a `Row`."""
Standing = tuple[str, Waits, str | None, str | None, int]
"""State, why it waits, holder, the entry that is noted, and the number of the last claim."""

_COLUMNS = (
    "seq, id, action, attempt, begun, failures, document, priority, mode, created, progress, return_code, message,"
    " tags, affected, nested, parent, target"
)
_WIDTH = _COLUMNS.count(",") + 1
_EARLIER = (
    "select (select value from checkpoint where job = ?), exists (select 1 from event where job = ? and kind = 'died')"
)
"""What earlier attempts left: a checkpoint, and whether a worker process died with one of them."""
_BEST = (
    f"select priority, seq from job indexed by job_queued where {IS_READY} and action = ?"
    " order by priority, seq limit ?"
)
"""The best ready jobs of an action. The index must be named: the planner does not take it by itself."""


def ready(tx: Transaction, actions: Sequence[str], limit: int) -> list[tuple[Any, ...]]:
    """The rows of up to ``limit`` ready jobs with one of these actions, best first."""
    best: list[tuple[int, int]] = []
    for action in actions:
        best += tx.execute(_BEST, (action, limit)).fetchall()
    if not best:
        return []
    seqs = [seq for _, seq in sorted(best)[:limit]]
    rows = f"select {_COLUMNS} from job where seq in ({marks(seqs)}) order by priority, seq"
    return tx.execute(rows, seqs).fetchall()


def held(tx: Transaction, executor: str) -> Holds:
    """The holds of ``executor``."""
    rows = tx.execute("select seq, claim, id, attempt from job where state = 'RUNNING' and holder = ?", (executor,))
    return {seq: Claimed(claim, id_, attempt) for seq, claim, id_, attempt in rows}


def named(tx: Transaction, seqs: Iterable[int]) -> Holds:
    """Those of these jobs that are held, whoever holds them."""
    rows = tx.execute(
        "select seq, claim, id, attempt from job where seq in (select value from json_each(?)) and state = 'RUNNING'"
        " and holder is not null",
        (listed(list(seqs)),),
    )
    return {seq: Claimed(claim, id_, attempt) for seq, claim, id_, attempt in rows}


def grant_again(tx: Transaction, seqs: Iterable[int]) -> list[Granted]:
    """What was granted in an answer that got lost, by the same claims."""
    again = []
    for seq in seqs:
        *row, entry, claim = tx.execute(f"select {_COLUMNS}, entry, claim from job where seq = ?", (seq,)).fetchone()
        again.append(granted(tx, row, row[ATTEMPT], claim, entry))
    return again


def claimable(tx: Transaction, ids: Sequence[str]) -> dict[str, tuple[Row, Standing]]:
    """The jobs with these ids that there are, by id."""
    rows = tx.execute(
        f"select {_COLUMNS}, state, waits, holder, entry, claim from job where id in (select value from json_each(?))",
        (listed(ids),),
    )
    return {row[ID]: (row[:_WIDTH], row[_WIDTH:]) for row in rows}


def granted(tx: Transaction, row: Row, attempt: int, claim: int, entry: str | None = None) -> Granted:
    """A job as it is granted to ``attempt``, from its row; in a cluster with the entry by which it was claimed."""
    (seq, id_, action, _, begun, failures, document, priority, mode, created, progress, return_code, message, tags,
     affected, nested, parent, target) = row  # fmt: skip
    changes: dict[str, object] = {
        "resource-type": "job", "state": "RUNNING", "priority": priority, "execution-mode": mode, "created": created,
        "updated": tx.iso, "progress": progress,
    }  # fmt: skip
    if target is not None or tags is not None or nested is not None or affected is not None:
        for name, value in (("tags", tags), ("affected-resources", affected), ("nested-jobs", nested)):
            if value is not None:
                changes[name] = Raw(value.encode())
    if message is not None:
        changes["status-message"] = message
    if return_code is not None:
        changes["return-code"] = return_code
    if parent is not None:
        changes["parent-job"] = parent
    checkpoint, alone = None, False
    if begun:
        tx.flush()  # its process may have died in this very transaction
        saved, died = tx.execute(_EARLIER, (seq, seq)).fetchone()
        checkpoint, alone = Raw(saved.encode()) if saved is not None else None, bool(died)
    resumed = 0 < begun < attempt
    sent = Raw(document.encode())
    return Granted(seq, claim, id_, action, sent, resumed, failures, changes, checkpoint, entry, alone, attempt)


def listed(values: Sequence[Any]) -> str:
    """A list for SQLite's json_each: one statement text, however long it is."""
    return msgspec.json.encode(values).decode()
