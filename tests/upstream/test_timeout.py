"""Upstream's own ``timeout``, which its actions for edges rely on: it needs the main thread of a process."""

from pathlib import Path

import pytest

from job_engine import JobFailed
from tests.integration.running import running

pytestmark = pytest.mark.timeout(600)

ACTIONS = """
import threading

from nuvla.job_engine.connector.utils import timeout
from nuvla.job_engine.job.actions import action


@action("waits_for_an_edge")
class WaitsForAnEdge:
    def __init__(self, job):
        self.job = job

    def do_work(self):
        with timeout(1):
            threading.Event().wait(4)
        return 0
"""


@pytest.mark.parametrize(("threads", "rings"), [(1, True), (2, False)])
def test_upstreams_timeout_rings_where_a_process_has_one_slot(
    python: Path, tmp_path: Path, threads: int, rings: bool
) -> None:
    file = tmp_path / "edge.py"
    file.write_text(ACTIONS)
    program = str(python.with_name("job-engine"))
    arguments = ("--actions", str(file), "--threads", str(threads), "--processes", "1")
    with running(tmp_path / "data", *arguments, program=program) as up, up.client() as client:
        job = client.submit("waits_for_an_edge")
        if rings:
            with pytest.raises(JobFailed, match="TimeoutError"):
                job.wait(60)
        else:
            job.wait(60)
