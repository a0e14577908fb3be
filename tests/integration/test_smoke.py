"""The main job, whole: ``up``, an action that prints and logs, ``submit --wait``; on every Python of the machine."""

from pathlib import Path

from tests.integration.running import ACTIONS, Up, cli


def test_a_job_that_prints_and_logs_is_run_from_submit_to_result(tmp_path: Path) -> None:
    module = tmp_path / "actions.py"
    module.write_text(ACTIONS)
    up = Up(tmp_path / "data", "--port", "0", "--actions", str(module))
    try:
        up.ready()
        submitted = cli(up, "submit", "add", "a=2", "--wait")
        assert submitted.returncode == 0, submitted.stderr
        (job,) = up.client().jobs()
        assert (job.state, job.result) == ("SUCCESS", 3)
        assert [line.text for line in job.logs()] == ["adding 2 and 1", "that makes 3"]
        assert up.stop() == 0
    finally:
        up.process.kill()
        up.process.wait()
