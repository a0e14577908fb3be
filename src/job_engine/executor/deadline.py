"""The time until which an executor may trust its holds, and what is done when it passes."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

WATCHDOG: Final = 1.0
"""Seconds after the deadline at which worker processes end themselves, unless the supervisor has seen to it; or half of
what is left until others may run the jobs, if that is less."""


class Deadline:
    """Counts down to the end of the holds. It moves on by `renew`, and not before a passed one was seen to.

    Args:
        passed: called when it has passed, once until it is renewed.
        renewed: called with it, and the time at which worker processes shall end themselves.
    """

    def __init__(self, passed: Callable[[], None], renewed: Callable[[float, float], None]) -> None:
        self._at = 0.0  # monotonic seconds
        self._passed_ = passed
        self._renewed = renewed
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seen_to = True

    def renew(self, at: float, spare: float) -> None:
        """The holds are good until ``at``, monotonic seconds; others may run the jobs ``spare`` seconds later."""
        if at <= self._at:
            return
        self.look()
        self._at = at
        if at > time.monotonic():
            self._seen_to = False
            self._renewed(at, at + min(WATCHDOG, spare / 2))
            self._arm()

    def give_up(self) -> None:
        """Act as if it had passed."""
        if not self._seen_to:
            self._seen_to = True
            self._passed_()

    def look(self) -> None:
        """See to it if it has passed."""
        if time.monotonic() >= self._at:
            self.give_up()

    def put_off(self, seconds: float) -> None:
        """Its passing was seen to: worker processes may take ``seconds`` more to end their jobs."""
        self._renewed(self._at, self._at + seconds)

    def _arm(self) -> None:
        if self._timer is None:
            # in small numbers, because it is moved on with each exchange: the timer looks again when it fires
            self._timer = self._loop.call_later(self._at - time.monotonic(), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.look()
        if not self._seen_to:
            self._arm()
