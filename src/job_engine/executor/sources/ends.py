"""The ends of what was taken: consumed or released in the background, all that has piled up at once."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from job_engine.job.errors import JobEngineError
from job_engine.queue import LockingQueue, Taken

log = logging.getLogger(__name__)

CONSUME, RELEASE, AVOID = range(3)
WAYS: Final = (CONSUME, RELEASE, AVOID)
"""Remove the entry; give it back; give it back and leave it to others."""


class Ends:
    """What is not ours any more is refused by the queue, and that is no matter here."""

    def __init__(self, queue: LockingQueue) -> None:
        self._queue = queue
        self._waiting: tuple[list[Taken], ...] = ([], [], [])
        self._task: asyncio.Task[None] | None = None

    def add(self, way: int, takes: Sequence[Taken]) -> None:
        """End these in one of the `WAYS`."""
        self._waiting[way].extend(takes)
        if takes and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="ends of entries")

    def forget(self) -> None:
        """What waits is void: its session has lapsed."""
        for waiting in self._waiting:
            waiting.clear()

    async def settle(self, within: float) -> bool:
        """Wait until all is ended, at most so many seconds; whether it is."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=within)
        return self._task is None

    async def _run(self) -> None:
        try:
            while any(self._waiting):
                batches = [(way, list(self._waiting[way])) for way in WAYS if self._waiting[way]]
                self.forget()
                await asyncio.gather(*[self._end(way, takes) for way, takes in batches])
        finally:
            self._task = None

    async def _end(self, way: int, takes: list[Taken]) -> None:
        try:
            if way == CONSUME:
                await self._queue.consume(takes)
            else:
                await self._queue.release(takes, avoid=way == AVOID)
        except JobEngineError as error:  # they stay taken as long as our session lives
            log.error("%d entries of the queue could not be given back: %s", len(takes), error)
