"""What a caller may use who is no administrator."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job_engine.api.settings import Quota
from job_engine.store import resources, usage
from tests.unit.api.server import InProcess

JANE = {"nuvla-authn-info": "user/j user/j group/nuvla-user group/job-engine-submitter action/*"}
JOE = {"nuvla-authn-info": "user/k user/k group/nuvla-user group/job-engine-submitter action/*"}
OPERATOR = {"nuvla-authn-info": "user/o user/o group/nuvla-user group/job-engine-operator"}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[InProcess]:
    loop = asyncio.new_event_loop()
    server = InProcess(loop, tmp_path, quota=Quota(jobs=3, job_bytes=4000, priority=100, documents=2000))
    yield server
    server.close()
    loop.close()


def add(api: InProcess, body: Any, who: dict[str, str] | None = None, path: str = "job") -> tuple[int, Any]:
    return api.call("POST", f"/api/{path}", body, who)


def test_jobs_in_the_queue(small: InProcess) -> None:
    job = {"action": "x"}
    ids = add(small, [job, job], JANE)[1]["resource-ids"]
    status, body = add(small, [job, job], JANE)
    assert (status, body["message"]) == (
        409,
        "conflict: 2 jobs of yours are queued, and 2 more would be over the limit of 3; wait until some have run,"
        " or cancel some",
    )
    assert add(small, [job, job], {**JANE, "idempotency-key": "k"})[0] == 409
    assert add(small, job, {**JANE, "idempotency-key": "k"})[0] == 201
    assert add(small, job, JANE)[0] == 409
    assert add(small, job, {**JANE, "idempotency-key": "k"})[0] == 201, "a repetition adds nothing"
    assert add(small, [job], JANE, "job?partial=true")[0] == 409
    assert add(small, [job] * 5)[0] == 201, "an administrator's are not counted"
    assert add(small, job, JOE)[0] == 201
    assert small.call("POST", f"/api/{ids[0]}/cancel", None, JANE)[0] == 200
    assert small.call("POST", f"/api/{ids[0]}/retry", None, JANE)[0] == 201
    assert small.call("POST", f"/api/{ids[0]}/retry", None, JANE)[0] == 409


def test_others_do_not_fill_ones_quota(small: InProcess) -> None:
    for n in range(3):
        acl = {"owners": ["user/k"], "edit-acl": ["user/j"]}
        assert add(small, {"action": f"x{n}", "acl": acl, "created-by": "user/j"}, JOE)[0] == 201
    assert add(small, {"action": "x"}, JANE)[0] == 201


def test_what_an_operator_retries_counts(small: InProcess) -> None:
    id_ = add(small, {"action": "x"})[1]["resource-id"]
    small.call("POST", f"/api/{id_}/cancel", None, OPERATOR)
    assert [small.call("POST", f"/api/{id_}/retry", None, OPERATOR)[0] for _ in range(4)] == [201, 201, 201, 409]


def test_the_best_priority(small: InProcess) -> None:
    status, body = add(small, {"action": "x", "priority": 99}, JANE)
    message = "credentials required: only administrators add jobs of a priority below 100"
    assert (status, body["message"]) == (403, message)
    assert add(small, {"action": "x", "priority": 100}, JANE)[0] == 201
    assert add(small, {"action": "x", "priority": 0})[0] == 201


def test_bytes_of_documents(small: InProcess) -> None:
    id_ = add(small, {"text": "x" * 1000}, JANE, "module")[1]["resource-id"]
    status, body = add(small, {"text": "x" * 1000}, JANE, "module")
    assert (status, "2000 is the limit" in body["message"]) == (409, True)
    assert small.call("PUT", f"/api/{id_}", {"text": "x" * 1900}, JANE)[0] == 409
    assert small.call("PUT", f"/api/{id_}", {"text": "x" * 1500}, JANE)[0] == 200
    assert len(small.call("GET", f"/api/{id_}")[1]["text"]) == 1500
    key = {"template": {"href": "credential-template/generate-api-key"}}
    assert add(small, key, JANE, "credential")[0] == 409
    assert add(small, {"text": "x" * 3000}, None, "module")[0] == 201
    assert add(small, {"text": "x" * 1000}, JOE, "module")[0] == 201
    small.call("DELETE", f"/api/{id_}", None, JANE)
    assert add(small, {"text": "x" * 1000}, JANE, "module")[0] == 201


def test_what_a_document_costs_does_not_grow_with_their_number(tmp_path: Path) -> None:
    """The writer serves everybody, and any user may have a million documents."""
    loop = asyncio.new_event_loop()
    server = InProcess(loop, tmp_path)
    document = {"note": "x" * 100}

    def counted(tx: Any) -> int:
        """How many thousand steps the database takes to count the bytes, which are as many as there are."""
        steps: list[int] = []
        tx.connection.set_progress_handler(lambda: steps.append(1), 1000)
        try:
            used = usage.documents(tx, "user/j")
        finally:
            tx.connection.set_progress_handler(None, 0)
        summed = "select sum(length(cast(document as blob))) from resource where document like ?"
        assert used == tx.execute(summed, ('%"created-by":"user/j"%',)).fetchone()[0]
        return len(steps)

    async def write(verb: Any, *arguments: Any) -> Any:
        return await server.state.store.write(verb, *arguments)

    try:
        ids = [add(server, document, JANE, "nuvlabox")[1]["resource-id"] for _ in range(3)]
        many = [
            {"id": f"nuvlabox/{n}", "resource-type": "nuvlabox", "created-by": "user/j", "acl": {"owners": ["user/j"]}}
            for n in range(2000)
        ]
        loop.run_until_complete(write(resources.add, many))
        assert server.call("PUT", f"/api/{ids[0]}", {"note": "y"}, JANE)[0] == 200
        assert server.call("DELETE", f"/api/{ids[1]}", None, JANE)[0] == 200
        assert loop.run_until_complete(write(counted)) == 0
    finally:
        server.close()
        loop.close()


def test_bytes_of_jobs(small: InProcess) -> None:
    job = {"action": "x", "payload": "x" * 1200}
    small_one = {"action": "x", "payload": "x" * 500}
    nothing = {"action": "x", "after": ["job/" + "0" * 8]}
    status, body = add(small, [nothing, {"action": "x"}], JOE, "job?partial=true")
    assert (status, len([id_ for id_ in body["resource-ids"] if id_])) == (201, 1), body
    id_ = add(small, job, JANE)[1]["resource-id"]
    status, body = add(small, [job, {**job, "tags": ["x" * 1400]}], JANE)
    assert (status, "4000 is the limit; delete" in body["message"]) == (409, True)
    assert add(small, {**job, "tags": ["x" * 1000]}, {**JANE, "idempotency-key": "k"})[0] == 201
    assert add(small, small_one, JANE)[0] == 409
    assert add(small, {**job, "tags": ["x" * 1000]}, {**JANE, "idempotency-key": "k"})[0] == 201, "counted once"
    assert add(small, [small_one], JANE, "job?partial=true")[0] == 409
    assert add(small, job)[0] == 201, "an administrator's are not counted"
    assert add(small, job, JOE)[0] == 201
    assert small.call("POST", f"/api/{id_}/cancel", None, JANE)[0] == 200
    assert add(small, small_one, JANE)[0] == 409, "an ended job counts until it is deleted"
    assert small.call("DELETE", f"/api/{id_}", None, JANE)[0] == 200
    id_ = add(small, small_one, JANE)[1]["resource-id"]
    assert small.call("PUT", f"/api/{id_}", {"payload": "x" * 2500}, JANE)[0] == 409
    assert small.call("PUT", f"/api/{id_}", {"tags": ["x" * 1500]}, JANE)[0] == 409
    assert small.call("PUT", f"/api/{id_}", {"payload": "x" * 600}, JANE)[0] == 200
    assert small.call("PUT", f"/api/{id_}", {"payload": "x" * 2500})[0] == 200, "an administrator may"
