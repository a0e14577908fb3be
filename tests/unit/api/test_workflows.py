"""Jobs that wait for jobs, or are not added twice, and adds whose jobs may fail alone, as the API shows them."""

import asyncio
from typing import Any

import pytest

from job_engine.api import job_cleanup, jobs
from job_engine.store import documents
from tests.unit.api.server import InProcess


def add(api: InProcess, **document: Any) -> str:
    status, body = api.call("POST", "/api/job", {"action": "x", **document})
    assert status == 201, body
    return str(body["resource-id"])


def get(api: InProcess, path: str) -> Any:
    status, body = api.call("GET", f"/api/{path}")
    assert status == 200, body
    return body


def end(api: InProcess, id_: str, state: str = "SUCCESS", message: str = "done") -> None:
    status, body = api.call("PUT", f"/api/{id_}", {"state": state, "status-message": message})
    assert status == 200, body


def test_after_is_shown_and_stays(api: InProcess) -> None:
    one = add(api)
    two = add(api, **{"after": [one], "after-failure": "run"})
    document = get(api, two)
    assert (document["state"], document["after"], document["after-failure"]) == ("QUEUED", [one], "run")
    status, edited = api.call("PUT", f"/api/{two}", {"after": [two], "after-failure": "fail", "name": "n"})
    assert (status, edited["after"], edited["after-failure"], edited["name"]) == (200, [one], "run", "n")
    patch = [{"op": "remove", "path": "/after"}]
    status, edited = api.call("PUT", f"/api/{two}", patch, {"content-type": "application/json-patch+json"})
    assert (status, edited["after"]) == (200, [one])
    assert api.call("PUT", f"/api/{two}?select=after", {})[1]["after"] == [one]
    found = api.call("GET", f"/api/job?filter=after='{one}'")[1]
    assert [job["id"] for job in found["resources"]] == [two]
    assert api.call("PUT", f"/api/{two}", {"state": "RUNNING"})[0] == 409


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"after": []}, "not empty"),
        ({"after": "job/x"}, "a list"),
        ({"after": ["job/x", "job/x"]}, "repeated"),
        ({"after": [f"job/{n}" for n in range(1001)]}, "at most 1000"),
        ({"after": ["user/x"]}, "a job's id"),
        ({"after": ["#0"]}, "a job's id"),
        ({"after": ["job/nothing"]}, "there is no job/nothing"),
        ({"after-failure": "ignore"}, "fail run"),
        ({"unless-active": "yes"}, "true or false"),
    ],
)
def test_wrong_documents(api: InProcess, sent: Any, named: str) -> None:
    status, body = api.call("POST", "/api/job", {"action": "x", **sent})
    assert (status, named in body["message"]) == (400, True), body


def test_explain_names_what_it_waits_for(api: InProcess) -> None:
    many = [add(api) for _ in range(7)]
    waiting = add(api, after=many)
    end(api, many[0])
    answer = get(api, f"{waiting}/explain")
    assert answer["condition"] == "waiting"
    term = next(term for term in answer["terms"] if term["term"] == "every job in after is SUCCESS")
    names = ", ".join(f"{id_} (QUEUED)" for id_ in many[1:6])
    assert term["met"] is False
    assert term["detail"] == f"1 of 7; not yet: {names} and 1 more"
    assert f"It waits for {names} and 1 more" in answer["summary"]
    for id_ in many[1:]:
        end(api, id_)
    answer = get(api, f"{waiting}/explain")
    term = next(term for term in answer["terms"] if term["term"] == "every job in after is SUCCESS")
    assert (term["met"], term["detail"]) == (True, "7 of 7")
    assert not [term for term in get(api, f"{add(api)}/explain")["terms"] if "after" in term["term"]]


def test_a_failure_is_told(api: InProcess) -> None:
    one = add(api)
    two = add(api, after=[one])
    end(api, one, "FAILED", "no disk")
    document = get(api, two)
    assert (document["state"], document["status-message"]) == (
        "FAILED",
        f"{one}, which it waits for, has FAILED: no disk",
    )
    assert document["progress"] == 100


def test_a_retry_waits_for_nobody(api: InProcess) -> None:
    one = add(api)
    two = add(
        api, **{"after": [one], "after-failure": "fail", "unless-active": True, "target-resource": {"href": "t/1"}}
    )
    end(api, one, "FAILED")
    status, body = api.call("POST", f"/api/{two}/retry")
    assert status == 201
    again = get(api, body["resource-id"])
    assert not {"after", "after-failure", "unless-active"} & again.keys()
    assert get(api, f"{body['resource-id']}/explain")["terms"]


def test_a_graph_in_one_array(api: InProcess) -> None:
    sent = [{"action": "x"}, {"action": "x", "after": ["#0"]}, {"action": "x", "after": ["#0", "#1"]}]
    status, body = api.call("POST", "/api/job", sent, {"idempotency-key": "graph"})
    assert status == 201, body
    ids = body["resource-ids"]
    assert get(api, ids[1])["after"] == ids[:1]
    assert get(api, ids[2])["after"] == ids[:2]
    assert api.call("POST", "/api/job", sent, {"idempotency-key": "graph"})[1]["resource-ids"] == ids
    before = api.count
    for after in ("#1", "#2", "#-1", "#", "#00000000000000", "#x", "#²"):
        status, body = api.call("POST", "/api/job", [{"action": "x"}, {"action": "x", "after": [after]}])
        assert (status, "no job before this one" in body["message"]) == (400, True), body
    keyed = [{"action": "x", "idempotency-key": "k"}, {"action": "x", "after": ["#0"]}]
    status, body = api.call("POST", "/api/job", keyed)
    assert (status, "idempotency-key of its own" in body["message"]) == (400, True)
    assert api.count == before


def test_unless_active(api: InProcess) -> None:
    sent = {"action": "pile", "unless-active": True, "target-resource": {"href": "node/1"}}
    first = add(api, **sent)
    status, body = api.call("POST", "/api/job", sent)
    assert (status, body["message"]) == (409, f"conflict: pile is active already: {first}")
    status, body = api.call("POST", "/api/job", [{"action": "x"}, sent])
    assert (status, body["message"]) == (409, f"job 1 of 2: conflict: pile is active already: {first}")
    end(api, first)
    second = add(api, **sent)
    assert get(api, second)["unless-active"] is True
    found = api.call("GET", "/api/job?filter=unless-active=true and action='pile'&aggregation=value_count:id")[1]
    assert found["count"] == 2


def test_each_fails_alone(api: InProcess) -> None:
    pile = {"action": "each", "unless-active": True}
    sent = [
        {"action": "each"}, pile, {"action": ""}, {"action": "x", "after": ["#0"]}, {"action": "x", "after": ["#2"]},
        {"action": "x", "after": ["#1"]},
    ]  # fmt: skip
    before = api.count
    status, body = api.call("POST", "/api/job?partial=true", sent, {"idempotency-key": "each"})
    assert status == 201
    assert [item["status"] for item in body["jobs"]] == [201, 409, 400, 201, 400, 400]
    assert body["jobs"][1]["resource-id"] == body["resource-ids"][0]
    assert "#2 was not added" in body["jobs"][4]["message"]
    assert "there is no #1" in body["jobs"][5]["message"]
    assert (body["message"], body["repeated"], len(body["resource-ids"])) == ("2 of 6 jobs created", False, 2)
    again = api.call("POST", "/api/job?partial=true", sent, {"idempotency-key": "each"})[1]
    assert (again["resource-ids"], again["repeated"]) == (body["resource-ids"], True)
    assert [item["resource-id"] for item in again["jobs"]] == body["resource-ids"]
    assert api.count == before + 2
    assert api.call("POST", "/api/job?partial=perhaps", sent)[0] == 400
    assert api.call("POST", "/api/job?partial=false", sent)[0] == 400  # all or none


def test_an_empty_array_with_a_key_is_an_add(api: InProcess) -> None:
    assert api.call("POST", "/api/job", [], {"idempotency-key": "none"})[1]["resource-ids"] == []
    before = api.count
    assert api.call("POST", "/api/job", [{"action": "x"}], {"idempotency-key": "none"})[1]["resource-ids"] == []
    assert api.count == before


def test_bulk_delete_looks_beside_the_writer(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_cleanup, "CHUNK", 3)
    kept = add(api, tags=["kept"])
    gone = [add(api, tags=["gone"]) for _ in range(8)]
    waiting = add(api, after=gone[:1])
    found = documents.matching

    def matching(connection: Any, page: Any, now: float, after: int, limit: int) -> Any:
        """Between the look and the delete one does not match any more."""
        jobs = found(connection, page, now, after, limit)
        if after:
            asyncio.run_coroutine_threadsafe(_untag(api, gone[4]), api.loop).result(10)
        return jobs

    monkeypatch.setattr(documents, "matching", matching)
    status, body = api.call("DELETE", "/api/job?filter=tags='gone'", None, {"bulk": "true"})
    assert status == 200
    assert (body["deleted"], body["batches"]) == (7, 3)
    assert [api.call("GET", f"/api/{id_}")[0] for id_ in (kept, *gone)] == [200, 404, 404, 404, 404, 200, 404, 404, 404]
    assert get(api, waiting)["status-message"] == f"{gone[0]}, which it waits for, was deleted"


async def _untag(api: InProcess, id_: str) -> None:
    await api.request("PUT", f"/api/{id_}", {"tags": ["other"]})


@pytest.mark.parametrize("path", ["job", "job?partial=true"])
def test_the_jobs_of_one_add_wait_for_so_many_together(
    api: InProcess, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(jobs, "WAITED_FOR", 4)
    one, two = add(api), add(api)
    sent = [{"action": "x", "after": [one, two]} for _ in range(3)]
    status, body = api.call("POST", f"/api/{path}", sent)
    assert (status, "4 is the limit" in body["message"]) == (400, True)
    assert api.call("POST", f"/api/{path}", [*sent[:2], {"action": "x"}])[0] == 201
