"""What has to be so for a while before it counts, and what must not be repeated at once. Pure: time is passed in."""

from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from job_engine.job.backoff import backoff

Thing = TypeVar("Thing", bound=Hashable)

FIRST, LONGEST = 1.0, 60.0
"""Seconds between the first two republications of one job, and at most; they double. Somebody consumes its entries and
tells nobody: without a pause both would go round as fast as they can."""
KEPT: Final = 2 * LONGEST
"""Seconds after which a job that stayed in the queue is taken for a sound one again."""


class Patience(Generic[Thing]):
    """Remembers since when something has been so, without interruption as far as anybody looked."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[Thing, float] = {}
        self._due: float | None = None

    def ripe(self, things: Iterable[Thing], now: float) -> dict[Thing, float]:
        """Of all that is so now, what has been for long enough, with the seconds."""
        self._since = {thing: self._since.get(thing, now) for thing in things}
        due = {thing: since + self.seconds for thing, since in self._since.items()}
        self._due = min((at for at in due.values() if at > now), default=None)
        return {thing: now - self._since[thing] for thing, at in due.items() if at <= now}

    def due(self) -> float | None:
        """When (as ``now``) the next of those that were not ripe may be; None: there are none."""
        return self._due


class Backoff:
    """Republications of jobs."""

    def __init__(self) -> None:
        self._done: dict[str, tuple[int, float]] = {}  # job → how often, the last one
        self._held_back: dict[str, float] = {}  # job → until when

    def allows(self, jobs: Iterable[str], now: float) -> Callable[[str], bool]:
        """Which of these, all that would be republished now, may be. The others are due later."""
        self._done = {job: done for job, done in self._done.items() if done[1] + KEPT > now}
        self._held_back = {job: at for job in jobs if (at := self._due(job)) > now}
        held_back = self._held_back
        return lambda job: job not in held_back

    def done(self, job: str, now: float) -> None:
        """This one was."""
        self._done[job] = (self._done.get(job, (0, 0.0))[0] + 1, now)

    def due(self) -> float | None:
        """When the next of those that were held back may be."""
        return min(self._held_back.values(), default=None)

    def _due(self, job: str) -> float:
        count, last = self._done.get(job, (0, 0.0))
        return last + backoff(count - 1, FIRST, LONGEST) if count else 0.0
