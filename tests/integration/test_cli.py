"""The client commands against a real engine."""

import json
import os
import pty
import re
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.integration.running import PROGRAM, WITHIN, clean, cli, eventually, running, unique


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("engine") / "data") as engine:
        yield engine


def test_submit_prints_the_id_alone(up):
    done = cli(up, "submit", "add", "a=2")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("job/")
    assert done.stdout.count("\n") == 1


def test_submit_and_wait(up):
    assert cli(up, "submit", "add", "a=2", "b=40", "--wait").stdout == "42\n"
    assert cli(up, "submit", "add", "--payload", "@-", "--wait", input='{"a": 1, "b": 2}').stdout == "3\n"
    document = json.loads(cli(up, "submit", "add", "a=2", "--name", "two", "--tag", "x", "-w", "--json").stdout)
    assert (document["state"], document["result"], document["name"], document["tags"]) == ("SUCCESS", 3, "two", ["x"])


def test_a_job_that_fails(up):
    done = cli(up, "submit", "fail", "why=too late", "--wait")
    assert done.returncode == 1
    assert done.stdout == ""
    id_, error = done.stderr.splitlines()
    assert f"{id_} (fail) failed: too late" in error
    assert error.endswith(f"job-engine logs --data {up.folder} {id_}")


def test_wrong_arguments_are_a_failed_job_that_names_them(up):
    done = cli(up, "submit", "add", "c=1", "--wait")
    assert done.returncode == 1
    assert "c" in done.stderr


def test_the_same_key_adds_nothing(up):
    first, second = (cli(up, "submit", "noop", "--key", "only-once").stdout for _ in range(2))
    assert first == second


def test_lists(up):
    tag = unique("listed")
    cli(up, "submit", "add", "a=4", "--wait")
    id_ = cli(up, "submit", "add", "a=5", "--tag", tag, "--wait", "--json").stdout
    id_ = json.loads(id_)["id"]
    found = json.loads(cli(up, "jobs", "--filter", f"tags='{tag}'", "--json").stdout)
    assert [job["id"] for job in found] == [id_]
    shown = cli(up, "jobs", "--action", "add", "--state", "success", "--limit", "1")
    header, row = shown.stdout.splitlines()
    assert header.split() == ["id", "action", "state", "done", "age", "message"]
    assert row.split()[1:4] == ["add", "SUCCESS", "100%"]
    assert "1 of " in shown.stderr
    assert "\x1b" not in shown.stdout
    wrong = cli(up, "jobs", "--filter", "tags=")
    assert wrong.returncode == 2
    assert "filter" in wrong.stderr.lower()


def test_show_logs_explain(up):
    id_ = json.loads(cli(up, "submit", "add", "a=7", "--wait", "--json").stdout)["id"]
    uuid = id_.removeprefix("job/")
    for name in (id_, uuid, uuid[:-3], uuid[-8:]):
        assert json.loads(cli(up, "show", name, "--json").stdout)["result"] == 8, name
    shown = cli(up, "show", id_).stdout
    assert "result" in shown
    assert "SUCCESS" in shown
    assert cli(up, "logs", id_).stdout == "adding 7 and 1\nthat makes 8\n", "though up itself logs from WARNING"
    first = cli(up, "logs", id_, "--json").stdout.splitlines()[0]
    assert json.loads(first)["text"] == "adding 7 and 1"
    assert "SUCCESS" in cli(up, "explain", id_).stdout
    assert json.loads(cli(up, "explain", id_, "--json").stdout)["events"]


def test_what_is_not_there(up):
    done = cli(up, "show", "0193a5e2-0000-7000-8000-000000000000")
    assert done.returncode == 2
    assert "not found" in done.stderr
    assert cli(up, "show", "ffffffff").returncode == 2
    assert cli(up, "show", "no/id/at/all").returncode == 2


def test_cancel_and_retry(up, tmp_path):
    go = tmp_path / "go"
    id_ = cli(up, "submit", "wait-for", f"path={go}").stdout.strip()
    eventually(Path(f"{go}.started").exists)
    assert cli(up, "retry", id_).returncode == 2
    follow = subprocess.Popen(
        [PROGRAM, "logs", "-f", id_, "--data", str(up.folder)], stdout=subprocess.DEVNULL, env=clean()
    )
    assert cli(up, "cancel", id_).stdout == f"{id_} canceled\n"
    assert follow.wait(WITHIN) == 0
    assert cli(up, "cancel", id_).returncode == 0
    assert json.loads(cli(up, "show", id_, "--json").stdout)["state"] == "CANCELED"
    go.touch()
    new = cli(up, "retry", id_).stdout.strip()
    with up.client() as client:
        assert client.job(new).wait(WITHIN) == {"attempt": 1}
        assert client.job(new).document["retry-of"] == id_
    done = cli(up, "cancel", new, id_)
    assert done.returncode == 2
    assert "ended already: SUCCESS" in done.stderr
    assert f"{id_} canceled" in done.stdout


def test_ctrl_c_while_waiting(up, tmp_path):
    go = tmp_path / "go"
    waiting = subprocess.Popen(
        [PROGRAM, "submit", "wait-for", f"path={go}", "--wait", "--data", str(up.folder)],
        stderr=subprocess.PIPE,
        text=True,
        env=clean(),
    )
    eventually(Path(f"{go}.started").exists)
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=WITHIN)
    assert waiting.returncode == 130
    assert re.search(rf"goes on; look at it with: \S*job-engine show --data {up.folder} job/", said)
    go.touch()


def test_a_terminal_gets_a_progress_bar(up, tmp_path):
    go = tmp_path / "go"
    own, terminal = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "submit", "wait-for", f"path={go}", "--wait", "--data", str(up.folder)],
        stdout=terminal,
        stderr=terminal,
        stdin=terminal,
        env=clean() | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(terminal)
    said = b""
    while b"40%" not in said or b"waiting for the file" not in said:
        said += os.read(own, 4096)
    go.touch()
    try:
        while data := os.read(own, 4096):
            said += data
    except OSError:  # so a terminal says its end
        pass
    os.close(own)
    assert process.wait(WITHIN) == 0
    assert b"100%" in said
    assert b'"attempt": 1' in said


def test_engine(up):
    assert "add" in cli(up, "actions").stdout
    assert {action["name"] for action in json.loads(cli(up, "actions", "--json").stdout)["actions"]} >= {"add", "noop"}
    (executor,) = json.loads(cli(up, "executors", "--json").stdout)
    assert executor["slots"] == 2
    assert executor["name"] in cli(up, "executors").stdout


def test_doctor(up):
    with up.client() as client:
        client.submit("of_an_edge", mode="pull", delay="1h")  # not for an executor
    done = cli(up, "doctor")
    assert done.returncode == 0, done.stdout
    assert "fail" not in [line.split()[0] for line in done.stdout.splitlines()[:-2]]
    lacking = cli(up, "submit", "nobody_has_this", "--delay", "1h").stdout.strip()
    found = json.loads(cli(up, "doctor", "--json").stdout)
    assert not found["ok"]
    assert "nobody_has_this" in next(c["detail"] for c in found["checks"] if c["outcome"] == "fail")
    assert cli(up, "cancel", lacking).returncode == 0


def test_credentials_on_the_command_line(up):
    admin = tomllib.loads((up.folder / "admin.toml").read_text())
    named = ["--api-url", admin["url"], "--api-user", admin["username"], "--api-pass", admin["password"]]
    assert subprocess.run([PROGRAM, "jobs", *named], env=clean(), timeout=WITHIN).returncode == 0
    named[-1] = "wrong"
    wrong = subprocess.run([PROGRAM, "jobs", *named], env=clean(), timeout=WITHIN, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "invalid credentials" in wrong.stderr
