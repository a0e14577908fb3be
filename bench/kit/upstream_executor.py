"""Upstream's executor, as it is, with the bench's no-op action registered by its own decorator."""

from nuvla.job_engine.job.actions import action
from nuvla.job_engine.job.base import main
from nuvla.job_engine.job.executor.executor import Executor


@action("bench-noop")
class Noop:
    """Do nothing."""

    def __init__(self, job):
        self.job = job

    def do_work(self):
        return 0


if __name__ == "__main__":
    main(Executor)
