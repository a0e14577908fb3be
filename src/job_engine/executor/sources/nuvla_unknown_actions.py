"""Jobs beside a Nuvla server whose action is unknown here: another executor of a mixed fleet may have it."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

log = logging.getLogger(__name__)

REMEMBERED_JOBS: Final = 100_000
"""Jobs whose grace is remembered; beyond that number the grace of the oldest begins anew."""


class _Left(NamedTuple):
    updated: str | None  # when the job had been changed last
    since: float


class UnknownActionGrace:
    """Decides whether a job of an unknown action is left to other executors, for a bounded time.

    The time begins anew when somebody has changed the job meanwhile, and does not end while a module of ours does not
    load, for that may have the action.

    Args:
        grace: seconds.
    """

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.grace = grace
        self.unloaded: Mapping[str, str] = {}
        """Modules that do not load here, and why."""
        self._clock = clock
        self._left: dict[str, _Left] = {}

    def leaves(self, id_: str, document: Mapping[str, Any], why: str) -> bool:
        """Whether the job is left to others now.

        Args:
            why: it cannot be run here.
        """
        now, updated = self._clock(), document.get("updated")
        left = self._left.get(id_)
        if left is None or left.updated != updated:
            while len(self._left) >= REMEMBERED_JOBS:
                del self._left[next(iter(self._left))]
            self._left[id_] = left = _Left(updated, now)
            log.warning("%s: left to others for %g s", why, self.grace)
        elif self.unloaded and now - left.since >= self.grace:
            self._left[id_] = _Left(updated, now)
            log.error("%s: not FAILED, for %s does not load here", why, ", ".join(self.unloaded))
            return True
        if now - left.since < self.grace:
            return True
        del self._left[id_]
        return False
