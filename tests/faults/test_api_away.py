"""The API is away for longer than a hold lasts, and not even dead: that costs time and no jobs."""

import os
import signal
import time
from pathlib import Path

from tests.faults.history import attempts
from tests.faults.short_up import PERIOD, engine
from tests.integration.running import WITHIN, eventually

PARTS = ("--processes", "1", "--threads", "4")


def test_a_server_that_is_frozen_for_long_costs_no_jobs(tmp_path: Path) -> None:
    with engine(tmp_path, *PARTS) as away, away.client() as client:
        jobs = [client.submit("patient", payload=away.payload()) for _ in range(3)]
        eventually(lambda: len(away.notes("begin")) == 3)
        eventually(lambda: all("started" in job.refresh().document for job in jobs))
        waiting = [client.submit("quick", payload=away.payload()) for _ in range(20)]
        eventually(lambda: len(away.notes("end")) == 20)
        os.kill(server := away.pid("server"), signal.SIGSTOP)
        over = time.monotonic() + 1.2 * PERIOD  # then it would take the executor for dead, were it not itself away
        try:
            eventually(lambda: len(away.notes("interrupted")) == 3)
            assert {note[4] for note in away.notes("interrupted")} == {"lost"}
            begun = len(away.notes("begin"))
            eventually(lambda: time.monotonic() > over)
        finally:
            os.kill(server, signal.SIGCONT)
        eventually(lambda: len(away.notes("begin")) == begun + 3)
        away.go()
        assert [job.wait(WITHIN)["attempt"] for job in jobs] == [2, 2, 2]
        assert [[attempt.end for attempt in attempts(job.events())] for job in jobs] == [["lost", "success"]] * 3
        assert [job.wait(WITHIN)["attempt"] for job in waiting] == [1] * 20
