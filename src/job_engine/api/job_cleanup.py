"""Deleting the jobs that match a filter, however many they are."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from job_engine.api import acl
from job_engine.api.audited import about, watching
from job_engine.api.call import Call
from job_engine.api.parameters import asked
from job_engine.api.responses import Json
from job_engine.job.errors import Invalid
from job_engine.store import documents, jobs
from job_engine.store.transaction import Transaction

CHUNK: Final = 500
"""Jobs that one transaction removes, so that others wait for some milliseconds only."""
LINES: Final = 20_000
"""Lines of their logs that it removes with them, unless a single job has more."""


async def delete_many(call: Call) -> Json:
    """``DELETE /api/job`` with the header ``bulk`` and a filter."""
    acl.demand(call.caller.claims, "job", "bulk-delete")
    if b"bulk" not in call.headers:
        raise Invalid("Bulk request should contain bulk http header.")
    wanted = await asked(call)
    if wanted.condition is None:
        raise Invalid("Bulk request should contain a non empty cimi filter.")
    about(call.api, detail=wanted.text)
    began = time.time()
    page = wanted.page(call.caller, "job")
    total = batches = 0
    seen = 0
    # a filter may cost a lot, and the writer thread serves everybody: it is only asked whether they are as they were
    while found := await call.api.search(call.caller, documents.matching, page, began, seen, CHUNK):
        seen = found[-1][0]
        for portion in _portions(found):
            total += await call.api.store.write(_delete_some, portion)
            batches += 1
    if total:  # the first event says what was asked for, before more than a part of it is done; this one how many went
        with watching(call.api, "job.bulk-delete", call.caller, call.address, call.id) as api:
            about(api, detail=f"{total} jobs deleted: {wanted.text}")
            await api.store.write(_delete_some, [])
    return Json(
        {
            "took": round((time.time() - began) * 1000),
            "timed_out": False,
            "total": total,
            "deleted": total,
            "batches": batches,
            "version_conflicts": 0,
            "noops": 0,
            "retries": {"bulk": 0, "search": 0},
            "throttled_millis": 0,
            "requests_per_second": -1.0,
            "throttled_until_millis": 0,
            "failures": [],
        }
    )


def _portions(found: Sequence[tuple[int, str, int]]) -> Iterator[list[tuple[int, str]]]:
    """The jobs in parts for one transaction each, by the lines of their logs."""
    portion: list[tuple[int, str]] = []
    lines = 0
    for seq, updated, number in found:
        if portion and lines + number > LINES:
            yield portion
            portion, lines = [], 0
        portion.append((seq, updated))
        lines += number
    yield portion


def _delete_some(tx: Transaction, seen: Sequence[tuple[int, str]]) -> int:
    there = documents.unchanged(tx.connection, seen)
    jobs.delete(tx, there)
    return len(there)
