"""Workflows, adds that pile nothing up, and distributions: over the wire, with Nuvla's client and with ours."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nuvla.api import Api, NuvlaError

from job_engine import Client
from job_engine.cli import run
from job_engine.job.errors import Conflict, Invalid, NotFound
from tests.contract.conftest import Server, serve
from tests.contract.test_client import status_of
from tests.contract.test_wire import attend, claim, hello

DUE = "2026-11-24T03:00:00.000Z"


@pytest.fixture
def client(server: Server) -> Any:
    with Client(server.url, username=server.admin["username"], password=server.admin["password"], environ={}) as client:
        yield client


def finished(granted: list[Any], state: str, message: str | None = None) -> list[Any]:
    return [granted[0], granted[1], state, 1.0, 2.0, None, message]


def added(api: Api, **document: Any) -> str:
    return str(api.add("job", {"action": "flow", **document}).data["resource-id"])


def test_a_chain_by_nuvlas_client(server: Server, api: Api) -> None:
    first = added(api, action="flow-a")
    second = added(api, action="flow-b", after=[first])
    third = added(api, action="flow-c", after=[first, second])
    document = api.get(third).data
    assert (document["state"], document["after"]) == ("QUEUED", [first, second])
    assert api.edit(third, {"after": [first], "name": "n"}).data["after"] == [first, second]
    with pytest.raises(NuvlaError, match="there is no job/nothing") as error:
        added(api, after=["job/nothing"])
    assert status_of(error) == 400

    status, body = attend(server, "chain", n=1, free=9, hello=hello("flow-a", "flow-b", "flow-c"))
    (granted,) = body["jobs"]
    assert (status, granted[2]) == (200, first)
    # the finish and what it makes ready are one exchange
    status, body = attend(server, "chain", n=2, free=9, wait=20, finished=[finished(granted, "SUCCESS")])
    (granted,) = body["jobs"]
    assert granted[2] == second
    api.delete(first)  # cleanup strands nobody
    status, body = attend(server, "chain", n=3, free=9, finished=[finished(granted, "FAILED", "no disk")])
    assert (status, body.get("jobs", [])) == (200, [])
    document = api.get(third).data
    assert (document["state"], document["status-message"]) == (
        "FAILED",
        f"{second}, which it waits for, has FAILED: no disk",
    )
    again = api.operation(api.get(third), "retry").data["resource-id"]
    assert "after" not in api.get(again).data


def test_a_parked_executor_gets_what_becomes_ready(server: Server, api: Api) -> None:
    first = added(api, action="park-a")
    second = added(api, action="park-b", after=[first])
    granted = claim(server, "park-1", "park-a")
    with ThreadPoolExecutor(1) as pool:
        parked = pool.submit(attend, server, "park-2", n=1, free=1, wait=20, hello=hello("park-b"))
        attend(server, "park-1", n=2, finished=[finished(granted, "SUCCESS")])
        status, body = parked.result(20)
    assert (status, [job[2] for job in body["jobs"]]) == (200, [second])


def test_one_that_waits_is_canceled_and_found(api: Api) -> None:
    first = added(api)
    second = added(api, after=[first])
    third = added(api, **{"after": [second], "after-failure": "run"})
    assert api.search("job", filter=f"after='{first}'").data["count"] == 1
    api.operation(api.get(second), "cancel")
    assert api.get(second).data["state"] == "CANCELED"
    assert api.get(third).data["state"] == "QUEUED"
    assert api.operation(api.get(third), "cancel").data["state"] == "CANCELED"


def test_by_our_client(client: Client) -> None:
    first = client.submit("ours")
    second = client.submit("ours", after=first)
    third = client.submit("ours", after=[first, second.id.removeprefix("job/")], after_failure="run")
    many = client.submit_many("ours", [{"n": 1}, {"n": 2}], after=[third])
    assert [job.document["after"] for job in many] == [[third.id]] * 2
    assert f"It waits for {first.id} (QUEUED)" in client.explain(second).summary
    first.cancel()
    assert second.state == "FAILED"
    assert third.state == "QUEUED"
    with pytest.raises(Invalid, match="there is no job/0"):
        client.submit("ours", after="job/0")


def test_nothing_piles_up(client: Client) -> None:
    first = client.submit("pile", target="node/1", unless_active=True)
    with pytest.raises(Conflict, match=f"pile is active already: {first.id}"):
        client.submit("pile", target="node/1", unless_active=True)
    client.submit("pile", target="node/2", unless_active=True)
    client.submit("pile", target="node/1")
    first.cancel()
    with pytest.raises(Conflict):
        client.submit("pile", target="node/1", unless_active=True)


def test_of_many_at_once_one_is_added(server: Server) -> None:
    document = {"action": "one-of-many", "unless-active": True}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.call("POST", "job", document)[0], range(32)))
    assert sorted(answers) == [201] + [409] * 31


def test_one_tick_whoever_and_however_often(server: Server, client: Client) -> None:
    start = threading.Barrier(6)

    def tick(n: int) -> Any:
        start.wait(10)
        body = {"due": DUE, "distributor": f"d{n}", "jobs": [{"action": "ticked", "name": f"by d{n}"}] * 50}
        headers = {"nuvla-authn-info": "group/nuvla-admin"} if n % 2 else None
        return server.call("POST", "distribution/contended/tick", body, headers, anonymous=bool(n % 2))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(tick, range(6)))
    assert {status for status, _, _ in answers} == {201}
    assert len({tuple(body["resource-ids"]) for _, body, _ in answers}) == 1
    assert [body["repeated"] for _, body, _ in answers].count(False) == 1
    assert client.count("action='ticked'") == 50
    document = client.distribution("contended")
    assert (document["jobs-made"], document["last-tick"]) == (50, DUE)
    assert {job.document["name"] for job in client.jobs("action='ticked'")} == {f"by {document['ticked-by']}"}


def test_distributions_by_nuvlas_client(server: Server, api: Api, client: Client) -> None:
    entry = server.api().cloud_entry_point
    assert entry.collections["distribution"] == "distribution"
    item = {"name": "nightly", "cron": "0 3 * * *", "leader": "h-1", "contenders": ["h-1"]}
    status, body, _ = server.call("POST", "distribution/report", {"distributor": "h-1", "distributions": [item]})
    assert (status, body) == (200, {"distributions": [{"name": "nightly", "paused": False}]})
    (found,) = api.search("distribution", filter="leader='h-1'", select="name,cron").resources
    assert found.data == {"id": "distribution/nightly", "name": "nightly", "cron": "0 3 * * *"}
    assert api.operation(api.get("distribution/nightly"), "pause").data["paused"] is True
    assert api.operation(api.get("distribution/nightly"), "resume").data["paused"] is False
    at = api.operation(api.get("distribution/nightly"), "run").data["run-at"]
    assert client.run_distribution("nightly")["run-at"] == at
    assert client.pause_distribution("nightly")["paused"] is True
    assert client.resume_distribution("nightly")["paused"] is False
    assert "nightly" in {document["name"] for document in client.distributions()}
    api.delete("distribution/nightly")
    with pytest.raises(NotFound):
        client.pause_distribution("nightly")
    server.call("POST", "distribution/report", {"distributor": "h-1", "distributions": [item]})
    client.forget_distribution("nightly")
    with pytest.raises(NotFound):
        client.distribution("nightly")


def test_a_tick_and_a_workflow_outlive_the_server(tmp_path: Path) -> None:
    running = contextlib.contextmanager(serve)
    body = {"due": DUE, "jobs": [{"action": "a"}]}
    with running(tmp_path) as server:
        made = server.call("POST", "distribution/kept/tick", body)[1]["resource-ids"]
        server.call("POST", "distribution/kept/pause")
        waiting = server.call("POST", "job", {"action": "b", "after": made})[1]["resource-id"]
    with running(tmp_path) as server:
        again = server.call("POST", "distribution/kept/tick", body)[1]
        assert (again["resource-ids"], again["repeated"]) == (made, True)
        assert server.call("GET", "distribution/kept")[1]["paused"] is True
        assert server.call("PUT", made[0], {"state": "SUCCESS"})[0] == 200
        assert server.call("GET", f"{waiting}/explain")[1]["terms"][1]["met"] is True


def test_more_wait_for_one_than_one_transaction_settles(server: Server, client: Client) -> None:
    one = client.submit("hub")
    spokes = client.submit_many("spoke", [None] * 2500, after=[one])
    one.cancel()
    for spoke in spokes:  # a wait ends when the job is final
        status, body, _ = server.call("GET", f"{spoke.id}/wait?timeout=20&select=state,status-message")
        assert (status, body["state"]) == (200, "FAILED")
    assert body["status-message"].startswith(f"{one.id}, which it waits for, was CANCELED: by user/")


def test_by_the_command_line(server: Server, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> tuple[int, str, str]:
        where = (
            "--api-url",
            server.url,
            "--api-user",
            server.admin["username"],
            "--api-pass",
            server.admin["password"],
        )
        code = run([*arguments, *where])
        out, err = capsys.readouterr()
        return code, out.strip(), err

    code, first, _ = said("submit", "typed", "--target", "node/1", "--unless-active")
    assert code == 0
    code, _, err = said("submit", "typed", "--target", "node/1", "--unless-active")
    assert (code != 0, f"typed is active already: {first}" in err) == (True, True)
    code, _, _ = said("submit", "typed", "--after", first[-12:], "--after", first, "--after-failure", "run")
    assert code == 2  # the same job twice
    code, second, _ = said("submit", "typed", "--after", first[-12:], "--after-failure", "run")
    assert code == 0
    document = client.job(second).document
    assert (document["after"], document["after-failure"]) == ([first], "run")
