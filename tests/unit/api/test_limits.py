"""What one request may cost: long filters, many figures, searches without end, names by the thousand."""

import asyncio
import gzip
import sqlite3
import threading
import time
from urllib.parse import urlencode

import pytest

from job_engine.api import call, names, parameters, passwords, sessions
from job_engine.api.call import STRANGERS_LIMIT, STRANGERS_NODES, UNPACKED_FREE
from job_engine.api.filter.parse import LENGTH_LIMIT, STEPS_LIMIT, parse
from job_engine.api.identity import Caller
from job_engine.api.parameters import STRANGERS_FILTER
from job_engine.api.passwords import Tries
from job_engine.job.errors import Forbidden, Invalid
from job_engine.job.nodes import MANY_LIMIT, NODES_LIMIT
from job_engine.store import deadline, documents
from job_engine.store.database import READERS
from tests.unit.api.server import InProcess

FORM = {"content-type": "application/x-www-form-urlencoded"}
STRANGER = {"nuvla-authn-info": "user/anon group/nuvla-anon"}
NOBODY = {**FORM, **STRANGER}
LONG = "with recursive c(n) as (select 1 union all select n + 1 from c limit 10000000) select count(*) from c"


def form(*filters: str) -> bytes:
    return urlencode([("filter", text) for text in filters]).encode()


def of_length(length: int) -> str:
    return f"a='{'x' * (length - 4)}'"


def test_filters_have_a_budget_together(api: InProcess) -> None:
    half = of_length(LENGTH_LIMIT // 2)
    assert api.call("PUT", "/api/job", form(half, half), FORM)[0] == 200
    status, body = api.call("PUT", "/api/job", form(half, half, "a=1"), FORM)
    assert (status, body["message"]) == (400, f"Invalid CIMI filter. It has more than {LENGTH_LIMIT} characters.")
    assert api.call("PUT", "/api/job", form(of_length(4 * LENGTH_LIMIT)), FORM)[0] == 413


def test_strangers_have_a_small_one(api: InProcess) -> None:
    assert api.call("PUT", "/api/session", form(of_length(STRANGERS_FILTER)), NOBODY)[0] == 200
    status, body = api.call("PUT", "/api/session", form(of_length(STRANGERS_FILTER + 1)), NOBODY)
    assert (status, body["message"]) == (400, f"Invalid CIMI filter. It has more than {STRANGERS_FILTER} characters.")


def test_long_filters_are_parsed_beside_the_loop(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def noted(text: str) -> object:
        threads.append(threading.current_thread())
        return parse(text)

    monkeypatch.setattr(parameters, "parse", noted)
    assert api.call("PUT", "/api/job", form(of_length(100)), FORM)[0] == 200
    assert api.call("PUT", "/api/job", form(of_length(10_000)), FORM)[0] == 200
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


def test_deep_paths(api: InProcess) -> None:
    deepest, deeper = ("/".join(["a"] * steps) for steps in (STEPS_LIMIT, STEPS_LIMIT + 1))
    for type_ in ("job", "credential"):
        for query in ("filter={}=1", "orderby={}", "aggregation=terms:{}", "aggregation=missing:{}"):
            assert api.call("GET", f"/api/{type_}?{query.format(deepest)}")[0] == 200
            assert api.call("GET", f"/api/{type_}?{query.format(deeper)}")[0] == 400


def test_few_figures_at_a_time(api: InProcess) -> None:
    for name in ("orderby", "aggregation"):
        ten, eleven = (",".join(f"terms:name/{n}" for n in range(number)) for number in (10, 11))
        assert api.call("GET", f"/api/job?{name}={ten}")[0] == 200
        assert api.call("GET", f"/api/job?{name}={eleven}")[0] == 400


def test_a_read_is_given_up() -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(Invalid, match="narrow it"), deadline.within(connection, 0.01):
        connection.execute(LONG).fetchone()
    with deadline.within(connection, 60):
        assert connection.execute("select 1").fetchone() == (1,)
    with pytest.raises(sqlite3.OperationalError, match="no such table"), deadline.within(connection, 60):
        connection.execute("select * from nowhere")


def test_a_search_is_given_up(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def long(connection: sqlite3.Connection, *_: object) -> dict[str, object]:
        return {"long": connection.execute(LONG).fetchone()}

    monkeypatch.setattr(deadline, "SEARCH", 0.01)
    monkeypatch.setattr(documents, "aggregate", long)
    for type_ in ("job", "credential"):
        status, body = api.call("GET", f"/api/{type_}?aggregation=terms:name")
        assert status == 400
        assert "takes more than 0.01 s" in body["message"]


def test_searches_leave_a_reader_free_and_those_of_one_user_another_one(api: InProcess) -> None:
    go_on = threading.Event()
    jane, bob = (Caller(user, user, frozenset({user})) for user in ("user/jane", "user/bob"))

    def held(connection: sqlite3.Connection) -> bool:
        return go_on.wait(20)

    def at_once(connection: sqlite3.Connection) -> int:
        return 1

    async def look() -> tuple[int, int]:
        searches = [asyncio.create_task(api.state.search(jane, held)) for _ in range(READERS + 1)]
        await asyncio.sleep(0)  # they have begun
        try:
            others = await asyncio.wait_for(api.state.search(bob, at_once), 10)
            searches += [asyncio.create_task(api.state.search(bob, held)) for _ in range(READERS + 1)]
            await asyncio.sleep(0)
            return others, await asyncio.wait_for(api.state.store.read(at_once), 10)
        finally:
            go_on.set()
            assert all(await asyncio.gather(*searches))

    assert api.loop.run_until_complete(look()) == (1, 1)


@pytest.mark.parametrize(
    ("href", "name", "secret"), [("password", "username", "password"), ("api-key", "key", "secret")]
)
def test_names_and_passwords_have_a_length(api: InProcess, href: str, name: str, secret: str) -> None:
    for part in (name, secret):
        template = {"href": f"session-template/{href}", name: "x", secret: "x"}
        status, body = api.call("POST", "/api/session", {"template": {**template, part: "x" * 256}}, STRANGER)
        assert (status, part in body["message"]) == (400, True)
        assert api.call("POST", "/api/session", {"template": {**template, part: "x" * 255}}, STRANGER)[0] == 403


def test_the_page_cannot_send_longer_ones(api: InProcess) -> None:
    before = len(api.state.verifier.tries)
    for name, password in (("n" * (names.LIMIT + 1), "x"), ("n", "x" * (names.LIMIT + 1))):
        with pytest.raises(Forbidden):
            api.loop.run_until_complete(sessions.log_in(api.state, name, password, "192.0.2.1"))
    assert len(api.state.verifier.tries) == before


def test_tries_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "REMEMBERED", 3)
    tries = Tries()
    for _ in range(passwords.FAILURES + 5):
        tries.add(("first", "a"), passwords.FAILURES)
    assert tries.many(("first", "a"), passwords.FAILURES)
    for name in ("b", "c", "d", "e"):
        tries.add((name, "a"), passwords.FAILURES)
    assert len(tries) == 3
    assert not tries.many(("first", "a"), passwords.FAILURES), "it was pushed out"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + passwords.WINDOW + 1)
    at = tries.add(("f", "a"), passwords.FAILURES)
    assert len(tries) == 1
    tries.take_back(("f", "a"), at)
    assert len(tries) == 0


PACKED = {"content-encoding": "gzip"}
PATCH = {"content-type": "application/json-patch+json"}


def test_strangers_send_little(api: InProcess) -> None:
    for size, status in ((STRANGERS_LIMIT, 400), (STRANGERS_LIMIT + 1, 413)):
        plain = b" " * size
        assert api.call("POST", "/api/session", plain, STRANGER)[0] == status
        assert api.call("POST", "/api/session", plain, {**STRANGER, "content-length": "x"})[0] == status
        assert api.call("POST", "/api/session", gzip.compress(plain), {**STRANGER, **PACKED})[0] == status
        assert api.call("PUT", "/api/session", b"&" * size, {**NOBODY, "content-length": "x"})[0] == status


def test_strangers_send_few_values(api: InProcess) -> None:
    for number, said in ((STRANGERS_NODES - 3, "href must be"), (STRANGERS_NODES, "more than 1,000 values")):
        status, body = api.call("POST", "/api/session", {"template": [0] * number}, STRANGER)
        assert (status, said in body["message"]) == (400, True), body


def test_unpacking_has_a_ratio(api: InProcess) -> None:
    honest = b"[" + b",".join(b'{"action": "x", "payload": "%08d"}' % n for n in range(10_000)) + b"]"
    assert api.call("POST", "/api/job?partial=true", gzip.compress(honest), PACKED)[0] == 201
    status, body = api.call("POST", "/api/job", gzip.compress(b" " * (8 * UNPACKED_FREE)), PACKED)
    assert (status, body["message"]) == (413, "the body unpacks to more than 100 times its size")
    assert api.call("POST", "/api/job", gzip.compress(b" " * UNPACKED_FREE), PACKED)[0] == 400


def test_documents_have_few_values(api: InProcess) -> None:
    many = b"[" + b"0," * NODES_LIMIT + b"0]"
    for method, path, headers in (
        ("POST", "/api/nuvlabox", {}),
        ("PUT", "/api/job/x", {}),
        ("PUT", "/api/job/x", PATCH),
        ("POST", "/api/credential", {}),
        ("POST", "/api/distribution/report", {}),
    ):
        status, body = api.call(method, path, b'{"name": %b}' % many, headers)
        assert (status, "more than 100,000 values" in body["message"]) == (400, True), (method, path, body)
    too_many = b"[" + b"0," * MANY_LIMIT + b"0]"
    for path in ("/api/job", "/api/executor/x/attend", "/api/distribution/x/tick"):
        status, body = api.call("POST", path, too_many)
        assert (status, "more than 1,000,000 values" in body["message"]) == (400, True), (path, body)


def test_documents_do_not_grow_by_edits(api: InProcess) -> None:
    half: list[int] = [0] * (NODES_LIMIT // 2)
    id_ = api.call("POST", "/api/nuvlabox", {"first": half})[1]["resource-id"]
    status, body = api.call("PUT", f"/api/{id_}", {"second": half})
    assert (status, f"{id_} has more than 100,000 values" in body["message"]) == (400, True)
    for patch in (
        [{"op": "add", "path": "/second", "value": half}],
        [{"op": "copy", "from": "/first", "path": "/second"}],
        [{"op": "copy", "from": "/first", "path": "/second"}, {"op": "remove", "path": "/second"}] * 100,
    ):
        assert api.call("PUT", f"/api/{id_}", patch, PATCH)[0] == 400
    assert "second" not in api.call("GET", f"/api/{id_}")[1]


def test_large_bodies_are_decoded_beside_the_loop(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    decoded = call.decoded

    def noted(body: bytes, nodes: int) -> object:
        threads.append(threading.current_thread() is threading.main_thread())
        return decoded(body, nodes)

    monkeypatch.setattr(call, "decoded", noted)
    for size in (100, call.IN_THREAD):
        assert api.call("POST", "/api/job", {"action": "x", "payload": "x" * size})[0] == 201
    assert threads == [True, False]
