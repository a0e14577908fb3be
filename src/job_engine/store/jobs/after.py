"""Jobs that wait for other jobs (``waits`` is `OTHER_JOBS`), and what the end of one does to those that wait for it.

Verbs that end jobs note it here by `ended`; before the transaction is committed `job_engine.store.jobs.settle` follows
it up.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from job_engine.job.bulk_message import in_short
from job_engine.job.document import NewJob
from job_engine.job.errors import Invalid
from job_engine.job.states import State, is_final
from job_engine.store.transaction import Transaction

WHY_LIMIT: Final = 300
"""Characters of the message of a job that failed, in the messages of those that waited for it."""
DELETED: Final = "deleted"
"""How a job has ended that is no more."""
_FOLLOWED: Final = re.compile(r"job/\S+, which it waits for, ")
"""How the message of a job begins that failed because of another."""
_HOW: Final = {str(State.FAILED): "has FAILED", str(State.CANCELED): "was CANCELED", DELETED: "was deleted"}


class Needed(NamedTuple):
    """A job that others are to wait for."""

    seq: int
    state: str
    message: str | None


def needed(tx: Transaction, jobs: Iterable[NewJob]) -> dict[str, Needed]:
    """What there is in the record of the jobs that these are to wait for, by id."""
    ids = {id_ for job in jobs for id_ in job.after}
    if not ids:
        return {}
    rows = tx.execute(
        "select id, seq, state, message from job where id in (select value from json_each(?))",
        (msgspec.json.encode(sorted(ids)).decode(),),
    )
    return {id_: Needed(seq, state, message) for id_, seq, state, message in rows}


def missing(job: NewJob, known: Mapping[str, object]) -> Invalid | None:
    """What is wrong with a job that would wait for one that is not ``known``."""
    for id_ in job.after:
        if id_ not in known:
            return Invalid(f"attribute 'after' does not satisfy defined schema: there is no {id_}", "after")
    return None


def wait(tx: Transaction, job: NewJob, seq: int, known: Mapping[str, Needed]) -> bool:
    """Have job number ``seq``, which is about to be added, wait for those in its ``after`` that it has to wait for.

    Whether there is any; one that has failed already is among them, and is noted as ended.
    """
    waiting = False
    for id_ in job.after:
        need = known[id_]
        if need.state == State.SUCCESS or (job.run_anyway and is_final(need.state)):
            continue
        tx.execute("insert into after (needs, job) values (?, ?)", (need.seq, seq))
        waiting = True
        if is_final(need.state):
            _note(tx, need.seq, id_, need.state, need.message if need.state == State.FAILED else None)
    return waiting


def ended(tx: Transaction, jobs: Iterable[tuple[int, str, str, str | None]]) -> None:
    """Note that jobs have ended, for those that wait for them.

    Args:
        jobs: of each the number, the id, its final state or `DELETED`, and why.
    """
    if tx.execute("select 1 from after limit 1").fetchone() is None:
        return  # nearly always, so that this is all that a finish pays
    by_number = {job[0]: job for job in jobs}
    among = msgspec.json.encode(list(by_number)).decode()
    rows = tx.execute("select distinct needs from after where needs in (select value from json_each(?))", (among,))
    for (seq,) in rows.fetchall():
        _note(tx, *by_number[seq])


def without_reason(failure: str) -> str:
    """What `_note` says of a job, but for why it ended as it did: for those who may not read that."""
    return failure.partition(": ")[0]


def _note(tx: Transaction, seq: int, id_: str, state: str, why: str | None) -> None:
    failure = None
    if state != State.SUCCESS:
        failure = said = in_short(why)[:WHY_LIMIT]
        if not _FOLLOWED.match(said):  # else it names the job that failed first, however long the chain
            failure = f"{id_}, which it waits for, {_HOW[state]}" + (f": {said}" if said else "")
    # one that is there already is not settled to the end: how it ended first is what counts
    tx.execute("insert or ignore into settling (needs, failure) values (?, ?)", (seq, failure))
    tx.settles = True
