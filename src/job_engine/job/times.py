"""Points in time as the API writes them (ISO 8601, UTC, milliseconds), and lengths of time as people write them."""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from job_engine.job.errors import Invalid
from job_engine.job.foreign import shown

LONGEST: Final = 10 * 365.25 * 86400.0
"""Seconds of the longest duration, ten years: clocks, timers and dates can be computed with all that are shorter."""
TEXT_LIMIT: Final = 64
"""Characters that a time or a duration may have as text: what is longer is not looked at."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


def iso(at: float) -> str:
    """``at`` (seconds since the epoch) as ``2026-11-24T23:05:01.042Z``."""
    return _to_the_millisecond(round(at * 1000))


@lru_cache(maxsize=1024)  # of quick jobs, many begin and end in one millisecond
def _to_the_millisecond(at: int) -> str:
    whole, rest = divmod(at, 1000)
    return f"{_to_the_second(whole)}.{rest:03d}Z"


@lru_cache(maxsize=16)
def _to_the_second(whole: int) -> str:
    at = time.gmtime(whole)
    return f"{at.tm_year:04d}-{time.strftime('%m-%dT%H:%M:%S', at)}"


def epoch(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; without a zone it is UTC.

    Raises:
        Invalid: ``text`` is not such a time.
    """
    try:
        parsed = datetime.fromisoformat(text if len(text) <= TEXT_LIMIT else "")
    except ValueError:
        raise Invalid(f"{shown(text)} is not a time such as 2026-11-24T23:05:01.042Z") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def seconds(duration: str | float) -> float:
    """The length in seconds of ``duration``: a number of seconds, or text such as ``"90s"``, ``"10m"``, ``"1h30m"``.

    Raises:
        Invalid: it is neither, negative, no number, or longer than `LONGEST`.
    """
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        if duration < 0:
            raise Invalid(f"{shown(duration)} is negative; a duration is 0 or more seconds")
        return _bounded(duration, duration)
    if not isinstance(duration, str) or len(duration) > TEXT_LIMIT or not _DURATION.fullmatch(duration):
        raise Invalid(f"{shown(duration)} is not a duration; write for example 30s, 10m or 1h30m")
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration)), duration)


def _bounded(length: float, duration: object) -> float:
    if not length <= LONGEST:  # nor is NaN
        raise Invalid(f"{shown(duration)} is too long; a duration is at most 10 years ({LONGEST:.0f} s)")
    return float(length)


def least_uuid7(at: float) -> str:
    """The least UUID version 7 of a point in time (RFC 9562: 48 bits of milliseconds first)."""
    text = f"{int(max(at, 0.0) * 1000):012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-000000000000"
