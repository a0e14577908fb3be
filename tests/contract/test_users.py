"""Users and groups: edited, disabled and deleted; what they had ends at once."""

import http.client
from typing import Any

import pytest
from nuvla.api import NuvlaError

from job_engine.api import job_follow
from tests.contract.conftest import Server
from tests.integration.running import unique

PASSWORD = "correct-horse"


def user(server: Server, **more: Any) -> tuple[str, str]:
    """A new user's id and name."""
    name = unique("jane")
    template = {"href": "user-template/username-password", "username": name, "password": PASSWORD, **more}
    status, body, _ = server.call("POST", "user", {"template": template})
    assert status == 201, body
    return body["resource-id"], name


def group(server: Server) -> str:
    template = {"href": "group-template/generic", "group-identifier": unique("ops")}
    status, body, _ = server.call("POST", "group", {"template": template})
    assert status == 201, body
    return str(body["resource-id"])


def call_as(server: Server, cookie: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    status, answer, _ = server.call(method, path, body, {"cookie": cookie}, anonymous=True)
    return status, answer


def key(server: Server, cookie: str) -> dict[str, str]:
    template = {"href": "credential-template/generate-api-key"}
    status, made = call_as(server, cookie, "POST", "credential", {"template": template})
    assert status == 201, made
    return {"href": "session-template/api-key", "key": made["resource-id"], "secret": made["secret-key"]}


def by_key(server: Server, template: dict[str, str]) -> tuple[int, str]:
    status, _, headers = server.call("POST", "session", {"template": template}, anonymous=True)
    return status, headers.get("set-cookie", "").split(";")[0]


def jobs(server: Server, cookie: str) -> int:
    return call_as(server, cookie, "GET", "job")[0]


@pytest.mark.parametrize("how", ["disabled", "deleted"])
def test_sessions_and_keys_end_with_their_user(server: Server, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_follow, "PULSE", 0.1)
    id_, name = user(server)
    cookies = [server.log_in(name, PASSWORD)]
    template = key(server, cookies[0])
    cookies.append(by_key(server, template)[1])
    assert [jobs(server, cookie) for cookie in cookies] == [200, 200]
    stream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    stream.request("GET", "/api/stream", headers={"cookie": cookies[0]})
    events = stream.getresponse()
    assert events.readline() == b": hello\n"
    if how == "disabled":
        status, body, _ = server.call("PUT", id_, {"state": "DISABLED"})
        assert (status, body["state"]) == (200, "DISABLED")
    else:
        assert server.call("DELETE", id_)[0] == 200
        assert server.call("GET", id_)[0] == 404
    assert [jobs(server, cookie) for cookie in cookies] == [403, 403]
    server.call("POST", "job", {"action": "wakes-the-stream"})
    assert b"changed" not in events.read()
    stream.close()
    with pytest.raises(AssertionError, match="invalid credentials"):
        server.log_in(name, PASSWORD)
    assert by_key(server, template)[0] == 403
    if how == "disabled":
        assert server.call("PUT", id_, {"state": "ACTIVE"})[0] == 200
        assert jobs(server, by_key(server, template)[1]) == 200
        assert jobs(server, cookies[0]) == 403
        assert jobs(server, server.log_in(name, PASSWORD)) == 200


def test_the_name_of_a_deleted_user_is_free(server: Server) -> None:
    id_, name = user(server)
    api = server.admin_api()
    api.delete(id_)
    template = {"href": "user-template/username-password", "username": name, "password": "another-horse"}
    assert server.call("POST", "user", {"template": template})[0] == 201
    assert jobs(server, server.log_in(name, "another-horse")) == 200


def test_an_administrator_edits(server: Server) -> None:
    id_, name = user(server)
    _, other = user(server)
    cookie = server.log_in(name, PASSWORD)
    new = unique("joan")
    status, found, _ = server.call("PUT", id_, {"name": new, "description": "d", "password": "another-horse"})
    assert (status, found["name"], found["description"]) == (200, new, "d")
    assert jobs(server, cookie) == 403
    assert jobs(server, server.log_in(new, "another-horse")) == 200
    for old in ((name, "another-horse"), (new, PASSWORD)):
        with pytest.raises(AssertionError):
            server.log_in(*old)
    for wrong, expected in (
        ({"name": other}, 409),
        ({"state": "AWAY"}, 400),
        ({"stat": "DISABLED"}, 400),
        ({"password": "short"}, 400),
        ({"groups": ["group/nuvla-user"]}, 400),
        ({"groups": "group/x"}, 400),
        ([], 400),
    ):
        assert server.call("PUT", id_, wrong)[0] == expected, wrong
    assert server.call("PUT", id_, found)[0] == 200, "what was read may be sent back"
    assert server.call("PUT", "user/none", {"state": "DISABLED"})[0] == 404


def test_people_change_their_password_with_the_old_one(server: Server) -> None:
    id_, name = user(server)
    other, _ = user(server)
    cookie, elsewhere = server.log_in(name, PASSWORD), server.log_in(name, PASSWORD)
    new = {"password": "another-horse"}
    assert call_as(server, cookie, "PUT", id_, new)[0] == 400
    assert call_as(server, cookie, "PUT", id_, {**new, "old-password": "wrong"})[0] == 403
    assert call_as(server, cookie, "PUT", other, {**new, "old-password": PASSWORD})[0] == 403
    for more in ({"state": "DISABLED"}, {"groups": ["group/nuvla-admin"]}, {"name": "x"}, {"acl": {}}):
        assert call_as(server, cookie, "PUT", id_, more)[0] == 403, more
    assert call_as(server, cookie, "DELETE", id_)[0] == 403
    assert call_as(server, cookie, "PUT", id_, {**new, "old-password": PASSWORD})[0] == 200
    assert (jobs(server, cookie), jobs(server, elsewhere)) == (200, 403)
    assert jobs(server, server.log_in(name, "another-horse")) == 200


def test_the_administrator_of_the_folder_stays(server: Server) -> None:
    api = server.admin_api()
    id_ = api.search("user", filter="name='admin'").resources[0].id
    credential = api.get(id_).data["credential-password"]
    for change in ({"state": "DISABLED"}, {"groups": []}, {"name": "root"}, {"password": "another-horse"}):
        assert server.call("PUT", id_, change)[0] == 409, change
    for gone in (id_, credential, "group/nuvla-admin"):
        with pytest.raises(NuvlaError) as caught:
            api.delete(gone)
        assert caught.value.response.status_code == 409
    assert server.call("PUT", "group/nuvla-admin", {"users": []})[0] == 409
    assert jobs(server, server.log_in("admin", server.admin["password"])) == 200


def test_groups(server: Server) -> None:
    id_, name = user(server)
    ops = group(server)
    acl = {"owners": ["group/nuvla-admin"], "view-data": [ops]}
    job = server.call("POST", "job", {"action": "x", "acl": acl})[1]["resource-id"]
    cookie = server.log_in(name, PASSWORD)
    assert call_as(server, cookie, "PUT", ops, {"users": [id_]})[0] == 403
    assert server.call("PUT", ops, {"users": [id_, "user/none"]})[0] == 400
    assert server.call("PUT", ops, {"users": [id_]})[1]["users"] == [id_]
    assert call_as(server, cookie, "GET", job)[0] == 403, "a member acts for the group after a switch"
    session = call_as(server, cookie, "GET", "session")[1]["resources"][0]["id"]
    _, _, headers = server.call("POST", f"{session}/switch-group", {"claim": ops}, {"cookie": cookie}, anonymous=True)
    switched = headers["set-cookie"].split(";")[0]
    assert call_as(server, switched, "GET", job)[0] == 200
    template = key(server, switched)
    call_as(server, switched, "POST", f"{session}/switch-group", {"claim": id_})
    assert server.call("PUT", ops, {"users": []})[0] == 200
    assert call_as(server, switched, "GET", job)[0] == 403
    assert by_key(server, template)[0] == 403, "a key that acted for the group"


def test_groups_that_sessions_act_for_at_once(server: Server) -> None:
    ops = group(server)
    id_, name = user(server, groups=[ops, "group/nuvla-admin"])
    acl = {"owners": ["group/x"], "view-data": [ops]}
    job = server.call("POST", "job", {"action": "x", "acl": acl})[1]["resource-id"]
    cookie = server.log_in(name, PASSWORD)
    assert call_as(server, cookie, "POST", "job", {"action": "x"})[0] == 201
    assert server.call("PUT", id_, {"groups": [ops]})[1]["groups"] == [ops]
    assert jobs(server, cookie) == 403
    cookie = server.log_in(name, PASSWORD)
    assert call_as(server, cookie, "POST", "job", {"action": "x"})[0] == 403
    assert call_as(server, cookie, "GET", job)[0] == 200
    assert server.call("DELETE", ops)[0] == 200
    assert call_as(server, cookie, "GET", job)[0] == 403
    assert server.call("GET", id_)[1]["groups"] == []


def test_groups_are_made_by_administrators_with_names_of_their_own(server: Server) -> None:
    _, name = user(server)
    made = {"template": {"href": "group-template/generic", "group-identifier": unique("x")}}
    assert call_as(server, server.log_in(name, PASSWORD), "POST", "group", made)[0] == 403
    assert server.call("POST", "group", made)[0] == 201
    assert server.call("POST", "group", made)[0] == 409
    for wrong in ("nuvla-admin", "nuvla-x", "A", "a b", "", None, "a/b", "x" * 300):
        template = {"href": "group-template/generic", "group-identifier": wrong}
        assert server.call("POST", "group", {"template": template})[0] == 400, wrong


def test_the_sessions_of_a_key_end_with_it(server: Server) -> None:
    _, name = user(server)
    cookie = server.log_in(name, PASSWORD)
    template = key(server, cookie)
    session = by_key(server, template)[1]
    assert jobs(server, session) == 200
    assert call_as(server, cookie, "DELETE", template["key"])[0] == 200
    assert (jobs(server, session), jobs(server, cookie)) == (403, 200)


def test_people_list_and_end_their_sessions(server: Server) -> None:
    id_, name = user(server)
    mine, other, third = (server.log_in(name, PASSWORD) for _ in range(3))
    by_a_key = by_key(server, key(server, mine))[1]
    status, found = call_as(server, mine, "GET", f"{id_}/sessions")
    assert (status, found["count"]) == (200, 4)
    assert [session["current"] for session in found["resources"]] == [False, False, False, True]
    assert (found["resources"][0]["method"], "made-with" in found["resources"][0]) == ("api-key", True)
    assert all(session["client-ip"] == "127.0.0.1" for session in found["resources"])
    assert call_as(server, mine, "GET", "session")[1]["count"] == 1, "a query is for one's own, as at Nuvla"
    stranger = server.log_in(user(server)[1], PASSWORD)
    for method, path in (("GET", f"{id_}/sessions"), ("POST", f"{id_}/end-sessions")):
        assert call_as(server, stranger, method, path)[0] == 403
    assert call_as(server, stranger, "DELETE", found["resources"][2]["id"])[0] == 403
    assert call_as(server, mine, "DELETE", found["resources"][2]["id"])[0] == 200
    assert [jobs(server, cookie) for cookie in (mine, other, third, by_a_key)] == [200, 403, 200, 200]
    assert call_as(server, mine, "POST", f"{id_}/end-sessions")[0] == 200
    assert [jobs(server, cookie) for cookie in (mine, third, by_a_key)] == [200, 403, 403]
    assert server.call("POST", f"{id_}/end-sessions")[0] == 200
    assert jobs(server, mine) == 403


def test_a_session_that_acts_for_a_group_does_not_see_its_user_s(server: Server) -> None:
    ops = group(server)
    id_, name = user(server)
    assert server.call("PUT", ops, {"users": [id_]})[0] == 200
    cookie, other = server.log_in(name, PASSWORD), server.log_in(name, PASSWORD)
    session = call_as(server, cookie, "GET", "session")[1]["resources"][0]["id"]
    _, _, headers = server.call("POST", f"{session}/switch-group", {"claim": ops}, {"cookie": cookie}, anonymous=True)
    narrowed = headers["set-cookie"].split(";")[0]
    assert call_as(server, narrowed, "GET", f"{id_}/sessions")[0] == 403
    elsewhere = call_as(server, other, "GET", "session")[1]["resources"][0]["id"]
    assert call_as(server, narrowed, "DELETE", elsewhere)[0] == 403


def test_the_key_of_the_administrators_file_stays(server: Server) -> None:
    admin = server.admin
    status, cookie = by_key(
        server, {"href": "session-template/api-key", "key": admin["key"], "secret": admin["secret"]}
    )
    assert (status, call_as(server, cookie, "POST", "job", {"action": "x"})[0]) == (201, 201)
    assert server.call("DELETE", admin["key"])[0] == 409
