"""One worker process, as the supervisor sees it: what it was given, what it says, and how it ended."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Final, Protocol, cast

import msgspec

from job_engine import threads
from job_engine.executor.board import BROKEN, SLOT_BROKEN, Board
from job_engine.executor.holds import Held
from job_engine.executor.messages import Frames, Orders, Report, Setup, frame, report_of
from job_engine.job.errors import UNREADABLE
from job_engine.loading.interpreter import python_command

log = logging.getLogger(__name__)

BUFFER: Final = 1 << 20
"""Bytes that a socket takes without waiting for the other side to read."""
SLOW_IMPORT: Final = 5.0
"""Seconds that the import of a module may take before the log names it: most take less than one."""
LAST_WORDS: Final = 0.2
"""Seconds to wait, after a worker process has ended, for the end of what it said: a process that an action forked may
keep the socket open."""


class ProcessListener(Protocol):
    """Who is told of what happens with one."""

    def on_report(self, process: "Process", report: Report) -> None:
        """It said something."""

    def on_end(self, process: "Process") -> None:
        """It is dead, and all that it had said was reported."""


class Process(asyncio.Protocol):
    """A worker process.

    Args:
        setup: what it is to be.
        alone: whether it is for jobs that run alone; it has one slot, which counts as none of the pool's.
        keep: file descriptors that it inherits and keeps open as long as it lives (the lock of the run folder).

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, listener: ProcessListener, setup: Setup, keep: Sequence[int] = (), *, alone: bool = False
    ) -> None:
        if alone:
            setup = msgspec.structs.replace(setup, threads=1)
        self.alone = alone
        self.given_up = 0  # jobs that still run in it, and whose end is told already
        self.outstanding: dict[int, Held] = {}  # given and not yet ended, by handle, in order
        self.ready = False  # its actions are loaded
        self.recalling = False  # it was asked for what it has not begun, and has not answered
        self.retiring = False  # it gets no more jobs
        self.threads = 0 if alone else setup.threads
        self.slow = 0  # slots that a slow job occupies
        self.born = time.monotonic()
        self.board = Board(setup.threads)
        self.code: int | None = None
        self.importing: str | None = None  # the module, file or entry point, until all are imported
        self._slow_import: asyncio.TimerHandle | None = None
        self._listener = listener
        self._frames = Frames(report_of)
        self._handle = 0
        self._session: str | None = None  # that it was told
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._connected = True
        self._over = False
        self._dead = False
        self._reaping = threading.Lock()
        try:
            self._ours, theirs = socket.socketpair()
        except OSError:
            self.board.close()
            raise
        try:
            for end in (self._ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            self._popen = subprocess.Popen(
                python_command("job_engine.executor.worker", str(theirs.fileno()), str(self.board.fd)),
                pass_fds=(theirs.fileno(), self.board.fd, *keep),
                stdin=subprocess.DEVNULL,
                process_group=0,  # a terminal's Ctrl-C is for the supervisor, not for the jobs
            )
        except OSError:
            self._ours.close()
            self.board.close()
            raise
        finally:
            theirs.close()
        self.pid = self._popen.pid
        self._waiting = [Orders(setup=setup)]  # for the connection
        threads.start(f"reap-{self.pid}", self._reap)

    async def connect(self) -> None:
        """Begin to speak with it."""
        await self._loop.create_connection(lambda: self, sock=self._ours)

    @property
    def how(self) -> str:
        """How it ended, and what it was importing, for the log of the executor."""
        return self.ended if self.importing is None else f"{self.ended} while importing {self.importing}"

    @property
    def ended(self) -> str:
        """How it ended, for everybody who sees its jobs."""
        code = self.code
        if code is None:
            return "alive"
        if self.board.left in (BROKEN, SLOT_BROKEN):
            return "a thread of the engine failed in it"
        name = ""
        with contextlib.suppress(ValueError):
            name = f" ({signal.Signals(-code).name})"
        return f"exit code {code}" if code >= 0 else f"killed by signal {-code}{name}"

    # --- orders

    def give(self, jobs: Sequence[Held], session: str | None = None) -> None:
        """Have it run ``jobs``, whose actions use the session with this cookie."""
        run = []
        for held in jobs:
            assert held.granted is not None
            self._handle += 1
            held.process, held.handle = self, self._handle
            self.outstanding[self._handle] = held
            run.append((self._handle, held.granted))
        self._send(Orders(run, session=None if session == self._session else session))
        self._session = session

    def interrupt(self, jobs: Sequence[tuple[Held, str]]) -> None:
        """Have it interrupt jobs, each for a reason."""
        self._send(Orders(interrupt=[(held.handle, why) for held, why in jobs]))

    def recorded(self, held: Held) -> None:
        """Tell it that the last checkpoint of a job is in the record."""
        self._send(Orders(recorded=[held.handle]))

    def recall(self) -> None:
        """Ask for all that it has not begun; it is `reported` as ``unbegun``."""
        if not self.recalling and self.outstanding:
            self.recalling = True
            self._send(Orders(recall=True))

    def kill(self) -> None:
        """End it at once, with all that its actions have started and left in its process group."""
        with self._reaping:
            if not self._dead:
                with contextlib.suppress(OSError):
                    os.killpg(self.pid, signal.SIGKILL)

    @property
    def last_given(self) -> int:
        """The handle of the job that it was given last; 0: none yet."""
        return self._handle

    def unbegun(self) -> list[Held]:
        """What it was given and has not begun."""
        last = self.board.last_begun()
        return [held for handle, held in self.outstanding.items() if handle > last]

    def _send(self, orders: Orders) -> None:
        if self._transport is None:
            self._waiting.append(orders)
        elif not self._transport.is_closing():
            self._transport.write(frame(orders))

    # --- what happens

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of `asyncio.Protocol`."""
        self._transport = cast(asyncio.WriteTransport, transport)
        waiting, self._waiting = self._waiting, []  # there is a password in it
        for orders in waiting:
            self._transport.write(frame(orders))

    def data_received(self, data: bytes) -> None:
        """Part of `asyncio.Protocol`."""
        try:
            reports = self._frames.feed(data)
        except UNREADABLE as error:
            log.error("worker process %d says what is no report (%s); it is killed", self.pid, error)
            self.kill()
            return
        for report in reports:
            if report.importing is not None or report.loaded is not None:
                self._imports(report.importing)
            self._listener.on_report(self, report)

    def connection_lost(self, error: Exception | None) -> None:
        """Part of `asyncio.Protocol`."""
        self._connected = False
        if self.code is not None:
            self._end()
        else:
            self.kill()  # it cannot report any more; mostly it is just about to end

    def _imports(self, source: str | None) -> None:
        """It has begun to import ``source``; None: it has imported everything."""
        self.importing = source
        if self._slow_import is not None:
            self._slow_import.cancel()
        if source is not None:
            self._slow_import = self._loop.call_later(SLOW_IMPORT, self._still_importing, source)

    def _still_importing(self, source: str) -> None:
        log.warning("worker process %d is still importing %s after %g s", self.pid, source, SLOW_IMPORT)

    def _reap(self) -> None:
        """The thread that waits for its end."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:  # until it is reaped, nobody else can have its number
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            code = self._popen.wait()
            self._dead = True
        with contextlib.suppress(RuntimeError):  # the loop may be closed
            self._loop.call_soon_threadsafe(self._exited, code)

    def _exited(self, code: int) -> None:
        self.code = code
        if self._connected and self._transport is not None:
            self._loop.call_later(LAST_WORDS, self._end)
        else:
            self._end()

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if self._slow_import is not None:
            self._slow_import.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._listener.on_end(self)
        self.board.close()
