"""What clients say of jobs: `write`, `finish`, `release` and `cancel` for those without an attend."""

from typing import Any, Final

from job_engine.job.attend import Released
from job_engine.job.errors import Conflict
from job_engine.job.states import State, is_final
from job_engine.store.attributes import set_attributes
from job_engine.store.jobs.cancel import cancel
from job_engine.store.jobs.close import close
from job_engine.store.jobs.release import release
from job_engine.store.transaction import Transaction
from job_engine.store.waits import NOT_BEFORE, OTHER_JOBS, READY

HOLDERS_OWN: Final = frozenset({"state", "progress", "return-code", "status-message", "output"})
"""Attributes of a held job that only its holder writes."""


def edit(tx: Transaction, seq: int, changes: dict[str, Any], hold: int | None = None) -> None:
    """What a client's PUT says of one job: `write`, `finish`, `release` and `cancel` for those without an attend.

    Args:
        changes: checked attributes; ``None`` deletes one.
        hold: the claim in the request's ``Job-Hold``, if it carries one for this job.

    Raises:
        Conflict: the job is final; or it is held, and what is edited is its holder's, or the hold is another's.
        Invalid: an attribute that a job always has would be deleted.
    """
    id_, state, holder, attempt, claim, waits = tx.execute(
        "select id, state, holder, attempt, claim, waits from job where seq = ?", (seq,)
    ).fetchone()
    if is_final(state):
        raise Conflict("edit is not allowed in final state")
    if hold is not None and (holder is None or hold != claim):
        raise Conflict(f"conflict with {id_}: claim {hold} does not hold it any more")
    if holder is not None and hold is None and (guarded := HOLDERS_OWN & changes.keys()):
        raise Conflict(f"conflict with {id_}: only the executor that holds it writes {', '.join(sorted(guarded))}")
    changes = dict(changes)
    target = changes.pop("state", None)
    if target == State.RUNNING and waits in (NOT_BEFORE, OTHER_JOBS):
        raise Conflict(f"conflict with {id_}: it waits for {'its not-before' if waits == NOT_BEFORE else 'other jobs'}")
    set_attributes(tx, seq, changes)
    tx.changed.append(id_)
    if target is None or (target == state and (target != State.RUNNING or holder is not None)):
        return
    if target == State.CANCELED:
        cancel(tx, [seq])
    elif target == State.RUNNING:  # by hand, or by an executor of another kind: it runs detached, without a holder
        (action,) = tx.execute("select action from job where seq = ?", (seq,)).fetchone()
        tx.foreign.add(action)
        tx.execute(
            f"update job set state = 'RUNNING', waits = {READY}, attempt = attempt + 1, "
            " claim = claim_number(seq, attempt + 1), begun = attempt + 1, started = ?, claimed = ?, updated = ?"
            " where seq = ?",
            (tx.iso, tx.iso, tx.iso, seq),
        )
        tx.event(seq, "claimed", attempt + 1, "detached")
    elif target == State.QUEUED:
        if holder is not None:
            tx.end_hold(holder)
        release(tx, [Released(seq, claim, "released")])
    else:
        close(tx, seq, target)
