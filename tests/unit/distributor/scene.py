"""A leader, with a clock that the test moves and a record in memory."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from job_engine.client import Client
from job_engine.distributor.distribution import Distribution
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.leader import Leader
from job_engine.distributor.records import PausedError, TickResult
from job_engine.job.errors import Unreachable

PATIENCE = 10.0
NOW = 1_700_000_000_000
SECOND = 1000


class Clock:
    """Jumps to whatever is waited for, up to ``end``; then the scene is over."""

    def __init__(self, end: int, now: int = NOW) -> None:
        self.time = now
        self.end = end
        self.over = asyncio.Event()
        self.slept: list[float] = []
        self.steps: list[int] = []  # by which it is set, one at each wait

    def now(self) -> int:
        return self.time

    async def sleep(self, seconds: float, woken: asyncio.Event | None = None) -> None:
        self.slept.append(seconds)
        if woken is None or not woken.is_set():
            await self._to(self.time + round(seconds * 1000))

    async def until(self, at: int, woken: asyncio.Event) -> None:
        if not woken.is_set():
            await self._to(at)

    async def _to(self, at: int) -> None:
        if self.steps:
            at = self.time + self.steps.pop(0)
        if at > self.end:
            self.over.set()
            await asyncio.Event().wait()
        self.time = at
        await asyncio.sleep(0)


class Memory:
    """A record that makes each tick once."""

    where = "memory"

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.made: dict[int, list[Any]] = {}
        self.asked: list[int] = []
        self.errors: list[BaseException] = []  # raised by the next ticks
        self.late: list[BaseException] = []  # raised when a leader begins
        self.lost_answers = 0  # of the next ticks, which are made all the same
        self.paused = False
        self.refused: tuple[tuple[int, str], ...] = ()  # of each tick
        self.finished: list[int] = []

    async def run(self, states: Any) -> None: ...

    async def begin(self, state: DistributionState, lead: Any) -> int | None:
        if self.late:
            raise self.late.pop()
        return self.last

    async def tick(
        self, state: DistributionState, due: int, jobs: list[bytes], after: int, lead: Any, still: Callable[[], bool]
    ) -> TickResult:
        self.asked.append(due)
        if self.errors:
            raise self.errors.pop(0)
        if self.paused:
            raise PausedError
        repeated = due in self.made
        if not repeated:
            self.made[due] = [msgspec.json.decode(job) for job in jobs]
            self.last = due
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unreachable
        return TickResult(0 if repeated else len(jobs), self.refused, repeated=repeated)

    async def finish(self, state: DistributionState, due: int, made: TickResult, lead: Any) -> None:
        self.finished.append(due)


def play(
    distribution: Distribution,
    record: Memory,
    clock: Clock,
    act: Callable[[DistributionState], None] | None = None,
    lead: Any = None,
):
    """Lead until the clock's end; the state."""

    async def scene() -> DistributionState:
        state = DistributionState(distribution, asyncio.Event())
        leader = Leader(state, record, Client, clock)
        task = asyncio.create_task(leader.lead(lead))
        if act is not None:
            act(state)
        over = asyncio.create_task(clock.over.wait())
        done, _ = await asyncio.wait({task, over}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        over.cancel()
        await asyncio.wait({task, over})
        assert done, "the scene hangs"
        if task in done:
            task.result()
        return state

    return asyncio.run(scene())


def clock(seconds: int) -> Clock:
    """One that ends after so long."""
    return Clock(NOW + seconds * SECOND)
