"""Who sees only the metadata of a job learns nothing else of it, however they ask."""

import json
from typing import Any

import pytest

from tests.unit.api.server import InProcess

BOB = {"nuvla-authn-info": "user/bob user/bob group/nuvla-user user/bob"}
PATCH = {**BOB, "content-type": "application/json-patch+json"}
SECRET = json.dumps({"secret": "s3cr3t"})


@pytest.fixture(scope="module")
def job(api: InProcess) -> str:
    acl = {"owners": ["user/alice"], "edit-meta": ["user/bob"]}
    sent = {"action": "x", "name": "n", "payload": SECRET, "status-message": "m", "acl": acl}
    id_ = str(api.call("POST", "/api/job", sent)[1]["resource-id"])
    assert "payload" not in api.call("GET", f"/api/{id_}", None, BOB)[1]
    return id_


@pytest.mark.parametrize("from_", ["/payload", "/status-message", "/acl/owners/0", "/state"])
def test_a_patch_works_on_what_its_sender_sees(api: InProcess, job: str, from_: str) -> None:
    for operation in ("copy", "move"):
        patch = [{"op": operation, "from": from_, "path": "/description"}]
        status, body = api.call("PUT", f"/api/{job}", patch, PATCH)
        assert (status, "there is no" in body["message"]) == (400, True)
    assert api.call("PUT", f"/api/{job}", [{"op": "test", "path": from_, "value": "QUEUED"}], PATCH)[0] == 400
    assert "description" not in api.call("GET", f"/api/{job}")[1]


def test_a_patch_of_what_they_see(api: InProcess, job: str) -> None:
    patch = [{"op": "replace", "path": "/name", "value": "new"}]
    assert api.call("PUT", f"/api/{job}", patch, PATCH)[1]["name"] == "new"
    assert api.call("GET", f"/api/{job}")[1]["payload"] == SECRET


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", 1),
        ("filter=name!=null", 1),
        ("filter=name!=null and created>'2020-01-01'&orderby=updated:desc&aggregation=terms:tags", 1),
        ("filter=payload^='{'", 0),
        ("filter=name!=null and (id='x' or state='QUEUED')", 0),
        ("filter=name!=null&orderby=payload", 0),
        ("filter=acl/owners='user/alice'", 0),
        ("aggregation=terms:payload", 0),
        ("aggregation=terms:name,min:priority", 0),
        ("aggregation=missing:acl/owners", 0),
    ],
)
def test_a_search_tells_of_what_they_see(api: InProcess, job: str, query: str, seen: int) -> None:
    answer = api.call("GET", f"/api/job?{query.replace(' ', '+')}", None, BOB)[1]
    assert answer["count"] == seen
    assert SECRET.replace('"', '\\"') not in json.dumps(answer)


@pytest.mark.parametrize(("right", "status"), [("view-data", 403), ("manage", 403), ("edit-data", 200)])
def test_the_log_is_read_by_who_may_edit_the_job(api: InProcess, right: str, status: int) -> None:
    """It has what libraries log, secrets included."""
    acl = {"owners": ["user/alice"], "view-data": ["user/bob"], right: ["user/bob"]}
    id_ = str(api.call("POST", "/api/job", {"action": "x", "acl": acl})[1]["resource-id"])
    assert api.call("GET", f"/api/{id_}/events", None, BOB)[0] == 200
    assert api.call("GET", f"/api/{id_}/log", None, BOB)[0] == status


def test_acls_are_asked_about_by_who_sees_them(api: InProcess) -> None:
    acl = {"owners": ["user/carol"], "view-data": ["user/dan"], "view-acl": ["user/eve"]}
    api.call("POST", "/api/job", {"action": "y", "acl": acl})
    for name, by_data, by_acl in (("dan", 1, 0), ("eve", 1, 1), ("carol", 1, 1)):
        who = {"nuvla-authn-info": f"user/{name} user/{name} group/nuvla-user user/{name}"}
        assert api.call("GET", "/api/job?filter=action='y'", None, who)[1]["count"] == by_data
        assert api.call("GET", "/api/job?filter=acl/owners='user/carol'", None, who)[1]["count"] == by_acl


def test_the_active_job_is_named_to_who_sees_it(api: InProcess) -> None:
    submitter = {"nuvla-authn-info": "user/fay user/fay group/nuvla-user group/job-engine-submitter action/*"}
    wanted = {"action": "once", "unless-active": True}
    theirs = str(api.call("POST", "/api/job", wanted)[1]["resource-id"])
    own = str(api.call("POST", "/api/job", {**wanted, "action": "own"}, submitter)[1]["resource-id"])
    hidden = "conflict: once is active already: a job that you may not see"
    for headers in (submitter, {**submitter, "idempotency-key": "k"}):
        assert api.call("POST", "/api/job", wanted, headers)[1]["message"] == hidden
    sent = [wanted, {**wanted, "action": "own"}, {**wanted, "action": "new"}, {**wanted, "action": "new"}]
    answer = api.call("POST", "/api/job?partial=true", sent, submitter)[1]
    new = answer["resource-ids"][0]
    told = json.dumps(answer)
    assert (theirs in told, own in told, told.count(new)) == (False, True, 4), answer
    assert theirs in api.call("POST", "/api/job", wanted)[1]["message"], "an administrator sees it"
    sent = [{**wanted, "idempotency-key": "a"}, {"action": "x", "idempotency-key": "b"}]
    assert theirs not in json.dumps(api.call("POST", "/api/job", sent, submitter))


class Queue:
    """What a server shows of ZooKeeper."""

    def status(self) -> dict[str, Any]:
        return {"zookeeper": "connected", "leads": False}

    async def shown(self) -> dict[str, Any]:
        taken = [{"entry": "e", "job": "job/1", "member": "m"}]
        where = {"hosts": "zk.internal:2181", "path": "/p", "leader": "a relay on host.internal", "trouble": "pid 8"}
        return {**self.status(), **where, "members": [], "taken": taken}

    async def reconcile(self, dry_run: bool) -> list[dict[str, Any]]:
        return []


def test_machines_and_processes_are_for_administrators(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    hello = {"name": "host.internal-1", "host": "host.internal", "pid": 9, "version": "0", "processes": 1, "slots": 1}
    said = {"n": 1, "hello": {**hello, "actions": []}}
    assert api.call("POST", "/api/executor/q/attend", said)[0] == 200
    monkeypatch.setattr(api.state, "queue", Queue())
    monkeypatch.setattr(api.state.store, "trouble", "the record cannot be written: cat (pid 6) has locked it")
    words = ("internal", "pid")
    for path in ("/api/queue", "/api/status"):
        assert "pid" in json.dumps(api.call("GET", path)[1])
        viewer = {"nuvla-authn-info": "user/v user/v group/nuvla-user group/job-engine-viewer"}
        status, answer = api.call("GET", path, None, viewer)
        assert (status, [word for word in words if word in json.dumps(answer)]) == (200, []), answer


@pytest.mark.parametrize("operation", ["copy", "move", "test"])
def test_a_patch_of_a_document_works_on_what_its_sender_sees(api: InProcess, operation: str) -> None:
    sent = {"name": "n", "key": "s3cr3t", "acl": {"owners": ["user/alice"], "edit-meta": ["user/bob"]}}
    id_ = api.call("POST", "/api/nuvlabox", sent)[1]["resource-id"]
    patch = {"op": operation, "from": "/key", "path": "/key" if operation == "test" else "/description"}
    status, body = api.call("PUT", f"/api/{id_}", [{**patch, "value": "s3cr3t"}], PATCH)
    assert (status, "there is no" in body["message"]) == (400, True)
    assert api.call("PUT", f"/api/{id_}", [{"op": "add", "path": "/description", "value": "d"}], PATCH)[0] == 200
    document = api.call("GET", f"/api/{id_}")[1]
    assert (document["key"], document["description"]) == ("s3cr3t", "d")


def test_what_only_the_server_knows_is_no_matter_of_a_search(api: InProcess) -> None:
    template = {"href": "user-template/username-password", "username": "leak", "password": "correct horse battery"}
    assert api.call("POST", "/api/user", {"template": template})[0] == 201
    assert api.call("GET", "/api/credential?filter=subtype='hashed-password'")[1]["count"] > 0
    assert api.call("GET", "/api/credential?filter=hash^='scrypt'")[1]["count"] == 0
    assert "scrypt" not in json.dumps(api.call("GET", "/api/credential?aggregation=terms:hash")[1])


def test_documents_of_declared_types_may_have_any_attribute(api: InProcess) -> None:
    id_ = api.call("POST", "/api/nuvlabox", {"hash": "h", "digest": "d", "login-claims": ["c"]})[1]["resource-id"]
    document = api.call("GET", f"/api/{id_}")[1]
    assert (document["hash"], document["digest"], document["login-claims"]) == ("h", "d", ["c"])
    assert api.call("GET", "/api/nuvlabox?filter=digest='d'")[1]["count"] == 1
