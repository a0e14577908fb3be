"""What an action says after its hold has ended is in its log, as far as the process lives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running import Up, eventually

ACTIONS = """
import time

from job_engine import Job, action


def tidy(job: Job):
    print("in cleanup")
    raise OSError("cannot tidy")


@action(cleanup=tidy)
def canceled(job: Job):
    print("runs")
    try:
        job.interrupted.wait()
    finally:
        print("in finally")
        job.logger.info("logged in finally")
    raise ValueError("an end of its own")
"""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    module = tmp_path / "actions.py"
    module.write_text(ACTIONS)
    up = Up(tmp_path / "data", "--port", "0", "--actions", str(module))
    try:
        yield up.ready()
        assert up.stop() == 0
    finally:
        up.process.kill()
        up.process.wait()


@pytest.mark.parametrize("timeout", [None, "1s"])
def test_the_log_goes_on_until_the_attempt_has_ended(up: Up, timeout: str | None) -> None:
    job = up.client().submit("canceled", timeout=timeout)
    eventually(lambda: [line.text for line in job.logs()] == ["runs"] or timeout)
    if timeout is None:
        job.cancel()
    eventually(lambda: [line.text for line in job.logs()][-1:] == ["OSError: cannot tidy"])
    texts = [line.text for line in job.logs()]
    assert texts[:3] == ["runs", "in finally", "logged in finally"]
    assert texts.index("ValueError: an end of its own") < texts.index("in cleanup")
    eventually(lambda: f"{job.id}: cleanup failed: OSError: cannot tidy" in up.said())
