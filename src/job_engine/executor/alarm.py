"""The signals of a process that runs its jobs in the main thread: what a job has set there ends with it.

Alarms (``signal.alarm``, SIGALRM) are bounded from outside: Python runs the handler of a signal in the main thread, at
its next bytecode, so a main thread that is blocked in C keeps no time limit that is an alarm.
"""

import contextlib
import logging
import signal
import socket
import threading
from importlib import import_module
from typing import Final

from job_engine.executor.board import ALARM, Board
from job_engine.executor.service import end_now, service

log = logging.getLogger(__name__)

HEED: Final = 30.0
"""Seconds after an alarm within which the main thread must have come back from C, or its process ends."""
PROBE: Final = signal.SIGRTMIN
"""Its handler notes that the main thread runs bytecode, and so has run the alarm's handler too."""


TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
RUNG: Final = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
"""The signals of these timers. Time limits are made with them, so nobody is told that their handlers stay."""

_handler: Final = import_module("_signal").getsignal
"""`signal.getsignal` without the search for an enum's member, which costs twenty times as much; of 62 signals a job."""


class Alarms:
    """Watches the alarms of a process that runs its jobs in the main thread. To be made there."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._main = threading.get_ident()
        self._awake = threading.Event()
        self._rung, self._rings = socket.socketpair()
        self._rings.setblocking(False)
        signal.signal(PROBE, lambda *_: self._awake.set())
        self._handlers = {int(number): _handler(number) for number in sorted(signal.valid_signals())}
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.arm()

    def start(self) -> None:
        """Begin to watch."""
        service("alarms", self._run, self._board)

    def arm(self) -> None:
        """Have signals noted, also after code that wanted them for itself, as asyncio's loops do."""
        signal.set_wakeup_fd(self._rings.fileno(), warn_on_full_buffer=False)

    def clear(self) -> list[str]:
        """Turn off the timers, and put back the handlers, that an attempt has left behind; a sentence about what nobody
        expects."""
        for timer in TIMERS:
            signal.setitimer(timer, 0)
        left = [number for number, handler in self._handlers.items() if _handler(number) is not handler]
        names = []
        for number in left:
            with contextlib.suppress(OSError, TypeError, ValueError):  # a handler of C's cannot be put back
                signal.signal(number, self._handlers[number])
            if number not in RUNG:
                names.append(signal.strsignal(number) or str(number))
        if signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked) != self._blocked:
            names.append("what is blocked")
        self.arm()
        return [f"This job left the handling of signals changed ({', '.join(names)}); it is put back."] if names else []

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
