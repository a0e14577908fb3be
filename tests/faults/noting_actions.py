"""Actions that append to the file ``notes`` what they do: ``begin`` or ``end`` or ``broke``; job; attempt; process."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from job_engine import Failed, Job, action
from job_engine.actions.errors import Interrupted


def _note(folder: str, job: Job, word: str, *more: object) -> None:
    line = " ".join(map(str, (word, job.id, job.attempt, os.getpid(), *more)))
    with (Path(folder) / "notes").open("ab", buffering=0) as notes:
        notes.write(f"{line}\n".encode())  # one write to the end of the file: lines of several processes do not mix


@contextmanager
def _noted(folder: str, job: Job, *more: object) -> Iterator[dict[str, Any]]:
    _note(folder, job, "begin", *more)
    job.set_status_message(f"attempt {job.attempt}")
    word = "broke"
    try:
        yield {"attempt": job.attempt, "pid": os.getpid()}
        word = "end"
    finally:
        _note(folder, job, word)


@action
def quick(job: Job, folder: str, seconds: float = 0.0) -> dict[str, Any]:
    """Ends soon, whatever happens."""
    with _noted(folder, job) as result:
        if seconds:
            job.interrupted.wait(seconds)
        return result


@action
def steps(job: Job, folder: str, count: int = 20) -> dict[str, Any]:
    """Goes on where its checkpoint is."""
    saved = job.checkpoint or {"at": 0, "attempt": 0}
    with _noted(folder, job, saved["at"], saved["attempt"]) as result:
        for at in range(saved["at"] + 1, count + 1):
            if job.interrupted.wait(0.01):
                raise Interrupted
            job.set_progress(99 * at // count)
            if at % 5 == 0:
                job.checkpoint = {"at": at, "attempt": job.attempt}
        return result


@action(retries=2, backoff=0.1)
def flaky(job: Job, folder: str) -> dict[str, Any]:
    """Raises twice."""
    with _noted(folder, job) as result:
        if job.failures < 2:
            raise RuntimeError("not yet")
        return result


@action
def hopeless(job: Job, folder: str) -> None:
    """Fails."""
    with _noted(folder, job):
        raise Failed("hopeless")


@action
def suicide(job: Job, folder: str, times: int = 1) -> dict[str, Any]:
    """Kills its process at its first attempts."""
    with _noted(folder, job) as result:
        if job.attempt <= times:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


@action
def patient(job: Job, folder: str, talks: bool = False) -> dict[str, Any]:
    """Runs until it is interrupted, or the file ``go`` is there; one that talks has something to tell all the time."""
    with _noted(folder, job) as result:
        while not (Path(folder) / "go").exists():
            if talks:
                job.set_progress(1 + job["progress"] % 90)
            if job.interrupted.wait(0.01):
                _note(folder, job, "interrupted", job.interrupted.reason)
                break
        return result
