"""The locking queue: take, consume, release and put, in one place."""

from collections.abc import Sequence

from job_engine.queue.put import put_many
from job_engine.queue.session import Session
from job_engine.queue.take import EndOutcome, Taken, Takes
from job_engine.queue.view import View


class LockingQueue:
    """kazoo's LockingQueue on the wire, for many entries at once. Made before the session starts."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._view = View(session)
        self._takes = Takes(session, self._view.freed, self._view.avoid)

    @property
    def held(self) -> list[Taken]:
        """The takes that are neither consumed nor released, in a session that has not lapsed."""
        return self._takes.held

    async def take(self, want: int) -> list[Taken]:
        """Take up to ``want`` entries, best first; waits for the first, also through outages. One caller at a time.

        Cancelled, it gives back what came too late. Raises Forbidden.
        """
        while True:
            taken = await self._takes.take(await self._view.next(want))
            if taken:
                return taken

    async def take_names(self, names: Sequence[str]) -> list[Taken]:
        """Take those of these very entries that are free."""
        return await self._takes.take(names)

    async def consume(self, takes: Sequence[Taken]) -> list[EndOutcome]:
        """Delete entries whose jobs are done. Waits through outages for as long as the session lasts."""
        return await self._takes.consume(takes)

    async def release(self, takes: Sequence[Taken], *, avoid: float = 0.0) -> list[EndOutcome]:
        """Give the entries back. With ``avoid`` leave them to others for so many seconds; inf: while they exist."""
        if avoid > 0:
            self._view.avoid([taken.name for taken in takes], avoid)
        return await self._takes.release(takes)

    def avoid(self, takes: Sequence[Taken], seconds: float) -> None:
        """Leave these entries to others for so long, once they are released."""
        self._view.avoid([taken.name for taken in takes], seconds)

    async def put(self, job: str, priority: int = 999) -> str:
        """Put a job's id; the name of its entry. Raises as `put_many` does."""
        (name,) = await self.put_many([(job, priority)])
        return name

    async def put_many(self, jobs: Sequence[tuple[str, int]], record: str = "") -> list[str]:
        """Put (job id, priority) pairs, in the name of a record if one is given; see `put.put_by`.

        Raises Invalid, or Unanswered and SessionLost when it may have been done.
        """
        return await put_many(self.session, jobs, record)
