"""Jobs in the main thread of a process: alarms and signal handlers work there, and nothing runs beside them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_engine import JobFailed
from tests.integration.engine_processes import Engine, until

ACTIONS = Path(__file__).parent / "process_actions.py"
SOON = "import job_engine.executor.alarm\njob_engine.executor.alarm.HEED = 0.5\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    yield made
    made.close()


def notes(engine: Engine, start: str, count: int = 1) -> list[list[str]]:
    def found() -> list[list[str]]:
        path = engine.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        wanted = [line.split() for line in lines if line.startswith(start)]
        return wanted if len(wanted) >= count else []

    return until(found, f"{count} notes {start!r}")


def submit(engine: Engine, action: str):
    return engine.client.submit(action, payload={"folder": str(engine.folder)})


def test_every_job_of_a_process_with_one_slot_runs_in_its_main_thread(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=1).ready()
    (engine.folder / "go").touch()
    assert submit(engine, "waits").wait(10)["main"]
    assert submit(engine, "waits-in-main").wait(10)["main"]


def test_jobs_that_say_so_run_in_the_main_thread_of_a_process_of_their_own(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=3).ready()
    first, second, beside = (submit(engine, name) for name in ("waits-in-main", "waits-in-main", "waits"))
    notes(engine, "begin", 3)
    (engine.folder / "go").touch()
    ran = [job.wait(10) for job in (first, second, beside)]
    assert [one["main"] for one in ran] == [True, True, False]
    assert len({one["pid"] for one in ran}) == 3


def test_an_alarm_rings(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=2).ready()
    for _ in range(2):
        with pytest.raises(JobFailed, match="TimeIsUpError: the alarm rang"):
            engine.client.submit("has-an-alarm").wait(10)


def test_an_alarm_that_a_job_leaves_behind_does_not_ring_in_the_next_one(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=1).ready()
    pid = engine.client.submit("leaves-an-alarm").wait(10)
    assert engine.client.submit("naps", payload={"seconds": 1.0}).wait(10) == pid


def test_a_job_that_is_blocked_in_c_when_its_alarm_rings_is_ended(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (engine.folder / "sitecustomize.py").write_text(SOON)
    monkeypatch.setenv("PYTHONPATH", str(engine.folder))
    engine.executor(ACTIONS, threads=1).ready()
    job = engine.client.submit("is-deaf-to-its-alarm")
    with pytest.raises(JobFailed, match="timed out by its own alarm, and its main thread did not react"):
        job.wait(20)
    assert job.refresh().attempt == 1
    assert engine.client.submit("naps", payload={"seconds": 0.0}).wait(10) != os.getpid()
