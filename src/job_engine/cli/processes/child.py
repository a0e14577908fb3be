"""A part of ``up`` in a process of its own, started again when it dies."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from job_engine.job.backoff import backoff
from job_engine.loading.interpreter import python_command

FIRST_PAUSE: Final = 0.1
"""Seconds before a part that died is started again; twice as long each further time."""
LONGEST_PAUSE: Final = 10.0
PROVEN: Final = 30.0
"""Seconds that a part must run until the next death counts as its first."""
KILLED_AFTER: Final = 5.0
"""Seconds that a part may take to end beyond what it was granted; then it is killed."""


class Child:
    """One part.

    Args:
        name: for messages.
        arguments: of the command line, such as ``["server", "--data", ...]``.
        inherited: file descriptors that it keeps.
        say: prints a line for the user.
        environ: its environment; None: ours.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        inherited: Sequence[int],
        say: Callable[[str], None],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.starts = 0
        self.due: float | None = None  # when it is started again, on the monotonic clock
        self._arguments = python_command("job_engine.cli", *arguments)
        self._inherited = tuple(inherited)
        self._environ = environ
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._since = 0.0
        self._deaths = 0  # in a row, each soon after its start

    @property
    def pid(self) -> int | None:
        """Of the process, while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Starts it, in a session of its own: a Ctrl-C in the terminal reaches ``up`` only, which decides."""
        self._process = subprocess.Popen(
            self._arguments,
            pass_fds=self._inherited,
            stdin=subprocess.DEVNULL,
            env=self._environ,
            start_new_session=True,
        )
        self._since = time.monotonic()
        self.starts += 1
        self.due = None

    def ended(self) -> int | None:
        """The exit code when it has ended since the last look, negative for a signal."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self._process = None
        return code

    def again_later(self, code: int) -> None:
        """Plans the next start after an end with ``code``, and says so."""
        now = time.monotonic()
        if now - self._since > PROVEN:
            self._deaths = 0
        pause = backoff(self._deaths, FIRST_PAUSE, LONGEST_PAUSE)
        self.due = now + pause
        self._say(f"the {self.name} ended ({how(code)}); starting it again in {pause:g} s")
        self._deaths += 1

    def signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        self.due = None
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def end(self, seconds: float = KILLED_AFTER) -> None:
        """Asks it to end, waits for that and kills it after ``seconds``."""
        self.signal(signal.SIGTERM)
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def how(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
