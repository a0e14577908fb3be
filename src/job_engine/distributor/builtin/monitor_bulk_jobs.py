"""``monitor_bulk_job``: beside a Nuvla server, has the children of bulk jobs counted; ours does that itself."""

from collections.abc import Iterator
from typing import Any, Final

from job_engine.distributor.distribution import Distribution
from job_engine.distributor.tick import Tick

NAME: Final = "monitor_bulk_job"
"""Upstream's, of its election and of the action."""
REGISTERED: Final = "monitor_bulk_jobs"
"""Upstream's, for ``--distribution-exclude``."""
EVERY: Final = 30
"""Seconds, as upstream."""
WAITING: Final = 'action^="bulk" and state="RUNNING" and tags="monitor"'
"""Bulk jobs that have made their children and wait for them."""


def monitor_bulk_jobs() -> Distribution[..., Any]:
    """The distribution."""

    def jobs(tick: Tick) -> Iterator[dict[str, Any]]:
        """Count the children of bulk jobs."""
        for bulk in tick.client.each("job", WAITING, select=("id",)):
            yield {"action": NAME, "target-resource": {"href": bulk["id"]}}

    distribution = Distribution(jobs, NAME, every=EVERY, unless_active=True, registered=REGISTERED)
    distribution.beside_nuvla = True
    return distribution
