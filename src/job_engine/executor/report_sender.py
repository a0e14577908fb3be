"""What a worker process tells the supervisor: a thread sends all that has piled up since it last sent."""

import logging
import queue
import socket
import time
from typing import Any, Final

import msgspec
from msgspec import Raw

from job_engine.executor.attempt import Attempt
from job_engine.executor.board import Board
from job_engine.executor.messages import RawReport, frame
from job_engine.executor.service import end_now, service

log = logging.getLogger(__name__)

PAUSE: Final = 0.05
"""Seconds between two reports that tell nothing but writes: actions report progress in tight loops."""

_encode = msgspec.json.Encoder().encode
Item = Attempt | tuple[Attempt, str, Raw | None] | RawReport
"""An attempt with writes; an attempt that ended, in which list of the report, and how; or a report as it is."""


class ReportSender:
    """The thread that sends. What ended, and checkpoints, are sent at once; other writes at most every `PAUSE`."""

    def __init__(self, sock: socket.socket, board: Board) -> None:
        self._socket = sock
        self._board = board
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.touched = self._queue.put
        """Called with an attempt that has something to tell."""

    def start(self) -> None:
        """Begin to send."""
        service("report-sender", self._run, self._board)

    def ended(self, attempt: Attempt, which: str, end: Raw | None) -> None:
        """An attempt ended: ``which`` list of the report it belongs to, and how it ended, encoded."""
        self._queue.put((attempt, which, end))

    def report(self, report: RawReport) -> None:
        """Something else to tell, as it is."""
        self._queue.put(report)

    def _run(self) -> None:
        may_write = 0.0
        waiting: list[Attempt] = []
        while True:
            report = RawReport()
            urgent = self._collect(report, waiting, may_write - time.monotonic() if waiting else None)
            if not urgent and time.monotonic() < may_write:
                continue
            for attempt in waiting:
                self._write(report, attempt)
            if waiting:
                may_write = time.monotonic() + PAUSE
                waiting = []
            try:
                self._socket.sendall(frame(report))
            except ConnectionError:  # the supervisor is gone: so is the reason to be there
                end_now()

    def _collect(self, report: RawReport, waiting: list[Attempt], patience: float | None) -> bool:
        """All that waits, or comes within ``patience`` seconds (None: any time); whether it is urgent."""
        urgent = False
        try:
            item = self._queue.get(timeout=None if patience is None else max(0.0, patience))
            while True:
                if isinstance(item, Attempt):
                    waiting.append(item)
                    urgent = urgent or item.urgent
                elif isinstance(item, tuple):
                    urgent = True
                    self._end(report, *item)
                else:
                    urgent = True
                    report.unbegun += item.unbegun
                    report.recalled = report.recalled or item.recalled
                    report.spoilt = report.spoilt or item.spoilt
                    report.loaded = item.loaded or report.loaded
                item = self._queue.get_nowait()
        except queue.Empty:
            return urgent

    def _end(self, report: RawReport, attempt: Attempt, which: str, end: Raw | None) -> None:
        if attempt.touched:
            self._write(report, attempt)
        if end is None:
            report.over.append(attempt.handle)
        else:
            ends: list[Any] = getattr(report, which)
            ends.append(end)

    def _write(self, report: RawReport, attempt: Attempt) -> None:
        write = attempt.take()
        if write is None:
            return
        try:
            report.writes.append(Raw(_encode((attempt.handle, write))))
        except Exception:  # boundary: values of actions, which may be anything
            log.exception("%s: what it wrote cannot be told to the supervisor and is left out", attempt.id)
