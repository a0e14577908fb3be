"""The table of rights: every verb as every kind of caller. A new verb or role is a line or a column here."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from job_engine.api.types import TYPES
from tests.unit.api.server import InProcess

Call = Callable[[str, str], tuple[int, Any]]


def _header(*claims: str) -> dict[str, str | None]:
    return {"nuvla-authn-info": " ".join(["user/x", "user/x", "group/nuvla-user", *claims])}


HEADERS: dict[str, dict[str, str | None]] = {
    "nobody": {"nuvla-authn-info": "user/anon"},
    "user": _header(),
    "submitter": _header("group/job-engine-submitter", "action/greet", "action/web*"),
    "viewer": _header("group/job-engine-viewer"),
    "operator": _header("group/job-engine-operator"),
    "executor": {"nuvla-authn-info": "credential/e credential/e group/job-engine-executor"},
    "administrator": {"nuvla-authn-info": "user/a group/nuvla-admin group/nuvla-admin"},
}
CALLERS = ("nobody", "user", "submitter", "viewer", "operator", "executor", "token", "administrator")
"""``token``: the action of a running job of ``user``."""

TABLE = """
                                       nobody user submitter viewer operator executor token administrator
GET    job                                no  yes       yes    yes      yes       no   yes  yes
POST   job                  greet         no   no       yes     no       no       no    no  yes
POST   job                  website       no   no       yes     no       no       no    no  yes
POST   job                  other         no   no        no     no       no       no    no  yes
POST   job                  child         no   no        no     no       no       no   yes  yes
DELETE job                  bulk          no   no        no     no       no       no    no  yes
GET    THEIRS                             no   no        no    yes      yes       no    no  yes
GET    THEIRS/explain                     no   no        no    yes      yes       no    no  yes
GET    THEIRS/events                      no   no        no    yes      yes       no    no  yes
GET    THEIRS/wait?timeout=0              no   no        no    yes      yes       no    no  yes
GET    THEIRS/log                         no   no        no     no      yes       no    no  yes
PUT    THEIRS               name          no   no        no     no       no       no    no  yes
POST   THEIRS/cancel                      no   no        no     no      yes       no    no  yes
POST   ENDED/retry                        no   no        no     no      yes       no    no  yes
POST   THEIRS/get-context                 no   no        no     no       no       no    no  yes
POST   HELD/timeout                       no   no        no     no       no       no    no  yes
POST   HELD/token           hold         yes  yes       yes    yes      yes      yes   yes  yes
DELETE THEIRS                             no   no        no     no       no       no    no  yes
GET    OWN                                no  yes       yes    yes      yes       no   yes  yes
GET    OWN/log                            no  yes       yes    yes      yes       no   yes  yes
PUT    OWN                  name          no  yes       yes    yes      yes       no   yes  yes
PUT    OWN                  owner         no   no        no     no       no       no    no  yes
POST   OWN/cancel                         no  yes       yes    yes      yes       no   yes  yes
DELETE OWN                                no  yes       yes    yes      yes       no   yes  yes
POST   RUNS/get-context                   no   no        no     no       no       no   yes  yes
GET    stream                             no  yes       yes    yes      yes       no   yes  yes
GET    executor                           no  yes       yes    yes      yes       no   yes  yes
GET    action                             no  yes       yes    yes      yes       no   yes  yes
POST   executor/1/attend    attend        no   no        no     no       no      yes    no  yes
GET    distribution                       no   no        no    yes      yes       no    no  yes
GET    distribution/d                     no   no        no    yes      yes      yes    no  yes
POST   distribution/d/pause               no   no        no     no      yes       no    no  yes
POST   distribution/d/run                 no   no        no     no      yes       no    no  yes
POST   distribution/d/resume              no   no        no     no      yes       no    no  yes
POST   distribution/d/tick  tick          no   no        no     no       no      yes    no  yes
POST   distribution/report  report        no   no        no     no       no      yes    no  yes
DELETE distribution/gone                  no   no        no     no       no       no    no  yes
GET    audit-event                        no   no        no     no      no       no    no  yes
GET    queue                              no   no        no    yes      yes       no    no  yes
POST   status                             no   no        no     no       no       no    no  yes
GET    user                               no  yes       yes    yes      yes       no   yes  yes
POST   user                 user          no   no        no     no       no       no    no  yes
GET    SOMEBODY/sessions                  no   no        no     no       no       no    no  yes
POST   SOMEBODY/end-sessions              no   no        no     no       no       no    no  yes
PUT    SOMEBODY             name          no   no        no     no       no       no    no  yes
POST   group                group         no   no        no     no       no       no    no  yes
GET    credential                         no  yes       yes    yes      yes       no   yes  yes
POST   credential           key           no  yes       yes    yes      yes       no    no  yes
POST   credential           greater       no   no        no     no       no       no    no  yes
GET    status                            yes  yes       yes    yes      yes      yes   yes  yes
GET    session                           yes  yes       yes    yes      yes      yes   yes  yes
GET    resource-metadata                 yes  yes       yes    yes      yes      yes   yes  yes
"""
numbers = itertools.count(1)


def rows() -> Iterator[tuple[str, str, str, str, bool]]:
    """Method, path, body, caller, and whether that is allowed."""
    for line in TABLE.strip().splitlines()[1:]:
        method, path, *rest = line.split()
        body = rest.pop(0) if len(rest) > len(CALLERS) else ""
        for caller, said in zip(CALLERS, rest, strict=True):
            yield method, path, body, caller, said == "yes"


class Scene:
    """Jobs of several kinds, made as they are needed."""

    def __init__(self, api: InProcess) -> None:
        self.api = api
        status, body = api.call("POST", "/api/user", _body("user", ""))
        assert status == 201, body
        self.somebody = str(body["resource-id"])

    def job(self, **more: Any) -> str:
        status, body = self.api.call("POST", "/api/job", {"action": f"a{next(numbers)}", **more})
        assert status == 201, body
        return str(body["resource-id"])

    def held(self, **more: Any) -> tuple[str, str]:
        """A job that an executor holds, and the header that says so."""
        action = f"h{next(numbers)}"
        id_ = self.job(action=action, **more)
        hello = {"name": "x", "host": "h", "pid": 1, "version": "0", "processes": 1, "slots": 1, "actions": [action]}
        said = {"n": 1, "free": 1, "hello": hello}
        status, answer = self.api.call("POST", f"/api/executor/{action}/attend", said)
        assert status == 200, answer
        ((_, claim, granted, *_),) = answer["jobs"]
        assert granted == id_
        return id_, f"{id_} {claim}"

    def token(self, id_: str, hold: str) -> dict[str, str | None]:
        status, answer = self.api.call("POST", f"/api/{id_}/token", None, {"job-hold": hold})
        assert status == 200, answer
        return {"cookie": answer["cookie"], "nuvla-authn-info": None}


@pytest.fixture(scope="module")
def scene(api: InProcess) -> Scene:
    api.call("POST", "/api/distribution/report", {"distributor": "d", "distributions": [{"name": "d"}]})
    return Scene(api)


def _body(name: str, running: str) -> Any:
    n = next(numbers)
    template = "credential-template/generate-api-key"
    return {
        "": None,
        "greet": {"action": "greet"},
        "website": {"action": "website"},
        "other": {"action": "other"},
        "child": {"action": "other", "parent-job": running},
        "name": {"name": f"n{n}"},
        "owner": {"acl": {"owners": ["group/nuvla-admin"], "edit-acl": ["user/x"]}},
        "attend": {"n": n},
        "tick": {"due": "2020-01-01T00:00:00Z", "jobs": []},
        "report": {"distributor": "d", "distributions": []},
        "user": {
            "template": {
                "href": "user-template/username-password", "username": f"u{n}", "password": "correct-horse-battery",
            }
        },
        "group": {"template": {"href": "group-template/generic", "group-identifier": f"g{n}"}},
        "key": {"template": {"href": template}},
        "greater": {"template": {"href": template, "roles": ["group/job-engine-ops"]}},
    }.get(name)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "caller", "allowed"), list(rows()))
def test_who_may_do_what(
    api: InProcess, scene: Scene, method: str, path: str, body: str, caller: str, allowed: bool
) -> None:
    own: dict[str, Any] = {"acl": {"owners": ["user/x"]}}
    headers: dict[str, str | None] = {}
    running = "job/none"
    if caller == "token" or "RUNS" in path or body == "child":
        running, hold = scene.held(**own)
    if path.startswith("HELD"):
        id_, held = scene.held()
        path, headers = path.replace("HELD", id_), {"job-hold": held}
    if "ENDED" in path:
        id_ = scene.job()
        api.call("POST", f"/api/{id_}/cancel")
        path = path.replace("ENDED", id_)
    if path == "distribution/gone":
        api.call("POST", "/api/distribution/report", {"distributor": "d", "distributions": [{"name": "gone"}]})
    if path.startswith("OWN"):
        path = path.replace("OWN", scene.job(**own))
    path = path.replace("RUNS", running).replace("SOMEBODY", scene.somebody)
    if path.startswith("THEIRS"):
        path = path.replace("THEIRS", scene.job())
    if body == "bulk":
        path, headers = "job?filter=action='nothing'".replace(" ", "+"), {"bulk": "true"}
    headers |= scene.token(running, hold) if caller == "token" else HEADERS[caller]
    if path == "stream" and allowed:
        return  # it would not end
    status, answer = api.call(method, f"/api/{path}", _body(body, running), headers)
    assert (status < 400) == allowed, (status, answer)
    assert allowed or status == 403, (status, answer)


def test_the_table_has_every_verb() -> None:
    """What the engine's own types serve and is not in the table is listed here."""
    listed = {(method, _kind(path)) for method, path, _, _, _ in rows()}
    known = {
        ("PUT", "audit-event"), ("GET", "audit-event/ID"),
        ("PUT", "job"), ("PUT", "session"), ("POST", "session"), ("PUT", "credential"), ("PUT", "user"),
        ("PUT", "group"), ("GET", "group"), ("PUT", "executor"), ("PUT", "action"), ("PUT", "distribution"),
        ("PUT", "resource-metadata"), ("GET", "cloud-entry-point"), ("POST", "session/ID"),
        ("GET", "session/ID"), ("DELETE", "session/ID"), ("POST", "session/ID/switch-group"),
        ("GET", "credential/ID"), ("DELETE", "credential/ID"), ("GET", "user/ID"),
        ("DELETE", "user/ID"), ("GET", "group/ID"), ("PUT", "group/ID"), ("DELETE", "group/ID"),
        ("GET", "executor/ID"), ("GET", "action/ID"), ("GET", "resource-metadata/ID"), ("POST", "queue/ID"),
        ("GET", "job/ID/get-context"), ("POST", "job/ID/wait"), ("POST", "job/ID/log"), ("POST", "job/ID/events"),
        ("POST", "job/ID/explain"),
    }  # fmt: skip
    served = set()
    for name, type_ in TYPES.items():
        served |= {(method, name) for method in type_.collection}
        served |= {(method, f"{name}/ID") for method in type_.one}
        served |= {(method, f"{name}/ID/{action}") for action, methods in type_.actions.items() for method in methods}
    assert served <= listed | known, sorted(served - listed - known)


def _kind(path: str) -> str:
    path = path.partition("?")[0].replace("SOMEBODY", "user/1")
    for name in ("THEIRS", "OWN", "HELD", "ENDED", "RUNS"):
        path = path.replace(name, "job/1")
    type_, _, rest = path.partition("/")
    action = rest.partition("/")[2]
    return type_ + ("/ID" if rest else "") + (f"/{action}" if action else "")


def test_a_search_finds_what_its_caller_sees(api: InProcess, scene: Scene) -> None:
    mine, theirs = scene.job(acl={"owners": ["user/x"]}), scene.job()
    for caller, seen in (
        ("user", {mine}),
        ("submitter", {mine}),
        ("viewer", {mine, theirs}),
        ("operator", {mine, theirs}),
    ):
        found = api.call("GET", f"/api/job?filter=id=['{mine}'+'{theirs}']", None, HEADERS[caller])[1]["resources"]
        assert {job["id"] for job in found} == seen, caller


def test_operations_are_what_the_role_may(api: InProcess, scene: Scene) -> None:
    id_ = scene.job()
    for caller, expected in (("viewer", []), ("operator", ["cancel"])):
        found = api.call("GET", f"/api/{id_}", None, HEADERS[caller])[1]
        assert [operation["rel"] for operation in found.get("operations", [])] == expected, caller
    shown = api.call("GET", "/api/distribution/d", None, HEADERS["viewer"])[1]
    assert "operations" not in shown


def test_who_made_a_job_is_not_the_submitters_to_say(api: InProcess) -> None:
    sent: dict[str, Any] = {"action": "greet", "created-by": "user/a"}
    id_ = api.call("POST", "/api/job", sent, HEADERS["submitter"])[1]["resource-id"]
    job = api.call("GET", f"/api/{id_}")[1]
    assert (job["created-by"], job["acl"]["owners"]) == ("user/x", ["user/x"])
    sent = {"action": "greet", "acl": {"owners": ["user/x", "group/nuvla-admin"]}}
    status, body = api.call("POST", "/api/job", sent, HEADERS["submitter"])
    assert (status, "group/nuvla-admin the owner" in body["message"]) == (403, True)
    status, body = api.call("POST", "/api/job", [{"action": "greet"}, {"action": "rm"}], HEADERS["submitter"])
    assert (status, body["message"]) == (403, "credentials required: your role does not name the action rm")


def test_a_tick_is_in_the_administrators_name(api: InProcess) -> None:
    tick = {"due": "2026-01-01T00:00:00Z", "jobs": [{"action": "ticked"}]}
    answer = api.call("POST", "/api/distribution/d2/tick", tick, HEADERS["executor"])[1]
    job = api.call("GET", f"/api/{answer['resource-ids'][0]}")[1]
    assert (job["acl"]["owners"], job["created-by"]) == (["group/nuvla-admin"], "credential/e")


def test_a_token_ends_with_its_attempt(api: InProcess, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("job_engine.api.identity.TOKEN_KNOWN_FOR", 0.0)
    id_, hold = scene.held(acl={"owners": ["user/x"]})
    token = scene.token(id_, hold)
    assert api.call("GET", f"/api/{id_}", None, token)[0] == 200
    assert api.call("POST", f"/api/{id_}/token", None, {"job-hold": f"{id_} 99"})[0] == 403
    assert api.call("POST", f"/api/{id_}/cancel")[0] == 200
    assert api.call("GET", f"/api/{id_}", None, token)[0] == 403
    assert api.call("POST", f"/api/{id_}/token", None, {"job-hold": hold})[0] == 403


def test_a_token_is_the_owners_and_no_more(api: InProcess, scene: Scene) -> None:
    """An administrator's job may do what administrators may; children belong to the job's owner."""
    id_, hold = scene.held(acl={"owners": ["group/nuvla-admin"]})
    assert api.call("GET", "/api/queue", None, scene.token(id_, hold))[0] == 200
    id_, hold = scene.held(acl={"owners": ["group/team"]})
    token = scene.token(id_, hold)
    child = api.call("POST", "/api/job", {"action": "any", "parent-job": id_}, token)[1]["resource-id"]
    job = api.call("GET", f"/api/{child}", None, token)[1]
    assert (job["acl"]["owners"], job["created-by"], job["parent-job"]) == (["group/team"], "group/team", id_)
    other = scene.job()
    assert api.call("POST", "/api/job", {"action": "any", "parent-job": other}, token)[0] == 403


def test_nothing_that_a_token_makes_outlives_its_job(api: InProcess, scene: Scene) -> None:
    template = {"href": "user-template/username-password", "username": "boss", "password": "correct horse battery"}
    sent = {"template": {**template, "groups": ["group/nuvla-admin"]}}
    owner = api.call("POST", "/api/user", sent)[1]["resource-id"]
    id_, hold = scene.held(acl={"owners": [owner]})
    token = scene.token(id_, hold)
    assert api.call("GET", "/api/queue", None, token)[0] == 200, "an administrator's"
    key = {"template": {"href": "credential-template/generate-api-key"}}
    for path, body in (("credential", key), ("session/sign-in-token", {})):
        status, answer = api.call("POST", f"/api/{path}", body, token)
        assert (status, "outlive the job" in answer["message"]) == (403, True), path
