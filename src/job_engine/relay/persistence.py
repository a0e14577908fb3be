"""Conditions that count only once they have lasted, and the backoff of repairs. Pure: time is passed in."""

from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from job_engine.job.backoff import backoff

Key = TypeVar("Key", bound=Hashable)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Seconds between the first two republications of one job, and at most; they double. A foreign process may consume its
entries without a finish: without a pause both would loop as fast as they can."""
FORGET_SECONDS: Final = 2 * LONGEST_PAUSE_SECONDS
"""Seconds after which a job that stayed in the queue starts again with the first pause."""


class Persistence(Generic[Key]):
    """Remembers since when each of some conditions has held without interruption, as far as it was observed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[Key, float] = {}
        self._due: float | None = None

    def lasting(self, keys: Iterable[Key], now: float) -> dict[Key, float]:
        """Those of the conditions that hold now which have lasted long enough, with the seconds."""
        self._since = {key: self._since.get(key, now) for key in keys}
        due = {key: since + self.seconds for key, since in self._since.items()}
        self._due = min((at for at in due.values() if at > now), default=None)
        return {key: now - self._since[key] for key, at in due.items() if at <= now}

    def due(self) -> float | None:
        """When (as ``now``) the next condition will have lasted long enough; None: there is none."""
        return self._due


class RepublishBackoff:
    """The backoff between two republications of one job."""

    def __init__(self) -> None:
        self._done: dict[str, tuple[int, float]] = {}  # job → how often, the last one
        self._held_back: dict[str, float] = {}  # job → until when

    def allows(self, jobs: Iterable[str], now: float) -> Callable[[str], bool]:
        """A test of which of these jobs, all that would be republished now, may be; the others are due later."""
        self._done = {job: done for job, done in self._done.items() if done[1] + FORGET_SECONDS > now}
        self._held_back = {job: at for job in jobs if (at := self._due(job)) > now}
        held_back = self._held_back
        return lambda job: job not in held_back

    def done(self, job: str, now: float) -> None:
        """The job was republished."""
        self._done[job] = (self._done.get(job, (0, 0.0))[0] + 1, now)

    def due(self) -> float | None:
        """When the next job that was held back may be republished."""
        return min(self._held_back.values(), default=None)

    def _due(self, job: str) -> float:
        count, last = self._done.get(job, (0, 0.0))
        return last + backoff(count - 1, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS) if count else 0.0
