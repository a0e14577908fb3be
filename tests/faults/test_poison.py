"""Jobs that kill their processes do not keep the others waiting, and do not take them with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from job_engine import JobFailed
from tests.faults.short_up import ACTIONS
from tests.integration.engine_processes import KILL, Engine, until

OWN = Path(__file__).parent / "process_actions.py"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    yield made
    made.close()


def begun(engine: Engine) -> list[list[str]]:
    """Of each attempt that began: action, attempt, process, and whether in its main thread."""
    path = engine.folder / "notes"
    return [line.split()[1:] for line in path.read_text().splitlines()] if path.exists() else []


def test_a_process_that_its_jobs_killed_is_replaced_without_a_pause(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, threads=1).ready()
    for _ in range(6):
        assert engine.client.submit("suicide", payload={"folder": str(engine.folder)}).wait(30)["attempt"] == 2
    assert executor.log.count("SIGKILL") == 6
    assert "again and again" not in executor.log


def test_a_poison_job_fails_alone(engine: Engine) -> None:
    engine.executor(OWN, threads=4).ready()
    jobs = [engine.client.submit("waits", payload={"folder": str(engine.folder)}) for _ in range(3)]
    until(lambda: len(begun(engine)) == 3, "the innocents to begin")
    poison = engine.client.submit("dies")
    with pytest.raises(JobFailed, match=r"its process died 3 times in a row without progress \(last: exit code 7\)"):
        poison.wait(30)
    deaths = [event.detail for event in engine.client.events(poison) if event.kind == "died"]
    assert deaths == ["exit code 7, with 3 other jobs in it", "exit code 7", "exit code 7"]
    assert poison.refresh().attempt == 4
    until(lambda: len(begun(engine)) == 6, "the innocents to begin again")
    (engine.folder / "go").touch()
    results = [job.wait(10) for job in jobs]
    assert [result["attempt"] for result in results] == [2, 2, 2]
    assert len({result["pid"] for result in results}) == 3, "each in a process of its own"
    assert all(result["main"] for result in results)


def test_executors_that_are_killed_take_no_job_with_them(engine: Engine) -> None:
    """As three power cuts did to every job that takes long."""
    run_dir = engine.folder / "run"
    job = engine.client.submit("waits", payload={"folder": str(engine.folder)})
    for attempt in range(1, 5):
        executor = engine.executor(OWN, threads=2, run_dir=run_dir)
        until(lambda count=attempt: len(begun(engine)) == count, f"attempt {attempt}")
        until(lambda: "started" in job.refresh().document, "its start to be told")
        executor.signal(KILL)
        executor.stopped()
    engine.executor(OWN, threads=2, run_dir=run_dir)
    (engine.folder / "go").touch()
    assert job.wait(30)["attempt"] == 5
    assert "died" not in engine.kinds(job)
    assert not job.wait(1)["main"], "it has not to run alone"


def test_a_process_whose_slot_fails_is_replaced(engine: Engine) -> None:
    """The thread that runs a job is the engine's own: a process that goes on without it would run ever less."""
    executor = engine.executor(OWN, threads=2).ready()
    broken = engine.client.submit("breaks-its-slot")
    with pytest.raises(JobFailed, match="a thread of the engine failed in it"):
        broken.wait(30)
    assert executor.log.count("the thread slot-") + executor.log.count("this worker process has failed") == 3
    (engine.folder / "go").touch()
    for job in [engine.client.submit("waits", payload={"folder": str(engine.folder)}) for _ in range(4)]:
        job.wait(10)
