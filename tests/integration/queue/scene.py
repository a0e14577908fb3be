"""What the queue's tests share: an event loop for a while, members, strangers, and people who watch."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import uvloop
from kazoo.client import KazooClient

from job_engine.queue import LockingQueue, Session, ZooKeeper, wire

PATIENCE = 40.0
"""Seconds; a scene that takes longer hangs."""
STEP = 0.005
TIMEOUT = 2.0
"""Seconds of a session: 10 ticks of the test servers."""

_numbers = itertools.count()


def play(scene: Callable[["Stage"], Coroutine[Any, Any, None]], host: str) -> None:
    """Run a scene on a queue of its own."""

    async def run() -> None:
        async with asyncio.timeout(PATIENCE), Stage(host) as stage:
            await scene(stage)

    uvloop.run(run())


class Witness:
    """A part of the session that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.at_lapse: Callable[[], Awaitable[object] | None] = lambda: None

    def on_session_lapsed(self) -> Awaitable[object] | None:
        self.told.append("lapsed")
        return self.at_lapse()

    async def on_reconnected(self, link: object) -> None:
        self.told.append("returned")

    def on_session_renewed(self, link: object) -> None:
        self.told.append("renewed")


class Member:
    """A session with its queue and its witness."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.queue = LockingQueue(session)
        self.witness = Witness()
        session.add(self.witness)


class Stage(AsyncExitStack):
    """One queue on one server, with a stranger that looks at it through kazoo."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host
        self.path = f"/queue-{next(_numbers)}"
        self._stranger: KazooClient | None = None

    async def member(self, host: str = "", *, timeout: float = TIMEOUT, settings: Any = None, **more: Any) -> Member:
        settings = ZooKeeper(hosts=host or self.host, path=self.path, session_timeout=timeout, **(settings or {}))
        session = Session(settings, **more)
        member = Member(session)
        await session.start()
        self.push_async_callback(session.close)
        return member

    async def kazoo(self, host: str = "") -> KazooClient:
        client = KazooClient(host or self.host, timeout=4, connection_retry={"max_tries": -1, "max_delay": 0.3})
        await asyncio.to_thread(client.start)

        async def end() -> None:
            await asyncio.to_thread(client.stop)
            client.close()

        self.push_async_callback(end)
        return client

    async def ask(self, verb: str, *args: Any, **more: Any) -> Any:
        """A call of the stranger's client, on this queue's folders: ask("get", "taken/NAME")."""
        if self._stranger is None:
            self._stranger = await self.kazoo()
        return await asyncio.to_thread(getattr(self._stranger, verb), f"{self.path}/{args[0]}", *args[1:], **more)

    async def children(self, folder: str) -> list[str]:
        return sorted(await self.ask("get_children", folder))

    async def expire(self, member: Member) -> None:
        """End a member's session from outside: somebody with its number and password closes it."""
        link = member.session.current
        assert link
        thief = KazooClient(self.host, client_id=link.credentials)
        await asyncio.to_thread(thief.start)
        await asyncio.to_thread(thief.stop)
        thief.close()


async def until(condition: Callable[[], object | Awaitable[object]], what: str = "the condition") -> None:
    """Wait for a condition; fails with its name."""
    try:
        async with asyncio.timeout(PATIENCE / 2):
            while True:
                value = condition()
                if isinstance(value, Awaitable):
                    value = await value
                if value:
                    return
                await asyncio.sleep(STEP)
    except TimeoutError:
        raise AssertionError(f"{what} did not come true") from None


@asynccontextmanager
async def lost_answer(proxy: Any, arrived: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """What is sent inside is done, its answer is lost, and the connection breaks."""
    proxy.set(down="eat")
    yield
    await until(arrived, "what was sent arriving")
    proxy.set(down="pass")
    proxy.cut()


async def keep_sending(link: Any) -> None:
    """Requests without end: kazoo puts its ping off with each of them."""
    while True:
        link.send(wire.exists(b"/"))
        await asyncio.sleep(TIMEOUT / 10)
