"""Errors that repeat, and are logged once."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from job_engine.job.backoff import pauses
from job_engine.job.errors import JobEngineError, Unavailable, Unreachable
from job_engine.job.foreign import described, is_a, text

T = TypeVar("T")

RETRY_SECONDS: Final = (0.2, 5.0)
"""Seconds: the first pause before a call that was not answered is made again, and the longest; they double."""
ERROR_CHARACTERS: Final = 1000
"""Characters of an error's text."""


class RepeatedError:
    """The error that one operation repeats, until it succeeds.

    Args:
        what: the operation, to begin a log line.
    """

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._known: tuple[object, ...] | None = None
        self.count = 0  # how often in a row

    def note(self, error: BaseException, then: str) -> None:
        """Log the error, with its traceback unless it is one of ours, if it is another one than the last.

        Args:
            then: what happens next.
        """
        self.count += 1
        frames = traceback.extract_tb(error.__traceback__)
        known = (type(error), text(error), [(frame.filename, frame.lineno) for frame in frames[-1:]])
        if known == self._known:
            self._log.debug("%s: %s", self._what, one_line(error))
            return
        self._known = known
        ours = is_a(error, JobEngineError)
        self._log.error("%s: %s; %s", self._what, one_line(error), then, exc_info=None if ours else error)

    async def until_answered(
        self,
        call: Callable[[], Awaitable[T]],
        then: str = "it is asked again and again",
        *,
        of: tuple[type[JobEngineError], ...] = (Unreachable, Unavailable),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> T:
        """Repeat a call until it is answered; returns the response.

        Args:
            then: what happens until then, see `note`.
            of: the errors that do not end it.
        """
        pause = pauses(*RETRY_SECONDS)
        while True:
            try:
                answer = await call()
            except of as error:
                self.note(error, then)
                await sleep(next(pause))
            else:
                self.over()
                return answer

    def over(self) -> None:
        """The operation has succeeded."""
        if self.count:
            self._log.warning("%s: works again after %d failures", self._what, self.count)
        self._known, self.count = None, 0


def one_line(error: BaseException) -> str:
    """The error in a line that people read, and that any record takes: of bounded length, without lone surrogates."""
    said = text(error).strip() if is_a(error, JobEngineError) else ""
    return " ".join((said or described(error)).split())[:ERROR_CHARACTERS].encode(errors="replace").decode()
