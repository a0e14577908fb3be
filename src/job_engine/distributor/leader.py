"""Leads one distribution: makes its ticks when they are due, and what its policy says of those that were missed.

Everything that is asked of somebody else (the function, the API server) is waited for, and meanwhile time passes: after
each step the plan is made anew from what the clock shows then.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from job_engine.distributor.calls import Calls
from job_engine.distributor.distribution_state import DistributionState
from job_engine.distributor.documents import encoded, summed_up
from job_engine.distributor.records import PausedError, Record, TickResult
from job_engine.distributor.repeated_error import RepeatedError, one_line
from job_engine.distributor.tick import Tick
from job_engine.job.backoff import backoff
from job_engine.job.errors import JobEngineError
from job_engine.job.schedule import FUTURE, MOST, Missed, plan
from job_engine.job.times import epoch, iso

if TYPE_CHECKING:
    from job_engine.client import Client
    from job_engine.queue import Lead

CLOCK_POLL_SECONDS: Final = 60.0
"""Seconds between two looks at the clock at least. A clock that was set, and a machine that has slept, are noticed by
that: the timers of the event loop know of neither."""
BACKOFF_SECONDS: Final = (1.0, 300.0)
"""Seconds: how long a tick that failed waits at least before the next call, and at most; the times double."""
PAUSED_MILLISECONDS: Final = 5_000
"""Milliseconds after which a tick that the record did not want is offered again, unless it says more before."""

log = logging.getLogger(__name__)


class Clock(Protocol):
    """The clock of a leader; tests move it."""

    def now(self) -> int:
        """Milliseconds since the epoch."""

    async def sleep(self, seconds: float, woken: asyncio.Event | None = None) -> None:
        """Wait so long, or for ``woken``."""

    async def until(self, at: int, woken: asyncio.Event) -> None:
        """Wait until ``at``, or ``woken``, or for a while."""


class WallClock:
    """The machine's clock."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float, woken: asyncio.Event | None = None) -> None:
        """Wait so long, or for ``woken``."""
        if woken is None:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await woken.wait()

    async def until(self, at: int, woken: asyncio.Event) -> None:
        """Wait until ``at``, for ``woken``, or until the next poll of the clock."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min((at - self.now()) / 1000, CLOCK_POLL_SECONDS)):
                await woken.wait()


class Leader:
    """Makes the ticks of one distribution while it leads.

    Args:
        connect: makes the client that its ticks offer.
    """

    def __init__(
        self,
        state: DistributionState,
        record: Record,
        connect: "Callable[[], Client]",
        clock: Clock | None = None,
    ) -> None:
        self.state = state
        self.calls = Calls(f"distribution {state.name}", state.distribution.timeout)
        self._distribution = state.distribution
        self._record = record
        self._connect = connect
        self._clock = clock or WallClock()
        self._function = RepeatedError(log, f"distribution {state.name}")
        self._server = RepeatedError(log, f"distribution {state.name}")
        self._seen = 0  # due times up to here are decided on
        self._failed: int | None = None  # a tick that is to be tried again
        self._wrong: str | None = None  # what was said of its documents last

    async def lead(self, lead: "Lead | None" = None) -> None:
        """Make ticks until cancelled.

        Args:
            lead: the term of an election; None: whoever wants makes ticks, and the record sees to it that each is made
                once.
        """
        state, clock = self.state, self._clock
        known = await self._until_answered(lambda: self._record.begin(state, lead), lead)
        self._seen = clock.now() if known is None else known
        self._failed = None
        while True:
            state.woken.clear()
            await _still_leading(lead)
            if state.run_at is not None:
                await self._run(state.run_at, lead)
                continue
            if state.paused:
                await state.woken.wait()
                continue
            now = clock.now()
            planned = plan(self._distribution.schedule, self._distribution.missed, self._seen, now)
            if self._failed is not None and self._failed - now > FUTURE:
                self._failed = None  # the clock was ahead
            if self._failed is not None and self._distribution.schedule.after(self._failed) > now:
                due = self._failed
            else:
                self._failed = None
                if planned.passed:
                    self._say_passed(self._seen, now)
                if not planned.due:
                    self._seen = planned.seen
                    state.tell(next_tick=iso(planned.next / 1000))
                    await clock.until(planned.next, state.woken)
                    continue
                due = planned.due[0]
                self._seen = due - 1
            try:
                await self._make(due, lead)
            except PausedError:
                await clock.until(clock.now() + PAUSED_MILLISECONDS, state.woken)  # the record tells when it goes on
            except Exception as error:  # noqa: BLE001 - the boundary between the engine and a function, which may do anything
                pause = backoff(self._function.count, *BACKOFF_SECONDS)
                self._function.note(error, f"its tick of {iso(due / 1000)} is tried again, until a later one is due")
                state.tell(last_error=one_line(error))
                self._failed, self._seen = due, due
                await clock.sleep(pause, state.woken)
            else:
                self._failed, self._seen = None, due

    async def _run(self, run_at: str, lead: "Lead | None") -> None:
        """The tick that somebody asked for: one call, whatever comes of it."""
        due = round(epoch(run_at) * 1000)
        try:
            await self._make(due, lead)
        except PausedError:
            if not _leads(lead):
                return  # it is for who leads now; else somebody has made it
        except Exception as error:  # noqa: BLE001 - as in lead
            self._function.note(error, "the run that was asked for made no job")
            with contextlib.suppress(JobEngineError, PausedError):  # its own error is the one to tell
                await self._until_answered(lambda: self._tick(due, [], lead), lead)
            self.state.tell(last_error=one_line(error))
        self.state.ran(run_at)

    async def _make(self, due: int, lead: "Lead | None") -> None:
        distribution = self._distribution
        zone = distribution.schedule.zone or UTC
        tick = Tick(distribution.name, datetime.fromtimestamp(due / 1000, zone), self._connect)
        found: list[Any] = await self.calls.call(lambda go_on: distribution.jobs(tick, go_on))
        jobs, places, bad = encoded(found, unless_active=distribution.unless_active)
        made = await self._until_answered(lambda: self._tick(due, jobs, lead), lead)
        self._function.over()
        if made.repeated:
            log.debug("distribution %s: the tick of %s had been made", distribution.name, iso(due / 1000))
        else:
            log.info("distribution %s: the tick of %s made %d jobs", distribution.name, iso(due / 1000), made.jobs)
        wrong = summed_up([*bad, *(f"{places[number]}: {why}" for number, why in made.refused)])
        if wrong is not None:
            log.log(
                logging.DEBUG if wrong == self._wrong else logging.ERROR,
                "distribution %s: of the jobs of %s some are wrong: %s", distribution.name, iso(due / 1000), wrong,
            )  # fmt: skip
            if not made.repeated:  # else the record shows what came of somebody else's
                self.state.tell(last_error=wrong)
        if wrong is not None or not made.repeated:  # of a repeated one nobody says what was refused
            self._wrong = wrong
        await self._record.finish(self.state, due, made, lead)

    async def _tick(self, due: int, jobs: list[bytes], lead: "Lead | None") -> TickResult:
        after = self._distribution.schedule.after(max(due, self._clock.now()))
        return await self._record.tick(self.state, due, jobs, after, lead, lambda: _leads(lead))

    async def _until_answered(self, call: Callable[[], Any], lead: "Lead | None") -> Any:
        """Make a call until the API server has answered it, or we do not lead any more."""

        async def while_leading() -> Any:
            await _still_leading(lead)
            return await call()

        return await self._server.until_answered(while_leading, "it goes on when that answers", sleep=self._clock.sleep)

    def _say_passed(self, since: int, now: int) -> None:
        made = {
            Missed.SKIP: "none is made",
            Missed.ONCE: "one is made for all",
            Missed.ALL: f"the last {MOST} are made",
        }
        log.info(
            "distribution %s: of its ticks between %s and %s several were missed; %s (missed=%s)",
            self.state.name, iso(since / 1000), iso(now / 1000), made[self._distribution.missed],
            self._distribution.missed,
        )  # fmt: skip


def _leads(lead: "Lead | None") -> bool:
    """Whether what is sent now is sent by a leader."""
    return lead is None or lead.valid


async def _still_leading(lead: "Lead | None") -> None:
    """Go no further when we do not lead any more, by the clock: also just after this process had been stopped."""
    if not _leads(lead):
        await asyncio.Event().wait()  # this task is about to be cancelled
