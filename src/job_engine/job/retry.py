"""How long a job that failed waits before it runs again: exponential backoff with full jitter."""

from typing import Final

from job_engine.job.backoff import backoff as bounded

BACKOFF: Final = 2.0
"""Seconds; what the first retry waits at most, unless the action says otherwise."""
LONGEST: Final = 3600.0
"""Seconds; no retry waits longer, however often the job has failed."""


def delay(failures: int, roll: float, *, backoff: float = BACKOFF, jitter: bool = True) -> float:
    """Seconds to wait before the next attempt.

    The bound doubles with each failure. With jitter any time up to it is as likely as another, so that jobs that
    failed together do not come back together.

    Args:
        failures: how many attempts failed before the one that failed now, 0 or more.
        roll: a random number, 0 <= roll < 1.
        backoff: seconds; the bound at the first failure.
        jitter: whether to wait ``roll`` of the bound, or all of it.
    """
    bound = bounded(failures, backoff, LONGEST)
    return bound * roll if jitter else bound
