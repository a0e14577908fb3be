"""How bulk jobs are shown in a terminal: how far the family is, and what failed and why."""

import sys
from typing import Final

from job_engine.cli.screen import print_table, say
from job_engine.client import JobHandle
from job_engine.job.bulk import BulkResult, Reason
from job_engine.job.bulk_message import found

STEP: Final = 10
"""Percent between two lines where there is no bar."""
IDS: Final = 3
"""Elements that are named of each reason."""
REASON: Final = 60
"""Characters of a reason on a terminal, where there is to be room for ids."""


def counts(result: BulkResult) -> str:
    """How far a family is, as short as it can be said."""
    (_, done), *others = result.counts
    return ", ".join([f"{done}/{result.total} done", *(f"{number} {word}" for word, number in others)])


def follow(job: JobHandle) -> None:
    """Until the job is final, a line to the standard error whenever a part of its family has ended."""
    told = 0
    for seen in job.changes():
        result = found(seen.document.get("status-message"))
        if result is not None and result.total and (step := result.progress // STEP) > told:
            told = step
            say(counts(result), err=True)


def print_result(result: BulkResult) -> None:
    """The counts in a line, and a table of why elements failed or were skipped."""
    say(counts(result))
    print_reasons(result)


def print_reasons(result: BulkResult) -> None:
    """A table of why elements failed or were skipped, if any."""
    if result.reasons:
        rows = [(_cut(result.told(text)), kept.category, str(kept.count), _first(kept)) for text, kept in result.ranked]
        print_table(("reason", "category", "count", "first ids"), rows)


def _cut(reason: str) -> str:
    flat = " ".join(reason.split())
    return f"{flat[: REASON - 1]}…" if sys.stdout.isatty() and len(flat) > REASON else flat


def _first(kept: Reason) -> str:
    ids = list(kept.data)[:IDS]
    more = kept.count - sum(kept.data[id_]["count"] for id_ in ids)
    return ", ".join(ids) + (f" and {more} more" if ids and more > 0 else "")
