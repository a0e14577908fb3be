"""``dummy_test_action``: works for a while, to try an engine with; as upstream's does."""

import random
from typing import Final

from job_engine.actions.action import action
from job_engine.actions.job import Job

SHORTEST: Final = 3.0
"""Seconds, as upstream."""
LONGEST: Final = 30.0
"""Seconds, as upstream."""


@action("dummy_test_action")
class DummyTestAction:
    """Work for 3 to 30 seconds."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def do_work(self) -> int:
        """Wait; an interruption ends it."""
        self.job.interrupted.wait(random.uniform(SHORTEST, LONGEST))
        return 0
