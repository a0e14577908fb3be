"""Ends a worker process whose supervisor is frozen or dead: its jobs may run elsewhere by now."""

import logging
import threading
import time
from collections.abc import Callable

from job_engine.executor.board import EXPIRED, Board
from job_engine.executor.service import end_now, service

log = logging.getLogger(__name__)


class Watchdog:
    """The thread that ends the process when jobs still run at the board's ``kill_at``.

    It sleeps until then, when the supervisor will have moved it on; without jobs it sleeps for ever.

    Args:
        busy: whether there are jobs.
    """

    def __init__(self, board: Board, busy: Callable[[], bool]) -> None:
        self._board = board
        self._busy = busy
        self.awake = threading.Event()
        """To be set when jobs come."""

    def start(self) -> None:
        """Begin to watch."""
        service("watchdog", self._run, self._board)

    def _run(self) -> None:
        while True:
            self.awake.wait()
            if not self._busy():
                self.awake.clear()
                if self._busy():  # they came in between
                    self.awake.set()
                continue
            left = self._board.kill_at - time.monotonic()
            if left <= 0:
                log.critical(
                    "the supervisor has not renewed the holds in time: this worker process ends, with its jobs"
                )
                self._board.leave(EXPIRED)
                end_now()
            time.sleep(left)
