"""How many jobs an executor may hold beyond those that run: as many as its slots finish in a moment, by what jobs took
lately. So a crowd of quick jobs keeps the slots busy through each exchange with the record, and slow jobs wait where
others can claim them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

WINDOW: Final = 0.05
"""Seconds of work that may be held: many times an exchange with the record (1-5 ms), and not worth stealing."""
DEPTH: Final = 0.005
"""Seconds of work that may wait in one worker process: a few times a round over its pipe."""
MOST: Final = 512
"""Jobs that may be held beyond the slots: more brings nothing (docs/benchmarks), and each costs memory."""
DEEPEST: Final = 32
"""Jobs that may wait in one worker process: from there on a message costs little a job."""
WEIGHT: Final = 0.125
"""Weight of the newest job in the moving averages: one slow job shrinks the backlog, some dozens grow it again."""
QUICK: Final = 0.002
"""Seconds: jobs that take less are worth waiting for, a moment, before the next exchange."""
QUICKEST: Final = 20e-6
"""Seconds that a job takes at least, with what it costs around the action."""


class Pace:
    """What jobs took lately: moving averages, over all and by action."""

    def __init__(self) -> None:
        self.mean: float | None = None  # seconds; None: nothing has ended yet
        self._by_action: dict[str, float] = {}

    def ended(self, action: str, took: float) -> None:
        """A job of ``action`` took so many seconds."""
        took = max(took, QUICKEST)
        former = self._by_action.get(action)
        self._by_action[action] = took if former is None else former + WEIGHT * (took - former)
        self.mean = took if self.mean is None else self.mean + WEIGHT * (took - self.mean)

    def expected(self, action: str) -> float:
        """Seconds that a job of ``action`` is expected to take; of one that never ran: too long to wait for."""
        return self._by_action.get(action, WINDOW)

    def work(self, held: Mapping[str, int]) -> float:
        """Seconds of one slot that so many jobs of each action are expected to take, each at most `WINDOW`."""
        return sum(count * min(self.expected(action), WINDOW) for action, count in held.items() if count)


def room(pace: Pace, slots: int, held: Mapping[str, int]) -> int:
    """How many more jobs to ask for.

    Args:
        slots: those that work, without those that a slow job occupies.
        held: jobs by action that run in these slots or wait for one.
    """
    count = sum(held.values())
    if slots <= 0:
        return 0
    free = max(0, slots - count)
    if pace.mean is None or pace.mean >= WINDOW:
        return free
    left = slots * WINDOW - pace.work(held) - free * pace.mean
    return min(slots + MOST - count, free + max(0, int(left / pace.mean))) if count < slots + MOST else 0


def depth(pace: Pace, slots: int) -> int:
    """How many jobs may wait in a worker process with so many slots that are not occupied by a slow job."""
    return 0 if pace.mean is None else min(DEEPEST, int(slots * DEPTH / pace.mean))


class Place(NamedTuple):
    """A worker process that can be given jobs."""

    load: int  # jobs that it has
    slots: int
    depth: int  # jobs that may wait in it


def share(jobs: int, places: Sequence[Place]) -> list[int]:
    """How many of so many jobs to give to each place: free slots first, evenly; then what may wait there.

    A place that has more than half of what may wait in it gets none yet, so that messages do not get small.
    """
    given = [0] * len(places)
    busy = [place.load - place.slots for place in places]  # below 0: it has free slots
    while jobs and places:
        least = min(range(len(places)), key=busy.__getitem__)
        if busy[least] >= 0:
            break
        given[least] += 1
        busy[least] += 1
        jobs -= 1
    open_ = [index for index, place in enumerate(places) if place.depth and busy[index] <= place.depth // 2]
    part = math.ceil(jobs / len(open_)) if open_ else 0
    for index in sorted(open_, key=busy.__getitem__):
        count = min(places[index].depth - busy[index], part, jobs)
        given[index] += count
        jobs -= count
    return given
