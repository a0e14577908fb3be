"""``attend`` in one transaction: finishes, writes and the next claim of one executor. See `job_engine.job.attend`."""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from job_engine.job.attend import Answer, Attend
from job_engine.job.errors import Invalid
from job_engine.job.states import State
from job_engine.store import grants, jobs
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Parked:
    """An attend that waits for something to answer."""

    actions: Sequence[str]
    attend: Attend
    future: "Future[Answer]"


class Attendance:
    """What executors say and are answered, on one store.

    ``parked`` belongs to the store's writer thread: there an add is committed together with the claim that it serves.
    """

    def __init__(self, store: Store) -> None:
        self._parked: dict[str, Parked] = {}
        store.before_commit.append(self._serve)

    def attend(
        self, tx: Transaction, executor: str, actions: Sequence[str], attend: Attend, future: "Future[Answer] | None"
    ) -> Answer | None:
        """One exchange.

        Args:
            actions: what the executor can run.
            future: where a parked attend is answered later; ``None``: answer now.

        Returns:
            The answer, or ``None`` when it is parked.
        """
        self._parked.pop(executor, None)  # `Executors` has answered it
        if attend.hello is not None and attend.hello.replaces:
            self.end_holds(tx, attend.hello.replaces, "its executor died")
        holds = grants.held(tx, executor)
        _settle(tx, holds, attend)
        answer = _answer(tx, executor, holds, actions, attend)
        if answer.jobs or answer.interrupt or future is None:
            return answer
        # At once, and not after the commit: an add in this same transaction has to find it. Should the commit fail, a
        # request is parked that got an error; what it might be granted is granted again.
        self._parked[executor] = Parked(actions, attend, future)
        return None

    def end_holds(self, tx: Transaction, executor: str, how: str) -> None:
        """Release all that an executor holds that is dead or was not heard of, and grant it nothing more."""
        self._parked.pop(executor, None)
        jobs.end_holds(tx, executor, how)

    def _serve(self, tx: Transaction) -> None:
        """Answer those parked for whom this transaction has something."""
        if not self._parked or not (tx.ready or tx.ended):
            return
        for executor, parked in list(self._parked.items()):
            if parked.future.done():  # its time was over, or its executor is gone
                del self._parked[executor]
                continue
            if not tx.ready and executor not in tx.ended:
                continue
            answer = _answer(tx, executor, grants.held(tx, executor), parked.actions, parked.attend)
            if answer.jobs or answer.interrupt:
                tx.answers.append((parked.future, answer))
                tx.committed.append(partial(self._parked.pop, executor))


def _settle(tx: Transaction, holds: grants.Holds, attend: Attend) -> None:
    """Apply what ended and changed, of the holds that still stand; the rest is refused by leaving it out.

    Raises:
        Invalid: a job is said to have ended in a state that is not final.
    """
    for item in attend.finished:
        if item.state not in (State.SUCCESS, State.FAILED):
            raise Invalid(f"job {item.seq} cannot finish as {item.state[:20]!r}: only as SUCCESS or FAILED", "state")
    if writes := [item for item in attend.writes if _stands(holds, item.seq, item.attempt)]:
        jobs.write(tx, holds, writes)
    if finished := [item for item in attend.finished if _stands(holds, item.seq, item.attempt)]:
        jobs.finish(tx, holds, finished)
    if released := [item for item in attend.released if _stands(holds, item.seq, item.attempt)]:
        jobs.release(tx, released)
    for seq in [item.seq for item in finished] + [item.seq for item in released]:
        del holds[seq]


def _stands(holds: grants.Holds, seq: int, attempt: int) -> bool:
    hold = holds.get(seq)
    return hold is not None and hold[0] == attempt


def _answer(tx: Transaction, executor: str, holds: grants.Holds, actions: Sequence[str], attend: Attend) -> Answer:
    listed = dict(attend.holds)
    answer = Answer()
    if lost := [seq for seq, (attempt, _) in holds.items() if listed.get(seq) != attempt]:
        answer.jobs = grants.grant_again(tx, lost)
    answer.interrupt = [
        (seq, attempt, _why_ended(tx, seq)) for seq, attempt in attend.holds if not _stands(holds, seq, attempt)
    ]
    answer.jobs += jobs.claim(tx, executor, actions, attend.free - len(lost))
    return answer


def _why_ended(tx: Transaction, seq: int) -> str:
    """What became of a job whose hold ended, in the words of `job_engine.job.attend`."""
    row = tx.execute("select state from job where seq = ?", (seq,)).fetchone()
    if row is None:
        return "deleted"
    if row[0] != State.CANCELED:
        return "lost"
    tx.flush()  # the cancel may be in this very transaction
    event = tx.execute("select detail from event where job = ? and kind = 'canceled'", (seq,)).fetchone()
    return "timed out" if event and (event[0] or "").startswith("timed out") else "canceled"
