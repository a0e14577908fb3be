"""The deaths of worker processes: what they say of the jobs in them, and when the next process is started."""

import time
from typing import Final

from job_engine.actions.interruption import LOST, STOPPED
from job_engine.executor.board import ALARM, BROKEN, EXPIRED
from job_engine.executor.holds import Held
from job_engine.executor.process import Process
from job_engine.job.attend import Finished, Released, is_given_back
from job_engine.job.backoff import backoff
from job_engine.job.states import State

DEAF: Final = "timed out by its own alarm, and its main thread did not react"
"""Why a job failed whose process ended itself after an alarm."""
SHORT_LIFE: Final = 5.0
"""Seconds: a worker process that dies sooner, without having begun a job, is replaced later and later, since the next
one may die likewise. One that had begun some died of them: the record bounds how often that happens."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 10.0
"""Seconds until the replacement of a worker process that died at its start: the first, and at most."""


def death(process: Process, held: Held, beside: int, killed: bool) -> Finished | Released:
    """How a job ends whose process has ended: that counts against the job only if it was alone there.

    Args:
        beside: other jobs that ran in the process.
        killed: whether the executor has ended the process, because it stops.
    """
    if killed:
        return Released(*held.key, STOPPED)
    if is_given_back(held.why):
        return Released(*held.key, held.why)
    if process.board.left == EXPIRED:  # the supervisor was frozen, or the machine slept
        return Released(*held.key, LOST)
    if process.board.left == ALARM and held.why is None:
        now = time.time()
        return Finished(*held.key, State.FAILED, held.started or now, now, message=DEAF)
    if process.board.left == BROKEN:  # nothing says that a job did that
        return Released(*held.key, LOST, process.ended)
    others = f", with {beside} other job{'s' if beside > 1 else ''} in it" if beside else ""
    return Released(*held.key, "died", process.ended + others, beside=beside)


def proven(process: Process) -> bool:
    """Whether a process that has ended was of use before."""
    return process.board.last_begun() > 0 or time.monotonic() - process.born >= SHORT_LIFE


class Lives:
    """Counts worker processes that end soon after their start.

    Args:
        wanted: how many there are to be.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._short = 0

    def pause(self, proven: bool) -> float:
        """Seconds until a process that has ended is replaced; ``proven``: it was of use before."""
        self._short = 0 if proven else self._short + 1
        excess = self._short - self._wanted
        return backoff(excess, FIRST_PAUSE, LONGEST_PAUSE) if excess > 0 else 0.0
