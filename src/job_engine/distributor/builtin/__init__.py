"""The distributions that every distributor has, one file each."""

from collections.abc import Iterator
from typing import Any

from job_engine.distributor.builtin.cleanup_jobs import cleanup_jobs
from job_engine.distributor.builtin.monitor_bulk_jobs import monitor_bulk_jobs
from job_engine.distributor.distribution import Distribution
from job_engine.distributor.settings import DistributorSettings


def builtin(settings: DistributorSettings) -> Iterator[Distribution[..., Any]]:
    """Those that the settings ask for."""
    if settings.keep_jobs is not None:
        yield cleanup_jobs(settings.keep_jobs)
    if settings.zookeeper is not None:  # so there may be a Nuvla server
        yield monitor_bulk_jobs()
