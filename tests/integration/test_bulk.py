"""Bulk jobs through a real engine: many children, counted exactly, whatever dies meanwhile."""

import contextlib
import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

from job_engine import JobFailed, JobHandle
from tests.integration.engine_processes import KILL, Engine, until
from tests.integration.running import PROGRAM, WITHIN, Up, clean, cli, eventually, running

CHILDREN = 2000
ACTIONS = """
import os
import pathlib

from job_engine import BulkAction, Failed, Job, Skipped, action


@action
def child(job: Job, n: int):
    if n % 20 == 7:
        raise Failed("the disk is full")
    return n


@action
def waits(job: Job):
    job.interrupted.wait()


@action("bulk-many")
class Many(BulkAction):
    def get_todo(self):
        return range(self.job.payload["count"])

    def action(self, n):
        folder = pathlib.Path(self.job.payload["folder"])
        if n == self.job.payload["count"] // 2 and not (folder / "go").exists():
            (folder / "pid").write_text(str(os.getppid()))
            (folder / "pid").rename(folder / "fanning")
            self.job.interrupted.wait()
        return {"action": "child", "payload": '{"n": %d}' % n, "target-resource": {"href": f"module/{n}"}}


@action("bulk-wait")
class Wait(BulkAction):
    def get_todo(self):
        return ["a", "b", "c"]

    def action(self, element):
        return {"action": "waits"}


@action("bulk-late")
class Late(BulkAction):
    # makes children though it knows that it was canceled
    def get_todo(self):
        self.job.api.add("job", {"action": "waits", "parent-job": self.job.id})
        self.job.interrupted.wait()
        try:
            self.job.api.add("job", {"action": "waits", "parent-job": self.job.id})
        finally:
            pathlib.Path(self.job.payload["folder"], "late").touch()


@action("bulk-here")
class Here(BulkAction):
    def get_todo(self):
        return ["good", "bad", "done", "worse"]

    def action(self, element):
        if element == "done":
            raise Skipped("is up to date", name="the done one")
        if element == "bad":
            raise Failed("no such thing")
        if element == "worse":
            raise ValueError("no such thing")
"""


def ended(job: JobHandle) -> dict[str, Any]:
    """The document of a job that has ended, well or not."""
    with contextlib.suppress(JobFailed):
        job.wait(100)
    return job.refresh().document


def engine(tmp_path: Path, *arguments: str) -> contextlib.AbstractContextManager[Up]:
    (tmp_path / "bulk_actions.py").write_text(ACTIONS)
    return running(tmp_path / "data", "--actions", str(tmp_path / "bulk_actions.py"), "--threads", "4", *arguments)


def test_what_is_done_at_once_is_in_the_result(tmp_path):
    with engine(tmp_path) as up, up.client() as client:
        document = ended(client.submit("bulk-here"))
        said = json.loads(document["status-message"])
        assert (document["state"], document["return-code"]) == ("FAILED", 1)
        assert (said["total_actions"], said["success"], said["failed_count"], said["skipped_count"]) == (
            4,
            ["good"],
            2,
            1,
        )
        assert said["error_reasons"][0] == {
            "reason": "no such thing",
            "count": 2,
            "category": "failed",
            "data": [{"id": "bad", "count": 1}, {"id": "worse", "count": 1}],
        }


def test_exact_counts_while_executors_workers_and_server_are_killed(tmp_path):
    """Each of `CHILDREN` is counted once: with 10,000 of them it takes a minute."""
    (tmp_path / "bulk_actions.py").write_text(ACTIONS)
    engine = Engine(tmp_path, period=3.0)
    try:
        executors = [engine.executor(tmp_path / "bulk_actions.py").ready() for _ in range(2)]
        payload = {"count": CHILDREN, "folder": str(tmp_path)}
        bulk = engine.client.submit("bulk-many", payload=payload)
        until((tmp_path / "fanning").exists, "the fan-out")
        fanning = int((tmp_path / "fanning").read_text())
        (first,) = [executor for executor in executors if executor.pid == fanning]
        first.signal(KILL)  # in the middle of the fan-out
        (tmp_path / "go").touch()
        (second,) = [executor for executor in executors if executor is not first]
        until(lambda: bulk.refresh().progress >= 20, "progress")
        os.kill(second.workers[0], KILL)
        third = engine.executor(tmp_path / "bulk_actions.py").ready()
        until(lambda: bulk.refresh().progress >= 40, "progress")
        second.signal(KILL)
        until(lambda: bulk.refresh().progress >= 60, "progress")
        engine.kill_server()
        engine.start_server()
        assert third.process.poll() is None
        document = ended(bulk)
        said = json.loads(document["status-message"])
        failed = CHILDREN // 20
        assert (document["state"], document["progress"], document["return-code"]) == ("FAILED", 100, 1)
        counts = (said["total_actions"], said["success_count"], said["failed_count"], said["jobs_count"])
        assert counts == (CHILDREN, CHILDREN - failed, failed, CHILDREN), str(said["error_reasons"])[:600]
        assert [(each["reason"], each["count"]) for each in said["error_reasons"]] == [("the disk is full", failed)]
        assert {"claimed", "lost", "detached"} <= set(engine.kinds(bulk))
    finally:
        engine.close()


def test_a_canceled_family_is_canceled_whole(tmp_path):
    with engine(tmp_path) as up, up.client() as client:
        bulk = client.submit("bulk-wait")
        mine = f'parent-job="{bulk.id}" and action="waits"'
        eventually(lambda: client.count(f'{mine} and state="RUNNING"') == 3)
        eventually(lambda: "waits for its children to end: 0 of 3 done, 3 running" in bulk.explain().summary)
        bulk.cancel()
        eventually(lambda: client.count(f'{mine} and state="CANCELED"') == 3)
        assert bulk.refresh().state == "CANCELED"
        assert "with " + bulk.id in [event.detail for child in bulk.children() for event in child.events()]


def test_a_child_that_comes_after_the_cancel_does_not_stay(tmp_path):
    with engine(tmp_path) as up, up.client() as client:
        bulk = client.submit("bulk-late", payload={"folder": str(tmp_path)})
        eventually(lambda: client.count(f'parent-job="{bulk.id}" and state="RUNNING"'))
        bulk.cancel()
        eventually((tmp_path / "late").exists)
        eventually(lambda: [child.document["state"] for child in bulk.children()] == ["CANCELED"])


def test_what_the_command_line_shows_of_a_family(tmp_path):
    (tmp_path / "go").touch()
    payload = json.dumps({"count": 40, "folder": str(tmp_path)})
    with engine(tmp_path) as up:
        done = cli(up, "submit", "bulk-many", "--payload", payload, "--wait")
        id_, *lines, error = done.stderr.splitlines()
        assert done.returncode == 1
        assert f"{id_} (bulk-many) failed: 38 of 40 done, 2 failed: the disk is full; its log: " in error
        assert lines[-1] == "38/40 done, 2 failed"
        counted, head, row = done.stdout.splitlines()
        assert (counted, head.split()) == (lines[-1], ["reason", "category", "count", "first", "ids"])
        assert row.split() == ["the", "disk", "is", "full", "failed", "2", "module/7,", "module/27"]
        shown = cli(up, "show", id_).stdout
        assert row in shown.splitlines()
        assert "38 of 40 done, 2 failed: the disk is full" in shown
        assert "38 of 40 done" in cli(up, "jobs", "--action", "bulk-many").stdout
        children = cli(up, "jobs", "--parent", id_, "--state", "failed").stdout.splitlines()
        assert [line.split()[1:3] for line in children[1:]] == [["child", "FAILED"]] * 2
        done = cli(up, "submit", "bulk-many", "--payload", payload, "--wait", "--json")
        assert done.returncode == 1
        assert json.loads(json.loads(done.stdout)["status-message"])["failed_count"] == 2
        good = cli(up, "submit", "bulk-many", "--payload", payload.replace("40", "3"), "--wait")
        assert (good.returncode, good.stdout) == (0, "3/3 done\n")
        bar = on_a_terminal(up, "submit", "bulk-many", "--payload", payload, "--wait")
        assert "38/40 done, 2 failed" in bar
        assert "100%" in bar
        assert "the disk is full" in bar


def on_a_terminal(up: Up, *arguments: str) -> str:
    own, terminal = pty.openpty()
    environ = clean() | {"TERM": "xterm", "COLUMNS": "80", "JOB_ENGINE_DATA": str(up.folder)}
    process = subprocess.Popen([PROGRAM, *arguments], stdout=terminal, stderr=terminal, stdin=terminal, env=environ)
    os.close(terminal)
    said = b""
    with contextlib.suppress(OSError):  # so a terminal says its end
        while data := os.read(own, 4096):
            said += data
    os.close(own)
    assert process.wait(WITHIN) == 1
    return said.decode()


def test_the_example_in_the_docs(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "actions.md").read_text()
    single, bulk = (
        re.search(r"```python\n(.*?)```", page[page.index(start) :], re.DOTALL) for start in ("# W", "## Bulk jobs")
    )
    assert single is not None
    assert bulk is not None
    (tmp_path / "images.py").write_text(single[1] + bulk[1])
    with running(tmp_path / "data", "--actions", str(tmp_path / "images.py")) as up:
        done = cli(up, "submit", "bulk-resize", 'images=["a.png", "b.svg", "c.png"]', "--wait")
        assert done.returncode == 0, done.stderr
        assert done.stdout in page
        assert len(done.stdout.splitlines()) == 3
