"""Signals as events that a loop waits for."""

import os
import select
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Signals:
    """What has arrived; made by `caught`."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    def wait(self, seconds: float | None) -> list[int]:
        """The signals that arrived, in order; empty after ``seconds`` or a `wake`."""
        ready, _, _ = select.select([self._reading], [], [], seconds)
        return [number for number in os.read(self._reading, 4096) if number] if ready else []

    def wake(self) -> None:
        """Ends a `wait`; for other threads."""
        os.write(self._writing, b"\0")


@contextmanager
def caught(numbers: Iterable[int]) -> Iterator[Signals]:
    """Catches these signals; for the main thread. SIGCHLD among them tells that a child has ended."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    wakeup = signal.set_wakeup_fd(writing)
    try:
        yield Signals(reading, writing)
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)
