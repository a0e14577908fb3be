"""Deleting the jobs that match a filter, however many they are."""

import time
from collections.abc import Sequence
from typing import Final

from job_engine.api import acl
from job_engine.api.answers import Json
from job_engine.api.call import Call
from job_engine.api.parameters import asked
from job_engine.job.errors import Invalid
from job_engine.store import documents, jobs, query
from job_engine.store.transaction import Transaction

CHUNK: Final = 500
"""Jobs that one transaction removes, so that others wait for some milliseconds only."""


async def delete_many(call: Call) -> Json:
    """``DELETE /api/job`` with the header ``bulk`` and a filter."""
    acl.demand(call.caller.claims, "job", "bulk-delete")
    if b"bulk" not in call.headers:
        raise Invalid("Bulk request should contain bulk http header.")
    wanted = await asked(call)
    if wanted.condition is None:
        raise Invalid("Bulk request should contain a non empty cimi filter.")
    began = time.time()
    page = wanted.page(call.caller)
    total = batches = 0
    seen = 0
    # looked for beside the writer thread, which serves everybody; there it is only seen that they still match
    while seqs := await call.api.search(documents.matching, page, began, seen, CHUNK):
        seen = seqs[-1]
        total += await call.api.store.write(_delete_some, page, began, seqs)
        batches += 1
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


def _delete_some(tx: Transaction, page: query.Page, now: float, seqs: Sequence[int]) -> int:
    there = documents.still_matching(tx.connection, page, now, seqs)
    jobs.delete(tx, there)
    return len(there)
