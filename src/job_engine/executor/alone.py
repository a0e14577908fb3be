"""Further worker processes, of one slot each, for jobs that run alone: because they ask for a main thread, or because a
worker process has died with them."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from job_engine.executor.process import Process

log = logging.getLogger(__name__)

LINGER: Final = 10.0
"""Seconds that such a worker process waits for another job: starting it takes up to a second."""
NOT_NOW: Final = 5.0
"""Seconds until a job that must run alone is granted again, if no worker process could be started for it."""
LOADED_WITHIN: Final = 60.0
"""Seconds that such a worker process may take to load its actions: the others have loaded them before, so one that
takes longer hangs, and keeps its job from other executors."""


class Alone:
    """The worker processes for jobs that run alone.

    Args:
        most: how many there may be.
        start: starts one; None: that cannot be done now.
    """

    def __init__(self, most: int, start: Callable[[], Process | None]) -> None:
        self._most = most
        self._start = start
        self._processes: list[Process] = []
        self._loop = asyncio.get_running_loop()

    def choose(self) -> Process | None:
        """The process that is to run one more job: an idle one, else a new one, else the least busy one."""
        usable = [process for process in self._processes if not process.retiring]
        process = min(usable, key=lambda p: len(p.outstanding), default=None)
        if (process is None or process.outstanding) and len(usable) < self._most:
            started = self._start()
            if started is not None:
                self._processes.append(started)
                return started
        return process

    def linger(self, process: Process) -> None:
        """End a process that has nothing to do, unless it is given another job soon."""
        if process.alone and process.ready and not process.outstanding:
            self._loop.call_later(LINGER, self._end_lingering, process, process.last_given)

    def look(self, now: float) -> None:
        """Give up processes whose import hangs; their jobs go back."""
        for process in self._processes:
            if process.outstanding and not (process.ready or process.retiring) and now - process.born > LOADED_WITHIN:
                what = process.importing or "its actions"
                log.error("worker process %d still imports %s; it is ended", process.pid, what)
                process.retiring = True
                process.kill()

    def ended(self, process: Process) -> None:
        """A process is dead."""
        if process in self._processes:
            self._processes.remove(process)

    def _end_lingering(self, process: Process, last: int) -> None:
        if not process.outstanding and process.last_given == last:
            process.retiring = True
            process.kill()
