"""The one loop of an executor: tell what there is to tell, at once; with nothing to tell, keep one exchange parked.

While an exchange is on its way things pile up and go with the next one: that is all the batching there is. Only what
would cause exchanges by itself in numbers (progress, log) waits up to `WRITES`.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from typing import Final, Protocol

from job_engine.executor.backlog import QUICK, Pace
from job_engine.executor.bisection import Bisection
from job_engine.executor.holds import Batch, Held, Holds
from job_engine.executor.sources import Source
from job_engine.job.attend import Answer, Attend, Hello
from job_engine.job.backoff import backoff
from job_engine.job.errors import Conflict, Forbidden, Invalid, JobEngineError, Unavailable, Unreachable

log = logging.getLogger(__name__)

WRITES: Final = 0.1
"""Seconds between two exchanges that tell nothing but progress, logs and the like."""
PARKED_BUSY: Final = 1 / 6
"""Part of the period to be parked while there are holds: two in a row, and a lost answer, fit before the deadline."""
PARKED_IDLE: Final = 1 / 3
"""Part of the period to be parked without holds."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0
"""Seconds until an exchange that failed is repeated; they double."""
PARK_AGAIN: Final = 0.002
"""Seconds to wait for the end of quick jobs just granted, before parking again what they would end at once."""
TOO_QUICK: Final = 0.02
"""Seconds: a parked exchange that is answered sooner, with nothing, was not parked; then wait `FIRST_PAUSE`."""


class Workers(Protocol):
    """Who runs the jobs: `pool.Pool`."""

    pace: Pace
    """What jobs took lately."""

    def free(self) -> int:
        """How many jobs to ask for."""

    def add(self, jobs: Sequence[Held]) -> None:
        """Run jobs."""

    def interrupt(self, jobs: Sequence[Held], why: str) -> None:
        """End jobs whose hold has ended."""

    def recorded(self, jobs: Sequence[Held]) -> None:
        """The last checkpoints of these jobs are in the record."""


class ExchangeListener(Protocol):
    """Who is told of exchanges."""

    def on_greeted(self) -> None:
        """The source has heard who we are; it may have forgotten it before."""

    def on_exchange(self) -> None:
        """An exchange has ended, well or not; the source's `good_until` may have moved on, and holds have ended."""


class ExchangeLoop:
    """The loop, over one source."""

    def __init__(self, source: Source, holds: Holds, workers: Workers, listener: ExchangeListener) -> None:
        self.away_since: float | None = None  # monotonic seconds at which the source began not to answer
        self.answered = asyncio.Event()
        """Set at the first answer."""
        self.refused: Forbidden | Invalid | None = None  # why the source does not let us attend, until it does
        self._source = source
        self._holds = holds
        self._workers = workers
        self._listener = listener
        self._wake = asyncio.Event()
        self._greeting: Hello | None = None
        self._hello_due = False
        self._speak_anyway = False
        self._leaving = False
        self._may_write = 0.0
        self._unanswered = 0  # exchanges in a row
        self._sent = self._last_answered = 0
        self._poll: asyncio.Task[None] | None = None
        self._poll_free = 0
        self._polls: set[asyncio.Task[None]] = set()
        self._park_at = 0.0
        self._failure: BaseException | None = None
        self._bisection = Bisection(holds, source.where)
        self._loop = asyncio.get_running_loop()

    def greet(self, hello: Hello) -> None:
        """Say who we are, now and whenever asked."""
        self._greeting, self._hello_due = hello, True
        self._wake.set()

    def look(self) -> None:
        """There may be something to tell."""
        self._wake.set()

    def speak(self) -> None:
        """Have an exchange even if there is nothing to tell."""
        self._speak_anyway = True
        self._wake.set()

    async def run(self) -> None:
        """Attend until cancelled."""
        try:
            while True:
                self._wake.clear()
                if self._failure is not None:
                    raise self._failure
                if self._urgent():
                    await self._speak()
                else:
                    self._park()
                    await self._wake.wait()
        finally:
            for poll in self._polls:
                poll.cancel()

    async def last_words(self) -> None:
        """Tell what is left, and that it was the last, with as many tries as it takes."""
        if not self._source.heard:
            return
        self._leaving = True
        await self._speak()  # even of nothing: it ends what is parked, and brings what was granted there meanwhile
        while self._holds.urgent or self._holds.writes:
            await self._speak()

    # --- telling

    def _urgent(self) -> bool:
        if self._hello_due or self._speak_anyway or self._holds.urgent or self._source.urgent:
            return True
        if not self._holds.writes:
            return False
        left = self._may_write - time.monotonic()
        if left > 0:
            self._loop.call_later(left, self._wake.set)
        return left <= 0

    async def _speak(self) -> None:
        batch = self._holds.batch(self._bisection.limit)
        hello = self._greeting if self._hello_due else None
        if hello is not None:
            hello.clock = time.time()
        self._speak_anyway = False
        if batch.writes:
            self._may_write = time.monotonic() + WRITES
        attend = Attend(
            n=0, free=self._workers.free(), holds=batch.holds, finished=batch.finished, released=batch.released,
            writes=list(batch.writes.values()), hello=hello, leaving=self._leaving,
        )  # fmt: skip
        self._sent += 1
        number = self._sent
        try:
            answer = await self._source.attend(attend)
        except JobEngineError as error:
            self._holds.failed(batch)
            await self._failed(error, batch)
        except BaseException:
            self._holds.failed(batch)
            raise
        else:
            over = {(seq, claim) for seq, claim, _ in answer.interrupt}  # of these the record took no checkpoint
            self._workers.recorded([held for held in self._holds.settled(batch) if held.key not in over])
            if hello is not None:
                self._hello_due = hello is not self._greeting
                self._listener.on_greeted()
            self._bisection.on_taken(batch)
            self._take(number, answer)

    async def _failed(self, error: JobEngineError, batch: Batch) -> None:
        self._speak_anyway = True  # until it is answered
        if isinstance(error, Conflict):
            log.debug("%s: %s", self._source.where, error)
        elif isinstance(error, Unavailable | Unreachable | Forbidden):
            self.refused = error if isinstance(error, Forbidden) else self.refused
            if self.away_since is None:
                self.away_since = time.monotonic()
                log.warning("%s; trying again", error)
            self._unanswered += 1
        elif isinstance(error, Invalid) and not batch.size and not self.answered.is_set():
            self.refused = error  # there was only a greeting to refuse
        else:
            self._workers.recorded(self._bisection.on_refused(error, batch))
        self._listener.on_exchange()
        pause = backoff(self._unanswered, FIRST_PAUSE / 2, LONGEST_PAUSE)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # spreads executors that wait for one server

    # --- being parked

    def _park(self) -> None:
        now = time.monotonic()
        if now < self._park_at:
            self._loop.call_later(self._park_at - now, self._wake.set)
            return
        free = self._workers.free()
        if self._greeting is None or (self._poll is not None and free <= self._poll_free):
            return
        self._poll_free = free
        self._poll = poll = self._loop.create_task(self._stay(free))
        self._polls.add(poll)
        poll.add_done_callback(self._polled)

    async def _stay(self, free: int) -> None:
        holds = self._holds.listed()
        wait = self._source.period * (PARKED_BUSY if holds else PARKED_IDLE)
        self._sent += 1
        number, began = self._sent, time.monotonic()
        try:
            answer = await self._source.attend(Attend(n=0, free=free, wait=wait, holds=holds))
        except Conflict:  # a newer one overtook it
            return
        except JobEngineError:
            self._speak_anyway = True  # which sees to it
            return
        self._take(number, answer)
        if answer.jobs:
            mean = self._workers.pace.mean
            quick = mean is not None and mean < QUICK
            self._park_at = time.monotonic() + PARK_AGAIN if quick else 0.0
        elif number == self._sent and time.monotonic() - began < TOO_QUICK and not answer.interrupt:
            self._park_at = time.monotonic() + FIRST_PAUSE

    def _polled(self, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        if poll is self._poll:
            self._poll = None
        if not poll.cancelled() and poll.exception() is not None:
            self._failure = poll.exception()
        self._wake.set()

    # --- being answered

    def _take(self, number: int, answer: Answer) -> None:
        if self.away_since is not None:
            log.info("%s answers again, after %.1f s", self._source.where, time.monotonic() - self.away_since)
        self.away_since = self.refused = None
        self._unanswered = 0
        self.answered.set()
        for seq, claim, why in answer.interrupt:
            held = self._holds.end((seq, claim))
            if held is not None:
                self._workers.interrupt([held], why)
        self._listener.on_exchange()
        if answer.hello and self._greeting is not None:
            self._hello_due = True
        # Grants in an answer that was overtaken by a later one may have ended since; if not, they are granted again.
        if answer.jobs and number > self._last_answered:
            now = time.monotonic()
            new = [held for granted in answer.jobs if (held := self._holds.grant(granted, now)) is not None]
            self._workers.add(new)
        self._last_answered = max(self._last_answered, number)
