"""The part of the record that is in ZooKeeper at once, counted in memory. Pure.

The best of the ready jobs are published, up to the window; it is filled again when half of it has been claimed. A
job of a better priority is put at once, even into a full window, as long as it has less than a window of jobs that are
as good: so whoever takes always finds the best, and the worst case is one window for each priority in use.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

JOBS_PER_PICK: Final = 256
"""Jobs picked and put together: one multi, and one transaction that does not hold up what executors say."""
PRIORITY_POLL_SECONDS: Final = 0.05
"""Seconds between two looks for a better priority while there is more than fits: an add a millisecond costs no more."""


class Want(NamedTuple):
    """The jobs to pick next: how many, and of which priorities."""

    limit: int
    below: int | None = None  # only priorities better than this one


WANT_NOTHING: Final = Want(0)


class Window:
    """What is published and waits to be claimed, as far as this relay has seen. It may be short of some: of those that
    were released after a claim, until the next comparison of queue and record."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._waiting: dict[str, int] = {}  # job → priority
        self._counts: Counter[int] = Counter()
        self._behind = True  # there may be more ready jobs than are published
        self._filling = True
        self._news = True  # jobs became ready since the last pick
        self._looked = -PRIORITY_POLL_SECONDS
        self._claimed: set[str] = set()  # published, and not waiting any more
        self._gone: set[str] | None = None  # jobs that changed since `watch`

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def hungry(self) -> bool:
        """It is half empty, and there is more."""
        return self._behind and len(self._waiting) <= self.size // 2

    def ready(self) -> bool:
        """Jobs became ready. Whether that is news."""
        known, self._news = self._news, True
        return not known

    def changed(self, jobs: Iterable[str], ready: bool = False) -> bool:
        """These changed, and some of them are ready now, or none is.

        Whether it may matter to the queue: one that waited to be claimed may not any more, or one that was claimed is
        free again, and who knows what has become of its entry.
        """
        matters = ready and self._gone is not None  # what is being read may be older than this
        for job in jobs:
            priority = self._waiting.pop(job, None)
            if priority is not None:
                self._counts[priority] -= 1
                self._claimed.add(job)
                matters = True
            elif ready and job in self._claimed:
                matters = True
            if self._gone is not None:
                self._gone.add(job)
        return matters

    def add(self, jobs: Iterable[tuple[str, int]]) -> None:
        """These are being published."""
        for job, priority in jobs:
            if job not in self._waiting:
                self._waiting[job] = priority
                self._counts[priority] += 1

    def watch(self) -> None:
        """The record is about to be read: remember what changes meanwhile."""
        self._gone = set()

    def reset(self, waiting: Mapping[str, int], claimed: Iterable[str]) -> None:
        """What waits and what is claimed, as it was read; what has changed since `watch` counts as claimed."""
        gone, self._gone = self._gone or set(), None
        self._claimed = {*claimed, *gone}
        self._waiting = {job: priority for job, priority in waiting.items() if job not in gone}
        self._counts = Counter(self._waiting.values())
        self._behind = self._filling = self._news = True

    def want(self, now: float) -> Want:
        """What to pick now (loop time)."""
        room = self.size - len(self._waiting)
        if len(self._waiting) <= self.size // 2:
            self._filling = True
        elif room <= 0:
            self._filling = False
        if room > 0 and (self._filling if self._behind else self._news):
            return Want(min(JOBS_PER_PICK, room))
        if self._news and now >= self._looked + PRIORITY_POLL_SECONDS:
            return Want(JOBS_PER_PICK, self._bound())
        return WANT_NOTHING

    def asked(self, want: Want, now: float) -> None:
        """This is about to be picked: what becomes ready from now on is news."""
        self._news = False
        if want.below is not None:
            self._looked = now
            self._behind = True

    def picked(self, want: Want, jobs: Sequence[tuple[str, int]]) -> None:
        """This was picked."""
        self.add(jobs)
        if want.below is not None:
            self._news |= len(jobs) == want.limit
        else:
            self._behind = len(jobs) == want.limit

    def due(self, now: float) -> float | None:
        """In how many seconds there may be something to pick if nothing happens; None: never."""
        if self.want(now).limit:
            return 0.0
        return max(0.0, self._looked + PRIORITY_POLL_SECONDS - now) if self._news else None

    def _bound(self) -> int:
        """The priority from which on nothing more is needed."""
        total, worst = 0, 0
        for priority in sorted(priority for priority, count in self._counts.items() if count > 0):
            total, worst = total + self._counts[priority], priority
            if total >= self.size:
                break
        return worst
