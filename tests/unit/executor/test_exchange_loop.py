"""The exchange loop against a scripted source."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from msgspec import Raw

from job_engine.executor.backlog import Pace
from job_engine.executor.exchange_loop import ExchangeLoop
from job_engine.executor.holds import Held, Holds, Key
from job_engine.executor.sources import SourceListener
from job_engine.job.attend import Answer, Attend, Finished, Granted, Hello, Released, Write
from job_engine.job.errors import Invalid, JobEngineError, Unavailable, Unreachable

HELLO = Hello(name="x", host="x", pid=1, version="0", processes=1, slots=4, actions=["noop"])


def granted(seq: int) -> Granted:
    return Granted(seq, 1, f"job/{seq}", "noop", Raw(b"{}"))


class Scripted:
    """A source that records what it is told; ``take`` decides on each exchange that is not parked."""

    id = "scripted"
    where = keeper = "the script"
    period = 1.0
    good_until = 0.0
    urgent = False
    heard = True

    def __init__(self) -> None:
        self.told: list[Attend] = []
        self.ends_parked = True
        self.take: Callable[[Attend], Answer] = lambda attend: Answer()
        self.parked: list[tuple[Attend, asyncio.Future[Answer]]] = []

    async def attend(self, attend: Attend) -> Answer:
        if attend.wait:
            future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self.parked.append((attend, future))
            return await future
        await asyncio.sleep(0)
        answer = self.take(attend)
        self.told.append(attend)
        for _, future in self.parked:
            if self.ends_parked and not future.done():
                future.set_result(Answer())
        return answer

    def listen(self, listener: SourceListener) -> None:
        return

    def let_go(self) -> None:
        return

    async def close(self) -> None:
        return


class Jobs:
    """Workers and a listener that note."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.room = 4
        self.new: list[Held] = []
        self.over: list[tuple[Key, str]] = []
        self.saved: list[Held] = []
        self.greetings = 0

    def free(self) -> int:
        return self.room

    def add(self, jobs: Sequence[Held]) -> None:
        self.new += jobs

    def interrupt(self, jobs: Sequence[Held], why: str) -> None:
        self.over += [(held.key, why) for held in jobs]

    def recorded(self, jobs: Sequence[Held]) -> None:
        self.saved += jobs

    def on_greeted(self) -> None:
        self.greetings += 1

    def on_exchange(self) -> None:
        return


class Scene:
    def __init__(self) -> None:
        self.source, self.holds, self.jobs = Scripted(), Holds(), Jobs()
        self.exchanges = ExchangeLoop(self.source, self.holds, self.jobs, self.jobs)
        self.exchanges.greet(HELLO)
        self.task = asyncio.get_running_loop().create_task(self.exchanges.run())

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                assert not self.task.done(), self.task.exception()
                await asyncio.sleep(0.001)

    def finish(self, *seqs: int, result: bytes | None = None) -> None:
        for seq in seqs:
            held = next(held for held in self.jobs.new if held.key[0] == seq)
            self.holds.finish(held, Finished(seq, 1, "SUCCESS", 1.0, 2.0, result=Raw(result) if result else None))
        self.exchanges.look()


def scene(test: Callable[[Scene], Coroutine[Any, Any, None]]) -> Callable[[], Coroutine[Any, Any, None]]:
    """Run a test with a scene."""

    async def run() -> None:
        played = Scene()
        try:
            await test(played)
        finally:
            played.task.cancel()
            await asyncio.wait((played.task,))

    run.__name__ = test.__name__
    return run


@scene
async def test_it_says_hello_and_is_parked_when_there_is_nothing_to_tell(s: Scene) -> None:
    await s.until(lambda: s.source.parked)
    (hello,) = s.source.told
    assert hello.hello == HELLO
    assert s.jobs.greetings == 1
    attend, _ = s.source.parked[0]
    assert (attend.free, attend.hello) == (4, None)
    assert attend.wait > 0


@scene
async def test_it_speaks_when_the_source_has_something_to_tell_of_its_own(s: Scene) -> None:
    await s.until(lambda: s.source.parked)

    def take(attend: Attend) -> Answer:
        s.source.urgent = False
        return Answer(jobs=[granted(1)])

    s.source.take = take
    s.source.urgent = True
    s.exchanges.look()
    await s.until(lambda: s.jobs.new)
    assert len(s.source.told) == 2


@scene
async def test_grants_of_a_parked_exchange_run_and_ends_are_told_at_once(s: Scene) -> None:
    await s.until(lambda: s.source.parked)
    s.source.parked[0][1].set_result(Answer(jobs=[granted(1), granted(2)]))
    await s.until(lambda: len(s.jobs.new) == 2)
    s.finish(1)
    await s.until(lambda: len(s.source.told) == 2)
    assert [item.seq for item in s.source.told[1].finished] == [1]
    assert s.source.told[1].holds == [(2, 1)]


@scene
async def test_what_piles_up_during_an_exchange_goes_with_the_next(s: Scene) -> None:
    s.source.take = lambda attend: Answer(jobs=[granted(n) for n in range(1, 6)] if attend.hello else [])
    await s.until(lambda: len(s.jobs.new) == 5)
    s.finish(1)
    await s.until(lambda: s.source.told[-1].finished or len(s.source.told) > 1)
    s.finish(2, 3, 4, 5)
    await s.until(lambda: not s.holds)
    assert sorted(item.seq for attend in s.source.told for item in attend.finished) == [1, 2, 3, 4, 5]
    assert len(s.source.told) == 3


@scene
async def test_hello_is_said_again_when_asked_for(s: Scene) -> None:
    await s.until(lambda: s.source.parked)
    s.source.parked[0][1].set_result(Answer(hello=True))
    await s.until(lambda: len(s.source.told) == 2)
    assert s.source.told[1].hello == HELLO


@scene
async def test_a_grant_in_an_answer_that_was_overtaken_is_not_begun(s: Scene) -> None:
    await s.until(lambda: s.source.parked)
    s.holds.grant(granted(8), 0.0)
    s.source.ends_parked = False
    s.exchanges.speak()
    await s.until(lambda: len(s.source.told) == 2)
    s.source.parked[0][1].set_result(Answer(jobs=[granted(9)], interrupt=[(8, 1, "canceled")]))
    await s.until(lambda: s.jobs.over)
    assert s.jobs.new == []


@pytest.mark.parametrize("error", [Unreachable("gone"), Unavailable("full")])
async def test_an_exchange_that_failed_is_repeated(error: JobEngineError) -> None:
    @scene
    async def test(s: Scene) -> None:
        s.source.take = lambda attend: Answer(jobs=[granted(1)] if attend.hello else [])
        await s.until(lambda: s.jobs.new)
        failures = 2

        def failing(attend: Attend) -> Answer:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise error
            return Answer()

        s.source.take = failing
        s.finish(1)
        await s.until(lambda: not s.holds)
        assert failures == -1
        assert s.exchanges.away_since is None

    await test()


@pytest.mark.parametrize("error", [Invalid("odd"), JobEngineError("a fault of the server")])
async def test_one_thing_that_is_not_taken_holds_up_nothing_else(error: JobEngineError) -> None:
    @scene
    async def test(s: Scene) -> None:
        recorded: dict[int, str] = {}

        def take(attend: Attend) -> Answer:
            if any(item.result is not None for item in attend.finished):
                raise error
            recorded.update({item.seq: item.state for item in attend.finished})
            return Answer(jobs=[granted(n) for n in range(20)] if attend.hello else [])

        s.source.take = take
        await s.until(lambda: len(s.jobs.new) == 20)
        s.finish(*range(10))
        s.finish(10, result=b"poison")
        s.finish(*range(11, 20))
        await s.until(lambda: not s.holds)
        assert recorded == {n: "FAILED" if n == 10 else "SUCCESS" for n in range(20)}

    await test()


@scene
async def test_a_server_that_takes_nothing_is_to_blame_itself(s: Scene) -> None:
    s.source.take = lambda attend: Answer(jobs=[granted(n) for n in range(3)] if attend.hello else [])
    await s.until(lambda: len(s.jobs.new) == 3)
    ill = 12

    def take(attend: Attend) -> Answer:
        nonlocal ill
        if attend.finished and ill:
            ill -= 1
            raise JobEngineError("a fault of the server")
        return Answer()

    s.source.take = take
    s.finish(0, 1, 2)
    await s.until(lambda: not s.holds)
    recorded = [item for attend in s.source.told for item in attend.finished]
    assert {item.state for item in recorded} == {"SUCCESS"}


@scene
async def test_a_bug_in_a_parked_exchange_is_not_silent(s: Scene) -> None:
    await s.until(lambda: s.source.parked)
    s.source.parked[0][1].set_exception(ZeroDivisionError("a bug"))
    await asyncio.wait((s.task,), timeout=20)
    assert isinstance(s.task.exception(), ZeroDivisionError)


@scene
async def test_a_checkpoint_is_told_at_once_and_its_action_hears_that_it_is_recorded(s: Scene) -> None:
    await s.until(lambda: s.source.parked)
    s.source.parked[0][1].set_result(Answer(jobs=[granted(1)]))
    await s.until(lambda: s.jobs.new)
    s.exchanges._may_write = math.inf  # other writes would wait
    (held,) = s.jobs.new
    s.holds.write(held, Write(1, 1, checkpoint=Raw(b"7")))
    assert s.jobs.saved == []
    s.exchanges.look()
    await s.until(lambda: s.jobs.saved == [held])
    assert [bytes(write.checkpoint or b"") for write in s.source.told[-1].writes] == [b"7"]


@scene
async def test_a_checkpoint_that_comes_after_the_end_of_its_hold_is_not_said_to_be_recorded(s: Scene) -> None:
    def lost(attend: Attend) -> Answer:
        return Answer(interrupt=[(1, 1, "lost")] if attend.writes else [])

    s.source.take = lost
    held = s.holds.grant(granted(1), 0.0)
    assert held is not None
    s.holds.write(held, Write(1, 1, checkpoint=Raw(b"1")))
    s.exchanges.look()
    await s.until(lambda: s.jobs.over)
    assert s.jobs.over == [((1, 1), "lost")]
    assert s.jobs.saved == []


@scene
async def test_the_last_words_end_what_is_parked_and_give_back_what_it_was_granted(s: Scene) -> None:
    await s.until(lambda: s.source.parked)
    s.task.cancel()
    s.jobs.room = 0
    s.source.take = lambda attend: Answer(jobs=[] if attend.released else [granted(1)])

    def refuse(jobs: Sequence[Held]) -> None:
        for held in jobs:
            s.holds.release(held, Released(*held.key, "unstarted"))

    s.jobs.add = refuse
    await s.exchanges.last_words()
    assert [(attend.free, len(attend.released)) for attend in s.source.told[1:]] == [(0, 0), (0, 1)]
    assert [attend.leaving for attend in s.source.told] == [False, True, True]
    assert not s.holds


@scene
async def test_who_was_never_heard_has_no_last_words(s: Scene) -> None:
    s.task.cancel()
    s.source.heard = False
    await s.exchanges.last_words()
    assert s.source.told == []


@scene
async def test_a_greeting_that_is_not_taken_is_a_refusal(s: Scene) -> None:
    def refuse(attend: Attend) -> Answer:
        raise Invalid("not you")

    s.source.take = refuse
    await s.until(lambda: s.exchanges.refused)
    assert isinstance(s.exchanges.refused, Invalid)
    s.source.take = lambda attend: Answer()
    await s.until(lambda: s.source.parked)
    assert s.exchanges.refused is None
