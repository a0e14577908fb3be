"""The end of the process that started this one: the other end of a pipe that both hold closes then."""

import logging
import os
import select
from collections.abc import Callable

from job_engine import threads

log = logging.getLogger(__name__)


def gone(fd: int) -> bool:
    """Whether the parent has ended, once ``fd``, the reading end of the pipe, is readable."""
    try:
        return not os.read(fd, 64)
    except OSError as error:
        log.error("the pipe to the parent cannot be read: %s", error)
        return True


def when_gone(fd: int, end: Callable[[], object]) -> None:
    """Call ``end``, in a thread of its own, once the parent has ended; whatever the other threads do meanwhile."""

    def wait() -> None:
        while True:
            select.select([fd], [], [])  # the descriptor may be set not to block
            if gone(fd):
                end()
                return

    threads.start("parent", wait)
