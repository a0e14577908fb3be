"""Who sees only the metadata of a job learns nothing else of it, however they ask."""

import json

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
