"""Logins by the hundred: a password that is right is digested once, a wrong one each time."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from threading import Event

import pytest

from job_engine.api import credentials, passwords, sessions, users
from job_engine.api.client_address import place_of
from job_engine.api.passwords import FAILURES, QUEUE, SPRAYED, Verifier
from job_engine.job.errors import Forbidden, Unavailable
from job_engine.store import resources
from tests.unit.api.server import InProcess

KEPT = passwords.digest("right")


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were digested."""
    found: list[str] = []
    verify = passwords.verify

    def noted(password: str, kept: str) -> bool:
        found.append(password)
        return verify(password, kept)

    monkeypatch.setattr(passwords, "verify", noted)
    return found


def run(main: Callable[[Verifier], object]) -> None:
    async def begin() -> None:
        await main(Verifier())  # type: ignore[misc]

    asyncio.run(begin())


def test_a_fleet_that_logs_in_at_once_costs_one_digest(digested: list[str]) -> None:
    async def main(verifier: Verifier) -> None:
        logins = (verifier.verify("fleet", "192.0.2.1", "right", KEPT) for _ in range(20 * QUEUE))
        assert all(await asyncio.gather(*logins))
        assert await verifier.verify("fleet", "192.0.2.2", "right", KEPT)

    run(main)
    assert digested == ["right"]


def test_wrong_passwords_are_digested_each_time_and_counted(digested: list[str]) -> None:
    async def main(verifier: Verifier) -> None:
        assert await verifier.verify("fleet", "192.0.2.1", "right", KEPT)
        for _ in range(2):
            assert not await verifier.verify("fleet", "192.0.2.1", "wrong", KEPT)
            assert not await verifier.verify("nobody", "192.0.2.1", "right", None)
        assert verifier.tries.many(("nobody", "192.0.2.1"), 2)
        assert verifier.tries.many(("fleet", "192.0.2.1"), 2)
        assert not verifier.tries.many(("192.0.2.1",), 5), "the one that was right does not count"

    run(main)
    assert digested == ["right", "wrong", "right", "wrong", "right"]


def test_a_changed_password_is_not_the_old_one() -> None:
    async def main(verifier: Verifier) -> None:
        assert await verifier.verify("fleet", "192.0.2.1", "right", KEPT)
        assert not await verifier.verify("fleet", "192.0.2.1", "right", passwords.digest("another"))

    run(main)


def test_who_goes_away_takes_nobody_along(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = Event(), Event()

    def slow(password: str, kept: str) -> bool:
        begun.set()
        return go.wait(20)

    monkeypatch.setattr(passwords, "verify", slow)

    async def main(verifier: Verifier) -> None:
        first, second = (asyncio.create_task(verifier.verify("fleet", "192.0.2.1", "right", KEPT)) for _ in range(2))
        await asyncio.to_thread(begun.wait, 20)
        first.cancel()
        go.set()
        assert await second
        assert first.cancelled()

    run(main)


def test_others_wait_in_a_bounded_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    go = Event()
    monkeypatch.setattr(passwords, "verify", lambda password, kept: go.wait(20))

    async def main(verifier: Verifier) -> None:
        logins = [asyncio.create_task(verifier.verify(f"u{n}", "", "x", KEPT + str(n))) for n in range(QUEUE)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await verifier.verify("another", "", "y", KEPT)
        go.set()
        await asyncio.gather(*logins)

    run(main)


def test_tries_count_before_they_are_made(digested: list[str]) -> None:
    async def main(verifier: Verifier) -> None:
        tries = [asyncio.create_task(verifier.verify("jane", "192.0.2.1", f"no{n}", KEPT)) for n in range(FAILURES + 9)]
        done = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(one, Unavailable) for one in done) == 9

    run(main)
    assert len(digested) == FAILURES


async def lock(verifier: Verifier, name: str, address: str) -> None:
    """Try until no more are made."""
    for _ in range(FAILURES):
        verifier.tries.add((name, place_of(address)), FAILURES)
    with pytest.raises(Unavailable, match=f"too many wrong credentials for '{name}'"):
        await verifier.verify(name, address, "right", KEPT)


def test_a_known_device_gets_in_during_a_lock_out(digested: list[str]) -> None:
    async def main(verifier: Verifier) -> None:
        await lock(verifier, "jane", "192.0.2.1")
        assert await verifier.verify("jane", "192.0.2.1", "right", KEPT, "device 1")
        for _ in range(FAILURES):
            assert not await verifier.verify("jane", "192.0.2.1", "wrong", KEPT, "device 2")
        with pytest.raises(Unavailable):
            await verifier.verify("jane", "192.0.2.1", "right", KEPT, "device 2")
        assert await verifier.verify("jane", "192.0.2.1", "right", KEPT, "device 1")

    run(main)


def test_one_address_tries_few_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "verify", lambda password, kept: False)

    async def main(verifier: Verifier) -> None:
        for n in range(SPRAYED):
            assert not await verifier.verify(f"u{n}", f"2001:db8::{n:x}", "wrong", None)
        with pytest.raises(Unavailable, match="from 2001:db8::/64"):
            await verifier.verify("jane", "2001:db8::ffff", "right", KEPT)
        assert not await verifier.verify("jane", "2001:db8:0:1::1", "wrong", KEPT), "another network"
        assert not await verifier.verify("jane", "2001:db8::1", "wrong", KEPT, "device 1"), "a known device"

    run(main)


def test_the_queue_of_strangers_holds_up_no_known_device(monkeypatch: pytest.MonkeyPatch) -> None:
    go = Event()
    monkeypatch.setattr(passwords, "verify", lambda password, kept: password == "right" or go.wait(20))

    async def main(verifier: Verifier) -> None:
        logins = [asyncio.create_task(verifier.verify(f"u{n}", "", "x", KEPT + str(n))) for n in range(QUEUE)]
        await asyncio.sleep(0)
        assert await verifier.verify("jane", "", "right", KEPT, "device 1")
        go.set()
        await asyncio.gather(*logins)

    run(main)


def test_a_digest_of_an_earlier_version_is_accepted_and_renewed(api: InProcess) -> None:
    salt = base64.b64encode(b"0" * 16).decode()
    made = hashlib.scrypt(b"correct horse battery", salt=b"0" * 16, n=1 << 14, r=8, p=1, dklen=32)
    old = f"scrypt$14${salt}${base64.b64encode(made).decode()}"

    async def log_in() -> None:
        id_ = await users.add(api.state, "elder", "correct horse battery")
        user = await api.state.store.read(resources.find, id_)
        assert user is not None
        credential = user["credential-password"]
        await api.state.store.write(resources.change, credential, {"hash": old})
        for _ in range(2):
            await sessions.log_in(api.state, "elder", "correct horse battery", "192.0.2.1")
        kept = (await api.state.store.read(resources.find, credential) or {})["hash"]
        assert passwords.outdated(old)
        assert not passwords.outdated(kept)
        assert passwords.verify("correct horse battery", kept)

    api.loop.run_until_complete(log_in())


def test_strangers_lock_out_no_key(api: InProcess) -> None:
    async def log_in() -> None:
        id_ = await users.add(api.state, "robot", "correct horse battery")
        secret, digest = passwords.secret()
        key = credentials.new(id_, id_, [id_], digest)
        await api.state.store.write(resources.add, [key])
        for _ in range(2 * FAILURES):
            with pytest.raises(Forbidden):
                await sessions.log_in_by_key(api.state, key["id"], "wrong", "192.0.2.1")
        await sessions.log_in_by_key(api.state, key["id"], secret, "192.0.2.1")
        assert api.state.verifier.refused()[0] == (key["id"], "192.0.2.1", 2 * FAILURES)

    api.loop.run_until_complete(log_in())


def test_who_was_signed_in_before_is_known(api: InProcess) -> None:
    async def log_in() -> None:
        id_ = await users.add(api.state, "mary", "correct horse battery")
        identities = api.state.identities
        session, (_, header) = await sessions.log_in(api.state, "mary", "correct horse battery", "192.0.2.1")
        await api.state.store.write(resources.delete, session)
        ended = {b"cookie": header.partition(b";")[0]}
        device = identities.device_cookie(id_, secure=True)[1].partition(b";")[0]
        for _ in range(FAILURES):
            api.state.verifier.tries.add(("mary", "192.0.2.1"), FAILURES)
        with pytest.raises(Unavailable):
            await sessions.log_in(api.state, "Mary", "correct horse battery", "192.0.2.1")
        for cookie in (ended, {b"cookie": b"x=y; " + device}):
            await sessions.log_in(api.state, "mary", "correct horse battery", "192.0.2.1", headers=cookie)
        for other in ({b"cookie": device + b"x"}, {b"cookie": identities.device_cookie("user/x", secure=True)[1]}):
            with pytest.raises(Unavailable):
                await sessions.log_in(api.state, "mary", "correct horse battery", "192.0.2.1", headers=other)

    api.loop.run_until_complete(log_in())
