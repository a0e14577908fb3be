"""``cleanup_jobs``: deletes final jobs that are old; the distribution of that name adds a job that does it."""

import time
from typing import Any, Final

from job_engine.actions.action import action
from job_engine.actions.errors import Interrupted
from job_engine.actions.job import Job
from job_engine.job.errors import Invalid
from job_engine.job.states import FINAL
from job_engine.job.times import iso, seconds

KEPT: Final = 7 * 86400.0
"""Seconds that jobs are kept when the payload does not say: upstream's time."""
SLICE: Final = 10_000
"""Jobs deleted by one call: as many as a search answers, and a matter of a second."""


@action("cleanup_jobs", retries=3)
def cleanup_jobs(job: Job) -> dict[str, Any]:
    """Delete jobs that have been final for a while.

    The payload may have ``keep``: the age from which they are deleted, in seconds or as text such as ``"7d"``; counted
    from their end, which is their last change.
    """
    until = iso(time.time() - _kept(job.payload))
    states = " or ".join(f"state='{state}'" for state in sorted(FINAL))
    old = f"({states}) and updated<'{until}'"
    total = int(job.api.search("job", filter=old, last=0).count)
    deleted, more = 0, total > 0
    while more:
        if job.interrupted:
            raise Interrupted
        # The oldest first: a slice ends with the time of its last job.
        last = job.api.search("job", filter=old, orderby="updated:asc", select="updated", first=SLICE, last=SLICE)
        more = bool(last.resources)
        some = f"{old} and updated<='{last.resources[0].data['updated']}'" if more else old
        answer = job.api.delete_bulk("job", some).data
        if answer.get("failures") or answer.get("timed_out") or (more and not answer["deleted"]):
            raise RuntimeError(f"after {deleted} of {total} jobs the server deletes no more: {str(answer)[:500]}")
        deleted += int(answer["deleted"])
        job.set_progress(min(99, 100 * deleted // max(total, deleted)))
    job.set_status_message(f"{deleted} jobs deleted that had ended before {until}")
    return {"deleted": deleted}


def _kept(payload: Any) -> float:
    """What the payload says, in seconds."""
    if payload is None:
        return KEPT
    if not isinstance(payload, dict):
        raise Invalid('the payload is not of the form {"keep": "7d"}')
    return seconds(payload.get("keep", KEPT))
