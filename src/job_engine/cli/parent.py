"""Ends a part when the process that started it has died: the other end of a pipe that both hold closes then."""

import os
import select
from collections.abc import Callable

from job_engine import threads


def when_gone(parent_fd: int, end: Callable[[], None]) -> None:
    """Calls ``end``, in a thread of its own, once the pipe of which ``parent_fd`` is the reading end is closed."""

    def wait() -> None:
        while True:
            select.select([parent_fd], [], [])  # the descriptor may be set not to block
            if not os.read(parent_fd, 1):
                return end()

    threads.start("parent", wait)
