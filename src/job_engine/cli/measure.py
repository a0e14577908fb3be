"""What ``bench`` measures, through the public API only."""

import time
from statistics import quantiles
from typing import Any, Final

import msgspec

from job_engine.cli.exits import CommandFailed
from job_engine.client import Client, JobCanceled, JobFailed, JobHandle
from job_engine.job.times import epoch, iso

ACTION: Final = "noop"
TAG: Final = "bench"
ENQUEUED: Final = 1_000
"""Jobs that are added one by one to measure that."""
STARTED: Final = 200
"""Jobs that are added to an idle engine, one after the other, to measure their start."""
LOOK: Final = 0.1
"""Seconds between two looks whether any job is left, once the last one that was added is done."""
SLOWEST: Final = 100.0
"""Jobs a second below which the measurement is given up."""
AT_LEAST: Final = 60.0
"""Seconds that it may take whatever the number of jobs."""


class Latency(msgspec.Struct):
    """Milliseconds from just before the request that adds a job to the start of its action, on an idle engine."""

    p50: float
    p99: float


class Measured(msgspec.Struct):
    """The figures."""

    jobs: int
    jobs_per_second: float
    enqueue_per_second: float
    latency_ms: Latency


def fill(client: Client, jobs: int) -> tuple[JobHandle, float]:
    """Adds jobs, some one by one, the rest in bulk.

    Returns the last of them, and how many a second could be added one by one.
    """
    sample = min(jobs, ENQUEUED)
    client.submit_many(ACTION, [])  # connects, logs in and asks what the server knows
    begun = time.perf_counter()
    for _ in range(sample):
        last = client.submit(ACTION, tags=[TAG])
    passed = time.perf_counter() - begun
    rest = client.submit_many(ACTION, (None for _ in range(jobs - sample)), tags=[TAG])
    return rest[-1] if rest else last, sample / passed


def burn_down(client: Client, jobs: int, last: JobHandle, since: float) -> float:
    """Waits until the jobs are done; how many a second were, from the first start to the last end as recorded.

    Args:
        last: the one that was added last.
        since: seconds since the epoch before the first was added.

    Raises:
        CommandFailed: it takes far too long, or one failed.
    """
    ours = f"tags='{TAG}' and created>='{iso(since)}'"
    give_up = time.monotonic() + AT_LEAST + jobs / SLOWEST
    try:
        last.wait(give_up - time.monotonic())
        while left := client.count(f"{ours} and (state='QUEUED' or state='RUNNING')"):
            if time.monotonic() > give_up:
                raise TimeoutError(f"{left} of {jobs} jobs are still waiting")
            time.sleep(LOOK)
    except (JobFailed, JobCanceled, TimeoutError) as error:
        raise CommandFailed(f"the measurement is given up: {error}") from None
    begun = _one(client, ours, "started:asc")["started"]
    ended = _one(client, ours, "updated:desc")["updated"]
    return jobs / max(epoch(ended) - epoch(begun), 0.001)


def latency(client: Client) -> Latency:
    """How long after its submission a job starts, when nothing else is to do."""
    found: list[float] = []
    for _ in range(STARTED):
        before = time.time()
        job = client.submit(ACTION, tags=[TAG])
        job.wait()
        found.append(1000 * (epoch(job.document["started"]) - before))
    steps = quantiles(found, n=100, method="inclusive")
    return Latency(p50=round(steps[49], 2), p99=round(steps[98], 2))


def _one(client: Client, wanted: str, order: str) -> dict[str, Any]:
    found: dict[str, Any] = client.search("job", filter=wanted, orderby=order, last=1)["resources"][0]
    return found
