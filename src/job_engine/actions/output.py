"""What actions print and log goes to the log of the job that is running. (For their child processes: `children`.)

A context variable says which job that is, so it is right in the slot's thread, in tasks of an event loop, and in any
thread that runs in a copy of the action's context. What is written outside a job goes where it always went.
"""

import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, Final, Protocol, TextIO

from job_engine import forks
from job_engine.job.attributes import OUTPUT_LIMIT, tail

LINES: Final = 10_000
"""Lines that the log of an attempt keeps."""
CHARACTERS: Final = 1_000_000
"""Characters that the log of an attempt keeps."""
LONGEST_LINE: Final = 10_000
"""Characters of one line that are kept."""
SHOWN_AFTER: Final = 1.0
"""Seconds after which a line without an end is shown as it is, when more of it comes: dots, a progress bar."""
LEFT_OUT: Final = f"... the rest is left out: the log of an attempt keeps {LINES:,} lines, {CHARACTERS:,} characters"
PRINTED: Final = "INFO"
COMPLAINED: Final = "WARNING"
"""The level of what is written to standard error."""


class OutputPolicy(StrEnum):
    """What an attempt leaves in the attribute ``output`` of its job, which everybody reads who sees the job."""

    NOTHING = "nothing"
    PRINTED = "printed"  # what it prints and raises, and what job.logger says; of Nuvla's classes nothing
    EVERYTHING = "everything"  # of every job, and what other loggers say too


_LINE_END: Final = re.compile(r"\r?\n")
_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")

RUNNING: Final[ContextVar["Output | None"]] = ContextVar("job_engine_output", default=None)


def clean(text: str) -> str:
    """``text`` without what cannot be stored: NUL and lone surrogates."""
    return _UNSAFE.sub("\ufffd", text)


class Shield(Protocol):
    def __call__(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...


class Child(Protocol):
    """A child process of the job, of which there may be something to hear."""

    def drain(self) -> bool:
        """Pass on what it has written so far."""


class _OpenLine:
    """A line that has no end yet. To add to it costs the same however long it is."""

    __slots__ = ("_parts", "_since", "length", "level", "shown")

    def __init__(self, level: str) -> None:
        self.level = level
        self._parts: list[str] = []
        self._since = 0.0  # when it began, monotonic seconds
        self.length = 0
        self.shown = False  # what came before these parts is in the log already

    def add(self, text: str) -> None:
        if not text:
            return
        if not self.length:
            self._since = time.monotonic()
        if self.length <= LONGEST_LINE:
            kept = text[: LONGEST_LINE + 1]
            self._parts.append(kept)
            self.length += len(kept)

    def take(self) -> str:
        """All of it that is kept; it is empty then."""
        text = "".join(self._parts)
        self._parts.clear()
        self.length = 0
        return text

    def late(self) -> bool:
        """Whether it has been open for so long that its reader should see it."""
        return self.length > 0 and time.monotonic() - self._since >= SHOWN_AFTER


def _drawn(line: str) -> str:
    """What a terminal shows of a line that was drawn again and again, as progress bars do (carriage returns)."""
    return line.rstrip("\r").rpartition("\r")[2]


class Output:
    """The log of one attempt.

    Args:
        log: takes a level and one line.
        shield: makes the calls that must not be cut in two (`Interruption.shielded`).
    """

    # what most jobs never change is the class's, as in `job_engine.executor.attempt`
    hold: object = None  # of the job whose log it is: by that a client in this context knows for whom it works
    shows_all = False  # what libraries log is shown like what the job prints
    mask: Callable[[str], str] | None = None  # of texts that have secrets in them
    _open: dict[object, _OpenLine] | None = None  # lines without an end yet, by level or child process
    _children: list[Child] | None = None  # that may still write
    _lines = _characters = _tailed = 0
    _tail: deque[str] | None = None

    def __init__(self, log: Callable[[str, str], object], shield: Shield) -> None:
        self._log: Callable[[str, str], object] | None = log
        self.shield = shield
        self._lock = threading.RLock()  # a signal handler that prints may interrupt a print of its own thread
        self._process = forks.generation()  # elsewhere the lock may be held by a thread that is not there

    def print(self, level: str, text: str) -> bool:
        """Add text as it comes, in which line ends make the lines; False if the attempt has ended."""
        return bool(self.shield(self._print, level, text))

    def add(self, level: str, text: str, *, always: bool = False, shown: bool = True) -> bool:
        """Add whole lines to the log. False if the attempt has ended.

        Args:
            always: even beyond the limits.
            shown: to the job's ``output`` as well, which everybody reads who sees the job.
        """
        return bool(self.shield(self._add, level, text, always, shown))

    def close(self) -> str | None:
        """End the log: what is written from now on is not the job's. Its last lines, `OUTPUT_LIMIT` at most."""
        if self._children:
            self._hear_all()
        if self._tail is None and self._open is None:
            self._log = None
            return None
        with self._lock:
            for line in (self._open or {}).values():
                self._cut(line)
            self._log = self._open = None
            return tail("\n".join(self._tail)) if self._tail else None

    # --- what child processes write

    def attach(self, child: Child) -> None:
        """A child process has begun. What has no line end yet is shown before what it writes."""
        with self._lock:
            for by, line in (self._open or {}).items():
                if by == line.level:
                    line.shown = self._cut(line) or line.shown
            self._children = [*(self._children or ()), child]

    def hear(self, child: Child, level: str, text: str) -> bool:
        """Add what a child process has written; nothing: it writes no more. False if the attempt has ended."""
        with self._lock:
            return self._write(child, level, text)

    def detach(self, child: Child) -> None:
        """A child process writes no more."""
        with self._lock:
            self._children = [other for other in self._children or () if other is not child]
            line = self._open.pop(child, None) if self._open else None
            if line is not None:
                self._cut(line)

    def _hear_all(self) -> None:
        for child in self._children or ():  # without the lock, which a child's own reader takes second
            child.drain()

    # --- what the job writes

    def _over(self) -> bool:
        """Whether the attempt has ended, as it has in a forked process, without a look at the lock."""
        return self._log is None or forks.generation() != self._process

    def _print(self, level: str, text: str) -> bool:
        if self._over():
            return False
        if self._children:
            self._hear_all()
        with self._lock:
            return self._write(level, level, text)

    def _write(self, by: object, level: str, text: str) -> bool:
        if self._log is None:
            return False
        if self._open is None:
            self._open = {}
        line = self._open.get(by)
        if line is None:
            line = self._open[by] = _OpenLine(level)
        if "\n" not in text and "\r" not in text:
            line.add(text)
        else:
            *ended, rest = _LINE_END.split(line.take() + text)
            for number, whole in enumerate(ended):
                if whole or number or not line.shown:  # else this is the end of a line that was shown before
                    self._line(level, _drawn(whole))
                line.shown = False
            line.add(rest[rest.rstrip("\r").rfind("\r") + 1 :])  # its last state: "\n" may still follow a "\r"
        if line.late():
            line.shown = self._cut(line)
        return True

    def _cut(self, line: _OpenLine) -> bool:
        """Show a line that has no end, if there is anything of it."""
        if not line.length:
            return False
        self._line(line.level, _drawn(line.take()))
        return True

    def _add(self, level: str, text: str, always: bool, shown: bool) -> bool:
        if self._over():
            return False
        if self._children:
            self._hear_all()
        with self._lock:
            if self._log is None:
                return False
            for line in _LINE_END.split(text):
                self._line(level, line, always, shown)
            return True

    def _line(self, level: str, line: str, always: bool = False, shown: bool = True) -> None:
        line = clean(line) if self.mask is None else self.mask(clean(line))
        if len(line) > LONGEST_LINE:
            line = line[: LONGEST_LINE - 3] + "..."
        if shown:
            self._show(line)
        log = self._log
        full = self._lines >= LINES or self._characters >= CHARACTERS
        if log is not None and (always or not full):
            self._lines += 1
            self._characters += len(line)
            log(level, line)
            if not full and (self._lines >= LINES or self._characters >= CHARACTERS):
                log(COMPLAINED, LEFT_OUT)

    def _show(self, line: str) -> None:
        if self._tail is None:
            self._tail = deque()
        self._tail.append(line)
        self._tailed += len(line) + 1
        while self._tailed - len(self._tail[0]) - 1 >= OUTPUT_LIMIT:
            self._tailed -= len(self._tail.popleft()) + 1


class Stream:
    """Standard output or error of a process that runs jobs: passes text on to the job, or to the real stream."""

    def __init__(self, real: TextIO, level: str) -> None:
        self.real = real
        self.level = level

    def write(self, text: object) -> Any:
        output = RUNNING.get()
        if output is None or not isinstance(text, str) or not output.print(self.level, text):
            return self.real.write(text)  # type: ignore[arg-type] # which raises TypeError for what is not text
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if RUNNING.get() is None:
            self.real.flush()

    def isatty(self) -> bool:
        return RUNNING.get() is None and self.real.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class JobHandler(logging.Handler):
    """Passes log records to the job that made them."""

    def handle(self, record: logging.LogRecord) -> bool:
        """As of every handler, but without its lock, which an interruption could leave taken; `Output` has its own."""
        kept: object = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        output = _output_of(record)
        if output is not None:
            try:
                # What a library says may hold secrets, and its author did not choose who reads it here.
                shown = output.shows_all or hasattr(record, "job_output")
                output.add(record.levelname, self.format(record), shown=shown)
            except Exception:  # noqa: BLE001 - the boundary of a log call, as in every handler: it reports, and goes on
                self.handleError(record)


class JobLogger(logging.LoggerAdapter[logging.Logger]):
    """``job.logger``: writes to the job's log from any thread, in the action's context or not."""

    def __init__(self, logger: logging.Logger, output: Output) -> None:
        super().__init__(logger)
        self._mark = {"job_output": output}
        self._shield = output.shield

    def log(self, level: int, msg: object, *args: object, stacklevel: int = 1, **kwargs: Any) -> None:
        """As of every logger, but whole: the locks of `logging` do not stand an exception at any bytecode."""
        self._shield(super().log, level, msg, *args, stacklevel=stacklevel + 3, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **self._mark}
        return msg, kwargs


def _output_of(record: logging.LogRecord) -> Output | None:
    marked = getattr(record, "job_output", None)
    return marked if marked is not None else RUNNING.get()


def _outside(record: logging.LogRecord) -> bool:
    return _output_of(record) is None


def install(level: int = logging.INFO) -> None:
    """Route what this process prints and logs, from now on. The root logger's other handlers get no job's records.

    Args:
        level: of the root logger, from which records are kept.
    """
    root = logging.getLogger()
    for handler in root.handlers:
        handler.addFilter(_outside)
    root.addHandler(JobHandler())
    root.setLevel(level)
    sys.stdout = Stream(sys.stdout, PRINTED)
    sys.stderr = Stream(sys.stderr, COMPLAINED)


def uninstall() -> None:
    """Undo `install`, but for the level of the root logger."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, JobHandler):
            root.removeHandler(handler)
        else:
            handler.removeFilter(_outside)
    if isinstance(sys.stdout, Stream):
        sys.stdout = sys.stdout.real
    if isinstance(sys.stderr, Stream):
        sys.stderr = sys.stderr.real
