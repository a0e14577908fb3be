"""The source of a single job that is named by its id, not taken from the queue: ``--job-id``, as on a NuvlaEdge."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from job_engine.executor.sources import SourceListener
from job_engine.job.attend import PERIOD
from job_engine.queue import Taken

GOOD_SECONDS: Final = 3600.0
"""Seconds for which the job is ours, counted from whenever it is asked: nobody else was told to run it."""


class NamedJobEntry:
    """A queue of one entry (an adapter of `nuvla.JobEntries`).

    Args:
        job: its id.
    """

    shared = False

    def __init__(self, job: str) -> None:
        self.listener: SourceListener | None = None
        self.on_lapse: Callable[[], None] = lambda: None
        self.granted = PERIOD
        self.ended = asyncio.Event()
        """Set when the job needs nothing more here."""
        self._taken: Taken | None = Taken("(none)", job, b"", "")
        self._asked = False

    @property
    def where(self) -> str:
        """For messages."""
        return "the command line"

    @property
    def good_until(self) -> float:
        """The time until which the job is ours: nobody else was asked to run it."""
        return time.monotonic() + GOOD_SECONDS

    @property
    def fresh(self) -> bool:
        """Whether there is an entry to collect."""
        return self._asked and self._taken is not None

    async def start(self) -> None:
        """Do nothing: there is no session."""

    def ask(self, room: int) -> None:
        """Offer the entry if there is room for a job."""
        self._asked = room > 0
        if self.fresh and self.listener is not None:
            self.listener.on_news()

    def collect(self) -> list[Taken]:
        """Return the entry, once."""
        if not self.fresh or self._taken is None:
            return []
        taken, self._taken = self._taken, None
        return [taken]

    def consume(self, takes: Sequence[Taken]) -> None:
        """End the entry: the job needs nothing more here."""
        if takes:
            self.ended.set()

    def release(self, takes: Sequence[Taken], *, avoid: bool = False) -> None:
        """End the entry: whoever named the job may name it again."""
        self.consume(takes)

    def leave(self, taken: Taken, seconds: float) -> None:
        """End the entry: there are no other executors to leave it to."""
        self.consume([taken])

    async def close(self) -> None:
        """Do nothing: there is no session."""
