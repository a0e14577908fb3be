"""Something that goes wrong again and again, and is logged once."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from job_engine.job.backoff import pauses
from job_engine.job.errors import JobEngineError, Unavailable, Unreachable
from job_engine.job.foreign import described, is_a, text

T = TypeVar("T")

RETRIED_AFTER: Final = (0.2, 5.0)
"""Seconds: the first pause before a call that was not answered is made again, and the longest; they double."""
LONGEST: Final = 1000
"""Characters of an error's text."""


class Trouble:
    """What is wrong with one thing, until it is right again.

    Args:
        what: whose trouble it is, to begin a sentence.
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

    async def outlast(
        self,
        call: Callable[[], Awaitable[T]],
        then: str = "it is asked again and again",
        *,
        of: tuple[type[JobEngineError], ...] = (Unreachable, Unavailable),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> T:
        """Make a call until it is answered; what that says.

        Args:
            then: what happens until then, see `note`.
            of: the errors that do not end it.
        """
        pause = pauses(*RETRIED_AFTER)
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
        """It went well."""
        if self.count:
            self._log.warning("%s: is well again after %d failures", self._what, self.count)
        self._known, self.count = None, 0


def one_line(error: BaseException) -> str:
    """The error in a line that people read, and that any record takes: of bounded length, without lone surrogates."""
    said = text(error).strip() if is_a(error, JobEngineError) else ""
    return " ".join((said or described(error)).split())[:LONGEST].encode(errors="replace").decode()
