"""Actions that note what they do, and whose writes say which attempt in which process wrote them.

A line of the file ``notes``: word; job; attempt; process; monotonic seconds; more. The words: ``begin`` with what the
checkpoint says (of which attempt, process and step), ``saves`` and ``saved`` with the step around a checkpoint that was
accepted, ``edits`` and ``edited`` around an edit through the API, ``refused``, ``end``, ``broke``.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nuvla.api import NuvlaError
from requests import RequestException

from job_engine import Job, action
from job_engine.actions.errors import Interrupted, JobUpdateError

SHORT = 0.01
"""Seconds of most jobs."""
LONG = 0.5
"""Seconds of some, in `PARTS` parts."""
PARTS = 10
LONGEST = 4.0
"""Seconds of a few: longer than a session, so that some are run again while an older attempt is still to be heard."""
STEPS = 16
AGAIN = 0.1
"""Seconds until an edit is repeated."""
CONFLICT = 409
HOGGED = 0.15
"""Seconds for which the interpreter lock is held at least, in one call into C."""


class Noted:
    """One attempt of a job, and what it writes."""

    def __init__(self, job: Job, folder: str) -> None:
        self.job = job
        self.folder = folder
        self.step = 0

    def note(self, word: str, *more: object) -> None:
        line = " ".join(map(str, (word, self.job.id, self.job.attempt, os.getpid(), time.monotonic(), *more)))
        with (Path(self.folder) / "notes").open("ab", buffering=0) as notes:
            notes.write(f"{line}\n".encode())  # one write to the end of the file: lines of several processes do not mix

    def said(self) -> dict[str, int]:
        """Who writes."""
        return {"attempt": self.job.attempt, "pid": os.getpid(), "step": self.step}

    def save(self) -> None:
        """A checkpoint, which is accepted or raises."""
        self.step += 1
        self.note("saves", self.step)
        try:
            self.job.checkpoint = self.said()
        except JobUpdateError:
            self.note("refused", self.step)
            raise
        self.note("saved", self.step)

    def say(self) -> None:
        """A status message, which may be lost."""
        self.step += 1
        self.job.set_status_message(f"attempt {self.job.attempt} pid {os.getpid()} step {self.step}")

    def edit(self) -> None:
        """The same past the supervisor, through the API, which accepts or refuses it, or does not answer."""
        while True:
            self.step += 1
            self.note("edits", self.step)
            text = f"attempt {self.job.attempt} pid {os.getpid()} step {self.step}"
            try:
                self.job.api.edit(self.job.id, {"status-message": text})
            except NuvlaError as error:
                if error.response.status_code == CONFLICT:
                    self.note("refused", self.step)
                    raise
            except RequestException:  # away, or on the way to it: what came of it is not known
                pass
            else:
                self.note("edited", self.step)
                return
            self.wait(AGAIN)

    def wait(self, seconds: float) -> None:
        if self.job.interrupted.wait(seconds):
            raise Interrupted


@contextmanager
def _noted(job: Job, folder: str) -> Iterator[Noted]:
    noted = Noted(job, folder)
    saved = job.checkpoint or {"attempt": 0, "pid": 0, "step": 0}
    noted.note("begin", saved["attempt"], saved["pid"], saved["step"])
    word = "broke"
    try:
        yield noted
        word = "end"
    finally:
        noted.note(word)


@action
def brief(job: Job, folder: str) -> dict[str, Any]:
    """Writes nothing but its result."""
    with _noted(job, folder) as noted:
        noted.wait(SHORT)
        return noted.said()


@action
def saving(job: Job, folder: str) -> dict[str, Any]:
    """Saves twice."""
    with _noted(job, folder) as noted:
        noted.save()
        noted.wait(SHORT)
        noted.save()
        return noted.said()


@action
def lasting(job: Job, folder: str) -> dict[str, Any]:
    """Takes its time, and says all the while how it goes on."""
    with _noted(job, folder) as noted:
        for part in range(PARTS):
            noted.save() if part % 3 == 0 else noted.say()
            job.set_progress(100 * part // PARTS)
            noted.wait(LONG / PARTS)
        return noted.said()


@action
def longest(job: Job, folder: str) -> dict[str, Any]:
    """Takes longer than a session lasts, and goes on where its checkpoint is."""
    with _noted(job, folder) as noted:
        noted.step = (job.checkpoint or {"step": 0})["step"]
        while noted.step < STEPS:
            noted.save()  # first: who lasts so long may not die thrice without one
            noted.wait(LONGEST / STEPS)
        return noted.said()


@action
def rewriting(job: Job, folder: str) -> dict[str, Any]:
    """As long, and writes through the API all the while."""
    with _noted(job, folder) as noted:
        noted.save()
        for _ in range(STEPS):
            noted.edit()
            noted.wait(LONGEST / STEPS)
        return noted.said()


@action
def editing(job: Job, folder: str) -> dict[str, Any]:
    """Writes through the API."""
    with _noted(job, folder) as noted:
        noted.save()
        for _ in range(3):
            noted.edit()
            noted.wait(LONG / 3)
        return noted.said()


@action
def deaf(job: Job, folder: str) -> dict[str, Any]:
    """Looks at nothing until it saves."""
    with _noted(job, folder) as noted:
        noted.save()
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            time.sleep(SHORT)
        noted.save()
        return noted.said()


@action
def hogging(job: Job, folder: str) -> dict[str, Any]:
    """Holds the interpreter lock, so that no other thread of its process runs; and saves then."""
    with _noted(job, folder) as noted:
        noted.save()
        length, took = 18, 0.0
        while took < HOGGED:
            began = time.monotonic()
            re.match("(a+)+$", length * "a" + "b")  # takes twice as long for each a
            took = time.monotonic() - began
            length += 1
        noted.save()
        return noted.said()


@action(retries=3, backoff=0.05)
def flaky(job: Job, folder: str) -> dict[str, Any]:
    """Raises once."""
    with _noted(job, folder) as noted:
        noted.save()
        if job.failures < 1:
            raise RuntimeError("not yet")
        return noted.said()


@action
def poison(job: Job, folder: str) -> None:
    """Kills each process that runs it, once what began with it has saved or ended."""
    with _noted(job, folder):
        time.sleep(10 * SHORT)
        os.kill(os.getpid(), signal.SIGKILL)
