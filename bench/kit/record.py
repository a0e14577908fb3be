"""Looks into the record's file: cheap, even with a million jobs, and at no cost to the engine."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

ALL = 2**62
"""As the number of the last job: all there are."""


def all_final(data: Path, last: int) -> bool:
    """Whether every job up to number ``last`` is final, with its end on disk.

    Jobs of one priority are claimed in the order of their numbers, so the first one that waits tells.
    """
    waiting = _one(data, "select min(seq) from job indexed by job_queued where state = 'QUEUED' and waits = 0")
    if waiting is not None and waiting <= last:
        return False
    return not _one(data, "select exists (select 1 from job where state = 'RUNNING' and seq <= ?)", last)


def first_waiting(data: Path) -> int:
    """The number of the first job that waits."""
    return int(_one(data, "select min(seq) from job where state = 'QUEUED' and waits = 0"))


def first_start(data: Path, first: int, last: int) -> float:
    """When the first of the jobs from number ``first`` to ``last`` started, in seconds since the epoch."""
    started = _one(data, "select min(started) from job where seq between ? and ?", first, last)
    return datetime.fromisoformat(started).timestamp()


def last_end(data: Path, first: int, last: int) -> float:
    """When the last of the jobs from number ``first`` to ``last`` ended, in seconds since the epoch."""
    end = _one(data, "select max(ended) from job where seq between ? and ?", first, last)
    return datetime.fromisoformat(end).timestamp()


def ended(data: Path, first: int, last: int) -> int:
    """How many of the jobs from number ``first`` to ``last`` are final."""
    final = "state in ('SUCCESS', 'FAILED', 'CANCELED')"
    return int(_one(data, f"select count(*) from job where seq between ? and ? and {final}", first, last))


def _one(data: Path, query: str, *values: int) -> Any:
    with closing(sqlite3.connect(f"file:{data / 'record.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchone()[0]
