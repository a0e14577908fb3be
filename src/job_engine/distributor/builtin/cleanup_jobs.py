"""``cleanup_jobs``: has old final jobs deleted, so that no disk fills up."""

from typing import Any, Final

import msgspec

from job_engine.distributor.distribution import Distribution

NAME: Final = "cleanup_jobs"
"""Upstream's, of the distribution as of the action."""
OFTEN: Final = 24.0
"""How many times within the time that jobs are kept: what is due goes within a part of that time..."""
SHORTEST, LONGEST = 60.0, 3600.0
"""... in seconds, but not more often than once a minute, and at least once an hour, a little each time."""


def cleanup_jobs(keep: float) -> Distribution[..., Any]:
    """The distribution.

    Args:
        keep: seconds after which a final job is deleted.
    """

    def jobs() -> dict[str, Any]:
        """Delete jobs that have been final for a while."""
        payload = msgspec.json.encode({"keep": keep}).decode()
        return {"action": NAME, "target-resource": {"href": "job"}, "payload": payload}

    every = min(max(keep / OFTEN, SHORTEST), LONGEST)
    return Distribution(jobs, NAME, every=round(every), unless_active=True)
