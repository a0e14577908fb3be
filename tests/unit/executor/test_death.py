"""What the death of a worker process says of the jobs in it."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Raw

from job_engine.actions.interruption import LOST
from job_engine.executor.board import BROKEN, EXPIRED, SLOT_BROKEN
from job_engine.executor.death import death
from job_engine.executor.holds import Held
from job_engine.job.attend import Granted, Released


@pytest.mark.parametrize(("left", "why"), [(0, "died"), (SLOT_BROKEN, "died"), (BROKEN, LOST), (EXPIRED, LOST)])
def test_a_death_that_is_the_engines_counts_against_no_job(left: int, why: str) -> None:
    process: Any = SimpleNamespace(board=SimpleNamespace(left=left), ended="how it ended")
    held = Held(Granted(1, 1, "job/1", "noop", Raw(b"{}")), time.monotonic())
    end = death(process, held, 0, killed=False)
    assert isinstance(end, Released)
    assert (end.why, end.beside) == (why, 0)
