"""The tasks as actions of job-engine."""

import os
import time

from peers.stamps import write

from job_engine import Job, action


@action("bench-noop")
def noop(job: Job, n: int) -> None:
    """Do nothing."""


@action("bench-stamp")
def stamp(job: Job, path: str, sent: float) -> None:
    """Note when it starts."""
    write(path, sent)


@action("bench-wait")
def wait(job: Job, path: str) -> None:
    """Note who started it and when; the first attempt then waits, to be killed."""
    now = time.time()
    with open(path, "a") as starts:
        starts.write(f"{os.getpid()} {now}\n")
    if job.attempt == 1:
        job.interrupted.wait(60)
