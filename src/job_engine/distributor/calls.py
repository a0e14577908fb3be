"""Calls of users' functions, each in a thread of its own: a call that hangs delays no other call, and no stop."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from job_engine import forks
from job_engine.job.errors import JobEngineError
from job_engine.job.foreign import ask, is_a, shown

T = TypeVar("T")

HANGING_CALLS: Final = 3
"""Calls of one distribution that have outlived their time before no further one is begun."""


class HangsError(JobEngineError):
    """A call takes too long."""


class Calls:
    """The calls of one distribution.

    Args:
        name: of the threads.
        timeout: seconds that a call may take.
    """

    def __init__(self, name: str, timeout: float) -> None:
        self._name = name
        self._timeout = timeout
        self._running: set[threading.Thread] = set()

    @property
    def running(self) -> int:
        """The number of calls that have not ended."""
        return len(self._running)

    async def call(self, function: Callable[[Callable[[], bool]], T]) -> T:
        """What ``function`` returns or raises; it is given what tells whether anybody still waits for it.

        The threads are daemons: who cancels this, and ends the process, need not wait for them.

        Raises:
            HangsError: it has not ended in time, or too many before it have not; it goes on, unheeded.
        """
        if len(self._running) >= HANGING_CALLS:
            raise HangsError(
                f"{len(self._running)} earlier calls of it still run; it is not called until one has ended"
            )
        loop, process = asyncio.get_running_loop(), forks.generation()
        done: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: BaseException | None) -> None:
            self._running.discard(thread)
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(value)  # type: ignore[arg-type]

        def run() -> None:
            value, failed = None, None
            try:
                value = function(lambda: not done.done())
                if forks.generation() != process:
                    forks.end(None)
            except BaseException as error:  # noqa: BLE001 - the boundary between the engine and a function, which may do anything
                if forks.generation() != process:
                    forks.end(error)
                failed = error
                if not is_a(error, Exception) or is_a(error, StopIteration) or not ask(_is_sane, error, False):
                    failed = RuntimeError(f"it raised {shown(error)}")  # the other would end more than the call
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to hear it
                loop.call_soon_threadsafe(settle, value, failed)

        thread = threading.Thread(target=run, name=self._name, daemon=True)
        thread.start()
        self._running.add(thread)  # not before: it may not start. `settle` takes it out, in this loop, so later
        try:
            async with asyncio.timeout(self._timeout):
                return await done
        except TimeoutError:
            if done.cancelled():
                raise HangsError(f"it has not ended within {self._timeout:g} s") from None
            raise


def _is_sane(error: BaseException) -> bool:
    """Whether futures and logs can look at it: asking for its class or its text raises nothing."""
    str(error)
    return bool(error.__class__)
