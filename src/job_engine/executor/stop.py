"""What ends an executor: a first signal, a second one, or the end of its parent."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from job_engine import parent
from job_engine.exit_codes import ORPHANED

T = TypeVar("T")


class Stop:
    """Waits for the end, from the running loop's main thread.

    Args:
        parent_fd: the read end of a pipe whose other end the parent has open.
        orphaned: called when the parent is gone.
    """

    def __init__(self, parent_fd: int | None, orphaned: Callable[[], None]) -> None:
        self.asked = asyncio.Event()
        """A signal came: end when the running jobs have ended."""
        self.urged = asyncio.Event()
        """Another one came: end at once."""
        self._orphaned = orphaned
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signaled)
        if parent_fd is not None:
            self._loop.add_reader(parent_fd, self._parent, parent_fd)

    def _signaled(self) -> None:
        if self.asked.is_set():
            self.urged.set()
        self.asked.set()

    def _parent(self, fd: int) -> None:
        if parent.gone(fd):
            self._loop.remove_reader(fd)
            self._orphaned()


async def first(*events: asyncio.Event, within: float | None = None) -> bool:
    """Wait until one of ``events`` is set, at most ``within`` seconds; whether one is."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return bool(done)


async def unless_stopped(work: Coroutine[Any, Any, T], parent_fd: int | None) -> T | None:
    """What ``work`` returns; None when the executor is asked to stop before."""
    stop = Stop(parent_fd, lambda: os._exit(ORPHANED))
    loop = asyncio.get_running_loop()
    task, asked = loop.create_task(work), loop.create_task(stop.asked.wait())
    await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if task.done():
        return task.result()
    task.cancel()
    return None
