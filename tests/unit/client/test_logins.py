"""What every client of ours makes of a server that makes no session now, and of refusals that a login does not mend."""

import asyncio
from collections.abc import Callable

import pytest

from job_engine.client import connection, nuvla
from job_engine.client.connection import Connection
from job_engine.client.endpoint import Credentials, Endpoint
from job_engine.client.nuvla import log_in, nuvla_api
from job_engine.client.wire import WireClient
from job_engine.job.errors import Forbidden, Unavailable, Unreachable
from tests.unit.client.scripted import Request, answer, scripted

WHO = Credentials(username="jane", password="pw")
CREATED = answer(201, b"{}", "set-cookie: c=s; Path=/; Secure")


class Server:
    """Answers logins with these statuses, one after the other, then well; and everything else with 403."""

    def __init__(self, *logins: int, lives: bool = True) -> None:
        self.left = list(logins)
        self.lives = lives
        self.logins = 0

    def __call__(self, request: Request) -> bytes:
        if (request.method, request.path) == ("POST", "/api/session"):
            self.logins += 1
            status = self.left.pop(0) if self.left else 201
            return CREATED if status == 201 else answer(status, b'{"message": "not now"}')
        if request.path.startswith("/api/session"):
            return answer(200, b'{"count": %d}' % self.lives)
        return answer(403, b'{"message": "you may not"}')


def by_wire(url: str, path: str) -> int:
    async def call() -> int:
        client = WireClient(url, credentials=WHO)
        try:
            await client.get(path, timeout=5.0)
            return (await client.get(path, timeout=5.0))[0]
        finally:
            await client.close()

    return asyncio.run(call())


def by_connection(url: str, path: str) -> int:
    client = Connection(Endpoint.of(url), WHO, timeout=5.0)
    try:
        client.call("GET", path)
        return client.call("GET", path).status
    finally:
        client.close()


def by_nuvla(url: str, path: str) -> int:
    api = nuvla_api(url, WHO)
    log_in(api, WHO, "test")
    api.session.request("GET", f"{url}{path}")
    return int(api.session.request("GET", f"{url}{path}").status_code)


CLIENTS = [by_wire, by_connection, by_nuvla]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refusal_of_what_one_may_not_do_costs_no_login(client: Callable[[str, str], int]) -> None:
    server = Server()
    with scripted(server) as there:
        assert client(there.url, "/api/job/1") == 403
    assert server.logins == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_a_session_that_has_ended_is_made_anew(client: Callable[[str, str], int]) -> None:
    server = Server(lives=False)
    with scripted(server) as there:
        assert client(there.url, "/api/job/1") == 403
    assert server.logins == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_who_cannot_log_in_now_is_not_refused(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nuvla, "FIRST_PAUSE", 0.01)
    with scripted(Server(status)) as there, pytest.raises(Unavailable, match="not now"):
        by_wire(there.url, "/api/job/1")
    monkeypatch.setattr(connection, "FIRST_PAUSE", 60.0)  # beyond the deadline: there is no second try
    monkeypatch.setattr(connection, "LONGEST_PAUSE", 60.0)
    with scripted(Server(*[status] * 100)) as there, pytest.raises(Unreachable, match="can log in nobody now: not now"):
        Connection(Endpoint.of(there.url), WHO, timeout=30.0).call("GET", "/api/job/1")
    server = Server(status, status)
    with scripted(server) as there:
        assert by_nuvla(there.url, "/api/job/1") == 403
    assert server.logins == 3


def test_wrong_credentials_are_told_at_once() -> None:
    server = Server(403)
    with scripted(server) as there, pytest.raises(Forbidden, match="does not accept the test's credentials"):
        by_nuvla(there.url, "/api/job/1")
    assert server.logins == 1


@pytest.mark.parametrize("client", [by_connection, by_nuvla])
def test_a_login_that_cannot_be_made_now_is_tried_again(client: Callable[[str, str], int]) -> None:
    server = Server(503, 503)
    with scripted(server) as there:
        assert client(there.url, "/api/job/1") == 403
    assert server.logins == 3


@pytest.mark.parametrize("client", CLIENTS)
def test_who_logs_in_anew_shows_that_it_was_logged_in(client: Callable[[str, str], int]) -> None:
    with scripted(Server(lives=False)) as there:
        client(there.url, "/api/job/1")
        logins = [request for request in there.requests if (request.method, request.path) == ("POST", "/api/session")]
    assert [request.headers.get("cookie") for request in logins] == [None, "c=s", "c=s"]
