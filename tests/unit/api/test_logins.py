"""Logins by the hundred: a password that is right is digested once, a wrong one each time."""

import asyncio
from collections.abc import Callable
from threading import Event

import pytest

from job_engine.api import passwords
from job_engine.api.passwords import QUEUE, Verifier
from job_engine.job.errors import Unavailable

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
        assert len(verifier.passwords) == 2

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
