"""Points in time as filters name them: dates of any precision, epoch milliseconds, and date maths from ``now``.

Each names an interval of milliseconds, first and last: ``2026-11`` is the whole month, ``now-7d`` one millisecond.
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

from job_engine.job.errors import Invalid
from job_engine.job.times import iso

Interval = tuple[int, int]

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_MATHS = re.compile(r"now((?:[+-]\d{1,9}[smhdwMy])*)(?:/([smhdwMy]))?", re.ASCII)
_STEP = re.compile(r"([+-])(\d+)([smhdwMy])")
_LENGTH: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LIMIT: Final = 253_402_300_799_999
"""The end of the year 9999, in milliseconds."""


def interval(text: str, now: float) -> Interval:
    """What ``text`` names.

    Args:
        now: seconds since the epoch.

    Raises:
        Invalid: it names no time.
    """
    try:
        found = _date(text) or _maths(text, now) or _epoch(text)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise Invalid(
            f"Invalid CIMI filter. {text[:60]!r} is not a time:"
            " write 2026-11-24T23:05:01Z, 2026-11, epoch milliseconds or now-7d."
        )
    return found


def iso_of(at: int) -> str:
    """Milliseconds since the epoch as the record keeps them."""
    return iso(at / 1000)


def _date(text: str) -> Interval | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    start = datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
    )
    if zone not in (None, "Z"):
        start -= timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[4:]))
    low = _milliseconds(start) + int((fraction or "0").ljust(3, "0")[:3])
    if fraction is not None:
        shown = min(len(fraction), 3)
        return low, low + 10 ** (3 - shown) - 1
    for part, unit in ((second, "s"), (minute, "m"), (hour, "h"), (day, "d"), (month, "M")):
        if part is not None:
            return low, _later(start, 1, unit) - 1
    return low, _later(start, 1, "y") - 1


def _maths(text: str, now: float) -> Interval | None:
    match = _MATHS.fullmatch(text)
    if match is None:
        return None
    at = datetime.fromtimestamp(int(now * 1000) / 1000, UTC)
    for sign, number, unit in _STEP.findall(match[1]):
        at = datetime.fromtimestamp(_later(at, int(sign + number), unit) / 1000, UTC)
    unit = match[2]
    if unit is None:
        milliseconds = _milliseconds(at)
        return milliseconds, milliseconds
    start = _start(at, unit)
    return _milliseconds(start), _later(start, 1, unit) - 1


def _epoch(text: str) -> Interval | None:
    if not re.fullmatch(r"-?\d{1,16}", text, re.ASCII):
        return None
    at = int(text)
    return (at, at) if 0 <= at <= _LIMIT else None


def _start(at: datetime, unit: str) -> datetime:
    whole = at.replace(microsecond=0)
    if unit == "s":
        return whole
    if unit == "m":
        return whole.replace(second=0)
    if unit == "h":
        return whole.replace(minute=0, second=0)
    day = whole.replace(hour=0, minute=0, second=0)
    if unit == "d":
        return day
    if unit == "w":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "M" else day.replace(month=1, day=1)


def _later(at: datetime, number: int, unit: str) -> int:
    """Milliseconds of the point ``number`` units after ``at``; a month later than 31 January is the end of February."""
    if unit in _LENGTH:
        return _milliseconds(at) + number * _LENGTH[unit] * 1000
    months = at.year * 12 + at.month - 1 + number * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    return _milliseconds(at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1])))


def _milliseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
