"""Users and keys with roles: what their logins may do, and what ends with them."""

import json
from typing import Any

import msgspec
import pytest
from nuvla.api import NuvlaError

from job_engine.cli import run
from job_engine.executor.clients import Clients
from job_engine.executor.messages import Setup
from job_engine.job.errors import Forbidden
from tests.contract.conftest import Server
from tests.contract.test_users import PASSWORD, by_key, call_as, user

ROLE = "group/job-engine-"


def key(server: Server, roles: list[str], cookie: str | None = None) -> tuple[int, Any]:
    template = {"href": "credential-template/generate-api-key", "roles": roles}
    if cookie is not None:
        return call_as(server, cookie, "POST", "credential", {"template": template})
    status, made, _ = server.call("POST", "credential", {"template": template})
    return status, made


def log_in(server: Server, made: Any) -> str:
    template = {"href": "session-template/api-key", "key": made["resource-id"], "secret": made["secret-key"]}
    status, cookie = by_key(server, template)
    assert status == 201
    return cookie


def test_a_submitter(server: Server) -> None:
    id_, name = user(server, groups=[f"{ROLE}submitter", "action/greet"])
    cookie = server.log_in(name, PASSWORD)
    status, body = call_as(server, cookie, "POST", "job", {"action": "greet"})
    assert status == 201
    assert call_as(server, cookie, "POST", "job", {"action": "rm"})[0] == 403
    assert call_as(server, cookie, "GET", "job")[1]["count"] == 1
    status, _, _ = server.call("PUT", id_, {"groups": [f"{ROLE}submitter", "action/rm"]})
    assert status == 200
    assert call_as(server, cookie, "POST", "job", {"action": "greet"})[0] == 403, "what was taken ends the session"
    cookie = server.log_in(name, PASSWORD)
    assert call_as(server, cookie, "POST", "job", {"action": "greet"})[0] == 403
    assert call_as(server, cookie, "POST", "job", {"action": "rm"})[0] == 201
    assert call_as(server, cookie, "POST", body["resource-id"] + "/cancel")[0] == 200
    found, _, _ = server.call("GET", "group?filter=id^=%27action%27")
    assert found == 200


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ([f"{ROLE}executor", f"{ROLE}viewer"], "goes with no other claim"),
        ([f"{ROLE}submitter"], "goes with the actions"),
        (["action/x"], "goes with the actions"),
        ([f"{ROLE}submitter", "action/"], "names no action"),
        ([f"{ROLE}submitter", "action/a b"], "names no action"),
        ([f"{ROLE}submitter", *(f"action/{n:0100}" for n in range(20))], "too many"),
    ],
)
def test_roles_that_do_not_fit(server: Server, groups: list[str], why: str) -> None:
    template = {"href": "user-template/username-password", "username": "y", "password": PASSWORD, "groups": groups}
    status, body, _ = server.call("POST", "user", {"template": template})
    assert (status, why in body["message"]) == (400, True), body
    status, body = key(server, groups)
    assert (status, why in body["message"]) == (400, True), body


def test_a_key_for_executors(server: Server) -> None:
    status, made = key(server, [f"{ROLE}executor"])
    assert status == 201
    cookie = log_in(server, made)
    assert call_as(server, cookie, "POST", "executor/e/attend", {"n": 1})[0] == 200
    for path in ("job", "executor", "distribution", "user", "credential", "queue", "module"):
        assert call_as(server, cookie, "GET", path)[0] == 403, path
    assert call_as(server, cookie, "POST", "job", {"action": "x"})[0] == 403
    session = call_as(server, cookie, "GET", "session")[1]["resources"][0]["id"]
    admin = server.call("GET", "session")[1]["resources"][0]["user"]
    status, _ = call_as(server, cookie, "POST", f"{session}/switch-group", {"claim": admin})
    assert status == 403, "a key of a role does not become its maker"


def test_a_submitters_key_is_its_own_owner(server: Server) -> None:
    made = key(server, [f"{ROLE}submitter", "action/greet"])[1]
    cookie = log_in(server, made)
    theirs, _, _ = server.call("POST", "job", {"action": "greet"})
    assert theirs == 201
    id_ = call_as(server, cookie, "POST", "job", {"action": "greet"})[1]["resource-id"]
    found = call_as(server, cookie, "GET", "job")[1]["resources"]
    assert [(job["id"], job["created-by"]) for job in found] == [(id_, made["resource-id"])]


def test_keys_give_no_more_than_their_maker_has(server: Server) -> None:
    admin_group = "group/nuvla-admin"
    id_, name = user(server, groups=[f"{ROLE}operator"])
    cookie = server.log_in(name, PASSWORD)
    for roles in ([f"{ROLE}executor"], [admin_group], [f"{ROLE}submitter", "action/*"], ["group/ops"]):
        assert key(server, roles, cookie)[0] == 403, roles
    status, made = key(server, [f"{ROLE}operator"], cookie)
    assert status == 201
    narrow = log_in(server, made)
    assert call_as(server, narrow, "GET", "queue")[0] == 200
    assert server.call("PUT", id_, {"groups": []})[0] == 200
    assert call_as(server, narrow, "GET", "queue")[0] == 403


def test_a_key_of_a_role_ends_with_who_could_give_it(server: Server) -> None:
    id_, name = user(server, groups=["group/nuvla-admin"])
    cookie = server.log_in(name, PASSWORD)
    made = key(server, [f"{ROLE}executor"], cookie)[1]
    executor = log_in(server, made)
    assert call_as(server, executor, "POST", "executor/f/attend", {"n": 1})[0] == 200
    assert server.call("PUT", id_, {"groups": []})[0] == 200
    assert call_as(server, executor, "POST", "executor/f/attend", {"n": 2})[0] == 403


def test_job_api_may_do_what_the_owner_of_the_job_may(server: Server) -> None:
    _, name = user(server, groups=[f"{ROLE}submitter", "action/report"])
    cookie = server.log_in(name, PASSWORD)
    id_ = call_as(server, cookie, "POST", "job", {"action": "report"})[1]["resource-id"]
    theirs = server.call("POST", "job", {"action": "secret"})[1]["resource-id"]
    made = key(server, [f"{ROLE}executor"])[1]
    hello = {"name": "x", "host": "h", "pid": 1, "version": "0", "processes": 1, "slots": 1, "actions": ["report"]}
    said = {"n": 1, "free": 1, "hello": hello}
    ((_, claim, granted, *_),) = call_as(server, log_in(server, made), "POST", "executor/g/attend", said)[1]["jobs"]
    assert granted == id_
    setup = Setup(api_url=server.url, threads=1, actions=[], entry_points=False, log_level="INFO")  # no credentials
    api = Clients(setup).connect(id_, claim)
    assert [job.id for job in api.search("job").resources] == [id_]
    child = api.add("job", {"action": "part", "parent-job": id_}).data["resource-id"]
    assert (
        call_as(server, cookie, "GET", child)[1]["created-by"] == call_as(server, cookie, "GET", id_)[1]["created-by"]
    )
    for refused in (lambda: api.get(theirs), lambda: api.add("job", {"action": "secret"})):
        with pytest.raises(NuvlaError) as caught:
            refused()
        assert caught.value.response.status_code == 403
    admin = server.admin
    everything = Clients(
        msgspec.structs.replace(setup, username=admin["username"], password=admin["password"], hands_out=True)
    )
    assert everything.connect(id_, claim).get(theirs).id == theirs
    assert server.call("POST", f"{id_}/cancel")[0] == 200
    with pytest.raises(Forbidden, match="no attempt with this Job-Hold"):
        Clients(setup).connect(id_, claim)


def test_the_commands_that_give_roles(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    def ran(*arguments: str) -> str:
        admin = server.admin
        who = ("--api-url", server.url, "--api-user", admin["username"], "--api-pass", admin["password"])
        assert run([*arguments, *who]) == 0, capsys.readouterr()
        return capsys.readouterr().out

    id_, name = user(server)
    ran("users", "edit", name, "--role", "submitter", "--action", "greet", "--action", "web*")
    groups = server.call("GET", id_)[1]["groups"]
    assert groups == [f"{ROLE}submitter", "action/greet", "action/web*"]
    ran("users", "edit", name, "--role", "viewer")
    assert server.call("GET", id_)[1]["groups"] == [f"{ROLE}viewer"]
    assert "job-engine-viewer" in ran("users", "list", name)
    made = json.loads(ran("keys", "add", "--role", "executor", "--json"))
    cookie = log_in(server, {"resource-id": made["key"], "secret-key": made["secret"]})
    assert call_as(server, cookie, "GET", "job")[0] == 403
    assert call_as(server, cookie, "POST", "executor/h/attend", {"n": 1})[0] == 200
    assert run(["users", "add", "x", "--role", "submitter", "--api-url", server.url]) == 2
    assert "--action" in capsys.readouterr().err
