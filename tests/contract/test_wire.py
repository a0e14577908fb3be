"""What is said on the wire, looked at without a client between."""

import contextlib
import gzip
import http.client
import json
import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.contract.conftest import Server, serve

JSON = {"content-type": "application/json"}


def add(server: Server, **document: Any) -> str:
    status, body, headers = server.call("POST", "job", {"action": "x", **document})
    assert status == 201, body
    assert headers["location"] == body["resource-id"]
    return body["resource-id"]


def attend(server: Server, executor: str, **said: Any) -> tuple[int, Any]:
    status, body, _ = server.call("POST", f"executor/{executor}/attend", said)
    return status, body


def hello(*actions: str) -> dict[str, Any]:
    return {
        "name": "e", "host": "h", "pid": 1, "version": "0", "processes": 1, "slots": 4, "actions": list(actions),
    }  # fmt: skip


def claim(server: Server, executor: str, action: str, **said: Any) -> list[Any]:
    """[seq, claim, id, ...] of the one job that the executor gets."""
    status, body = attend(server, executor, n=1, free=1, hello=hello(action), **said)
    assert status == 200, body
    (granted,) = body["jobs"]
    return granted


def test_errors(server: Server) -> None:
    for method, path, body, expected in (
        ("GET", "job/nothing", None, {"status": 404, "message": "job/nothing not found", "resource-id": "job/nothing"}),
        ("GET", "job/nothing/frob", None, {"status": 404, "message": "undefined action (frob) for job/nothing"}),
        ("PATCH", "job", None, {"status": 405, "message": "invalid method (patch) for job"}),
        ("GET", "thing", None, {"status": 405, "message": "invalid method (get) for /api/thing"}),
    ):
        status, answer, headers = server.call(method, path, body)
        assert (status, answer) == (expected["status"], expected)
        assert headers["content-type"] == "application/json"
    status, answer, _ = server.call("GET", "job", anonymous=True)
    assert (status, answer["message"]) == (403, "credentials required")
    id_ = add(server)
    status, answer, _ = server.call("GET", id_, anonymous=True)
    assert (status, answer) == (403, {"status": 403, "message": f"invalid credentials for '{id_}'", "resource-id": id_})
    status, answer, _ = server.call("POST", "job", {"action": "x", "priority": 1000})
    assert status == 400
    assert "'priority'" in answer["message"]


def test_a_body_that_is_too_large_is_not_read(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", "/api/job")
    connection.putheader("cookie", server.cookie)
    connection.putheader("content-length", str(1 << 40))
    connection.endheaders(b"{")
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["status"] == 413
    assert response.getheader("connection") == "close"
    connection.close()


def test_many_jobs_at_once(server: Server) -> None:
    status, body, _ = server.call("POST", "job", [{"action": "many", "name": str(n)} for n in range(250)])
    assert (status, body["status"], body["message"]) == (201, 201, "250 jobs created")
    found = server.call("GET", "job?filter=action='many'&select=name")[1]
    assert [job["name"] for job in found["resources"]] == [str(n) for n in range(250)]
    assert [job["id"] for job in found["resources"]] == body["resource-ids"]


def test_an_add_is_repeated_by_its_key(server: Server) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = server.call("POST", "job", {"action": "key"}, key)[1]["resource-id"]
    assert server.call("POST", "job", {"action": "key"}, key)[1]["resource-id"] == first
    many = [server.call("POST", "job", [{"action": "key"}] * 3, {"Idempotency-Key": "k-2"})[1] for _ in range(2)]
    assert many[0] == many[1]
    again = [add(server, action="key", **{"idempotency-key": "k-3"}) for _ in range(2)]
    assert again[0] == again[1]
    assert server.call("GET", "job?filter=action='key'&last=0")[1]["count"] == 5


def test_large_answers_are_compressed_when_asked(server: Server) -> None:
    id_ = add(server, payload=json.dumps("x" * 10_000))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", f"/api/{id_}", headers={"cookie": server.cookie, "accept-encoding": "gzip"})
    response = connection.getresponse()
    assert response.getheader("content-encoding") == "gzip"
    assert json.loads(gzip.decompress(response.read()))["id"] == id_
    connection.close()
    assert "content-encoding" not in server.call("GET", id_)[2]


def test_a_hold_is_known_to_its_holder_only(server: Server) -> None:
    ids = [add(server, action="secret-hold") for _ in range(2)]
    (seq, known, *_), (other, unknown, *_) = (claim(server, f"holder-{n}", "secret-hold") for n in range(2))
    for guess in {1, known, known + 1, known + other - seq}:  # by who may edit the job and knows of another claim
        hold = {"Job-Hold": f"{ids[1]} {guess}"}
        assert server.call("PUT", ids[1], {"state": "SUCCESS"}, hold)[0] == 409, "the number of a claim was guessed"
    status, document, _ = server.call("GET", ids[1])
    assert (status, document["state"], str(unknown) in json.dumps(document)) == (200, "RUNNING", False)
    for operation in ("explain", "events"):
        assert str(unknown) not in json.dumps(server.call("POST", f"{ids[1]}/{operation}")[1])
    assert server.call("PUT", ids[1], {"state": "SUCCESS"}, {"Job-Hold": f"{ids[1]} {unknown}"})[0] == 200


def test_only_the_holder_writes(server: Server) -> None:
    id_ = add(server, action="held", name="n")
    seq, number, granted, *_ = claim(server, "holder", "held")
    assert granted == id_
    for changes in (
        {"state": "RUNNING"},
        {"progress": 5},
        {"state": "SUCCESS"},
        {"status-message": "x"},
        {"return-code": 1},
        {"output": "x"},
    ):
        status, body, _ = server.call("PUT", id_, changes)
        assert status == 409, body
        assert server.call("PUT", id_, changes, {"Job-Hold": f"{id_} {number + 1}"})[0] == 409
    status, document, _ = server.call("PUT", id_, {"name": "other"})
    assert (status, document["name"]) == (200, "other")
    whole = server.call("GET", id_)[1]
    assert server.call("PUT", id_, whole)[0] == 200, "sending back what was read changes nothing, so nobody is refused"
    hold = {"Job-Hold": f"{id_} {number}"}
    status, document, _ = server.call("PUT", id_, {"progress": 40}, hold)
    assert (status, document["progress"], document["attempt"]) == (200, 40, 1)
    other = add(server, action="other")
    assert server.call("PUT", other, {"progress": 1}, hold)[0] == 200, "a hold says nothing of other documents"
    for request in (("DELETE", id_), ("POST", f"{id_}/cancel")):
        assert server.call(*request, None, {"Job-Hold": f"{id_} {number + 1}"})[0] == 409
    status, document, _ = server.call("PUT", id_, {"state": "SUCCESS", "return-code": 0}, hold)
    assert (status, document["state"]) == (200, "SUCCESS")
    status, body, _ = server.call("PUT", id_, {"progress": 50}, hold)
    assert (status, body["message"]) == (409, "edit is not allowed in final state")
    status, answer = attend(server, "holder", n=2, holds=[[seq, number]])
    assert [item[:2] for item in answer["interrupt"]] == [[seq, number]]


def test_a_parked_attend_is_served_by_an_add_and_by_a_cancel(server: Server) -> None:
    assert attend(server, "parked", n=1, hello=hello("parked"))[0] == 200
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(attend, server, "parked", n=2, free=1, wait=3.0)
        until(lambda: server.app.state.executors.alive["parked"].n == 2)
        id_ = add(server, action="parked")
        seq, number, granted, *_ = waiting.result(10)[1]["jobs"][0]
        assert granted == id_
        waiting = pool.submit(attend, server, "parked", n=3, wait=3.0, holds=[[seq, number]])
        until(lambda: server.app.state.executors.alive["parked"].n == 3)
        assert server.call("POST", f"{id_}/cancel")[1]["state"] == "CANCELED"
        assert waiting.result(10)[1]["interrupt"] == [[seq, number, "canceled"]]
    assert attend(server, "parked", n=3)[0] == 409, "an older attend that comes late is refused"
    executor = server.call("GET", "executor/parked")[1]
    assert (executor["name"], executor["actions"], executor["slots"]) == ("e", ["parked"], 4)
    assert "executor/parked" in [
        e["id"] for e in server.call("GET", "executor?filter=actions='parked'")[1]["resources"]
    ]
    actions = server.call("GET", "action?filter=name='parked'")[1]["resources"]
    assert actions == [
        {"id": "action/parked", "resource-type": "action", "name": "parked", "executors": ["executor/parked"]}
    ]


def test_wait_ends_when_the_job_does(server: Server) -> None:
    id_ = add(server, action="waited")
    assert server.call("GET", f"{id_}/wait?timeout=0")[1]["state"] == "QUEUED"
    with ThreadPoolExecutor(2) as pool:
        final = pool.submit(server.call, "GET", f"{id_}/wait?timeout=20&select=state")
        since = server.call("GET", id_)[1]["updated"]
        changed = pool.submit(server.call, "GET", f"{id_}/wait?timeout=20&since={since}")
        until(lambda: len(server.app.state.changes._one.get(id_, ())) == 2)
        server.call("PUT", id_, {"progress": 30})
        assert changed.result(10)[1]["progress"] == 30
        assert not final.done()
        server.call("PUT", id_, {"state": "FAILED"})
        assert final.result(10)[1] == {"id": id_, "state": "FAILED"}
        gone = add(server, action="waited")
        deleted = pool.submit(server.call, "GET", f"{gone}/wait")
        until(lambda: gone in server.app.state.changes._one)
        server.call("DELETE", gone)
        assert deleted.result(10)[0] == 404
    until(lambda: not server.app.state.changes._one)


def test_retry_makes_a_new_job(server: Server) -> None:
    engines = ["/job/entries/entry-005-0000000001", "monitor"]  # where its entry was, and that it was watched
    target = {"href": "a/1"}
    id_ = add(
        server,
        action="again",
        payload='{"a": 1}',
        priority=5,
        tags=["t", *engines],
        **{"target-resource": target},
    )
    assert server.call("POST", f"{id_}/retry")[0] == 409
    server.call("POST", f"{id_}/cancel")
    status, body, headers = server.call("POST", f"{id_}/retry")
    assert (status, headers["location"]) == (201, body["resource-id"])
    again = server.call("GET", body["resource-id"])[1]
    assert again["id"] != id_
    assert (again["retry-of"], again["state"], again["payload"]) == (id_, "QUEUED", '{"a": 1}')
    assert (again["priority"], again["tags"], again["target-resource"]) == (5, ["t"], target)
    assert "retry" in [operation["rel"] for operation in server.call("GET", id_)[1]["operations"]]


def test_log_and_history(server: Server) -> None:
    id_ = add(server, action="logged")
    seq, number, *_ = claim(server, "logger", "logged")
    lines = [[n, time.time(), "INFO", f"line {n}"] for n in range(1, 6)]
    attend(
        server,
        "logger",
        n=2,
        holds=[[seq, number]],
        writes=[[seq, number, time.time(), {"progress": 20}, None, lines]],
    )
    log = server.call("GET", f"{id_}/log")[1]
    assert [line["text"] for line in log["lines"]] == [f"line {n}" for n in range(1, 6)]
    assert (log["next"], log["end"]) == ("1.5", False)
    assert [line["n"] for line in server.call("GET", f"{id_}/log?last=2")[1]["lines"]] == [4, 5]
    assert server.call("GET", f"{id_}/log?after=1.4")[1]["lines"][0]["text"] == "line 5"
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(server.call, "GET", f"{id_}/log?after=1.5&wait=20")
        until(lambda: id_ in server.app.state.changes._one)
        now = time.time()
        finished = [[seq, number, "SUCCESS", now, now, 0, "done"]]
        attend(server, "logger", n=3, holds=[[seq, number]], finished=finished)
        assert following.result(10)[1] == {"id": id_, "lines": [], "next": "1.5", "end": True}
    events = server.call("GET", f"{id_}/events")[1]["events"]
    assert [event["kind"] for event in events] == ["added", "claimed", "success"]
    assert events[1]["executor"] == "executor/logger"
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_who_says_running_takes_a_job_that_nobody_holds(server: Server) -> None:
    id_ = add(server, action="foreign")
    for attempt in (1, 2):  # the second one has found its entry after the first one died
        status, document, _ = server.call("PUT", id_, {"state": "RUNNING"})
        assert (status, document["state"], document["attempt"]) == (200, "RUNNING", attempt)
    whole = server.call("GET", id_)[1]
    assert server.call("PUT", id_, whole)[1]["attempt"] == 2, "sending back what was read takes nothing"
    assert server.call("PUT", id_, {"progress": 5})[1]["attempt"] == 2
    assert server.call("GET", f"{id_}/explain")[1]["condition"] == "detached"
    assert server.call("PUT", id_, {"state": "SUCCESS"})[0] == 200


def test_explain(server: Server) -> None:
    waiting = add(server, action="nobody-has-it", **{"not-before": "2099-01-01T00:00:00Z"})
    told = server.call("GET", f"{waiting}/explain")[1]
    assert (told["state"], told["condition"]) == ("QUEUED", "waiting")
    assert [term["met"] for term in told["terms"]] == [True, False, True, False]
    assert told["summary"].startswith("It waits until 2099-01-01T00:00:00.000Z (in ")
    assert "and for an executor that has the action nobody-has-it" in told["summary"]
    assert "nobody-has-it" in told["summary"]
    assert attend(server, "able", n=1, hello=hello("able"))[0] == 200
    first, second = add(server, action="able", priority=0), add(server, action="able", priority=1)
    assert server.call("GET", f"{first}/explain")[1]["condition"] == "ready"
    assert server.call("GET", f"{second}/explain")[1]["summary"].endswith(
        "1 ready job is ahead of it; 0 of 4 slots are busy."
    )
    assert attend(server, "able", n=2, hello=hello("able", "other"))[0] == 200
    add(server, action="other", priority=0)
    assert "2 ready jobs are ahead of it" in server.call("GET", f"{second}/explain")[1]["summary"]
    assert attend(server, "able", n=3, hello=hello("able"))[0] == 200
    assert attend(server, "able", n=4, free=1)[1]["jobs"][0][2] == first
    held = server.call("GET", f"{first}/explain")[1]
    assert (held["condition"], held["holder"], held["attempt"]) == ("held", "executor/able", 1)
    server.call("POST", f"{first}/cancel")
    final = server.call("GET", f"{first}/explain")[1]
    assert final["condition"] == "final"
    assert "CANCELED" in final["summary"]
    assert final["last-event"]["kind"] == "canceled"


def test_stream(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/api/stream", headers={"cookie": server.cookie})
    response = connection.getresponse()
    assert response.getheader("content-type", "").startswith("text/event-stream")
    assert response.readline() == b": hello\n"
    id_ = add(server, action="streamed")
    while not (line := response.readline()).startswith(b"data: "):
        assert line, "the stream ended"
    told = json.loads(line.removeprefix(b"data: "))
    assert [(job["id"], job["state"]) for job in told["jobs"] if job["id"] == id_] == [(id_, "QUEUED")]
    connection.close()
    until(lambda: not server.app.state.changes._all, lambda: add(server, action="streamed"))


def test_sign_in_tokens(server: Server) -> None:
    status, body, _ = server.call("POST", "session/sign-in-token")
    assert status == 200
    identities = server.app.state.identities
    link = identities.link(body["token"])
    assert link is not None
    assert link.user.startswith("user/")
    assert identities.link(body["token"] + "x") is None
    assert identities.link(identities.sign_in_token(link.user, None, -1)) is None
    assert server.call("POST", "session/sign-in-token", anonymous=True)[0] == 403


def test_a_page_of_somebody_else_is_nobody(server: Server) -> None:
    for site, expected in (("cross-site", 403), ("same-site", 403), ("same-origin", 201), ("none", 201)):
        assert server.call("POST", "job", {"action": "x"}, {"sec-fetch-site": site})[0] == expected
    forged = {"cookie": server.cookie[:-3] + "abc"}
    assert server.call("GET", "job", headers=forged, anonymous=True)[0] == 403


def test_guessing_is_slowed_down(server: Server) -> None:
    template = {"template": {"href": "session-template/password", "username": "nobody here", "password": "x"}}
    statuses = [server.call("POST", "session", template, anonymous=True)[0] for _ in range(25)]
    assert statuses == [403] * 20 + [503] * 5


def test_the_header_is_believed_from_listed_addresses_only(tmp_path: Path) -> None:
    for server in serve(tmp_path):
        header = {"nuvla-authn-info": "group/nuvla-admin"}
        assert server.call("GET", "job", headers=header, anonymous=True)[0] == 403


def test_the_administrators_file(tmp_path: Path) -> None:
    path = tmp_path / "admin.toml"
    for server in serve(tmp_path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        first = server.admin
        assert first["url"] == server.url
    for server in serve(tmp_path):  # another port, the same administrator
        assert server.admin == {**first, "url": server.url}
        cookie = server.cookie
        key = {"href": "session-template/api-key", "key": first["key"], "secret": first["secret"]}
        by_key = server.call("POST", "session", {"template": key}, anonymous=True)[2]["set-cookie"].split(";")[0]
        template = {"template": {"href": "credential-template/generate-api-key"}}
        made = server.call("POST", "credential", template, {"cookie": by_key}, anonymous=True)[1]
    path.unlink()
    for server in serve(tmp_path):  # lost: a new password, for the same user
        assert server.admin["password"] != first["password"]
        assert server.call("POST", "session", {"template": key}, anonymous=True)[0] == 403
        assert server.call("GET", "job", headers={"cookie": by_key}, anonymous=True)[0] == 403
        for name, secret in ((made["resource-id"], made["secret-key"]), (first["key"], server.admin["secret"])):
            good = {"template": {**key, "key": name, "secret": secret}}
            assert server.call("POST", "session", good, anonymous=True)[0] == 201
        assert server.call("GET", "job", headers={"cookie": cookie}, anonymous=True)[0] == 200, (
            "sessions outlive a restart"
        )
        users = server.call("GET", "user")[1]
        assert [user["name"] for user in users["resources"]] == ["admin"]
        assert "login-claims" not in users["resources"][0]


def test_metadata_is_published(server: Server) -> None:
    entry = server.call("GET", "cloud-entry-point", anonymous=True)[1]
    metadata = server.call("GET", entry["resource-metadata"], anonymous=True)[1]
    attributes = {attribute["name"]: attribute for attribute in metadata["attributes"]}
    assert attributes["retries"]["extension"] is True
    assert attributes["state"]["extension"] is False
    assert server.call("GET", "resource-metadata", anonymous=True)[1]["count"] == 1


def until(holds: Any, meanwhile: Any = None, seconds: float = 10.0) -> None:
    """Wait for a condition that no signal tells."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        if meanwhile is not None:
            meanwhile()
        pause.wait(0.01)


def test_shutdown_ends_what_waits(tmp_path: Path) -> None:
    """Who waits does not keep a server from stopping."""
    with contextlib.contextmanager(serve)(tmp_path) as server, ThreadPoolExecutor(2) as pool:
        state = server.app.state
        id_ = add(server)
        assert attend(server, "e", n=1, hello=hello("none"))[0] == 200
        parked = pool.submit(attend, server, "e", n=2, wait=10.0)
        waiting = pool.submit(server.call, "GET", f"{id_}/wait")
        until(lambda: id_ in state.changes._one and state.executors.alive["e"].n == 2)
        state.store._loop.call_soon_threadsafe(state.end_waits)
        assert parked.result(5)[0] == 200
        assert waiting.result(5)[1]["state"] == "QUEUED"
