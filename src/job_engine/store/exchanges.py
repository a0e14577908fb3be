"""``attend`` in one transaction: finishes, writes and the next claim of one executor. See `job_engine.job.attend`.

Embedded, an executor itself is the holder of its jobs. In a cluster its member is, and what it says counts for the
claims that it names, whoever holds them: with a new session it gives back what the old one held.
"""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from job_engine.job.attend import Answer, Attend, Finished, Granted, Released
from job_engine.job.errors import Invalid
from job_engine.job.states import State
from job_engine.store import grants, jobs, settings
from job_engine.store.database import Store
from job_engine.store.holds import Holds
from job_engine.store.transaction import Transaction

End = TypeVar("End", Finished, Released)


@dataclass(frozen=True, slots=True)
class Parked:
    """An attend that waits for something to answer."""

    holder: str
    actions: Sequence[str]
    attend: Attend
    future: "Future[Answer]"


class Exchanges:
    """What executors say and are answered, on one store.

    ``parked`` belongs to the store's writer thread: there an add is committed together with the claim that it serves.
    """

    def __init__(self, store: Store) -> None:
        self._parked: dict[str, Parked] = {}
        store.before_commit.append(self._serve)

    def attend(
        self,
        tx: Transaction,
        executor: str,
        actions: Sequence[str] | None,
        attend: Attend,
        future: "Future[Answer] | None",
    ) -> Answer | None:
        """One exchange.

        Args:
            actions: what the executor can run; None: it has not said yet.
            future: where a parked attend is answered later; ``None``: answer now.

        Returns:
            The answer, or ``None`` when it is parked.
        """
        self._parked.pop(executor, None)  # `Executors` has answered it
        if attend.hello is not None:
            if attend.hello.replaces:
                self.end_holds(tx, attend.hello.replaces, "its executor died")
            if attend.hello.session_timeout > 0:
                settings.raise_to(tx, settings.LONGEST_SESSION, attend.hello.session_timeout)
        holder = attend.member or executor
        holds, others = _holds(tx, holder, attend)
        _settle(tx, holds, attend)
        answer = Answer()
        if attend.claims:
            answer.jobs, answer.refused = _claim(tx, attend, actions)
        _answer(tx, answer, holder, holds, others, actions or (), attend)
        if answer.jobs or answer.interrupt or answer.refused or future is None:
            return answer
        # At once, and not after the commit: an add in this same transaction has to find it. Should the commit fail, a
        # request is parked that got an error; what it might be granted is granted again.
        self._parked[executor] = Parked(holder, actions or (), attend, future)
        return None

    def end_holds(self, tx: Transaction, executor: str, how: str) -> None:
        """Release all that an executor holds that is dead or was not heard of, and grant it nothing more."""
        self._parked.pop(executor, None)
        jobs.end_holds(tx, executor, how)
        tx.holds.pop(executor, None)  # it is not heard of any more

    def _serve(self, tx: Transaction) -> None:
        """Answer those parked for whom this transaction has something."""
        if not self._parked or not (tx.ready or tx.ended):
            return
        for executor, parked in list(self._parked.items()):
            if parked.future.done():  # its time was over, or its executor is gone
                del self._parked[executor]
                continue
            if not (tx.ready and parked.attend.free) and parked.holder not in tx.ended:
                continue
            holds, others = _holds(tx, parked.holder, parked.attend)
            answer = Answer()
            _answer(tx, answer, parked.holder, holds, others, parked.actions, parked.attend)
            if answer.jobs or answer.interrupt:
                tx.answers.append((parked.future, answer))
                tx.committed.append(partial(self._parked.pop, executor))


def _holds(tx: Transaction, holder: str, attend: Attend) -> tuple[Holds, Holds]:
    """The holds of ``holder``, with those of other members that an executor of a cluster speaks of; and these alone."""
    if not attend.member:
        return grants.known(tx, holder), {}
    holds = grants.held(tx, holder)  # the relay changes them, too
    spoken_of = {seq for seq, _ in attend.holds}
    for said in (attend.finished, attend.released, attend.writes):
        spoken_of.update(item.seq for item in said)
    strange = spoken_of - holds.keys()
    others = grants.named(tx, strange) if strange else {}
    return holds | others, others


def _settle(tx: Transaction, holds: Holds, attend: Attend) -> None:
    """Apply what ended and changed, of the holds that still stand; the rest is refused by leaving it out.

    Raises:
        Invalid: a job is said to have ended in a state that is not final.
    """
    for item in attend.finished:
        if item.state not in (State.SUCCESS, State.FAILED):
            raise Invalid(f"job {item.seq} cannot finish as {item.state[:20]!r}: only as SUCCESS or FAILED", "state")
    if writes := [item for item in attend.writes if _stands(holds, item.seq, item.claim)]:
        jobs.write(tx, holds, writes)
    if len(writes) < len(attend.writes):
        jobs.write_late(tx, [item for item in attend.writes if not _stands(holds, item.seq, item.claim)])
    if finished := _ends(holds, attend.finished):
        jobs.finish(tx, holds, finished)
        for item in finished:
            del holds[item.seq]
    if released := _ends(holds, attend.released):  # only now: what has finished is not to be queued again
        jobs.release(tx, released)
        for given_back in released:
            del holds[given_back.seq]


def _ends(holds: Holds, items: Sequence[End]) -> list[End]:
    """Those that end a hold which stands, one for each: an end that is said twice is one."""
    first: dict[int, End] = {}
    for item in items:
        if _stands(holds, item.seq, item.claim):
            first.setdefault(item.seq, item)
    return list(first.values())


def _stands(holds: Holds, seq: int, claim: int) -> bool:
    hold = holds.get(seq)
    return hold is not None and hold.claim == claim


def _claim(
    tx: Transaction, attend: Attend, actions: Sequence[str] | None
) -> tuple[list[Granted], list[tuple[str, str]]]:
    """Decide on claims, and remember the actions that an executor lacks: see `job_engine.store.unknown_actions`."""
    able = None if actions is None else frozenset(actions)
    claimed = jobs.claim_entries(tx, attend.member, attend.claims, able)
    for action in tx.lacked:
        settings.once(tx, f"{settings.LACKED}{action}", tx.iso)
    return claimed


def _answer(
    tx: Transaction,
    answer: Answer,
    holder: str,
    holds: Holds,
    others: Holds,
    actions: Sequence[str],
    attend: Attend,
) -> None:
    """Add to ``answer`` what is granted again, what has ended, and the next claim."""
    listed = dict(attend.holds)
    lost = [seq for seq, hold in holds.items() if listed.get(seq) != hold.claim and seq not in others]
    if lost:
        given = {job.seq for job in answer.jobs}
        answer.jobs += grants.grant_again(tx, [seq for seq in lost if seq not in given])
    answer.interrupt = [
        (seq, claim, _why_ended(tx, seq)) for seq, claim in attend.holds if not _stands(holds, seq, claim)
    ]
    answer.jobs += jobs.claim(tx, holder, actions, attend.free - len(lost))


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
