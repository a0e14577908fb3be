"""``job-engine doctor`` on engines that are ill: each staged breakage is found, and named with the way out."""

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from job_engine.client import Client
from job_engine.job.attend import Attend, Hello
from job_engine.job.errors import Forbidden
from job_engine.job.states import State
from tests.integration.running import WITHIN, Up, clean, cli, eventually, running


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("ill") / "data") as engine:
        yield engine


def findings(up: Up, check: str) -> list[tuple[str, str]]:
    found = json.loads(cli(up, "doctor", "--json").stdout)["checks"]
    return [(one["outcome"], one["detail"]) for one in found if one["check"] == check]


def test_slots_that_are_all_busy_name_the_job_and_the_command_that_frees_one(up, tmp_path):
    with up.client() as client:
        hung = [client.submit("wait-for", payload={"path": str(tmp_path / name)}) for name in ("one", "other")]
        eventually(lambda: all(job.state == State.RUNNING for job in hung))
        eventually(lambda: client.executors()[0].holds == 2)
        waiting = client.submit("noop")
        outcome, detail = findings(up, "slots")[0]
        assert outcome == "warn"
        assert f"all 2 are busy, and 1 jobs wait; for longest run {hung[0].id} (wait-for, for " in detail
        assert "2 of 2 slots are busy" in waiting.explain().summary
        command = detail.rpartition("free one with: ")[2]
        assert subprocess.run(command, shell=True, env=clean(), capture_output=True, timeout=WITHIN).returncode == 0
        assert waiting.wait(WITHIN) is None
        assert findings(up, "slots") == []
        hung[1].cancel()


def test_jobs_that_failed_lately_are_counted_by_reason(up):
    with up.client() as client:
        for why in ("disk full", "disk full", "no network"):
            job = client.submit("fail", payload={"why": why})
            eventually(lambda job=job: job.state == State.FAILED)
    outcome, detail = findings(up, "failures")[0]
    assert outcome == "warn"
    assert "2 of fail: disk full; 1 of fail: no network" in detail


def test_credentials_that_were_refused_and_a_key_that_has_expired(up):
    with up.client() as client:
        url = client.url
        made = json.loads(
            client._connection.call(
                "POST", "/api/credential",
                b'{"template": {"href": "credential-template/generate-api-key", "ttl": 1}}',
            ).body
        )  # fmt: skip
        refused(url, username="admin", password="wrong")
        key, secret = made["resource-id"], made["secret-key"]
        eventually(lambda: refused(url, key=key, secret=secret))
    said = {detail.split()[0]: detail for _, detail in findings(up, "logins")}
    assert "was refused 1 times from 127.0.0.1; see the credentials of the executor" in said["admin"]
    assert "the key expired at 20" in said[key]


def test_connections_that_were_refused_within_the_last_hour(up):
    assert findings(up, "connections") == []
    with up.client() as client:
        port = int(client.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), WITHIN) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\na: " + b"x" * (100 << 10) + b"\r\n\r\n")
            assert b" 431 " in sock.recv(4096)
        assert list(client.status().refused_connections.values()) == [1]
        with Client(client.url, environ={}) as stranger:
            assert stranger.status().refused_connections == {}
    outcome, detail = findings(up, "connections")[0]
    assert outcome == "warn"
    assert detail.startswith("refused within the last hour: 1 x requests with 431: the head of a request may have")


def refused(url: str, **credentials: str) -> bool:
    with Client(url, environ={}, **credentials) as client:
        try:
            client.executors()
        except Forbidden:
            return True
        return False


def test_the_clock_of_an_executor_elsewhere(up):
    hello = Hello(
        name="adrift", host="elsewhere", pid=1, version="1", processes=1, slots=1, actions=["noop"],
        clock=time.time() + 90,
    )  # fmt: skip
    with up.client() as client:
        ours = client.executors()[0]
        assert ours.clock_ahead is not None
        assert abs(ours.clock_ahead) < 1
        body = msgspec.json.encode(Attend(n=1, hello=hello))
        assert client._connection.call("POST", "/api/executor/adrift/attend", body).status == 200
        warned = [detail for outcome, detail in findings(up, "clock") if outcome == "warn"]
        assert len(warned) == 1
        assert warned[0].startswith("the clock of adrift on elsewhere was 90 s ahead of the server's")
        client._connection.call("POST", "/api/executor/adrift/attend", msgspec.json.encode(Attend(n=2, leaving=True)))


def test_a_write_is_tried_and_the_distributions_are_well(up):
    outcome, detail = findings(up, "write")[0]
    assert outcome == "ok"
    assert detail.startswith("a small write took ")
    eventually(lambda: findings(up, "distributions")[0][0] == "ok")
    assert cli(up, "distributions", "pause", "cleanup_jobs").returncode == 0
    outcome, detail = findings(up, "distributions")[0]
    assert (outcome, detail.split(";")[0]) == ("warn", "cleanup_jobs is paused")
    command = shlex.split(detail.rpartition("go on with: ")[2])
    assert Path(command[0]).exists() or command[0] == "job-engine"
    assert cli(up, *command[command.index("distributions") :]).returncode == 0
    assert findings(up, "distributions")[0][0] == "ok"
