"""Actions for the executor's tests. They talk with the test through files in the folder named by the payload."""

import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from job_engine.actions.action import action
from job_engine.actions.errors import JobUpdateError
from job_engine.actions.job import Job


def _note(folder: str, line: str) -> None:
    with (Path(folder) / "notes").open("a") as notes:
        notes.write(f"{line}\n")


@action
def quick() -> None:
    """Does nothing."""


@action
def noted(job: Job, folder: str) -> None:
    """Says that it ran."""
    _note(folder, f"ran {job.id} {job.attempt}")


@action
def nap(seconds: float) -> None:
    """Sleeps, and does not look at anything."""
    time.sleep(seconds)


@action
def patient(job: Job, folder: str, progress: bool = False) -> str:
    """Runs until it is interrupted, or the file ``go`` is there."""
    _note(folder, f"begin {job.attempt} {job.resumed} {os.getpid()}")
    while not (Path(folder) / "go").exists():
        if progress:
            job.set_progress(50)
        if job.interrupted.wait(0.01):
            _note(folder, f"interrupted {job.attempt} {job.interrupted.reason}")
            return "interrupted"
    return f"attempt {job.attempt}"


@action
def deaf(job: Job, folder: str) -> None:
    """Looks at nothing, but runs Python."""
    _note(folder, f"begin {job.attempt} {job.resumed} {os.getpid()}")
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)


@action
def stubborn(job: Job, folder: str) -> None:
    """Does not let itself be interrupted."""
    _note(folder, f"begin {job.attempt} {job.resumed} {os.getpid()}")
    while not (Path(folder) / "go").exists():
        with contextlib.suppress(BaseException):
            while not (Path(folder) / "go").exists():
                time.sleep(0.01)


@action
def die(job: Job, folder: str, code: int = -9, times: int = 100) -> str:
    """Its process dies."""
    _note(folder, f"begin {job.attempt} {job.resumed} {os.getpid()}")
    if job.attempt <= times:
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code)
    return f"attempt {job.attempt} resumed {job.resumed}"


@action
def hog(folder: str, seconds: float) -> None:
    """Holds the interpreter lock in one call into C for at least so many seconds."""
    _note(folder, f"begin hog {os.getpid()}")
    length, took = 20, 0.0
    while took < seconds:
        began = time.monotonic()
        re.match("(a+)+$", length * "a" + "b")  # takes twice as long for each a
        took = time.monotonic() - began
        length += 1


@action
def parent_of(job: Job, folder: str) -> None:
    """Starts a program that outlives it, and waits."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    _note(folder, f"child {child.pid} {os.getpid()}")
    job.interrupted.wait(600)


@action
def parent_of_a_fork(job: Job, folder: str) -> None:
    """Forks a process that outlives it, in its first attempt, and waits."""
    if job.attempt == 1:
        multiprocessing.get_context("fork").Process(target=_leave, args=(folder,)).start()
    job.interrupted.wait(600)


def _leave(folder: str) -> None:
    os.setsid()  # else it ends with the worker process when that sees to its own end
    _note(folder, f"forked {os.getpid()}")
    signal.pause()


@action
def talkative(job: Job, lines: int) -> int:
    """Writes much."""
    for n in range(lines):
        job.set_progress(100 * n // lines)
        print("line", n)
    job.checkpoint = {"at": lines}
    return lines


@action
def edits(job: Job, description: str) -> str:
    """Uses the API with its hold."""
    job.api.edit(job.id, {"status-message": description})
    return job.api.session.headers["Job-Hold"]


@action
def forks(job: Job) -> list[object]:
    """What a process that it forked may do with the job, and how a signal ends it."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_forked, args=(job, theirs))
    child.start()
    said = ours.recv()
    child.terminate()
    child.join()
    return [said, child.exitcode]


def _forked(job: Job, pipe: Any) -> None:
    try:
        job.checkpoint = 1
        pipe.send("kept")
    except JobUpdateError:
        pipe.send("refused")
    signal.pause()
