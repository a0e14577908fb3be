"""``job-engine bench``"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from job_engine.cli.exits import CommandFailed
from job_engine.cli.options.shared import command, connectable, json_option, option
from job_engine.cli.screen import print_json, say, say_progress
from job_engine.client import Client

STARTS_WITHIN: Final = 30.0
"""Seconds until an engine of our own must answer."""


@command("bench")
@option("--jobs", type=click.IntRange(1), default=10_000, help="How many jobs to run through.")
@option("--here", is_flag=True, help="Measure the engine that runs, not one of our own; its record keeps the jobs.")
@option("--processes", type=click.IntRange(1), help="Worker processes of our own engine.  [default: one a core]")
@option("--threads", type=click.IntRange(1), default=4, help="Jobs at a time in each of them.")
@json_option
@connectable
def bench(
    connect: Callable[[], Client], jobs: int, here: bool, processes: int | None, threads: int, as_json: bool
) -> None:
    """Measure this machine with jobs that do nothing, each on disk before it is accepted.

    It starts an engine of its own with a temporary folder, on the disk of TMPDIR, and removes it.

    \b
    jobs/s     from the first start to the last end, by the record's own times, of --jobs jobs
               that wait when the executor starts (with --here it runs already, and takes
               jobs while they are added)
    enqueue/s  one client that adds one job after the other, up to 1,000
    start      from just before a request that adds a job to the start of its action, on an
               idle engine, one job at a time, 200 of them
    """
    from job_engine.cli.measure import Measured, burn_down, fill, latency

    with _running(connect) if here else _own(processes, threads) as (client, start_executor):
        since = time.time()
        say_progress(f"adding {jobs} jobs")
        last, enqueued = fill(client, jobs)
        say_progress(f"running {jobs} jobs")
        start_executor()
        rate = burn_down(client, jobs, last, since)
        say_progress("measuring the start of single jobs")
        found = latency(client)
        say_progress("")
    measured = Measured(jobs, round(rate, 1), round(enqueued, 1), found)
    if as_json:
        print_json(measured)
        return
    say(f"jobs        {jobs:,}")
    say(f"jobs/s      {rate:,.0f}")
    say(f"enqueue/s   {enqueued:,.0f}")
    say(f"start       p50 {found.p50:g} ms, p99 {found.p99:g} ms")


@contextmanager
def _running(connect: Callable[[], Client]) -> Iterator[tuple[Client, Callable[[], None]]]:
    with connect() as client:
        yield client, lambda: None


@contextmanager
def _own(processes: int | None, threads: int) -> Iterator[tuple[Client, Callable[[], None]]]:
    from job_engine.cli.processes.parts import Parts
    from job_engine.cli.serving.listening import listening

    arguments = ["--threads", str(threads), *(("--processes", str(processes)) if processes else ())]
    with tempfile.TemporaryDirectory(prefix="job-engine-bench-") as folder, listening("127.0.0.1", 0) as sock:
        parts = Parts(Path(folder), sock, executor=arguments, log_level="WARNING", say=say_progress)
        try:
            parts.server.start()
            with Client(parts.url, timeout=STARTS_WITHIN, environ={}) as unknown:
                unknown.status()
            if parts.server.ended() is not None:
                raise CommandFailed("the server of the measurement ended; see above")
            with Client(data=folder, environ={}) as client:
                yield client, parts.executor.start
        finally:
            parts.end()
