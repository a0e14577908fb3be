"""One job, named by its id instead of being taken from the queue: ``--job-id``, as a NuvlaEdge runs it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from job_engine.executor.sources import Hearer
from job_engine.job.attend import PERIOD
from job_engine.queue import Taken

ALWAYS: Final = 3600.0
"""Seconds for which the job is ours, counted from whenever it is asked: nobody else was told to run it."""


class OneEntry:
    """Looks like a queue of one entry (`nuvla.Entries`).

    Args:
        job: its id.
    """

    shared = False

    def __init__(self, job: str) -> None:
        self.hearer: Hearer | None = None
        self.on_lapse: Callable[[], None] = lambda: None
        self.granted = PERIOD
        self.ended = asyncio.Event()
        """There is nothing left to do for it, here."""
        self._taken: Taken | None = Taken("(none)", job, b"", "")
        self._asked = False

    @property
    def where(self) -> str:
        """For messages."""
        return "the command line"

    @property
    def good_until(self) -> float:
        """See `entries.Entries`."""
        return time.monotonic() + ALWAYS

    @property
    def fresh(self) -> bool:
        """See `entries.Entries`."""
        return self._asked and self._taken is not None

    async def start(self) -> None:
        """See `entries.Entries`."""

    def ask(self, room: int) -> None:
        """See `entries.Entries`."""
        self._asked = room > 0
        if self.fresh and self.hearer is not None:
            self.hearer.look()

    def collect(self) -> list[Taken]:
        """See `entries.Entries`."""
        if not self.fresh or self._taken is None:
            return []
        taken, self._taken = self._taken, None
        return [taken]

    def consume(self, takes: Sequence[Taken]) -> None:
        """See `entries.Entries`."""
        if takes:
            self.ended.set()

    def release(self, takes: Sequence[Taken], *, avoid: bool = False) -> None:
        """See `entries.Entries`: whoever named it may name it again."""
        self.consume(takes)

    def leave(self, taken: Taken, seconds: float) -> None:
        """See `entries.Entries`: there are no others."""
        self.consume([taken])

    async def close(self) -> None:
        """See `entries.Entries`."""
