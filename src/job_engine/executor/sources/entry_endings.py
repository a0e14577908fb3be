"""The consumes and releases of taken entries: in the background, all that wait in one batch."""

import asyncio
import logging
import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from job_engine.job.errors import JobEngineError
from job_engine.queue import LockingQueue, Taken

log = logging.getLogger(__name__)


class EntryEnd(StrEnum):
    """How to end a taken entry."""

    CONSUME = "consume"  # remove it
    RELEASE = "release"  # give it back
    AVOID = "avoid"  # give it back, and leave it to others
    LATER = "later"  # give it back, and try it again in a while


AVOID_SECONDS: Final = {EntryEnd.RELEASE: 0.0, EntryEnd.AVOID: math.inf, EntryEnd.LATER: 300.0}
"""Seconds for which what is given back is left to others. Of no job, or none that the record has, it may be another
system's, which may have many; but a record may also be put back."""
RETRY_SECONDS: Final = 5.0
"""Seconds until a refused consume or release is retried: ZooKeeper does not notify of changed rights."""


class EntryEndings:
    """Ends taken entries in the background; the queue refuses those that are not ours any more, which does no harm."""

    def __init__(self, queue: LockingQueue) -> None:
        self._queue = queue
        self._waiting: dict[EntryEnd, list[Taken]] = {way: [] for way in EntryEnd}
        self._task: asyncio.Task[None] | None = None
        self._retries: set[asyncio.TimerHandle] = set()
        self._refusal = ""  # what the log said last

    def add(self, way: EntryEnd, takes: Sequence[Taken]) -> None:
        """End these entries in one way."""
        self._waiting[way].extend(takes)
        if takes and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="ends of entries")

    def forget(self) -> None:
        """Forget what waits: its session has lapsed."""
        for timer in self._retries:
            timer.cancel()
        self._retries.clear()
        self._clear()

    async def settle(self, within: float) -> bool:
        """Wait until all is ended, at most so many seconds; whether it is."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=within)
        return self._task is None

    async def _run(self) -> None:
        try:
            while any(self._waiting.values()):
                batches = [(way, list(self._waiting[way])) for way in EntryEnd if self._waiting[way]]
                self._clear()
                await asyncio.gather(*[self._end(way, takes) for way, takes in batches])
        finally:
            self._task = None

    def _clear(self) -> None:
        for waiting in self._waiting.values():
            waiting.clear()

    async def _end(self, way: EntryEnd, takes: list[Taken]) -> None:
        try:
            if way == EntryEnd.CONSUME:
                await self._queue.consume(takes)
            else:
                await self._queue.release(takes, avoid=AVOID_SECONDS[way])
        except JobEngineError as error:  # they are ours still, and nobody else's
            self._retry_later(way, takes, str(error))
        else:
            self._refusal = ""

    def _retry_later(self, way: EntryEnd, takes: list[Taken], why: str) -> None:
        if self._refusal != why:
            log.error("%d entries of the queue could not be given back: %s Trying again.", len(takes), why)
        self._refusal = why

        def again() -> None:
            self._retries.discard(timer)
            self.add(way, takes)

        timer = asyncio.get_running_loop().call_later(RETRY_SECONDS, again)
        self._retries.add(timer)
