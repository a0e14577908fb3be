"""A real server beside a real ZooKeeper, and a stranger with kazoo's own recipe: the contract as upstream sees it."""

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.recipe.queue import LockingQueue

from job_engine.client import Client
from job_engine.job.errors import Conflict, Invalid
from tests import zookeeper
from tests.integration.running import PROGRAM, clean, eventually, start, unique


class Served:
    """``job-engine server`` in a temporary folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        self.process = start(self.log, "server", "--data", str(folder), "--port", "0", *arguments)
        eventually(lambda: "listening on" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text()

    def client(self) -> Client:
        return Client(data=self.folder, environ={})

    def status(self) -> dict[str, Any]:
        found = re.search(r"http://\S+?(?=[,\s])", self.said())
        assert found
        with urllib.request.urlopen(f"{found[0]}/api/status", timeout=5) as answer:
            return dict(json.load(answer))

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environ = clean() | {"JOB_ENGINE_DATA": str(self.folder)}
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=40, env=environ)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.said()


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    one = Served(folder, *arguments)
    try:
        yield one
        one.end()
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@contextmanager
def stranger(host: str, path: str) -> Iterator[LockingQueue]:
    client = KazooClient(host, timeout=4)
    client.start()
    try:
        yield LockingQueue(client, path)
    finally:
        client.stop()
        client.close()


def put(client: Client, job: str, **changes: Any) -> dict[str, Any]:
    """As upstream's executor edits: a PUT of some attributes."""
    reply = client._connection.call("PUT", f"/api/{job}", json.dumps(changes).encode())
    assert reply.status == 200, reply.body
    return dict(json.loads(reply.body))


def test_a_stranger_gets_a_job_runs_it_and_consumes_it(host: str, tmp_path: Path) -> None:
    path = unique("/server")
    with (
        served(tmp_path / "data", "--zk-hosts", host, "--zk-path", path, "--session-timeout", "2s") as server,
        server.client() as client,
        stranger(host, path) as queue,
    ):
        eventually(lambda: server.status()["queue"] == {"zookeeper": "connected", "leads": True})
        later = client.submit("noop", priority=20)
        first = client.submit("noop", priority=10)
        eventually(lambda: len(queue) == 2)
        assert queue.get(timeout=10) == first.id.encode()
        (tag,) = eventually(lambda: client.document(first).get("tags"))
        assert re.fullmatch(rf"{path}/entries/entry-010-\d{{10}}", tag)
        running = put(client, first.id, state="RUNNING")
        assert (running["state"], running["attempt"]) == ("RUNNING", 1)
        shown = client.queue()
        assert shown["depth"] == [{"priority": 20, "count": 1}]
        (taken,) = shown["taken"]
        assert (taken["job"], taken["member"], taken["entry"]) == (first.id, None, tag.rpartition("/")[2])
        assert shown["published"] == 2
        assert "pid" in shown["leader"]
        done = put(client, first.id, state="SUCCESS", **{"return-code": 0})
        assert (done["state"], done["progress"]) == ("SUCCESS", 100)
        assert queue.consume()
        eventually(lambda: len(queue) == 1)

        assert queue.get(timeout=10) == later.id.encode()
        queue.release()
        client.cancel(later)
        eventually(lambda: len(queue) == 0)  # nobody has to take it to find out
        text = server.command("queue").stdout
        assert re.search(r"^repairs +remove-final 1$", text, re.MULTILINE), text
        assert json.loads(server.command("queue", "--json").stdout)["zookeeper"] == "connected"


def test_a_comparison_on_demand_says_what_it_would_do_and_does_it(host: str, tmp_path: Path) -> None:
    path = unique("/server")
    with (
        served(tmp_path / "data", "--zk-hosts", host, "--zk-path", path, "--session-timeout", "2s") as server,
        server.client() as client,
        stranger(host, path) as queue,
    ):
        job = client.submit("noop")
        eventually(lambda: len(queue) == 1)
        assert server.command("reconcile", "--dry-run").stdout == "queue and record agree\n"
        queue.put(b"job/00000000-0000-0000-0000-000000000000", 1)  # another system's
        (would,) = json.loads(server.command("reconcile", "--dry-run", "--json").stdout)
        assert (would["kind"], would["job"]) == ("stray", None)
        assert "another system put it" in server.command("reconcile", "--dry-run").stdout
        client.reconcile()
        told = json.loads(server.command("audit", "--operation", "queue.", "--json").stdout)
        assert {(event["operation"], event["outcome"]) for event in told} == {("queue.reconcile", "success")}
        assert len(queue) == 2
        assert "another system put it" in server.command("queue").stdout
        assert client.document(job)["state"] == "QUEUED"


def test_the_server_does_not_need_zookeeper_to_start_or_to_go_on(tmp_path: Path) -> None:
    one = zookeeper.Server()
    try:
        arguments = ("--zk-hosts", one.host, "--session-timeout", "2s")
        with served(tmp_path / "data", *arguments) as server, server.client() as client:
            job = client.submit("noop")
            assert server.status()["queue"] == {"zookeeper": "away", "leads": False}
            shown = client.queue()
            assert (shown["zookeeper"], shown["depth"]) == ("away", [{"priority": 999, "count": 1}])
            with pytest.raises(Conflict, match="is unreachable"):
                client.reconcile()
            assert client.explain(job).summary.endswith("for ZooKeeper (it is unreachable).")
            eventually(lambda: "The API works, and jobs wait" in server.said())
            for _ in range(2):
                one.start()
                eventually(lambda: server.status()["queue"]["leads"])
                eventually(lambda: client.document(job).get("tags"))
                eventually(lambda: client.queue().get("published") == 1)
                assert "ZooKeeper" not in client.explain(job).summary
                one.kill()
                eventually(lambda: server.status()["queue"] == {"zookeeper": "away", "leads": False})
                client.submit("noop", priority=1).cancel()
            assert server.said().count("The API works, and jobs wait") == 1
            assert "Traceback" not in server.said()
    finally:
        one.remove()


def test_without_zookeeper_there_is_nothing_to_reconcile(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server, server.client() as client:
        for _ in range(2):
            client.submit("noop")
        assert client.queue() == {"zookeeper": None, "depth": [{"priority": 999, "count": 2}]}
        assert "not used" in server.command("queue").stdout
        assert "queue" not in server.status()
        with pytest.raises(Invalid, match="uses no ZooKeeper"):
            client.reconcile()
        failed = server.command("reconcile")
        assert failed.returncode == 2
        assert "--zk-hosts" in failed.stderr


def test_two_records_on_one_path_are_told_everywhere(host: str, tmp_path: Path) -> None:
    path = unique("/server")
    zk = ("--zk-hosts", host, "--zk-path", path)
    with served(tmp_path / "one", *zk, "--session-timeout", "2s") as first:
        eventually(lambda: first.status()["queue"]["leads"])
        assert "rivals" not in first.status()["queue"]
        with served(tmp_path / "two", *zk, "--session-timeout", "2s") as second, second.client() as client:
            job = client.submit("noop")
            for server in (first, second):
                eventually(lambda server=server: server.status()["queue"].get("rivals") == 1)
                eventually(lambda server=server: server.said().count("server of another record") >= 1)
                refused = server.command("reconcile", "--dry-run")
                assert (refused.returncode, refused.stdout) == (2, "")
                assert "another record" in refused.stderr
                assert "--zk-path of its own" in refused.stderr
                assert "trouble " in server.command("queue").stdout
                told = server.command("doctor")
                assert re.search(r"^fail +zookeeper .*another record", told.stdout, re.MULTILINE), told.stdout
            told = second.command("doctor", *zk, "--data", str(tmp_path / "none"))
            assert re.search(rf"^fail +records +servers of 2 records use {path} ", told.stdout, re.MULTILINE), (
                told.stdout
            )
            assert client.document(job)["state"] == "QUEUED"
            assert second.status()["queue"]["refused"]
        eventually(lambda: "rivals" not in first.status()["queue"])
        assert "has no other server any more" in first.said()
        assert first.command("reconcile", "--dry-run").stdout == "queue and record agree\n"


def test_a_path_that_another_system_fills_is_refused_everywhere(host: str, tmp_path: Path) -> None:
    path = unique("/server")
    zk = ("--zk-hosts", host, "--zk-path", path)
    theirs = [f"job/01a2108f-abf7-7388-9909-{n:012d}".encode() for n in range(20)]
    with stranger(host, path) as queue:
        queue.put_all(theirs)
        with served(tmp_path / "data", *zk, "--session-timeout", "2s") as server, server.client() as client:
            job = client.submit("noop")
            eventually(lambda: server.status()["queue"].get("refused"))
            eventually(
                lambda: f"{path} in ZooKeeper is the queue of another system: 20 of its entries" in server.said()
            )
            refused = server.command("reconcile")
            assert (refused.returncode, refused.stdout) == (2, "")
            assert "--zk-path of its own" in refused.stderr
            assert "trouble " in server.command("queue").stdout
            told = server.command("doctor").stdout
            assert re.search(r"^fail +zookeeper .*another system", told, re.MULTILINE), told
            assert client.document(job)["state"] == "QUEUED"
            assert len(queue) == 20
            for one in theirs:  # who had it empties it, and so it is free
                assert queue.get(timeout=10) == one
                queue.consume()
                if one == theirs[0]:
                    eventually(lambda: "19 of its entries" in server.command("queue").stdout)
            eventually(lambda: server.status()["queue"] == {"zookeeper": "connected", "leads": True})
            assert queue.get(timeout=10) == job.id.encode()
        assert server.said().count("another system") == 1


def test_doctor_says_that_the_server_misses_zookeeper(tmp_path: Path) -> None:
    one = zookeeper.Server()
    try:
        with served(tmp_path / "data", "--zk-hosts", one.host, "--session-timeout", "2s") as server:
            said = server.command("doctor").stdout
            assert re.search(r"^fail +zookeeper +the server is not connected to it", said, re.MULTILINE), said
            assert f"{one.host}, which the server uses, cannot be reached from here" in said
            one.start()
            eventually(lambda: server.status()["queue"]["leads"])
            said = server.command("doctor").stdout
            assert re.search(r"^ok +zookeeper +the server is connected, and leads$", said, re.MULTILINE), said
    finally:
        one.remove()
