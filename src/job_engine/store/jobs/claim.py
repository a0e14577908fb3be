"""The claim: ready jobs become held ones."""

from collections.abc import Collection, Sequence
from typing import Final

from job_engine.job.attend import CANNOT, GONE, HELD, MISSING, Claim, Granted, Verdict
from job_engine.job.bulk import MONITOR
from job_engine.job.states import State, is_final
from job_engine.store.grants import (
    ACTION,
    ATTEMPT,
    ID,
    MODE,
    SEQ,
    TAGS,
    Row,
    Standing,
    claimable,
    granted,
    listed,
    ready,
)
from job_engine.store.holds import Claimed
from job_engine.store.transaction import Transaction
from job_engine.store.waits import READY

MONITORED: Final = f'"{MONITOR}"'
"""In the tags of a bulk job that has been run and whose children are watched: detached, nobody is to run it again."""


def claim(tx: Transaction, executor: str, actions: Sequence[str], limit: int) -> list[Granted]:
    """Give up to ``limit`` ready jobs to ``executor``: best priority first, then in the order of their adds.

    Args:
        actions: what the executor can run; of other actions it gets none.
    """
    if limit <= 0:
        return []
    rows = ready(tx, actions, limit)
    if not rows:
        return []
    claims = [(row[SEQ], tx.claim_number(row[SEQ], row[ATTEMPT] + 1)) for row in rows]
    _hold(tx, executor, claims)
    if (known := tx.holds.get(executor)) is not None:
        for row, (seq, number) in zip(rows, claims, strict=True):
            known[seq] = Claimed(number, row[ID], row[ATTEMPT] + 1)
    tx.changed += [row[ID] for row in rows]
    return [granted(tx, row, row[ATTEMPT] + 1, number) for row, (_, number) in zip(rows, claims, strict=True)]


def claim_entries(
    tx: Transaction, member: str, claims: Sequence[Claim], actions: Collection[str] | None
) -> tuple[list[Granted], list[tuple[str, str]]]:
    """Give ``member`` the jobs whose entries of the locking queue it has taken, as far as they are to be run.

    Args:
        actions: what its executor can run; None: that is not known yet, so it has to ask again.

    Returns:
        The jobs granted, each with its entry; one that ``member`` holds by that entry already by the same claim.
        And (entry, verdict) of the other claims, see `job_engine.job.attend.Verdict`.
    """
    found = claimable(tx, [claim.job for claim in claims])
    given: dict[str, str] = {}  # id → entry: two entries of one job may be claimed together
    jobs, refused, claimed, unnoted = [], [], [], []
    for claim in claims:
        id_, entry = claim.job, claim.entry
        if id_ not in found:
            refused.append((entry, MISSING))
            continue
        if id_ in given:
            if given[id_] != entry:
                refused.append((entry, GONE))
            continue
        row, standing = found[id_]
        attempt, number = row[ATTEMPT], standing[4]
        if standing[:4] != (State.RUNNING, 0, member, entry):
            if verdict := _refusal(tx, row, standing, entry, actions):
                refused.append((entry, verdict))
                continue
            attempt += 1
            number = tx.claim_number(row[SEQ], attempt)
            claimed.append((row[SEQ], number))
            if standing[3] is None:  # quicker than the relay noted it
                unnoted.append((entry, row[SEQ]))
        given[id_] = entry
        jobs.append(granted(tx, row, attempt, number, entry))
    tx.executemany("update job set entry = ? where seq = ?", unnoted)
    _hold(tx, member, claimed)
    tx.changed += given
    return jobs, refused


def _hold(tx: Transaction, holder: str, claims: Sequence[tuple[int, int]]) -> None:
    """Have ``holder`` hold jobs, each by the number of its claim."""
    tx.execute(
        "update job set state = 'RUNNING', holder = ?, claimed = ?, attempt = attempt + 1, claim = value ->> 1,"
        " updated = ? from json_each(?) where seq = value ->> 0",
        (holder, tx.iso, tx.iso, listed(claims)),
    )


def _refusal(
    tx: Transaction, row: Row, standing: Standing, entry: str, actions: Collection[str] | None
) -> Verdict | None:
    """The verdict on a claim by who does not hold the job by this entry; None: it is granted."""
    state, waits, holder, noted, _ = standing
    if is_final(state) or waits != READY or noted not in (None, entry):
        return GONE
    if holder is not None:
        tx.blocked.add(holder)
        return HELD
    if state == State.RUNNING and (row[MODE] == "pull" or MONITORED in (row[TAGS] or "")):
        return GONE
    action = row[ACTION]
    if actions is None:
        return HELD
    if action not in actions:
        tx.lacked.add(action)
        return CANNOT
    return None
