"""Plain documents: whatever is in them, by the client that actions use; who may do what; operations that add jobs."""

import json
from typing import Any

import pytest
from nuvla.api import Api, NuvlaError

from job_engine.api.declared_types import NUVLA, read
from tests.contract.conftest import Server


def person(server: Server, name: str, *claims: str) -> Api:
    return server.api(authn_header=" ".join([f"user/{name}", f"user/{name}", "group/nuvla-user", *claims]))


@pytest.fixture
def jane(server: Server) -> Api:
    return person(server, "jane")


def refused(status: int, call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(NuvlaError) as caught:
        call(*arguments, **named)
    assert caught.value.response.status_code == status
    return str(caught.value.reason)


def test_what_is_sent_is_kept(jane: Api) -> None:
    sent = {"content": {"a": [1, {"b": None}]}, "name": "n", "id": "module/mine", "created": "never", "empty": None}
    id_ = jane.add("module", sent).data["resource-id"]
    found = jane.get(id_).data
    assert found["id"] == id_ != "module/mine"
    assert (found["content"], found["name"]) == (sent["content"], "n")
    assert found["created"] == found["updated"] != "never"
    assert "empty" not in found
    assert (found["created-by"], found["acl"]["owners"]) == ("user/jane", ["user/jane"])
    assert [operation["rel"] for operation in found["operations"]] == ["edit", "delete", "validate-docker-compose"]
    found = jane.edit(id_, {"name": "m", "id": "x", "valid": True}, select=["content", "name"]).data
    assert (found["name"], found["valid"], found["id"], "content" in found) == ("m", True, id_, False)
    assert found["updated-by"] == "user/jane"
    assert [module.id for module in jane.search("module", filter='name="m" and valid=true').resources] == [id_]
    jane.delete(id_)
    refused(404, jane.get, id_)


def test_a_json_patch(server: Server, jane: Api) -> None:
    id_ = jane.add("deployment", {"state": "STARTED", "module": {"content": {"a": 1}}}).data["resource-id"]
    patches = [{"op": "replace", "path": "/module/content/a", "value": 2}, {"op": "remove", "path": "/state"}]
    status, found, _ = server.call("PUT", id_, patches, {"content-type": "application/json-patch+json"})
    assert (status, found["module"]) == (200, {"content": {"a": 2}})
    assert "state" not in found
    status, _, _ = server.call(
        "PUT", id_, [{"op": "remove", "path": "/no"}], {"content-type": "application/json-patch+json"}
    )
    assert status == 400


def test_others_see_and_change_what_the_acl_lets_them(server: Server, jane: Api) -> None:
    joe = person(server, "joe")
    acl = {"owners": ["user/jane"], "edit-meta": ["user/joe"]}
    hidden = jane.add("deployment", {"name": "hidden"}).data["resource-id"]
    shared = jane.add("deployment", {"name": "shared", "state": "S", "acl": acl}).data["resource-id"]
    refused(403, joe.get, hidden)
    refused(403, joe.edit, hidden, {"name": "x"})
    refused(403, joe.delete, shared)
    assert "state" not in joe.get(shared).data
    joe.edit(shared, {"name": "joe's", "state": "X", "acl": {"owners": ["user/joe"]}})
    found = jane.get(shared).data
    assert (found["name"], found["state"], found["acl"]["owners"]) == ("joe's", "S", ["user/jane"])
    assert hidden not in {deployment.id for deployment in joe.search("deployment").resources}
    refused(403, server.api().search, "deployment")


def test_operations_add_jobs(server: Server, jane: Api) -> None:
    api = server.admin_api()
    id_ = jane.add("deployment", {}).data["resource-id"]
    parent = "job/00000000-0000-0000-0000-000000000001"
    answer = jane.operation(jane.get(id_), "stop", {"low-priority": True, "parent-job": parent}).data
    assert (answer["status"], answer["resource-id"]) == (202, id_)
    job = api.get(answer["location"]).data
    assert (job["action"], job["target-resource"], job["priority"]) == ("stop_deployment", {"href": id_}, 999)
    assert (job["created-by"], job["parent-job"], job["acl"]["owners"]) == ("user/jane", parent, ["group/nuvla-admin"])
    job = api.get(jane.operation(jane.get(id_), "start").data["location"]).data
    assert (job["action"], job["priority"]) == ("start_deployment", 50)
    refused(403, person(server, "joe").operation, jane.get(id_), "stop")
    refused(404, jane.operation, jane.get(id_), "fly")


def test_the_context_of_a_job_is_what_it_affects(server: Server, jane: Api) -> None:
    api = server.admin_api()
    edge = jane.add("nuvlabox", {"name": "edge"}).data["resource-id"]
    secret = jane.add("module", {"name": "secret"}).data["resource-id"]
    acl = {"owners": ["group/nuvla-admin"], "manage": ["nuvlabox/1"]}
    affected = [{"href": secret}, {"href": "credential/none"}]
    sent = {"action": "x", "target-resource": {"href": edge}, "affected-resources": affected, "acl": acl}
    job = api.get(api.add("job", sent).data["resource-id"])
    context = api.operation(job, "get-context").data
    assert set(context) == {edge, secret}
    assert context[edge]["name"] == "edge"
    assert not {"acl", "operations"} & context[edge].keys()
    box = server.api(authn_header="nuvlabox/1 nuvlabox/1 nuvlabox/1")
    assert box.operation(job, "get-context").data == {}
    refused(403, jane.operation, job, "get-context")


def test_the_entry_point_lists_them(server: Server) -> None:
    assert read([NUVLA]).keys() <= server.api().get("cloud-entry-point").data["collections"].keys()


def test_an_operation_on_many_is_a_bulk_job_as_its_caller(server: Server, jane: Api) -> None:
    data = {"low-priority": True, "authn-info": {"user-id": "user/somebody"}}
    answer = jane.operation_bulk("nuvlabox", "name='edge'", "bulk-update", data).data
    assert (answer["status"], answer["resource-id"]) == (202, "nuvlabox")
    job = jane.get(answer["location"]).data
    assert (job["action"], job["target-resource"]) == ("bulk_update_nuvlabox", {"href": "nuvlabox"})
    assert (job["priority"], job["created-by"], job["acl"]["owners"]) == (999, "user/jane", ["group/nuvla-admin"])
    payload = json.loads(job["payload"])
    assert payload["filter"] == "name='edge'"
    authn = payload["authn-info"]
    assert (authn["user-id"], authn["active-claim"]) == ("user/jane", "user/jane")
    assert {"user/jane", "group/nuvla-user"} <= set(authn["claims"])
    assert "cancel" in [operation["rel"] for operation in job["operations"]]
    refused(403, person(server, "joe").get, job["id"])


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("nuvlabox/bulk-update", {"filter": "name='a'"}, {}, 400),
        ("nuvlabox/bulk-update", {}, {"bulk": "yes"}, 400),
        ("nuvlabox/bulk-update", {"filter": " "}, {"bulk": "yes"}, 400),
        ("nuvlabox/bulk-update", {"filter": "name="}, {"bulk": "yes"}, 400),
        ("nuvlabox/bulk-nothing", {"filter": "name='a'"}, {"bulk": "yes"}, 404),
        ("module/bulk-update", {"filter": "name='a'"}, {"bulk": "yes"}, 405),
        ("nuvlabox/bulk-update", {"filter": "name='a'"}, {"bulk": "yes", "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_wrong_operations_on_many(server: Server, path: str, body: Any, headers: dict[str, str], status: int) -> None:
    before = server.admin_api().search("job", last=0).count
    assert server.call("PATCH", path, body, headers)[0] == status
    assert server.admin_api().search("job", last=0).count == before
