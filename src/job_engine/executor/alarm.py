"""Bounds alarms (``signal.alarm``, SIGALRM) from outside: Python runs the handler of a signal in the main thread, at
its next bytecode, so a main thread that is blocked in C keeps no time limit that is an alarm."""

import logging
import signal
import socket
import threading
from typing import Final

from job_engine.executor.board import ALARM, Board
from job_engine.executor.service import end_now, service

log = logging.getLogger(__name__)

HEED: Final = 30.0
"""Seconds after an alarm within which the main thread must have come back from C, or its process ends."""
PROBE: Final = signal.SIGRTMIN
"""Its handler notes that the main thread runs bytecode, and so has run the alarm's handler too."""


class Alarms:
    """Watches the alarms of a process that runs its jobs in the main thread. To be made there."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._main = threading.get_ident()
        self._awake = threading.Event()
        self._rung, self._rings = socket.socketpair()
        self._rings.setblocking(False)
        signal.signal(PROBE, lambda *_: self._awake.set())
        self.arm()

    def start(self) -> None:
        """Begin to watch."""
        service("alarms", self._run, self._board)

    def arm(self) -> None:
        """Have signals noted, also after code that wanted them for itself, as asyncio's loops do."""
        signal.set_wakeup_fd(self._rings.fileno(), warn_on_full_buffer=False)

    def clear(self) -> None:
        """Turn off the alarm, and the handler, that an attempt has left behind."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self.arm()

    def _run(self) -> None:
        while True:
            if signal.SIGALRM not in self._rung.recv(64):
                continue
            self._awake.clear()
            signal.pthread_kill(self._main, PROBE)
            if not self._awake.wait(HEED):
                log.critical("the job has not reacted to its alarm for %g s: this worker process ends", HEED)
                self._board.leave(ALARM)
                end_now()
