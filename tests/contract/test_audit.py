"""The audit: what leaves an event, for whom, and that strangers cannot fill it."""

import json
import logging
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from job_engine.api import audit as module
from job_engine.api.types import TYPES
from job_engine.cli import run
from job_engine.dashboard import routes
from tests.contract.conftest import Server, serve
from tests.contract.test_confidential import page
from tests.contract.test_users import PASSWORD, by_key, call_as, group, key, user
from tests.integration.running import eventually


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines") / "audit.jsonl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, lines: Path) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GATHER_SECONDS", 0.05)
        yield from serve(tmp_path_factory.mktemp("data"), routes=routes(), audit_log=str(lines))


def events(server: Server, **wanted: Any) -> list[dict[str, Any]]:
    """Newest first, those that have these values."""
    status, body, _ = server.call("GET", "audit-event?orderby=id:desc")
    assert status == 200
    names = {name.replace("_", "-"): value for name, value in wanted.items()}
    return [event for event in body["resources"] if names.items() <= event.items()]


def add(server: Server, **document: Any) -> str:
    return str(server.call("POST", "job", {"action": "audited", **document})[1]["resource-id"])


def test_what_is_done_to_users_keys_and_groups(server: Server) -> None:
    admin = events(server, operation="session.add", user_name="admin")[-1]
    assert (admin["outcome"], admin["client-ip"], admin["detail"]) == ("success", "127.0.0.1", "password")
    id_, name = user(server)
    ops = group(server)
    cookie = server.log_in(name, PASSWORD)
    template = key(server, cookie)
    session = events(server, user=id_, operation="session.add")[0]["resource"]
    assert by_key(server, template)[0] == 201
    call_as(server, cookie, "DELETE", template["key"])
    call_as(server, cookie, "DELETE", session)
    server.call("PUT", ops, {"users": [id_]})
    server.call("PUT", id_, {"state": "DISABLED", "password": "another-horse"})
    server.call("DELETE", id_)
    server.call("DELETE", ops)
    told = [(event["operation"], event["resource"]) for event in reversed(events(server))]
    wanted = [
        ("user.add", id_), ("group.add", ops), ("session.add", session), ("credential.add", template["key"]),
        ("credential.delete", template["key"]), ("session.delete", session), ("group.edit", ops), ("user.edit", id_),
        ("user.delete", id_), ("group.delete", ops),
    ]  # fmt: skip
    assert [one for one in told if one in wanted] == wanted
    edited = events(server, operation="user.edit", resource=id_)[0]
    assert edited["detail"] == "state: DISABLED, password"
    assert events(server, operation="user.delete", resource=id_)[0]["resource-name"] == name
    assert PASSWORD not in json.dumps(events(server))
    assert template["secret"] not in json.dumps(events(server))


def test_what_is_done_to_jobs_and_distributions(server: Server) -> None:
    one, other = add(server), add(server)
    acl = {"owners": ["group/nuvla-admin"], "view-data": ["user/jane"]}
    server.call("POST", f"{one}/cancel")
    server.call("POST", f"{one}/retry")
    server.call("PUT", other, {"acl": acl})
    server.call("PUT", other, {"acl": acl, "name": "the rights stay"})
    server.call("DELETE", one)
    server.call("DELETE", f"job?filter=id='{other}'", headers={"bulk": "true"})
    server.call("POST", "distribution/report", {"distributor": "d", "distributions": [{"name": "nightly"}]})
    for operation in ("pause", "resume", "run"):
        assert server.call("POST", f"distribution/nightly/{operation}")[0] == 200
    told = [event["operation"] for event in reversed(events(server))]
    wanted = ["job.cancel", "job.retry", "job.edit-acl", "job.delete", "job.bulk-delete", "job.bulk-delete"]
    wanted += ["distribution.pause", "distribution.resume", "distribution.run"]
    assert [one for one in told if one in wanted] == wanted
    done, begun = events(server, operation="job.bulk-delete")
    assert (begun["detail"], done["detail"]) == (f"id='{other}'", f"1 jobs deleted: id='{other}'")


def test_what_is_done_to_sessions(server: Server) -> None:
    id_, name = user(server)
    ops = group(server)
    server.call("PUT", ops, {"users": [id_]})
    cookie = server.log_in(name, PASSWORD)
    session = events(server, user=id_, operation="session.add")[0]["resource"]
    assert call_as(server, cookie, "POST", f"{session}/switch-group", {"claim": ops})[0] == 200
    assert call_as(server, cookie, "POST", f"{session}/switch-group", {"claim": "group/others"})[0] == 403
    assert server.call("POST", f"{id_}/end-sessions")[0] == 200
    assert [event["outcome"] for event in events(server, operation="session.switch-group", user=id_)][-1] == "success"
    eventually(lambda: events(server, operation="session.switch-group", user=id_, outcome="refused"))
    ended = events(server, operation="user.end-sessions")[0]
    assert (ended["resource"], ended["user-name"], ended["outcome"]) == (id_, "admin", "success")


def test_sign_in_links_are_told_when_they_are_made_used_and_refused(server: Server) -> None:
    token = server.call("POST", "session/sign-in-token")[1]["token"]
    made = events(server, operation="session.sign-in-link")[0]
    assert (made["user-name"], made["outcome"], made["client-ip"]) == ("admin", "success", "127.0.0.1")
    for _ in range(2):  # it is good once
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", f"/sign-in?token={token}")
        connection.getresponse()
        connection.close()
    (used,) = events(server, operation="session.add", detail="sign-in", outcome="success")
    assert used["user-name"] == "admin"
    eventually(lambda: events(server, operation="session.add", outcome="refused"))
    assert token not in json.dumps(events(server))


UNTOLD = {
    "job POST", "job/ID PUT", "job/ID/token POST", "job/ID/get-context POST", "job/ID/wait POST", "job/ID/log POST",
    "job/ID/events POST", "job/ID/explain POST", "executor/ID/attend POST", "distribution/ID POST",
    "distribution/ID/tick POST", "status POST",
}  # fmt: skip
"""What changes something, or looks by POST, and leaves no event: the work itself, and its edits but for their ACL."""


def test_each_verb_is_audited_or_named_here() -> None:
    told, untold = set(), set()
    for name, type_ in TYPES.items():
        served = {name: type_.collection, f"{name}/ID": type_.one}
        served |= {f"{name}/ID/{action}": methods for action, methods in type_.actions.items()}
        for path, methods in served.items():
            for method, handler in methods.items():
                if method == "GET" or (method == "PUT" and path == name):  # a search with a form
                    continue
                (told if handler.__qualname__ == "watched.<locals>.audited" else untold).add(f"{path} {method}")
    assert untold == UNTOLD
    assert {"job/ID DELETE", "user POST", "queue/ID POST", "distribution/ID/pause POST"} <= told


def test_what_changes_nothing_leaves_no_event(server: Server) -> None:
    before = len(events(server))
    assert server.call("POST", "job/none/cancel")[0] == 404
    assert server.call("DELETE", "user/none")[0] == 404
    assert server.call("POST", "user", {"template": {}})[0] == 400
    assert len(events(server)) == before


def test_only_administrators_read_it_and_nobody_changes_it(server: Server) -> None:
    _, name = user(server)
    cookie = server.log_in(name, PASSWORD)
    event = events(server)[0]["id"]
    assert call_as(server, cookie, "GET", "audit-event")[0] == 403
    assert call_as(server, cookie, "GET", event)[0] == 403
    assert server.call("GET", event)[0] == 200
    for method in ("PUT", "DELETE", "POST", "PATCH"):
        assert server.call(method, event, {})[0] == 405
    assert server.call("POST", "audit-event", {})[0] == 405
    assert server.call("DELETE", "audit-event?filter=id!='x'", headers={"bulk": "true"})[0] == 405


def test_refusals_are_gathered_and_strangers_cannot_fill_it(server: Server) -> None:
    _, name = user(server)
    wrong = {"href": "session-template/password", "username": name, "password": "not-this-one"}
    for _ in range(25):
        server.call("POST", "session", {"template": wrong}, anonymous=True)
    eventually(lambda: events(server, user=name, outcome="refused"))
    eventually(lambda: events(server, user=name, outcome="locked out"))
    assert events(server, user=name)[0]["operation"] == "session.add"
    wrong = {"href": "session-template/api-key", "secret": "wrong"}
    for number in range(200):
        server.call("POST", "session", {"template": {**wrong, "key": f"stranger-{number}"}}, anonymous=True)
        assert server.call("DELETE", f"job/{number}", anonymous=True)[0] in (403, 404)
    eventually(lambda: events(server, user="others"))
    assert len(events(server, outcome="refused")) <= module.BURST + 2


def test_lines_are_the_same_events(server: Server, lines: Path) -> None:
    add(server)
    server.call("POST", f"{add(server)}/cancel")
    newest = {name: value for name, value in events(server)[0].items() if name != "acl"}
    eventually(lambda: newest in [json.loads(line) for line in lines.read_text().splitlines()])
    assert lines.stat().st_mode & 0o077 == 0


def test_the_page_and_the_command_show_it(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    id_, name = user(server)
    shown = page(server, server.cookie, f"/audit?filter=resource='{id_}'")
    assert "user.add" in shown
    assert name in shown
    assert "session.add" in page(server, server.cookie, "/audit?first=2")
    admin = server.admin
    connection = ["--api-url", server.url, "--api-user", admin["username"], "--api-pass", admin["password"]]
    assert run(["audit", "--operation", "user.", "--user", "admin", "--limit", "1", *connection]) == 0
    said = capsys.readouterr()
    assert [word in said.out for word in ("user.add", name, "admin", "127.0.0.1", "success")] == [True] * 5
    assert "more with --limit" in said.err
    assert run(["audit", "--filter", f"resource='{id_}'", "--json", *connection]) == 0
    assert json.loads(capsys.readouterr().out)[0]["operation"] == "user.add"


def test_it_is_bounded_by_age_and_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 5)
    monkeypatch.setattr(module, "CHUNK", 2)
    monkeypatch.setattr(module, "CLEAN_SECONDS", 0.05)
    for server in serve(tmp_path, keep_audit=3600.0):
        for _ in range(9):
            server.call("POST", f"{add(server)}/cancel")
        newest = events(server)[0]["id"]
        eventually(lambda server=server: len(events(server, operation="job.cancel")) == 5)
        assert events(server)[0]["id"] == newest
        assert events(server, operation="session.add"), "many of one kind do not remove those of another"
    for server in serve(tmp_path, keep_audit=0.0):
        eventually(lambda server=server: events(server) == [])


def test_the_log_gets_lines_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for server in serve(tmp_path, audit_log="-"):
        server.call("POST", f"{add(server)}/cancel")
    told = [json.loads(record.getMessage()) for record in caplog.records if record.name == "job_engine.audit"]
    assert [event["operation"] for event in told][-1] == "job.cancel"
    logging.getLogger("job_engine.audit").setLevel(logging.NOTSET)
