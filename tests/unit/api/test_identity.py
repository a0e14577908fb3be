"""Who a request is from: pages of other sites, and sessions that end while one looks."""

import asyncio
import sqlite3

import pytest

from job_engine.api import acl, sessions, users
from job_engine.api.identity import ANONYMOUS, Caller, same_site
from tests.unit.api.server import InProcess

HERE = {"host": "10.0.0.5:8080"}


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({}, True),
        (HERE, True),
        ({**HERE, "origin": "http://10.0.0.5:8080"}, True),
        ({**HERE, "origin": "https://10.0.0.5:8080"}, True),  # a proxy ends TLS
        ({**HERE, "origin": "http://10.0.0.5:3000"}, False),
        ({**HERE, "origin": "http://example.org"}, False),
        ({**HERE, "origin": "null"}, False),
        ({**HERE, "origin": "http://["}, False),
        ({**HERE, "origin": ""}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://behind.a.proxy"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
    ],
)
def test_pages_of_other_sites_are_nobody(api: InProcess, headers: dict[str, str], ours: bool) -> None:
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    assert same_site(raw) is ours
    # by the header that a proxy adds for the person at the browser
    assert api.call("POST", "/api/job", {"action": "x"}, headers)[0] == (201 if ours else 403)
    assert api.call("GET", "/api/job?last=0", None, headers)[0] == 200


def test_a_cookie_sent_by_a_page_of_another_site(api: InProcess) -> None:
    caller = Caller("user/a", "user/a", frozenset({"user/a", acl.ADMIN}), "session/1")
    cookie = api.state.identities.cookie(caller, 4e9)
    headers = {b"cookie": f"com.com.sixsq.nuvla.cookie={cookie}".encode(), b"host": b"here"}
    scope = {"method": "POST", "client": ("192.0.2.1", 1)}
    assert api.state.identities.at_once(scope, headers) is None  # so it is looked up
    assert api.state.identities.at_once(scope, {**headers, b"origin": b"http://there"}) is ANONYMOUS


def test_who_is_known(api: InProcess) -> None:
    for header, known in (("user/anon group/nuvla-anon", False), ("user/a", True), ("group/nuvla-admin", True)):
        scope = {"method": "GET", "client": ("127.0.0.1", 1)}
        caller = api.state.identities.at_once(scope, {b"nuvla-authn-info": header.encode()})
        assert caller is not None
        assert caller.known is known


def test_a_session_that_ends_during_the_look(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    identities, store = api.state.identities, api.state.store
    read = store.read

    async def ended_meanwhile(*asked: object) -> object:
        found = await read(*asked)  # type: ignore[arg-type]
        identities.forget(session)
        return found

    async def look() -> str:
        await users.add(api.state, "bob", "a password")
        nonlocal session
        session, (_, header) = await sessions.log_in(api.state, "bob", "a password", "192.0.2.1")
        headers = {b"cookie": header.split(b";")[0]}
        scope = {"method": "GET", "client": ("192.0.2.1", 1)}
        with monkeypatch.context() as patch:
            patch.setattr(store, "read", ended_meanwhile)
            await identities.look_up(headers)
        assert identities.at_once(scope, headers) is None, "the cookie of a session that ended is believed"
        await identities.look_up(headers)
        assert identities.at_once(scope, headers) is not None
        return session

    session = ""
    assert asyncio.iscoroutinefunction(read)
    api.loop.run_until_complete(look())


def test_who_logs_in_while_the_record_cannot_be_written_can_look(api: InProcess) -> None:
    async def look() -> bool:
        await users.add(api.state, "carol", "a password")
        other = sqlite3.connect(api.state.store.path, isolation_level=None)
        other.execute("begin immediate")
        _, (_, header) = await sessions.log_in(api.state, "carol", "a password", "192.0.2.1")
        other.close()
        headers = [(b"cookie", header.split(b";")[0])]
        caller = await api.state.identities.of({"method": "GET", "client": ("192.0.2.1", 1), "headers": headers})
        return caller.known

    assert api.loop.run_until_complete(look())
