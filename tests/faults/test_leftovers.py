"""What one job does to its process is not done to the jobs after it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine_processes import Engine, until

ACTIONS = Path(__file__).parent / "leaving_actions.py"
LINES = ["printed", "logged", "told by job.logger"]
LEFT = {
    "handlers": "the handlers of logging",
    "levels": "the levels of logging",
    "loggers": "levels of logging",
    "output": "standard output",
    "folder": "the current folder",
    "gone": "the current folder",
    "environment": "the environment (LEFT, PATH)",
    "umask": "the umask",
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path)
    yield made
    made.close()


def log(job: Any) -> list[str]:
    return [line.text for line in job.logs()]


def test_what_a_job_leaves_behind_is_put_back_and_told_in_its_log(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, threads=1).ready()
    workers = executor.workers
    first = engine.client.submit("talk")
    found = first.wait(20)
    for what, told in LEFT.items():
        left = engine.client.submit("leave", payload={"what": what})
        left.wait(20)
        assert any(told in line and "put back" in line for line in log(left)), (what, log(left))
        after = engine.client.submit("talk")
        assert after.wait(20) == found, what
        assert log(after) == LINES, what
    assert executor.workers == workers


def test_what_a_job_uses_that_still_runs_is_left_alone(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=2).ready()
    using = engine.client.submit("redirects", payload={"folder": str(engine.folder)})
    until(lambda: (engine.folder / "redirected").exists(), "the redirection")
    beside = engine.client.submit("talk")
    beside.wait(20)
    (engine.folder / "go").touch()
    assert "kept" in using.wait(20)
    after = engine.client.submit("talk")
    after.wait(20)
    assert log(after) == LINES
    assert not any("left" in line for job in (using, beside) for line in log(job))


def test_what_a_job_left_behind_beside_another_is_put_back_when_that_has_ended(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=2).ready()
    beside = engine.client.submit("redirects", payload={"folder": str(engine.folder)})
    until(lambda: (engine.folder / "redirected").exists(), "the redirection")
    engine.client.submit("leave", payload={"what": "environment"}).wait(20)
    (engine.folder / "go").touch()
    beside.wait(20)
    assert any("This job, or one that ran beside it, left" in line for line in log(beside)), log(beside)
    after = engine.client.submit("talk")
    assert after.wait(20)["left"] is None
