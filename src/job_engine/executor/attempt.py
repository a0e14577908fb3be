"""One attempt, from the side of the worker process: what the action may do with its hold."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Raw

from job_engine.actions.interruption import Interruption
from job_engine.executor.board import Board
from job_engine.job.attend import Granted, Write

LOOK: Final = 0.25
"""Seconds between two looks whether the hold has ended, while a checkpoint is on its way."""
LOG_LINES: Final = 20_000
"""Lines of log that one attempt may leave; the record keeps no more."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all attempts of a worker process have in common.

    Attributes:
        touched: called with an attempt, from any thread, when there is something to `Attempt.take`.
        connect: makes the API client for a job id and claim.
        nuvlaedge_fs: the folder that a NuvlaEdge shares with its jobs.
        api_grace: seconds for which a job waits to log in at an API server that cannot be reached.
    """

    board: Board
    touched: "Callable[[Attempt], None]"
    connect: Callable[[str, int], Any]
    nuvlaedge_fs: str | None = None
    api_grace: float = 0.0


class Attempt:
    """Implements `job_engine.actions.hold.Hold`.

    Args:
        handle: the job's number in this process.
    """

    # what most jobs never change is the class's: to set it for each would cost more than all they do
    due = math.inf  # monotonic seconds at which the interrupter has something to do
    touched = False  # there is something to take
    _checkpoint: bytes | None = None
    _recorded: threading.Event | None = None
    _lines = 0

    def __init__(self, handle: int, granted: Granted, surroundings: Surroundings) -> None:
        self.handle = handle
        self.id = granted.id
        self.key = (granted.seq, granted.claim)
        self.interrupted = Interruption(surroundings.board.expired)
        self._surroundings = surroundings
        self._lock = threading.RLock()  # a signal handler of the action may set its progress
        self._changes: dict[str, Any] = {}
        self._saving = threading.Lock()  # one checkpoint on its way at a time, so that an answer means that one
        self._log: list[tuple[int, float, str, str]] = []

    @property
    def nuvlaedge_shared_path(self) -> str | None:
        """See `Hold.nuvlaedge_shared_path`."""
        return self._surroundings.nuvlaedge_fs

    @property
    def api_grace(self) -> float:
        """See `Hold.api_grace`."""
        return self._surroundings.api_grace

    def write(self, changes: dict[str, Any]) -> None:
        """See `Hold.write`."""
        if not self.interrupted.over:
            with self._lock:
                self._changes.update(changes)
                self._touch()

    def save(self, checkpoint: bytes) -> bool:
        """See `Hold.save`."""
        with self._saving:
            recorded = self._recorded = threading.Event()
            with self._lock:
                self._checkpoint = checkpoint
                self.touched = True
            self._surroundings.touched(self)  # even if it was touched already: this is urgent
            while not self.interrupted.over and not recorded.wait(LOOK):
                pass
            return recorded.is_set()

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for what is to be told."""
        return self._checkpoint is not None

    def recorded(self) -> None:
        """The checkpoint that was told last is in the record."""
        if self._recorded is not None:
            self._recorded.set()

    def log(self, level: str, text: str) -> None:
        """See `Hold.log`. It outlasts the hold: what an action says when it is canceled belongs to the job, too."""
        if self._lines < LOG_LINES:
            with self._lock:
                self._lines += 1
                self._log.append((self._lines, time.time(), level, text))
                self._touch()

    def connect(self) -> Any:
        """See `Hold.connect`."""
        return self._surroundings.connect(self.id, self.key[1])

    def take(self) -> Write | None:
        """What is to be told, once."""
        if not self.touched:
            return None
        with self._lock:
            changes, self._changes = self._changes, {}
            checkpoint, self._checkpoint = self._checkpoint, None
            lines, self._log = self._log, []
            self.touched = False
        return Write(*self.key, None, changes, None if checkpoint is None else Raw(checkpoint), lines)

    def _touch(self) -> None:
        if not self.touched:
            self.touched = True
            self._surroundings.touched(self)
