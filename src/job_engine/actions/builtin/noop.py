"""``noop``: does nothing. ``job-engine bench`` measures the engine with it."""

from job_engine.actions.action import action
from job_engine.actions.job import Job


@action
def noop(job: Job) -> None:
    """Do nothing, with any payload."""
