"""The ends of what was taken: consumed or released in the background, all that has piled up at once."""

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Final

from job_engine.job.errors import JobEngineError
from job_engine.queue import LockingQueue, Taken

log = logging.getLogger(__name__)

CONSUME, RELEASE, AVOID, LATER = range(4)
WAYS: Final = (CONSUME, RELEASE, AVOID, LATER)
"""Remove the entry; give it back; give it back and leave it to others; give it back and try it again in a while."""
LEFT: Final = {RELEASE: 0.0, AVOID: math.inf, LATER: 300.0}
"""Seconds for which what is given back is left to others. Of no job, or none that the record has, it may be another
system's, which may have many; but a record may also be put back."""
AGAIN: Final = 5.0
"""Seconds until what ZooKeeper refused is tried again: rights come back, and nobody tells."""


class Ends:
    """What is not ours any more is refused by the queue, and that is no matter here."""

    def __init__(self, queue: LockingQueue) -> None:
        self._queue = queue
        self._waiting: tuple[list[Taken], ...] = tuple([] for _ in WAYS)
        self._task: asyncio.Task[None] | None = None
        self._again: set[asyncio.TimerHandle] = set()
        self._refusal = ""  # what the log said last

    def add(self, way: int, takes: Sequence[Taken]) -> None:
        """End these in one of the `WAYS`."""
        self._waiting[way].extend(takes)
        if takes and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="ends of entries")

    def forget(self) -> None:
        """What waits is void: its session has lapsed."""
        for timer in self._again:
            timer.cancel()
        self._again.clear()
        self._clear()

    async def settle(self, within: float) -> bool:
        """Wait until all is ended, at most so many seconds; whether it is."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=within)
        return self._task is None

    async def _run(self) -> None:
        try:
            while any(self._waiting):
                batches = [(way, list(self._waiting[way])) for way in WAYS if self._waiting[way]]
                self._clear()
                await asyncio.gather(*[self._end(way, takes) for way, takes in batches])
        finally:
            self._task = None

    def _clear(self) -> None:
        for waiting in self._waiting:
            waiting.clear()

    async def _end(self, way: int, takes: list[Taken]) -> None:
        try:
            if way == CONSUME:
                await self._queue.consume(takes)
            else:
                await self._queue.release(takes, avoid=LEFT[way])
        except JobEngineError as error:  # they are ours still, and nobody else's
            self._try_again(way, takes, str(error))
        else:
            self._refusal = ""

    def _try_again(self, way: int, takes: list[Taken], why: str) -> None:
        if self._refusal != why:
            log.error("%d entries of the queue could not be given back: %s Trying again.", len(takes), why)
        self._refusal = why

        def again() -> None:
            self._again.discard(timer)
            self.add(way, takes)

        timer = asyncio.get_running_loop().call_later(AGAIN, again)
        self._again.add(timer)
