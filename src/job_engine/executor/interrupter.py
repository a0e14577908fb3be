"""Sees interruptions through: the thread of a worker process that watches time limits, and that raises `Interrupted`
in actions that do not end by themselves."""

import math
import threading
import time
from typing import Final

from job_engine.actions.interruption import GRACE, OVERDUE
from job_engine.executor.attempt import Attempt
from job_engine.executor.board import Board
from job_engine.executor.service import service

AGAIN: Final = 1.0
"""Seconds between two raisings: an action may have swallowed the first one."""


class Interrupter:
    """The thread. It sleeps until the first attempt is due, and for ever when none is.

    Args:
        running: the attempts that run, by handle; slots keep it.
    """

    def __init__(self, running: dict[int, Attempt], board: Board) -> None:
        self._board = board
        self._running = running
        self._changed = threading.Condition()
        self._wakes = math.inf  # monotonic seconds

    def start(self) -> None:
        """Begin to watch."""
        service("interrupter", self._run, self._board)

    def limit(self, attempt: Attempt, at: float) -> None:
        """Interrupt an attempt at ``at``, monotonic seconds: its time is up then."""
        attempt.due = at
        if at < self._wakes:
            with self._changed:
                self._changed.notify()

    def interrupt(self, attempt: Attempt, why: str) -> None:
        """Interrupt an attempt now."""
        attempt.interrupted.set(why)
        self.limit(attempt, time.monotonic() + GRACE)

    def _run(self) -> None:
        with self._changed:
            while True:
                self._wakes = math.inf  # first: who comes from here on finds it, and waits for the lock to notify
                now = time.monotonic()
                wakes = min((self._look(attempt, now) for attempt in list(self._running.values())), default=math.inf)
                self._wakes = wakes
                self._changed.wait(None if wakes == math.inf else max(0.0, wakes - now))

    def _look(self, attempt: Attempt, now: float) -> float:
        """Do what is due, and say when the next thing will be."""
        if attempt.due <= now:
            if attempt.interrupted.why is None:
                attempt.interrupted.set(OVERDUE)
                attempt.due = now + GRACE
            else:
                attempt.interrupted.throw()
                attempt.due = now + AGAIN
        return attempt.due
