"""What a claim gives: the jobs to choose from, and a job as it is granted. Reads only."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from msgspec import Raw

from job_engine.job.attend import Granted
from job_engine.store.holds import Claimed, Holds
from job_engine.store.transaction import Transaction, marks
from job_engine.store.waits import IS_READY, Waits

Row = Sequence[Any]
"""What a job's row says to who is granted it."""
SEQ, ID, ACTION, ATTEMPT, MODE, TAGS = 0, 1, 2, 3, 8, 10
"""Places in a `Row`."""
Standing = tuple[str, Waits, str | None, str | None, int]
"""State, why it waits, holder, the entry that is noted, and the number of the last claim."""

_RARE = (
    "iif(progress = 0 and coalesce(return_code, message, nested, parent) is null, null, json_patch('{}', json_object("
    "'progress', progress, 'return-code', return_code, 'status-message', message, 'nested-jobs', json(nested),"
    " 'parent-job', parent)))"
)
"""What few jobs have when they are claimed, as a JSON object without nulls."""
_COLUMNS = f"seq, id, action, attempt, begun, failures, document, priority, mode, created, tags, affected, {_RARE}"
_WIDTH = 13
_BY_PRIORITY = itemgetter(7, SEQ)
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
    rows = tx.execute(f"select {_COLUMNS} from job where seq in ({marks(seqs)})", seqs).fetchall()
    rows.sort(key=_BY_PRIORITY)  # cheaper than in SQL, which would copy the documents for it
    return rows


def known(tx: Transaction, executor: str) -> Holds:
    """The holds of ``executor`` as this transaction leaves them, from one exchange to the next without a look.

    Whoever changes them keeps them true: `claim`, the exchange itself, and `Transaction.end_hold`.
    """
    holds = tx.holds.get(executor)
    if holds is None:
        holds = tx.holds[executor] = held(tx, executor)
    return holds


def held(tx: Transaction, executor: str) -> Holds:
    """The holds of ``executor``, by a look."""
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
    seq, id_, action, _, begun, failures, document, priority, mode, created, tags, affected, rare = row
    # as text: nobody on the way to the worker process needs the values
    text = (
        f'{document[:-1]},"resource-type":"job","state":"RUNNING","priority":{priority},"execution-mode":"{mode}",'
        f'"created":"{created}","updated":"{tx.iso}"'
    )
    if tags is not None:
        text += f',"tags":{tags}'
    if affected is not None:
        text += f',"affected-resources":{affected}'
    if rare is not None:
        text += f",{rare[1:-1]}"
    checkpoint, alone = None, False
    if begun:
        tx.flush()  # its process may have died in this very transaction
        saved, died = tx.execute(_EARLIER, (seq, seq)).fetchone()
        checkpoint, alone = Raw(saved.encode()) if saved is not None else None, bool(died)
    resumed = 0 < begun < attempt
    whole = Raw(f"{text}}}".encode())
    return Granted(seq, claim, id_, action, whole, resumed, failures, {}, checkpoint, entry, alone, attempt)


def listed(values: Sequence[Any]) -> str:
    """A list for SQLite's json_each: one statement text, however long it is."""
    return msgspec.json.encode(values).decode()
