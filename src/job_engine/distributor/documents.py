"""The jobs of a tick as JSON, in batches that a server takes. A faulty job does not keep the others from being sent."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, Final

import msgspec

JOBS_PER_BATCH: Final = 10_000
"""Jobs that the record adds in one transaction at most."""
BYTES_PER_BATCH: Final = 8 << 20
"""Bytes of them, half of what a server takes, unless a single job has more."""
SHOWN_REFUSALS: Final = 3
"""Refusals that are told one by one; there may be thousands."""


def _other(value: Any) -> str:
    if isinstance(value, PurePath):  # as in a job's result
        return str(value)
    raise TypeError(f"{type(value).__qualname__} is not JSON")


_encode: Final = msgspec.json.Encoder(enc_hook=_other).encode


def encoded(jobs: Iterable[Any], *, unless_active: bool) -> tuple[list[bytes], list[str], list[str]]:
    """The documents as JSON, which of the tick each is, for messages, and a line for each that is none.

    Args:
        unless_active: what each says that does not say it itself.
    """
    good: list[bytes] = []
    places: list[str] = []
    bad: list[str] = []
    for number, job in enumerate(jobs, start=1):
        place = f"job {number} of the tick"
        if not isinstance(job, Mapping):
            bad.append(f"{place} is {type(job).__name__} {job!r:.100}, not a document: use a dict or ACTION.job(...)")
            continue
        if isinstance(action := job.get("action"), str):
            place += f" (action {action:.100})"
        try:
            good.append(_encode({"unless-active": True, **job} if unless_active else dict(job)))
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            bad.append(f"{place} cannot be written as JSON: {error}")
        else:
            places.append(place)
    return good, places, bad


def batches(jobs: list[bytes]) -> Iterator[list[bytes]]:
    """The jobs in slices that one transaction takes; one that is empty if there is none: a tick without jobs is made,
    too."""
    current: list[bytes] = []
    size = 0
    for job in jobs:
        if current and (len(current) >= JOBS_PER_BATCH or size + len(job) > BYTES_PER_BATCH):
            yield current
            current, size = [], 0
        current.append(job)
        size += len(job) + 1
    yield current


def summed_up(refused: list[str]) -> str | None:
    """The refusals in one line."""
    if not refused:
        return None
    more = f"; and {len(refused) - SHOWN_REFUSALS} more" if len(refused) > SHOWN_REFUSALS else ""
    return "; ".join(refused[:SHOWN_REFUSALS]) + more
