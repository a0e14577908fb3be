"""When a schedule is due, and which of its ticks are still to be made. Pure arithmetic: whoever asks brings the clock.

Times are whole milliseconds since the epoch, as the API writes them, so that a time that was written and read again is
the same tick.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from job_engine.job.errors import Invalid
from job_engine.job.times import seconds

SHORTEST: Final = 100
"""Milliseconds between two ticks of an interval at least: one tick is a request and a transaction."""
ON_TIME: Final = 60_000
"""Milliseconds that a tick may be late, unless the next one is due, before it counts as missed: a failover, a restart
or a slow answer costs a nightly schedule nothing."""
MOST: Final = 1_000
"""Missed ticks that are made up for at most, the newest ones."""
FUTURE: Final = 60_000
"""Milliseconds by which a tick that was decided on may lie ahead of the clock. If a clock is set back by less, ticks
wait until it has caught up; a clock that was ahead by more was wrong, and ticks go on from the present time."""
_WINDOW: Final = 3_600_000
"""Milliseconds that are searched first for the newest times of a cron expression; eight times as many each further
time."""


class Schedule(Protocol):
    """A series of due times, the same for all who ask, whenever and wherever they do."""

    @property
    def zone(self) -> ZoneInfo | None:
        """Whose clocks it means."""

    @property
    def described(self) -> dict[str, str | None]:
        """``every``, ``cron`` and ``timezone``, as people write them; None for what it has not."""

    def after(self, at: int) -> int:
        """The first due time later than ``at``."""

    def newest(self, after: int, until: int, most: int) -> list[int]:
        """Of the due times later than ``after`` and not later than ``until`` the ``most`` newest, oldest first."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Due at each multiple of ``every`` milliseconds, counted from the epoch."""

    every: int
    zone: ZoneInfo | None = None

    @property
    def described(self) -> dict[str, str | None]:
        """See `Schedule`."""
        return {"every": f"{self.every / 1000:.12g}s", "cron": None, "timezone": None}

    def after(self, at: int) -> int:
        """See `Schedule`."""
        return (at // self.every + 1) * self.every

    def newest(self, after: int, until: int, most: int) -> list[int]:
        """See `Schedule`."""
        last = until // self.every
        first = max(after // self.every + 1, last - most + 1)
        return [n * self.every for n in range(first, last + 1)]

    def __str__(self) -> str:
        return f"every {self.every / 1000:g} s"


@dataclass(frozen=True, slots=True)
class Cron:
    """Due when a clock in ``zone`` shows what the expression says.

    As Debian's cron does it: what names hours and minutes is due once when a clock is set back over its time, and right
    after the gap when it is set forward over it; what is due all the time (``*``) follows the time that really passes.
    """

    expression: str
    zone: ZoneInfo

    @property
    def described(self) -> dict[str, str | None]:
        """See `Schedule`."""
        return {"every": None, "cron": self.expression, "timezone": self.zone.key}

    def after(self, at: int) -> int:
        """See `Schedule`."""
        return next(self._from(at))

    def newest(self, after: int, until: int, most: int) -> list[int]:
        """See `Schedule`."""
        window = _WINDOW
        while True:
            start = max(after, until - window)
            found: deque[int] = deque(maxlen=most)
            for due in self._from(start):
                if due > until:
                    break
                found.append(due)
            if len(found) == most or start == after:
                return list(found)
            window *= 8

    def _from(self, at: int) -> Iterator[int]:
        """All due times later than ``at``, each once."""
        for moment in CronSim(self.expression, datetime.fromtimestamp(at // 1000, UTC).astimezone(self.zone)):
            due = round(moment.timestamp()) * 1000
            if due > at:  # where clocks change, several moments are one, or one that has been
                yield due
                at = due

    def __str__(self) -> str:
        return f"{self.expression} ({self.zone.key})"


def schedule(
    *, every: float | str | None = None, cron: str | None = None, timezone: str | None = None
) -> Interval | Cron:
    """The schedule that an author means.

    Args:
        every: seconds, or text such as ``"30s"``.
        cron: minute, hour, day of month, month, day of week; or these after a field of seconds.
        timezone: of the cron expression, such as ``"Europe/Zurich"``; UTC if it is not given.

    Raises:
        Invalid: it means nothing, saying why.
    """
    if every is not None and cron is not None:
        raise Invalid("give every or cron, not both")
    if every is None and cron is None:
        raise Invalid('a schedule is every="30s" or cron="0 3 * * *"')
    if every is not None:
        if timezone is not None:
            raise Invalid("an interval counts from the epoch and has no timezone; give it with cron")
        length = round(seconds(every) * 1000)
        if length < SHORTEST:
            raise Invalid(f"{every!r} is too often: an interval is {SHORTEST / 1000:g} s or more")
        return Interval(length)
    try:
        zone = ZoneInfo(timezone or "UTC")
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, but only of names that look like one
        raise Invalid(f"{timezone!r} is not a time zone such as Europe/Zurich") from None
    except KeyError:
        raise Invalid(f"there is no time zone {timezone!r}; one is called, for example, Europe/Zurich") from None
    made = Cron(" ".join(str(cron).split()), zone)
    try:
        made.after(0)
    except CronSimError as error:
        if str(error) == "Bad day-of-month" and _parses([*made.expression.split()[:-2], "*", "*"]):
            raise Invalid(f"{cron!r} never comes: none of its months has such a day") from None
        raise Invalid(f"{cron!r} is not a cron expression such as '0 3 * * *': {str(error).lower()}") from None
    except StopIteration:
        raise Invalid(f"{cron!r} never comes") from None
    return made


def _parses(fields: list[str]) -> bool:
    try:
        CronSim(" ".join(fields), datetime.fromtimestamp(0, UTC))
    except CronSimError:
        return False
    return True


class Missed(StrEnum):
    """What becomes of ticks that nobody made when they were due: a pause, a failover, a clock that was set."""

    SKIP = "skip"  # none of them
    ONCE = "once"  # one for all, at the newest due time
    ALL = "all"  # each, the newest `MOST`


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done at a moment."""

    due: tuple[int, ...]  # ticks to make now, oldest first
    seen: int  # everything up to here is decided once they are made
    passed: bool  # whether ticks before them are not made
    next: int  # when the next one is due


def plan(schedule: Schedule, missed: Missed, seen: int, now: int) -> Plan:
    """What is to be done now.

    Args:
        seen: the due time of the newest tick that was decided on, or when the schedule began.
        now: what the clock shows.
    """
    if seen - now > FUTURE:
        seen = now
    most = MOST if missed is Missed.ALL else 1
    newest = schedule.newest(seen, now, most + 1)
    due = newest[-most:]
    passed = len(newest) > len(due)
    decided = due[-1] if due else seen
    if missed is Missed.SKIP and due and now - due[-1] > ON_TIME:
        due, passed = [], True
    return Plan(tuple(due), decided, passed, schedule.after(max(decided, now)))
