"""``job-engine up``: what it prints, refuses, survives, and how it stops."""

import os
import signal
import stat
import subprocess
import tomllib
import urllib.request
from pathlib import Path

import pytest

from job_engine.client import Client
from tests import certificates
from tests.integration.running import (
    ACTIONS,
    PROGRAM,
    WITHIN,
    Up,
    alive,
    clean,
    cli,
    eventually,
    family,
    running,
    start,
)


def refused(tmp_path: Path, *arguments: str) -> str:
    """What an ``up`` that cannot start says, in one line."""
    log = tmp_path / "refused.log"
    process = start(log, "up", "--port", "0", *arguments)
    assert process.wait(WITHIN) == 2, log.read_text()
    said = log.read_text()
    assert said.count("\n") == 1, said
    return said


def test_it_says_where_things_are_and_they_are_there(tmp_path):
    with running(tmp_path / "data") as up:
        admin = tomllib.loads(Path(up.line("credentials")).read_text())
        assert set(admin) == {"url", "username", "password", "key", "secret"}
        assert up.line("API") == admin["url"] + "/api"
        assert up.line("data") == str(up.folder)
        assert stat.S_IMODE(Path(up.line("credentials")).stat().st_mode) == 0o600
        assert stat.S_IMODE(up.folder.stat().st_mode) == 0o700
        done = subprocess.run(up.line("run a job"), shell=True, capture_output=True, timeout=WITHIN, env=clean())
        assert done.returncode == 0, done.stderr
        with urllib.request.urlopen(up.line("sign in"), timeout=WITHIN) as page:
            assert page.status == 200
        assert up.stop() == 0
        assert up.said().endswith("stopped\n")


def test_with_a_certificate_everything_speaks_tls(tmp_path):
    certificates.make(tmp_path)
    certificates.sign(tmp_path, "far", "DNS:jobs.example.org")  # not the address at which the parts find the server
    files = ("--tls-cert", str(tmp_path / "far.pem"), "--tls-key", str(tmp_path / "far.key"))
    asks = (*files, "--tls-client-ca", str(tmp_path / "authority.pem"))
    assert "--api-cert" in refused(tmp_path, *asks)
    shown = ("--api-cert", str(tmp_path / "client.pem"), "--api-cert-key", str(tmp_path / "client.key"))
    with running(tmp_path / "data", *asks, *shown) as up:
        assert up.line("page").startswith("https://127.0.0.1:")
        assert cli(up, "submit", "adds", "--wait").stdout == "2\n"  # its action finds the server, too
        assert cli(up, "submit", "acts", "--wait").stdout == "200\n"
        assert not [line for line in cli(up, "doctor").stdout.splitlines() if line.startswith("FAIL")]
        log = tmp_path / "another.log"
        another = start(log, "executor", "--data", str(up.folder), "--processes", "1", "--no-wait-for-api")
        try:
            assert another.wait(WITHIN) != 0
        finally:
            another.kill()
        assert "--api-cert" in log.read_text(), "one without a certificate gets no jobs"
        assert up.stop() == 0
    assert "--tls-cert" in refused(tmp_path, "--tls-key", str(tmp_path / "far.key"))


def test_files_of_the_current_folder_that_are_called_like_modules_hide_none(tmp_path, monkeypatch):
    for name in ("calendar", "email", "queue", "json", "logging", "click", "starlette", "uvicorn", "msgspec"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('a file of the user')")
    monkeypatch.chdir(tmp_path)
    with running(tmp_path / "data") as up:
        assert cli(up, "submit", "add", "a=1", "--wait").stdout == "2\n"
        assert " ".join(up.children()) == "server executor distributor"


def test_one_up_a_folder_and_one_server_a_port(tmp_path):
    with running(tmp_path / "data") as up:
        assert f"pid {up.process.pid}" in refused(tmp_path, "--data", str(up.folder))
        port = up.line("API").rpartition(":")[2].removesuffix("/api")
        assert f"port {port}" in refused(tmp_path, "--data", str(tmp_path / "other"), "--port", port)


def test_what_cannot_work_is_told_before_anything_starts(tmp_path):
    (tmp_path / "file").touch()
    assert "is not a folder" in refused(tmp_path, "--data", str(tmp_path / "file"))
    assert "cannot be made" in refused(tmp_path, "--data", "/proc/job-engine")
    assert "missing.py" in refused(tmp_path, "--data", str(tmp_path / "a"), "--actions", "./missing.py")
    assert "not an address" in refused(tmp_path, "--data", str(tmp_path / "a"), "--host", "203.0.113.1")


def test_a_module_that_does_not_exist_is_told(tmp_path):
    log = tmp_path / "refused.log"
    process = start(log, "up", "--port", "0", "--data", str(tmp_path / "a"), "--actions", "no.such.module")
    assert process.wait(WITHIN) == 2
    assert "no.such.module" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_damaged_record_is_told(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "record.db").write_bytes(os.urandom(9000))
    assert "damaged" in refused(tmp_path, "--data", str(folder))
    assert (folder / "record.db").stat().st_size == 9000


def test_an_action_that_fails_to_import_is_named_and_the_others_work(tmp_path):
    bad = tmp_path / "bad_actions.py"
    bad.write_text("import no_such_thing\n")
    with running(tmp_path / "data", "--actions", str(bad)) as up:
        assert "bad_actions.py" in up.said()
        assert "no_such_thing" in up.said()
        assert cli(up, "submit", "add", "a=1", "--wait").stdout == "2\n"
        assert "bad_actions.py" in cli(up, "doctor").stdout


@pytest.mark.parametrize("part", ["server", "executor", "distributor"])
def test_a_part_that_is_killed_is_started_again_and_the_job_is_done(tmp_path, part):
    with running(tmp_path / "data") as up, up.client() as client:
        go = tmp_path / "go"
        job = client.submit("wait-for", payload={"path": str(go)})
        eventually(Path(f"{go}.started").exists)
        os.kill(up.children()[part], signal.SIGKILL)
        eventually(lambda: f"the {part} ended (killed by SIGKILL)" in up.said())
        go.touch()
        assert job.wait(WITHIN)["attempt"] in (1, 2)
        assert client.submit("add", payload={"a": 1}).wait(WITHIN) == 2
        assert up.stop() == 0


def test_everything_is_killed_and_it_goes_on(tmp_path):
    go = tmp_path / "go"
    with running(tmp_path / "data") as up, up.client() as client:
        job = client.submit("wait-for", payload={"path": str(go)}).id
        waiting = client.submit("add", payload={"a": 1}, delay=1).id
        eventually(Path(f"{go}.started").exists)
        port = up.line("API").rpartition(":")[2].removesuffix("/api")
        members = family(up.process.pid)
        up.process.kill()
        up.process.wait()
        again = Up(up.folder, "--actions", str(tmp_path / "these_actions.py"), "--port", port)
        try:
            again.ready()
            assert not any(alive(pid) for pid in members)
            go.touch()
            with again.client() as same:
                assert same.job(job).wait(WITHIN) == {"attempt": 2}
                assert same.job(waiting).wait(WITHIN) == 2
        finally:
            again.process.send_signal(signal.SIGTERM)
            assert again.process.wait(WITHIN) == 0


def test_a_stop_lets_running_jobs_finish(tmp_path):
    go = tmp_path / "go"
    with running(tmp_path / "data") as up, up.client() as client:
        job = client.submit("wait-for", payload={"path": str(go)}).id
        eventually(Path(f"{go}.started").exists)
        up.ctrl_c()
        eventually(lambda: "stopping" in up.said())
        waiting = client.submit("add", payload={"a": 1}).id
        go.touch()
        assert up.process.wait(WITHIN) == 0
    with running(tmp_path / "data") as up, up.client() as client:
        assert client.job(job).wait(WITHIN) == {"attempt": 1}
        assert client.job(waiting).wait(WITHIN) == 2


def test_a_stop_is_not_cut_short_because_nobody_reads_what_it_says(tmp_path):
    """As with ``job-engine up 2>&1 | tee``, where Ctrl-C ends both."""
    (tmp_path / "these_actions.py").write_text(ACTIONS)
    data, go = tmp_path / "data", tmp_path / "go"
    given = ["--data", str(data), "--actions", str(tmp_path / "these_actions.py"), "--processes", "1", "--port", "0"]
    with subprocess.Popen(
        [PROGRAM, "up", *given], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean(), start_new_session=True
    ) as up:
        try:
            assert up.stdout is not None
            assert any(line.startswith(b"  stop") for line in up.stdout)
            with Client(data=data, environ={}) as client:
                job = client.submit("wait-for", payload={"path": str(go)}).id
                eventually(Path(f"{go}.started").exists)
            up.stdout.close()
            up.send_signal(signal.SIGINT)
            go.touch()
            assert up.wait(WITHIN) == 0
        finally:
            up.kill()  # its parts end with it
    with running(data) as again, again.client() as client:
        assert client.job(job).wait(WITHIN) == {"attempt": 1}


def test_actions_submit_to_their_own_engine_whatever_the_shell_names(tmp_path):
    other = {"JOB_ENGINE_API_URL": "http://127.0.0.1:1", "JOB_ENGINE_API_USER": "x", "JOB_ENGINE_PROFILE": "none"}
    with running(tmp_path / "data", environ=other) as up, up.client() as client:
        assert client.submit("adds").wait(WITHIN) == 2


def test_a_second_signal_stops_at_once_and_the_job_runs_again(tmp_path):
    go = tmp_path / "go"
    with running(tmp_path / "data") as up, up.client() as client:
        job = client.submit("wait-for", payload={"path": str(go)}).id
        eventually(Path(f"{go}.started").exists)
        executor = up.children()["executor"]
        os.kill(executor, signal.SIGSTOP)  # as if it were slow: both signals are pending when it sees the first
        up.ctrl_c()
        eventually(lambda: "stopping: " in up.said())
        up.ctrl_c()
        eventually(lambda: "stopping now" in up.said())
        os.kill(executor, signal.SIGCONT)
        assert up.process.wait(WITHIN) == 0
    go.touch()
    with running(tmp_path / "data") as up, up.client() as client:
        assert client.job(job).wait(WITHIN) == {"attempt": 2}
        assert client.job(job).document.get("deaths") in (None, 0)
