"""The parts of ``up``, from their start to their end."""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from job_engine import threads
from job_engine.cli.command_line import command_line
from job_engine.cli.processes.parts import Parts
from job_engine.cli.processes.signals import Signals, caught
from job_engine.cli.screen import Styled, say
from job_engine.cli.serving.tls import ServerTls
from job_engine.client import Client
from job_engine.client.discovery import ADMIN_FILE, APPLICATION, data_folder
from job_engine.client.responses import ExecutorInfo
from job_engine.exit_codes import DONE, FAILED, WRONG
from job_engine.job.errors import JobEngineError

READY_WITHIN: Final = 60.0
"""Seconds until the parts must answer at the first start; opening a large record after a crash takes some."""
LOOK: Final = 0.05
"""Seconds between two looks whether the executor has reported, at the start only."""
LEAVING: Final = 15.0
"""Seconds that an executor may take to interrupt, kill and release what is left: more than it grants itself."""
STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
NOT_LOADED: Final = "not loaded"


class Engine:
    """Server, executor and distributor, kept running until a signal.

    Args:
        folder: the data folder, locked.
        listening: the socket that the server serves.
        tls: what it serves https with; None: it serves http.
        server: further arguments of the server.
        executor: further arguments of the executor.
        distributor: further arguments of the distributor.
        shutdown_timeout: seconds that it grants to running jobs.
    """

    def __init__(
        self,
        folder: Path,
        listening: socket.socket,
        tls: ServerTls | None = None,
        *,
        executor: list[str],
        server: Sequence[str] = (),
        distributor: Sequence[str] = (),
        shutdown_timeout: float,
        log_level: str,
    ) -> None:
        self._folder = folder
        self._patience = shutdown_timeout + LEAVING
        self._parts = Parts(
            folder,
            listening,
            tls,
            server=server,
            executor=executor,
            distributor=distributor,
            log_level=log_level,
            say=self._say,
        )
        self._server, self._executor = self._parts.server, self._parts.executor
        self._distributor = self._parts.distributor
        self._children = (self._server, self._executor, self._distributor)
        self._ready = 0  # how many of the parts have answered
        self._reported: ExecutorInfo | None = None
        self._sign_in: str | None = None
        self._ending = False

    def run(self) -> int:
        """Runs until it is stopped; the exit code."""
        with caught({*STOPS, signal.SIGCHLD}) as signals:
            self._server.start()
            self._in_background(self._await_server, signals)
            try:
                return self._loop(signals)
            finally:
                self._ending = True
                self._parts.end()

    def _loop(self, signals: Signals) -> int:
        while True:
            arrived = signals.wait(self._until_due())
            if STOPS.intersection(arrived):
                return self._stop(signals)
            for child in self._children:
                code = child.ended()
                if code is not None:
                    if child.starts == 1 and not self._up:  # it has said why
                        return WRONG if code == WRONG else FAILED
                    child.again_later(code)
                if child.due is not None and child.due <= time.monotonic():
                    child.start()
            if self._ready == 1 and self._executor.starts == 0:
                self._executor.start()
                self._distributor.start()
                self._in_background(self._await_executor, signals)
            elif self._ready == 2:
                self._ready += 1
                self._greet()

    @property
    def _up(self) -> bool:
        return self._ready > 2

    def _until_due(self) -> float | None:
        due = [child.due for child in self._children if child.due is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _stop(self, signals: Signals) -> int:
        if self._executor.pid is not None:
            self._say(
                "stopping: running jobs may finish; Ctrl-C again stops at once, and they run again at the next start"
            )
        self._distributor.signal(signal.SIGTERM)
        self._executor.signal(signal.SIGTERM)
        if self._server.pid is None:
            self._server.start()  # it was about to be started again: what the executor finishes must reach the record
        give_up = time.monotonic() + self._patience
        while self._executor.pid is not None and time.monotonic() < give_up:
            arrived = signals.wait(max(0.0, give_up - time.monotonic()))
            self._executor.ended()
            self._distributor.ended()
            if self._server.ended() is not None:
                self._server.start()  # what the executor finishes must reach the record
            if STOPS.intersection(arrived) and self._executor.pid is not None:
                self._executor.signal(signal.SIGINT)  # a second SIGTERM would be lost if the first is still pending
                self._say("stopping now")
                give_up = min(give_up, time.monotonic() + LEAVING)
        self._executor.end(0.0)
        self._distributor.end()
        self._server.end()
        self._say("stopped")
        return DONE

    def _await_server(self) -> None:
        with Client.of(self._parts.place, timeout=READY_WITHIN) as client:
            client.status()

    def _await_executor(self) -> None:
        give_up = time.monotonic() + READY_WITHIN
        with Client(data=self._folder, environ={}) as client:
            self._sign_in = client.sign_in_token()
            while time.monotonic() < give_up:
                found = [executor for executor in client.executors() if executor.pid == self._executor.pid]
                if found:
                    self._reported = found[0]
                    return
                time.sleep(LOOK)

    def _in_background(self, wait: Callable[[], None], signals: Signals) -> None:
        def run() -> None:
            try:
                wait()
            except JobEngineError as error:
                if not self._ending:
                    self._say(f"not ready after {READY_WITHIN:g} s: {error.message}")
            if not self._ending:
                self._ready += 1
                signals.wake()

        threads.start(wait.__name__.strip("_"), run)

    def _greet(self) -> None:
        usual = self._folder == data_folder(None, os.environ).absolute()
        data = () if usual else ("--data", str(self._folder))
        lines = [
            ("page", f"{self._parts.url}/"),
            *((("sign in", f"{self._parts.url}/sign-in?token={self._sign_in}"),) if self._sign_in else ()),
            ("API", f"{self._parts.url}/api"),
            ("data", str(self._folder)),
            ("credentials", str(self._folder / ADMIN_FILE)),
        ]
        executor = self._reported
        if executor is not None:
            counts = [(executor.processes, "process"), (executor.slots, "slot"), (len(executor.actions), "action")]
            lines.append(("executor", ", ".join(_count(number, noun) for number, noun in counts)))
            lines += [(NOT_LOADED, f"{source}: {error}") for source, error in executor.failed_imports.items()]
        lines += [("run a job", command_line("submit", *data, "noop", "--wait")), ("stop", "Ctrl-C")]
        say(Styled(f"{APPLICATION} {version(APPLICATION)} is up", bold=True))
        for name, value in lines:
            say("  ", Styled(name.ljust(12), "red" if name == NOT_LOADED else None), f" {value}")

    def _say(self, line: str) -> None:
        with suppress(OSError):  # the terminal, or whoever read this, is gone: no reason to cut a stop short
            say(f"{APPLICATION}: {line}", err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
