"""Jobs that kill their processes do not keep the others waiting."""

from pathlib import Path

from tests.faults.short_up import ACTIONS
from tests.integration.engine_processes import Engine


def test_a_process_that_its_jobs_killed_is_replaced_without_a_pause(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    try:
        executor = engine.executor(ACTIONS, threads=1).ready()
        for _ in range(6):
            assert engine.client.submit("suicide", payload={"folder": str(tmp_path)}).wait(30)["attempt"] == 2
        assert executor.log.count("SIGKILL") == 6
        assert "again and again" not in executor.log
    finally:
        engine.close()
