"""job-engine: durable jobs, from one laptop to a cluster.

Importing this loads nothing; each name loads what it needs when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from job_engine.actions.action import action as action
    from job_engine.actions.bulk import BulkAction as BulkAction
    from job_engine.actions.errors import Failed as Failed
    from job_engine.actions.errors import Interrupted as Interrupted
    from job_engine.actions.errors import JobUpdateError as JobUpdateError
    from job_engine.actions.errors import Skipped as Skipped
    from job_engine.actions.job import Job as Job
    from job_engine.client import Client as Client
    from job_engine.client import JobCanceled as JobCanceled
    from job_engine.client import JobFailed as JobFailed
    from job_engine.client import JobHandle as JobHandle
    from job_engine.distributor.distribution import distribution as distribution
    from job_engine.distributor.tick import Tick as Tick
    from job_engine.job.errors import Conflict as Conflict
    from job_engine.job.errors import Forbidden as Forbidden
    from job_engine.job.errors import Invalid as Invalid
    from job_engine.job.errors import JobEngineError as JobEngineError
    from job_engine.job.errors import NotFound as NotFound
    from job_engine.job.errors import Unavailable as Unavailable
    from job_engine.job.errors import Unreachable as Unreachable
    from job_engine.job.options import JobOptions as JobOptions

_HOME: Final = {
    "action": "job_engine.actions.action",
    "BulkAction": "job_engine.actions.bulk",
    "Client": "job_engine.client",
    "Conflict": "job_engine.job.errors",
    "distribution": "job_engine.distributor.distribution",
    "Failed": "job_engine.actions.errors",
    "Forbidden": "job_engine.job.errors",
    "Interrupted": "job_engine.actions.errors",
    "Invalid": "job_engine.job.errors",
    "Job": "job_engine.actions.job",
    "JobCanceled": "job_engine.client",
    "JobEngineError": "job_engine.job.errors",
    "JobFailed": "job_engine.client",
    "JobHandle": "job_engine.client",
    "JobOptions": "job_engine.job.options",
    "JobUpdateError": "job_engine.actions.errors",
    "NotFound": "job_engine.job.errors",
    "Skipped": "job_engine.actions.errors",
    "Tick": "job_engine.distributor.tick",
    "Unavailable": "job_engine.job.errors",
    "Unreachable": "job_engine.job.errors",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(_HOME)
