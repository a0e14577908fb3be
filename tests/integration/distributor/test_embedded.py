"""Distributions under `job-engine up`, and the commands for them."""

import json
import os
import signal

from job_engine.cli.group import Session, group
from tests.integration.running import cli, eventually, running

OFTEN = """
from job_engine import distribution

@distribution(every=0.2)
def adds():
    return {"action": "add", "payload": '{"a": 1}'}

@distribution("at-night", cron="0 3 * * *", timezone="Europe/Zurich")
def nightly(tick):
    "Adds in the night."
    return {"action": "add", "payload": '{"a": 2}', "name": "of the night"}
"""


def rows(up):
    lines = cli(up, "distributions").stdout.splitlines()
    return {line.split()[0]: line for line in lines[1:]}


def test_up_runs_distributions_and_people_see_and_steer_them(tmp_path):
    (tmp_path / "mine.py").write_text(OFTEN)
    with running(tmp_path / "data", "--distributions", str(tmp_path / "mine.py")) as up:
        client = up.client()
        eventually(lambda: client.count("action='add' and state='SUCCESS'") >= 3)
        found = eventually(lambda: rows(up) if len(rows(up)) == 3 else None)
        assert "every 0.2s" in found["adds"]
        assert "0 3 * * * Europe/Zurich" in found["at-night"]
        assert "every 3600s" in found["cleanup_jobs"]

        assert " in " in found["at-night"]

        ran = cli(up, "distributions", "run", "at-night")
        assert ran.stderr == ""
        assert (ran.returncode, ran.stdout) == (0, "at-night is asked to run\n")
        eventually(lambda: client.count("name='of the night'") == 1)

        assert cli(up, "distributions", "pause", "adds", "at-night").returncode == 0
        assert "paused" in rows(up)["adds"]
        assert cli(up, "distributions", "resume", "adds").stdout == "adds is resumed\n"
        (shown,) = json.loads(cli(up, "distributions", "list", "at-night", "--json").stdout)
        assert (shown["description"], shown["paused"], shown["jobs-made"]) == ("Adds in the night.", True, 1)
        assert cli(up, "distributions", "run", "nobody").returncode == 2
        assert "name the distributions to pause" in cli(up, "distributions", "pause").stderr
        assert up.stop() == 0


def test_a_run_that_nobody_is_there_to_make_is_noted_and_says_so(tmp_path, monkeypatch, capsys):
    with running(tmp_path / "data") as up:
        eventually(lambda: "cleanup_jobs" in rows(up))
        os.kill(up.children()["distributor"], signal.SIGSTOP)
        monkeypatch.setattr("job_engine.job.distributions.SILENT", 0.0)
        arguments = ["distributions", "run", "cleanup_jobs", "--data", str(up.folder)]
        assert not group.main(arguments, standalone_mode=False, obj=Session())
        said = capsys.readouterr()
        assert said.out == "cleanup_jobs is asked to run\n"
        assert "cleanup_jobs: no distributor that makes its jobs is alive" in said.err
        assert "run-at" in up.client().distribution("cleanup_jobs")
        os.kill(up.children()["distributor"], signal.SIGCONT)
        eventually(lambda: "run-at" not in up.client().distribution("cleanup_jobs"))
        assert up.stop() == 0


def test_old_jobs_go(tmp_path):
    with running(tmp_path / "data", "--keep-jobs", "0.1s") as up:
        client = up.client()
        old = client.submit_many("add", [{"a": n} for n in range(20)])
        for job in old:
            job.wait(30)
        waiting = client.submit("add", payload={"a": 1}, delay="1h")
        eventually(lambda: "cleanup_jobs" in rows(up))
        cli(up, "distributions", "run", "cleanup_jobs")
        eventually(lambda: client.count("action='add'") == 1)
        assert waiting.state == "QUEUED"
        done = eventually(lambda: client.jobs("action='cleanup_jobs' and state='SUCCESS'"))[0]
        assert done.result == {"deleted": 20}
        assert up.stop() == 0


def test_distributions_that_cannot_be_loaded_are_said(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    with running(tmp_path / "data", "--distributions", str(tmp_path / "broken.py")) as up:
        eventually(lambda: "broken.py does not load: ZeroDivisionError" in up.said())
        assert up.stop() == 0
