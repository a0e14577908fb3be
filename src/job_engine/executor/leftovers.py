"""What a job leaves behind in its process, for all jobs after it: found by comparisons that cost next to nothing."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from operator import is_
from typing import Final

from job_engine.job.foreign import described

log = logging.getLogger(__name__)

NAMES: Final = 10
"""Variables of the environment that are named; more are counted. Their values may be secrets and are not told."""


TOUCHING: Final = frozenset({"os.chdir", "os.putenv", "os.unsetenv"})
"""Python's audit events of what is compared only after them."""


class Leftovers:
    """The state that jobs of a process share and are to find as the first one did: that when this is made.

    A difference is put back when no job is left that may be using it: one that ran when it was first seen. Slots look
    one at a time.
    """

    def __init__(self) -> None:
        self.spoilt = False
        """Something could not be put back: the process is to be replaced."""
        self._root = logging.getLogger()
        log.disabled = False
        logging.disable(logging.NOTSET)
        self._disabled = _disabled()
        self._streams = sys.stdout, sys.stderr
        self._handlers = [*self._root.handlers]
        self._level = self._root.level
        self._folder = _folder()
        self._environment: Mapping[bytes, bytes] = vars(os.environ)["_data"]  # noqa: TID251 - not to read settings
        self._variables = dict(self._environment)
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._touched = False
        sys.addaudithook(self._audit)
        self._seen: dict[str, object] = {}
        self._suspects: set[int] = set()
        self._lock = threading.Lock()

    def look(self, job: int, running: Callable[[], Collection[int]]) -> list[str]:
        """Put back what jobs have left behind; a sentence about each thing, for the log of ``job``, which has ended.

        Args:
            running: says which jobs run, this one included.
        """
        with self._lock:
            try:
                if self._is_clean() or not (different := self._different()):
                    self._seen = {}
                    return [] if len(running()) > 1 else self._put_umask_back()
                return self._settle(job, running, different)
            except BaseException as wrong:  # noqa: BLE001 - boundary: what jobs have left behind may raise anything
                return [f"What this job left behind cannot be seen; {self._give_up(described(wrong))}"]

    def _settle(self, job: int, running: Callable[[], Collection[int]], different: dict[str, object]) -> list[str]:
        others = set(running()) - {job}
        alone = not others and not self._seen
        if different != self._seen:
            self._seen, self._suspects = different, others
        else:
            self._suspects &= others
        if self._suspects:
            return []
        self._seen = {}
        who = "This job" if alone else "This job, or one that ran beside it,"
        told = [f"{who} left {what} changed; {self._put_back(what)}" for what in different]
        return told if others else told + self._put_umask_back()

    def _is_clean(self) -> bool:
        """Whether nothing can be different: after nearly all jobs, so this is all that they pay."""
        root, handlers = self._root, self._root.handlers
        return (
            sys.stdout is self._streams[0]
            and sys.stderr is self._streams[1]
            and len(handlers) == len(self._handlers)
            and all(map(is_, handlers, self._handlers))
            and root.level == self._level
            and root.manager.disable == 0
            and not log.disabled
            and not self._touched
        )

    def _different(self) -> dict[str, object]:
        """What is not as it was, and as what it is known again."""
        root, handlers = self._root, self._root.handlers
        self._touched = False  # first: what is touched from here on is looked at again
        found: dict[str, object] = {}
        if (sys.stdout, sys.stderr) != self._streams:
            found["standard output"] = (id(sys.stdout), id(sys.stderr))
        if len(handlers) != len(self._handlers) or not all(map(is_, handlers, self._handlers)):
            found["the handlers of logging"] = tuple(map(id, handlers))
        if root.level != self._level or root.manager.disable or log.disabled:
            found["the levels of logging"] = (root.level, root.manager.disable, log.disabled)
        if names := self._changed():
            more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
            found[f"the environment ({', '.join(names[:NAMES])}{more})"] = dict(self._environment)
        if (folder := _folder()) != self._folder:
            found["the current folder"] = folder
        self._touched = self._touched or bool(found)
        return found

    def _audit(self, event: str, _: object) -> None:
        """Notes changes of the folder and the environment, for which a look after each job would cost too much."""
        if event in TOUCHING:
            self._touched = True

    def _changed(self) -> list[str]:
        now, before = self._environment, self._variables
        names = [name for name in {*now, *before} if now.get(name) != before.get(name)]
        return sorted(map(os.fsdecode, names))

    def _put_back(self, what: str) -> str:
        if what == "standard output":
            sys.stdout, sys.stderr = self._streams
        elif what == "the handlers of logging":
            self._root.handlers[:] = self._handlers
        elif what == "the levels of logging":
            self._root.setLevel(self._level)
            logging.disable(logging.NOTSET)
            for name in _disabled() - self._disabled:
                logging.getLogger(name).disabled = False
        elif what == "the current folder":
            if self._folder is None:
                return self._give_up("it was none before")
            try:
                os.chdir(self._folder)
            except OSError as error:
                return self._give_up(str(error.strerror))
        else:
            for name in self._changed():
                value = self._variables.get(os.fsencode(name))
                if value is None:
                    os.environ.pop(name, None)  # noqa: TID251 - likewise; another slot may have done it
                else:
                    os.environ[name] = os.fsdecode(value)  # noqa: TID251 - likewise
        return "it is put back."

    def _give_up(self, why: str) -> str:
        self.spoilt = True
        return f"it cannot be put back ({why}), so the process is replaced."

    def _put_umask_back(self) -> list[str]:
        """Only while nothing else runs: the system tells the umask only to who sets it."""
        left = os.umask(self._umask)
        return [] if left == self._umask else [f"This job left the umask changed, to {left:03o}; it is put back."]


def _folder() -> str | None:
    with contextlib.suppress(OSError):
        return os.getcwd()
    return None  # it was removed


def _disabled() -> set[str]:
    """The loggers that are switched off; of those that there are, ``dictConfig`` switches all others off."""
    known = dict(logging.getLogger().manager.loggerDict)
    return {name for name, logger in known.items() if getattr(logger, "disabled", False)}
