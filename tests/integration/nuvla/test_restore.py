"""``job-engine restore``, and upstream's name for it, on a real queue."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.recipe.queue import LockingQueue

from job_engine.cli.commands import restore
from job_engine.job.errors import JobEngineError
from tests.integration.nuvla.processes import APP, BIN, NuvlaServer, program
from tests.zookeeper import free_port


@pytest.fixture
def server(host: str, tmp_path: Path) -> Iterator[NuvlaServer]:
    server = NuvlaServer(tmp_path, host)
    yield server
    server.close()


def restored(server: NuvlaServer, *command: str) -> str:
    with program(server.folder, *command, "--zk-hosts", server.host, *server.credentials) as one:
        assert one.code() == 0, one.said
        return one.said


def queue(server: NuvlaServer) -> list[tuple[str, str]]:
    """(priority, job) in the order of the queue."""
    names = server.entries()
    return [(name[6:9], server.kazoo.get(f"/job/entries/{name}")[0].decode()) for name in names]


def test_what_is_unfinished_is_put_back_once_oldest_first(server: NuvlaServer) -> None:
    first, second, urgent, queued = (server.add("add", put=False, priority=p) for p in (100, 100, 7, 50))
    running = server.add("add", put=False, priority=100)
    server.call("PUT", f"/api/{running.id}", {"state": "RUNNING"})
    final, bulk = server.add("add", put=False), server.add("bulk_x", put=False)
    server.call("PUT", f"/api/{final.id}", {"state": "FAILED"})
    server.add("add", put=False, execution_mode="pull")
    server.call("PUT", f"/api/{bulk.id}", {"state": "RUNNING", "tags": ["monitor"], "parent-job": first.id})
    server.put(queued.id, 3)
    server.like.strip = ("priority",)  # as Nuvla's server drops it
    said = restored(server, str(BIN / "job-engine"), "restore", "--es-hosts", "es", "more")
    assert "not from Elasticsearch" in said
    expected = [("003", queued.id), *(("100", job.id) for job in (first, second, urgent, running))]
    assert queue(server) == expected
    assert "4 put into the queue, 1 were there" in said
    again = restored(server, sys.executable, str(APP / "job_restore.py"))
    assert "0 put into the queue" in again
    assert queue(server) == expected


def test_priorities_are_kept(server: NuvlaServer) -> None:
    low, high = server.add("add", put=False, priority=500), server.add("add", put=False, priority=7)
    restored(server, str(BIN / "job-engine"), "restore")
    assert queue(server) == [("007", high.id), ("500", low.id)]


def test_there_is_no_limit_and_nothing_is_left_out_or_doubled(
    server: NuvlaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "PAGE", 3)
    jobs = [server.add("add", put=False).id for _ in range(20)]
    ended: list[str] = []
    found: list[str] = []
    for id_, _ in restore.unfinished(server.client):
        found.append(id_)
        if len(found) in (2, 5):  # those that end meanwhile move the others to earlier pages
            server.call("PUT", f"/api/{id_}", {"state": "SUCCESS"})
            ended.append(id_)
    assert found == jobs


def test_more_of_one_moment_than_a_search_shows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "PAGE", 2)
    monkeypatch.setattr(restore, "LIMIT", 6)

    class OneMoment:
        def search(self, type_: str, *, first: int, last: int, **_: Any) -> dict[str, Any]:
            many = [{"id": f"job/{n}", "state": "QUEUED", "created": "2026-01-01T00:00:00.000Z"} for n in range(100)]
            return {"resources": many[first - 1 : last]}

    with pytest.raises(JobEngineError, match="more than 6 jobs were created"):
        list(restore.unfinished(OneMoment()))  # type: ignore[arg-type]


def test_a_server_of_ours_needs_none(host: str, tmp_path: Path) -> None:
    server = NuvlaServer(tmp_path, host, nuvla=False)
    try:
        server.add("add", put=False)
        said = restored(server, str(BIN / "job-engine"), "restore")
        assert "keeps its queue itself" in said
        LockingQueue(server.kazoo, "/job")._ensure_paths()
        assert server.entries() == []
    finally:
        server.close()


def test_exit_codes(server: NuvlaServer) -> None:
    nowhere = ["--api-url", f"http://127.0.0.1:{free_port()}", "--api-authn-header", "group/nuvla-admin"]
    hosts = ["--zk-hosts", server.host]
    cases = [
        ([str(BIN / "job-engine"), "restore", *hosts, *nowhere], 3),
        ([sys.executable, str(APP / "job_restore.py"), *hosts, *nowhere], 1),
        ([str(BIN / "job-engine"), "restore", *nowhere], 2),
    ]
    for command, code in cases:
        with program(server.folder, *command) as one:
            assert one.code() == code, one.said
            assert one.said.count("\n") == 1


def test_nothing_is_put_into_the_queue_of_a_server_of_ours(server: NuvlaServer) -> None:
    server.add("add", put=False)
    server.kazoo.create("/job/record", b"0a11 1", makepath=True)
    with program(
        server.folder, str(BIN / "job-engine"), "restore", "--zk-hosts", server.host, *server.credentials
    ) as one:
        assert one.code() != 0
        assert "is the queue of a job-engine server" in one.said
    assert queue(server) == []
