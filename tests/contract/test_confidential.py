"""What only administrators are told of executors, and what an action declares secret of arguments and results."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from job_engine.cli import run
from job_engine.dashboard import routes
from tests.contract.conftest import Server, serve
from tests.contract.test_users import PASSWORD, call_as, user
from tests.contract.test_wire import attend

HOST, MODULE, WHY, FILE = "vault-7.internal", "/srv/private/actions.py", "ImportError: no licence", "/srv/code/pay.py"
INTERNAL = (HOST, MODULE, WHY, FILE, "4711")
SECRET = "hunter-two"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    for server in serve(folder, routes=routes(), unknown_action_grace=3600.0):
        hello = {
            "name": f"{HOST}-ab12", "host": HOST, "pid": 4711, "version": "1", "processes": 1, "slots": 1,
            "actions": ["pay"], "details": {"pay": {"file": FILE, "secret": ["card"]}},
            "failed_imports": {MODULE: WHY},
        }  # fmt: skip
        assert attend(server, "payer", n=1, hello=hello)[0] == 200
        yield server


@pytest.fixture(scope="module")
def jane(server: Server) -> tuple[str, str]:
    """A user's id and cookie."""
    id_, name = user(server)
    return id_, server.log_in(name, PASSWORD)


def add(server: Server, jane: str, action: str, right: str = "view-data") -> str:
    payload = json.dumps({"card": SECRET, "amount": 3} if action == "pay" else {})
    acl = {"owners": ["group/nuvla-admin"], right: [jane]}
    status, body, _ = server.call("POST", "job", {"action": action, "payload": payload, "acl": acl})
    assert status == 201, body
    return str(body["resource-id"])


def page(server: Server, cookie: str, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"cookie": cookie})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def test_hosts_files_and_what_does_not_load_are_for_administrators(server: Server, jane: tuple[str, str]) -> None:
    id_, cookie = jane
    waits, runs = add(server, id_, "nobody-has-it"), add(server, id_, "pay")
    assert attend(server, "payer", n=2, free=1)[1]["jobs"][0][2] == runs
    paths = ["executor", "executor/payer", "action", "action/pay", f"{waits}/explain", f"{runs}/explain"]
    paths += [f"{runs}/events", 'executor?filter=host^="vault"', 'executor?filter=failed-imports!="x"']
    told = {path: json.dumps(call_as(server, cookie, "GET", path)) for path in paths}
    told |= {path: page(server, cookie, path) for path in ("/executors", f"/{waits}", f"/{runs}")}
    assert {path: [word for word in INTERNAL if word in said] for path, said in told.items()} == {
        path: [] for path in told
    }
    assert "ask an administrator" in told[f"{waits}/explain"]
    assert '"count": 0' in told[paths[7]]
    for path, words in (("executor", INTERNAL[:3]), ("action", (FILE,)), (f"{waits}/explain", (MODULE, WHY))):
        said = json.dumps(server.call("GET", path)[1])
        assert all(word in said for word in words), path
    assert WHY in page(server, server.cookie, "/executors")


def test_secret_arguments_are_for_who_may_change_the_job(server: Server, jane: tuple[str, str]) -> None:
    id_, cookie = jane
    seen, own = add(server, id_, "pay"), add(server, id_, "pay", "edit-data")
    query = f"job?filter=id='{seen}' or id='{own}'"
    for path in (seen, f"{seen}?select=payload", f"{seen}/wait?timeout=0", f"job?select=payload&filter=id='{seen}'"):
        status, answer = call_as(server, cookie, "GET", path.replace(" ", "%20"))
        assert status == 200
        assert SECRET not in json.dumps(answer)
        assert '"card\\":\\"***' in json.dumps(answer)
    assert SECRET in json.dumps(call_as(server, cookie, "GET", own))
    assert SECRET in json.dumps(server.call("GET", query.replace(" ", "%20"))[1]), "executors of Nuvla's read it so"
    guess = f"job?filter=id='{seen}' and payload^='{{\"card\":\"h'".replace(" ", "%20").replace('"', "%22")
    assert call_as(server, cookie, "GET", guess)[1]["count"] == 0
    assert server.call("GET", guess.replace("%22card%22:", "%22card%22:%20"))[1]["count"] == 1


def test_pages_and_commands_show_nobody_a_secret(
    server: Server, jane: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = add(server, jane[0], "pay")
    shown = page(server, server.cookie, f"/{id_}")
    assert SECRET not in shown
    assert "amount" in shown
    admin = server.admin
    connection = ["--api-url", server.url, "--api-user", admin["username"], "--api-pass", admin["password"]]
    for command in (["show", id_], ["show", id_, "--json"], ["jobs", "--json"]):
        assert run([*command, *connection]) == 0
        said = capsys.readouterr().out
        assert "amount" in said
        assert SECRET not in said


def test_secret_results(server: Server, jane: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    details = {"issue": {"secret": ["card", "token"]}, "draw": {"secret": ["card", "return"]}}
    hello = {"name": "i", "host": "h", "pid": 1, "version": "1", "processes": 1, "slots": 1, "actions": [*details]}
    attend(server, "issuer", n=1, hello={**hello, "details": details})
    acl = {"owners": ["group/nuvla-admin"], "view-acl": [jane[0]]}
    ids = {}
    for n, (action, result) in enumerate(
        {"issue": {"token": "abcdef", "said": [f"for {SECRET}"], "n": 7}, "draw": ["abcdef"]}.items()
    ):
        job = {"action": action, "payload": json.dumps({"card": SECRET}), "acl": acl}
        ids[action] = id_ = str(server.call("POST", "job", job)[1]["resource-id"])
        ((seq, claim, granted, *_),) = attend(server, "issuer", n=3 * n + 2, free=1)[1]["jobs"]
        assert granted == id_
        now = time.time()
        end = [seq, claim, "SUCCESS", now, now, 0, None, result]
        assert attend(server, "issuer", n=3 * n + 3, holds=[[seq, claim]], finished=[end])[0] == 200
    shown: dict[str, Any] = {"issue": {"token": "***", "said": ["for ***"], "n": 7}, "draw": "***"}
    for action, id_ in ids.items():
        query = f"job?select=result&filter=id='{id_}'"
        for path in (id_, f"{id_}/wait?timeout=0"):
            assert call_as(server, jane[1], "GET", path)[1]["result"] == shown[action]
            assert "abcdef" in json.dumps(server.call("GET", path)[1])
        (found,) = call_as(server, jane[1], "GET", query)[1]["resources"]
        assert found == {"result": shown[action]} | {key: found[key] for key in found.keys() - {"result"}}
        assert "payload" not in found
        for guess in (f"job?filter=id='{id_}'%20and%20result!='x'", f"job?aggregation=terms:result&filter=id='{id_}'"):
            assert call_as(server, jane[1], "GET", guess)[1]["count"] == 0
            assert server.call("GET", guess)[1]["count"] == 1
        page_ = page(server, server.cookie, f"/{id_}")
        assert run(["show", id_, "--json", "--api-url", server.url, *("--api-user", server.admin["username"]),
                    "--api-pass", server.admin["password"]]) == 0  # fmt: skip
        said = capsys.readouterr().out
        assert [text for text in (page_, said) if "abcdef" in text or SECRET in text] == []


def test_what_is_secret_is_known_without_an_executor_and_after_a_restart(
    folder: Path, server: Server, jane: Any
) -> None:
    id_ = add(server, jane[0], "pay")
    attend(server, "payer", n=3, leaving=True)
    copy = folder.parent / "copy"
    copy.mkdir()
    for name in ("record.db", "record.db-wal"):
        (copy / name).write_bytes((folder / name).read_bytes())
    for again in serve(copy):
        assert SECRET not in json.dumps(again.call("GET", f"{id_}?secrets=mask")[1])
