"""What the real client of Nuvla's API does against our server."""

import json

import pytest
from nuvla.api import Api, NuvlaError

from tests.contract.conftest import Server


def status_of(error: pytest.ExceptionInfo[NuvlaError]) -> int:
    assert error.value.response is not None
    return error.value.response.status_code


def test_the_entry_point_needs_no_login(server: Server) -> None:
    entry = server.api().cloud_entry_point
    assert entry.collections["job"] == "job"
    assert entry.base_uri == f"{server.url}/api/"


def test_login_and_logout(server: Server) -> None:
    api = server.api()
    assert not api.is_authenticated()
    response = api.login_password(server.admin["username"], server.admin["password"])
    assert response.status_code == 201
    session = response.json()["resource-id"]
    assert response.json() == {"status": 201, "message": f"{session} created", "resource-id": session}
    assert response.headers["location"] == session
    assert api.current_session() == session
    cookie = dict(api.session.cookies)
    api.logout()
    assert not api.is_authenticated()
    status, body, _ = server.call(
        "GET", "job", headers={"cookie": "; ".join(f"{k}={v}" for k, v in cookie.items())}, anonymous=True
    )
    assert status == 403, f"the cookie of an ended session still works: {body}"


@pytest.mark.parametrize(("name", "password"), [("admin", "wrong"), ("nobody", "wrong")])
def test_wrong_password(server: Server, name: str, password: str) -> None:
    response = server.api().login_password(name, password)
    assert response.status_code == 403
    assert response.json()["message"] == f"invalid credentials for '{name}'"


def test_api_key(server: Server, api: Api) -> None:
    made = api._cimi_post("credential", json={"template": {"href": "credential-template/generate-api-key", "ttl": 60}})
    key, secret = made["resource-id"], made["secret-key"]
    for name in (key, key.removeprefix("credential/")):
        other = server.api()
        assert other.login_apikey(name, secret).status_code == 201
        assert other.search("job", last=0).count >= 0
    shown = api.get(key).data
    assert shown["expiry"] > shown["created"]
    assert "digest" not in shown
    assert secret not in json.dumps(shown)
    assert server.api().login_apikey(key, "wrong").status_code == 403
    api.delete(key)
    assert server.api().login_apikey(key, secret).status_code == 403


def test_reauthentication(server: Server) -> None:
    admin = server.admin
    creds = {"username": admin["username"], "password": admin["password"]}
    api = server.api(reauthenticate=True, login_creds=creds)
    assert api.search("job", last=0).count >= 0  # 403, login, and again
    session = api.current_session()
    assert session
    server.admin_api().delete(session)
    added = api.add("job", {"action": "noop"})
    assert added.data["status"] == 201


def test_a_jobs_life(api: Api) -> None:
    added = api.add("job", {"action": "count", "target-resource": {"href": "deployment/1"}, "payload": '{"n": 3}'})
    id_ = added.data["resource-id"]
    assert added.data == {"status": 201, "message": f"{id_} created", "resource-id": id_}
    job = api.get(id_)
    assert job.data["state"] == "QUEUED"
    assert job.data["progress"] == 0
    assert job.data["version"] == 2
    assert job.data["execution-mode"] == "push"
    assert job.data["affected-resources"] == [{"href": "deployment/1"}]
    assert set(job.operations) == {"edit", "delete", "cancel", "get-context"}
    edited = api.edit(id_, {"state": "RUNNING", "progress": 10, "status-message": "begun"})
    assert (edited.data["state"], edited.data["progress"]) == ("RUNNING", 10)
    assert "started" in edited.data
    assert "operations" not in edited.data
    assert api.operation(job, "get-context").data == {}
    assert api.edit(id_, {"name": "counting", "tags": ["a", "b"]}).data["tags"] == ["a", "b"]
    assert api.edit(id_, {"id": "job/other", "created": "x", "action": "count", "name": "counted"}).data["id"] == id_
    assert "tags" not in api.edit(id_, {"progress": 20}, select=["tags", "id", "acl"]).data
    done = api.edit(id_, {"state": "SUCCESS", "return-code": 0}).data
    assert (done["state"], done["progress"], done["return-code"]) == ("SUCCESS", 100, 0)
    assert done["duration"] >= 0
    with pytest.raises(NuvlaError) as error:
        api.edit(id_, {"progress": 50})
    assert status_of(error) == 409
    assert error.value.reason == "edit is not allowed in final state"
    deleted = api.delete(id_)
    assert deleted.data == {"status": 200, "message": f"{id_} deleted", "resource-id": id_}
    with pytest.raises(NuvlaError) as error:
        api.get(id_)
    assert status_of(error) == 404
    assert error.value.reason == f"{id_} not found"


def test_administrators_change_what_is_immutable(server: Server, api: Api) -> None:
    sent = {"action": "a", "priority": 5, "acl": {"owners": ["user/jane"]}}
    id_ = api.add("job", sent).data["resource-id"]
    changes = {"action": "b", "priority": 7, "target-resource": {"href": "a/1"}, "retries": 2}
    jane = server.api(authn_header="user/jane user/jane group/nuvla-user")
    kept = jane.edit(id_, {**changes, "name": "n"}).data
    assert (kept["action"], kept["priority"], kept["name"]) == ("a", 5, "n")
    assert "target-resource" not in kept
    edited = api.edit(id_, changes).data
    assert {name: edited[name] for name in changes} == changes
    assert (
        api.search("job", filter=f"id='{id_}' and action='b' and priority=7 and target-resource/href='a/1'").count == 1
    )
    dropped = api.edit(id_, {}, select=["target-resource", "priority"]).data
    assert "target-resource" not in dropped
    assert dropped["priority"] == 999


def test_select(api: Api) -> None:
    id_ = api.add("job", {"action": "select", "name": "x"}).data["resource-id"]
    assert set(api.get(id_, select=["state", "name"]).data) == {"id", "state", "name"}
    assert set(api.get(id_, select="state, operations").data) == {"id", "state", "operations"}


def test_json_patch(api: Api) -> None:
    id_ = api.add("job", {"action": "patch", "tags": ["a"], "name": "n"}).data["resource-id"]
    patches = [
        {"op": "test", "path": "/name", "value": "n"},
        {"op": "add", "path": "/tags/-", "value": "b"},
        {"op": "remove", "path": "/name"},
        {"op": "replace", "path": "/progress", "value": 7},
    ]
    document = api.edit_patch(id_, patches).data
    assert document["tags"] == ["a", "b"]
    assert document["progress"] == 7
    assert "name" not in document
    with pytest.raises(NuvlaError) as error:
        api.edit_patch(id_, [{"op": "remove", "path": "/nothing"}])
    assert status_of(error) == 400


def test_cancel(api: Api) -> None:
    job = api.get(api.add("job", {"action": "bulk_update"}).data["resource-id"])
    canceled = api.operation(job, "cancel").data
    assert (canceled["id"], canceled["state"]) == (job.id, "CANCELED")
    children = api.search("job", filter=f"action='cancel_children_jobs' and target-resource/href='{job.id}'")
    assert [child.data["priority"] for child in children.resources] == [10]
    with pytest.raises(NuvlaError) as error:
        api.operation(job, "cancel")
    assert status_of(error) == 403


def test_timeout_only_while_running(api: Api) -> None:
    job = api.get(api.add("job", {"action": "slow"}).data["resource-id"])
    with pytest.raises(NuvlaError) as error:
        api.operation(job, "timeout")
    assert status_of(error) == 403
    api.edit(job.id, {"state": "RUNNING"})
    assert api.operation(job, "timeout").data["state"] == "CANCELED"


def test_search(api: Api) -> None:
    for priority, state in ((1, "QUEUED"), (2, "RUNNING"), (3, "SUCCESS")):
        id_ = api.add("job", {"action": "search", "priority": priority, "tags": [f"t{priority}"]}).data["resource-id"]
        if state != "QUEUED":
            api.edit(id_, {"state": state})
    found = api.search("job", filter="action='search'", orderby="priority:desc", select=["priority", "state"])
    assert found.count == 3
    assert [job.data["priority"] for job in found.resources] == [3, 2, 1]
    assert set(found.data) >= {"count", "acl", "resource-type", "id", "resources", "operations"}
    assert (found.data["id"], found.data["resource-type"]) == ("job", "job-collection")
    assert api.search("job", filter="action='search' and state='QUEUED'").count == 1
    assert api.search("job", filter="action='search' and tags=['t1' 't3']").count == 2
    assert api.search("job", filter=["action='search'", "3<=priority"]).count == 1
    assert len(api.search("job", filter="action='search'", last=2).resources) == 2
    assert len(api.search("job", filter="action='search'", first=3, last=10).resources) == 1
    nothing = api.search("job", filter="action='search'", last=0)
    assert (nothing.count, nothing.resources) == (3, [])
    figures = api.search(
        "job", filter="action='search'", last=0, aggregation=["terms:state", "avg:priority", "nonsense:a"]
    )
    assert figures.data["aggregations"]["avg:priority"] == {"value": 2.0}
    assert {bucket["key"] for bucket in figures.data["aggregations"]["terms:state"]["buckets"]} == {
        "QUEUED", "RUNNING", "SUCCESS",
    }  # fmt: skip
    with pytest.raises(NuvlaError) as error:
        api.search("job", filter="action=search")
    assert status_of(error) == 400
    assert "Invalid CIMI filter" in error.value.reason
    assert "character 8" in error.value.reason


def test_bulk_delete(api: Api) -> None:
    for _ in range(3):
        api.add("job", {"action": "bulk-delete"})
    answer = api.delete_bulk("job", "action='bulk-delete'").data
    assert (answer["deleted"], answer["total"], answer["timed_out"], answer["failures"]) == (3, 3, False, [])
    assert api.search("job", filter="action='bulk-delete'").count == 0


def test_compressed_requests(server: Server) -> None:
    api = server.api(compress=True)
    assert api.login_password(server.admin["username"], server.admin["password"]).status_code == 201
    payload = json.dumps({"text": "x" * 5000})
    id_ = api.add("job", {"action": "gzip", "payload": payload}).data["resource-id"]
    assert api.get(id_).data["payload"] == payload


def test_header_of_a_trusted_address(server: Server) -> None:
    api = server.api(authn_header="group/nuvla-admin")
    id_ = api.add("job", {"action": "by-header"}).data["resource-id"]
    document = api.get(id_).data
    assert document["created-by"] == "group/nuvla-admin"
    assert document["acl"]["owners"] == ["group/nuvla-admin"]
    nobody = server.api(authn_header="user/jane user/jane group/nuvla-user")
    assert nobody.search("job", filter=f"id='{id_}'").count == 0
    with pytest.raises(NuvlaError) as error:
        nobody.add("job", {"action": "not-allowed"})
    assert status_of(error) == 403


def test_groups_and_rights(server: Server, api: Api) -> None:
    api._cimi_post(
        "user",
        json={"template": {"href": "user-template/username-password", "username": "jane", "password": "correct horse"}},
    )
    jane = server.api()
    assert jane.login_password("jane", "correct horse").status_code == 201
    session = jane.get(jane.current_session())
    me = session.data["user"]
    acl = {"owners": ["group/nuvla-admin"], "view-meta": [me]}
    metadata = api.add("job", {"action": "rights", "name": "m", "acl": acl}).data["resource-id"]
    data = api.add("job", {"action": "rights", "acl": {**acl, "view-data": [me]}}).data["resource-id"]
    edit = api.add("job", {"action": "rights", "acl": {**acl, "edit-data": [me], "manage": [me]}}).data["resource-id"]
    hidden = api.add("job", {"action": "rights"}).data["resource-id"]
    assert {metadata, data, edit} <= {job.id for job in jane.search("job").resources}
    assert [job.id for job in jane.search("job", filter="name='m'").resources] == [metadata]
    # of metadata alone, a search by the action would tell the action
    assert {job.id for job in jane.search("job", filter="action='rights'").resources} == {data, edit}
    assert set(jane.get(metadata).data) == {"id", "resource-type", "created", "updated", "name"}
    assert "action" in jane.get(data).data
    assert "acl" not in jane.get(data).data
    assert set(jane.get(edit).operations) == {"edit", "cancel"}
    assert jane.edit(edit, {"progress": 5, "acl": {"owners": [me]}}).data["progress"] == 5
    assert api.get(edit).data["acl"]["owners"] == ["group/nuvla-admin"]
    for id_, call in ((hidden, jane.get), (data, jane.delete), (data, lambda i: jane.edit(i, {"progress": 1}))):
        with pytest.raises(NuvlaError) as error:
            call(id_)
        assert status_of(error) == 403
        assert error.value.reason == f"invalid credentials for '{id_}'"
    with pytest.raises(NuvlaError) as error:
        jane.operation(session, "switch-group", {"claim": "group/nuvla-admin"})
    assert status_of(error) == 403
    admin = server.admin_api()
    own = admin.get(admin.current_session())
    switched = admin.operation(own, "switch-group", {"claim": "group/nuvla-admin"}).data
    assert switched["active-claim"] == "group/nuvla-admin"
    id_ = admin.add("job", {"action": "switched"}).data["resource-id"]
    assert admin.get(id_).data["acl"]["owners"] == ["group/nuvla-admin"]
