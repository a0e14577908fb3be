"""The source of a cluster against scripted answers: what cannot be made to happen with a real server at will."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from msgspec import Raw

from job_engine.client.wire import WireClient
from job_engine.executor.sources.cluster import REFUSED_SECONDS, ClusterSource
from job_engine.executor.sources.entries import Entries
from job_engine.job.attend import CANNOT, GONE, HELD, Answer, Attend, Finished, Granted, Released
from job_engine.job.errors import Conflict, Invalid, JobEngineError, Unavailable, Unreachable
from job_engine.queue import Taken, ZooKeeper

MEMBER = "executor-0000000000000001"


def taken(name: str) -> Taken:
    return Taken(name, f"job/{name}", b"", MEMBER)


def granted(entry: str, seq: int = 1, attempt: int = 1) -> Granted:
    return Granted(seq, attempt, f"job/{entry}", "noop", Raw(b"{}"), entry=entry)


class Noting(Entries):
    """Takes nothing, and notes."""

    def __init__(self) -> None:
        super().__init__(ZooKeeper(hosts="127.0.0.1:1"), b"")
        self.room = 0
        self.waiting: list[Taken] = []
        self.consumed: list[str] = []
        self.released: list[str] = []
        self.avoided: list[str] = []
        self.renewals = 0

    @property
    def member(self) -> str:
        return MEMBER

    @property
    def granted(self) -> float:
        return 10.0

    @property
    def fresh(self) -> bool:
        return bool(self.waiting)

    async def start(self) -> None:
        return

    def ask(self, room: int) -> None:
        self.room = room

    def collect(self) -> list[Taken]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def renew(self) -> None:
        self.renewals += 1

    def consume(self, takes: Sequence[Taken]) -> None:
        self.consumed += [taken.name for taken in takes]

    def release(self, takes: Sequence[Taken], *, avoid: bool = False) -> None:
        (self.avoided if avoid else self.released).extend(taken.name for taken in takes)


class Scene:
    def __init__(self) -> None:
        self.entries = Noting()
        self.source = ClusterSource(WireClient("http://127.0.0.1:1"), "x", self.entries)
        self.told: list[Attend] = []
        self.answers: list[Answer | JobEngineError | asyncio.Future[Answer]] = []
        self.source._api.attend = self.answer  # type: ignore[method-assign]

    async def answer(self, attend: Attend) -> Answer:
        self.told.append(attend)
        attend.n = len(self.told)
        answer = self.answers.pop(0)
        if isinstance(answer, asyncio.Future):
            return await answer
        if isinstance(answer, JobEngineError):
            raise answer
        return answer

    async def attend(self, *answers: Any, free: int = 4, **more: Any) -> list[str]:
        """One exchange; the jobs that came of it."""
        self.answers += answers
        return [job.id for job in (await self.source.attend(Attend(n=0, free=free, **more))).jobs]


def scene(test: Callable[[Scene], Coroutine[Any, Any, None]]) -> Callable[[], Coroutine[Any, Any, None]]:
    async def run() -> None:
        await test(Scene())

    run.__name__ = test.__name__
    return run


@scene
async def test_nothing_is_taken_before_the_server_has_answered(s: Scene) -> None:
    task = asyncio.create_task(s.attend(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    assert s.entries.room == 0
    task.cancel()
    await s.attend(Answer())
    assert s.entries.room == 4


@scene
async def test_ends_and_claims_go_together_and_entries_end_with_the_answer(s: Scene) -> None:
    s.entries.waiting = [taken("a"), taken("b")]
    assert await s.attend(Answer(jobs=[granted("a", 1), granted("b", 2)])) == ["job/a", "job/b"]
    assert s.entries.room == 2
    s.entries.waiting = [taken("c")]
    done = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        s.attend(done, free=3, finished=[Finished(1, 1, "SUCCESS", 0, 0)], released=[Released(2, 1, "died")])
    )
    await asyncio.sleep(0)
    assert [claim.entry for claim in s.told[-1].claims] == ["c"]
    assert s.told[-1].free == 0
    assert (s.entries.consumed, s.entries.released) == ([], [])
    done.set_result(Answer(jobs=[granted("c", 3)]))
    assert await task == ["job/c"]
    assert (s.entries.consumed, s.entries.released) == (["a"], ["b"])


@scene
async def test_a_grant_in_an_answer_that_was_overtaken_is_left_to_the_next(s: Scene) -> None:
    s.entries.waiting = [taken("a")]
    parked = asyncio.get_running_loop().create_future()
    poll = asyncio.create_task(s.attend(parked, wait=3.0))
    await asyncio.sleep(0)
    assert s.told[0].claims == []
    await s.attend(Answer(refused=[("a", HELD)]))
    parked.set_result(Answer(jobs=[granted("a")]))
    assert await poll == []
    assert await s.attend(Answer(jobs=[granted("a")])) == ["job/a"]
    assert s.entries.released == []


@scene
async def test_an_exchange_that_is_not_taken_is_repeated_without_claims(s: Scene) -> None:
    await s.attend(Answer())
    s.entries.waiting = [taken("a")]
    with_claims = asyncio.create_task(s.attend(Invalid("no claims here")))
    await asyncio.wait((with_claims,))
    assert isinstance(with_claims.exception(), Invalid)
    assert s.entries.released == ["a"]
    await s.attend(Answer())
    assert s.told[-1].claims == []
    assert s.entries.room == 0, "no new ones for a moment"


@scene
async def test_a_claim_that_is_due_earlier_does_not_lengthen_the_pause(s: Scene) -> None:
    await s.attend(Answer())
    with pytest.raises(Invalid):
        await s.attend(Invalid("not like that"))
    s.entries.waiting = [taken("a")]
    await s.attend(Answer(refused=[("a", HELD)]))  # to be asked for again long before the pause is over
    timer = s.source._timer
    assert timer is not None
    assert timer.when() < asyncio.get_running_loop().time() + REFUSED_SECONDS / 2
    await s.attend(Answer(jobs=[granted("a")]))
    timer = s.source._timer
    assert timer is not None
    assert timer.when() > asyncio.get_running_loop().time() + REFUSED_SECONDS / 2, "taking goes on after it"
    timer.cancel()


@scene
async def test_a_conflict_changes_nothing(s: Scene) -> None:
    await s.attend(Answer())
    s.entries.waiting = [taken("a")]
    task = asyncio.create_task(s.attend(Conflict("late")))
    await asyncio.wait((task,))
    assert s.entries.released == []
    assert s.entries.room == 3
    assert await s.attend(Answer(jobs=[granted("a")])) == ["job/a"]


@scene
async def test_what_is_beyond_the_room_is_given_back(s: Scene) -> None:
    await s.attend(Answer())
    s.entries.waiting = [taken("a"), taken("b"), taken("c")]
    await s.attend(Answer(jobs=[granted("a")]), free=1)
    assert s.entries.released == ["b", "c"]
    assert s.entries.room == 0


@scene
async def test_a_release_of_our_own_is_repeated_until_it_is_heard(s: Scene) -> None:
    assert await s.attend(Answer(jobs=[granted("late", 7)])) == []
    assert s.source.urgent
    task = asyncio.create_task(s.attend(Unavailable("full"), released=[Released(8, 1, "stopped")]))
    await asyncio.wait((task,))
    await s.attend(Answer(jobs=[granted("late", 7)]), released=[Released(8, 1, "stopped")])
    assert [(item.seq, item.why) for item in s.told[-1].released] == [(8, "stopped"), (7, "unstarted")]
    await s.attend(Answer())
    assert [item.seq for item in s.told[-1].released] == [7]
    await s.attend(Answer())
    assert s.told[-1].released == []


@scene
async def test_an_entry_is_consumed_when_another_one_will_be_made(s: Scene) -> None:
    s.entries.waiting = [taken(name) for name in "abcde"]
    await s.attend(Answer(jobs=[granted(name, n) for n, name in enumerate("abcde")]), free=5)
    whys = ["failed", "detached", "stopped", "unstarted", "lost"]
    await s.attend(Answer(), released=[Released(n, 1, why) for n, why in enumerate(whys)])
    assert (s.entries.consumed, s.entries.released) == (["a", "b"], ["c", "d", "e"])


@scene
async def test_what_we_cannot_run_is_left_to_others(s: Scene) -> None:
    s.entries.waiting = [taken("a"), taken("b")]
    await s.attend(Answer(refused=[("a", CANNOT), ("b", GONE)]))
    assert (s.entries.avoided, s.entries.consumed, s.entries.released) == (["a"], ["b"], [])


@scene
async def test_after_a_lapse_nothing_of_before_is_ours(s: Scene) -> None:
    s.entries.waiting = [taken("a"), taken("b")]
    await s.attend(Answer(jobs=[granted("a")], refused=[("b", HELD)]))
    s.entries.on_lapse()
    assert await s.attend(Answer(jobs=[granted("a"), granted("b", 2)])) == []
    assert (s.entries.consumed, s.entries.released) == ([], [])


@scene
async def test_an_interrupt_ends_the_entry_as_the_job_needs_it(s: Scene) -> None:
    s.entries.waiting = [taken("a"), taken("b")]
    await s.attend(Answer(jobs=[granted("a", 1), granted("b", 2)]))
    await s.attend(Answer(interrupt=[(1, 1, "canceled"), (2, 1, "lost")]))
    assert (s.entries.consumed, s.entries.released) == (["a"], ["b"])


@scene
async def test_who_may_hold_a_job_without_knowing_lets_go_of_it(s: Scene) -> None:
    """Its claim arrived and the answer was lost: as long as its member lives, nobody else is granted the job."""
    await s.attend(Answer())
    s.source.let_go()
    assert s.entries.renewals == 0, "there is nothing to let go of"
    s.entries.waiting = [taken("a")]
    with pytest.raises(Unreachable):
        await s.attend(Unreachable("no answer"))
    s.source.let_go()
    assert s.entries.renewals == 1
    await s.attend(Answer())  # what it holds would be granted again in this answer
    s.source.let_go()
    assert s.entries.renewals == 1


@scene
async def test_an_answer_to_what_was_sent_before_a_doubtful_claim_ends_no_doubt(s: Scene) -> None:
    await s.attend(Answer())
    parked = asyncio.get_running_loop().create_future()
    poll = asyncio.create_task(s.attend(parked, wait=3.0))
    await asyncio.sleep(0)
    s.entries.waiting = [taken("a")]
    with pytest.raises(Unreachable):
        await s.attend(Unreachable("no answer"))
    parked.set_result(Answer())
    await poll
    s.source.let_go()
    assert s.entries.renewals == 1
