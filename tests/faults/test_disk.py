"""A full disk, and a power cut: what was answered is kept, and it goes on by itself."""

import threading
from pathlib import Path
from typing import Any

import pytest

from job_engine.client import Client
from job_engine.job.errors import JobEngineError
from job_engine.job.times import epoch
from tests.faults import disk
from tests.faults.disk import losing_disk, small_disk
from tests.faults.history import check
from tests.faults.short_up import PERIOD, Engine, Http, engine
from tests.integration.running import eventually


@pytest.fixture(params=["tmpfs", "limit"])
def room(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A small disk, in both ways: the second is there for machines that let nobody mount, and so tested everywhere."""
    if request.param == "limit":
        monkeypatch.setattr(disk, "_done", lambda *_: False)
    with small_disk(tmp_path / "data") as small:
        yield small


def test_a_full_disk_refuses_adds_and_loses_nothing(tmp_path: Path, room: disk.SmallDisk) -> None:
    with engine(tmp_path, "--processes", "1", "--threads", "3") as small, small.client() as client:
        running = [client.submit("patient", payload=small.payload(talks=True)).id for _ in range(2)]
        eventually(lambda: len(small.notes("begin")) == 2)
        eventually(lambda: all("started" in client.document(id_) for id_ in running))
        processes = small.up.children()
        http = Http(small.admin)
        later = client.submit("quick", payload=small.payload(), delay=0.2).id

        room.fill(processes["server"])
        accepted = added_until_refused(http, small, room)
        later_than = epoch(client.status().now) + 2 * PERIOD
        eventually(lambda: epoch(client.status().now) > later_than)
        assert not small.notes("interrupted"), "who is heard of keeps its holds"
        refusals = small.up.said().count("cannot be written")
        small.go()
        eventually(lambda: len(small.notes("end")) >= 2)
        eventually(lambda: small.up.said().count("cannot be written") > refusals + 2)  # it tries to tell their ends
        assert {client.document(id_)["state"] for id_ in running} == {"RUNNING"}, "what is recorded can be read"
        assert client.document(later)["state"] == "QUEUED"

        room.free(processes["server"])
        wanted = {*running, later, *accepted}
        eventually(lambda: client.count("state='SUCCESS'") == len(wanted))
        assert client.count() == len(wanted), "what was refused is not there"
        for id_ in wanted:
            found = check(client.document(id_), client.events(id_), [note for note in small.notes() if note[1] == id_])
            assert id_ not in running or found[-1].number == 1, "its finish was kept, and it did not run again"
        assert len(small.notes("end")) == len(wanted), "none ran twice"
        assert client.submit("quick", payload=small.payload()).wait(30)["attempt"] == 1
        assert small.up.children() == processes, "nothing had to be started again"


def added_until_refused(http: Http, small: Engine, room: disk.SmallDisk) -> list[str]:
    """The ids of jobs that were added until three in a row were refused."""
    accepted: list[str] = []
    refused = 0
    job = {"action": "quick", "payload": f'{{"folder": "{small.folder}"}}'}
    while refused < 3:
        assert len(accepted) < 1000, "the disk is not full"
        status, answer = http.call("POST", "job", job)
        if status == 201:
            accepted.append(answer["resource-id"])
            refused = 0
        else:
            assert status == 503, answer
            assert room.says in answer["message"], answer
            refused += 1
    http.close()
    return accepted


def test_a_power_cut_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with losing_disk(tmp_path) as losing:
        if losing is None:
            pytest.skip("a power cut is tried on an ext4 image, and this machine lets nobody mount one")
        with engine(tmp_path, "--processes", "1", data=losing.at) as cut, cut.client(timeout=1.0) as client:
            answered: list[str] = []
            seen: dict[str, Any] = {}
            threads = [threading.Thread(target=add, args=(client, cut, answered)) for _ in range(4)]
            for thread in threads:
                thread.start()
            eventually(lambda: len(answered) > 200)
            seen = {id_: client.document(id_) for id_ in answered[:100]}
            losing.cut_power(cut.pid("server"))
            for thread in threads:
                thread.join()
            cut.kill_all()
            losing.unmount()
            assert losing.mount()
            cut.start()
            eventually(lambda: client.count("state='QUEUED' or state='RUNNING'") == 0)
            known = {job.id: job for job in client.jobs(select=["id", "state", "attempt"], last=10_000)}
            assert not set(answered) - known.keys(), "answered, and lost"
            assert {job.document["state"] for job in known.values()} == {"SUCCESS"}
            final = {id_: document for id_, document in seen.items() if document["state"] == "SUCCESS"}
            assert final
            assert all(known[id_].document["attempt"] == document["attempt"] for id_, document in final.items())


def add(client: Client, cut: Engine, answered: list[str]) -> None:
    """Adds jobs for as long as that works."""
    try:
        while True:
            answered.append(client.submit("quick", payload=cut.payload()).id)
    except JobEngineError:
        return
