"""Where jobs come from in the tests of the port: a real record, what decides who runs what, and ways to break both."""

import asyncio
import contextlib
import itertools
import json
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from kazoo.client import KazooClient

from job_engine.api import ServerSettings, make_app
from job_engine.client.endpoint import Credentials
from job_engine.client.wire import WireClient
from job_engine.executor.backlog import Pace
from job_engine.executor.exchange_loop import ExchangeLoop
from job_engine.executor.holds import Held, Holds, Key
from job_engine.executor.sources import Source
from job_engine.executor.sources.api import ApiSource
from job_engine.executor.sources.cluster import ClusterSource
from job_engine.executor.sources.entries import Entries
from job_engine.job.attend import Finished, Hello, Released
from job_engine.queue import LockingQueue, Session, ZooKeeper
from tests.zookeeper import Proxy

PATIENCE = 20.0
"""Seconds after which a condition that a test waits for has failed."""
STEP = 0.003
TIMEOUT = 2.0
"""Seconds of a ZooKeeper session: 10 ticks of the test servers."""
CALL = 20.0

_numbers = itertools.count()


def attempt_of(held: Held) -> int:
    """Which attempt it was granted for."""
    assert held.granted is not None
    return held.granted.attempt


async def until(condition: Callable[[], object | Awaitable[object]], what: str = "the condition") -> Any:
    """The first true value of a condition; fails with its name."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                value = condition()
                if isinstance(value, Awaitable):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(STEP)
    except TimeoutError:
        raise AssertionError(f"{what} did not come true") from None


class Place(AsyncExitStack):
    """A server with its record. Executors reach it through a proxy each."""

    cluster = False
    counts = True
    """Whether the record counts attempts."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.port = 0
        self.admin: WireClient

    async def open(self) -> None:
        config = uvicorn.Config(self.app(), host="127.0.0.1", port=0, log_level="error", lifespan="on")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started or serving.done(), "the server")
        self.port = server.servers[0].sockets[0].getsockname()[1]

        async def stop() -> None:
            server.should_exit = True
            server.force_exit = True  # parked exchanges are of no interest any more
            await asyncio.wait((serving,), timeout=5)

        self.push_async_callback(stop)
        self.admin = self.client(self.port)
        self.push_async_callback(self.admin.close)

    def app(self) -> Any:
        return make_app(self._settings())

    def _settings(self) -> ServerSettings:
        return ServerSettings(database=self.folder / "record.db", admin_folder=self.folder)

    def client(self, port: int) -> WireClient:
        admin = tomllib.loads((self.folder / "admin.toml").read_text())
        credentials = Credentials(username=admin["username"], password=admin["password"])
        return WireClient(f"http://127.0.0.1:{port}", credentials=credentials)

    async def executor(self, *, room: int = 4, actions: Sequence[str] = ("noop",), **more: Any) -> "Executor":
        """An executor that attends."""
        proxy = Proxy(self.port)
        self.callback(proxy.close)
        executor = Executor(proxy, self.source(proxy, **more), room, actions)
        self.push_async_callback(executor.close)
        await until(lambda: executor.greetings, "the first exchange")
        return executor

    def source(self, proxy: Proxy) -> Source:
        """A source that reaches the server through this proxy."""
        return ApiSource(self.client(proxy.port), str(uuid4()))

    async def add(self, count: int, action: str = "noop", **attributes: Any) -> list[str]:
        """Jobs that are ready; their ids."""
        ids = []
        for _ in range(count):
            answer = await self.call("POST", "/api/job", {"action": action, **attributes}, expect=201)
            ids.append(answer["resource-id"])
        await self.publish(ids)
        return ids

    async def publish(self, ids: Sequence[str]) -> None:
        """Make it known that these jobs are ready; in a cluster the relay does this."""

    async def job(self, id_: str) -> dict[str, Any]:
        """The job as it is in the record."""
        return await self.call("GET", f"/api/{id_}")

    async def call(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        data = None if body is None else json.dumps(body).encode()
        status, answer = await self.admin.request(method, path, data, timeout=CALL)
        assert status == expect, (status, answer)
        return json.loads(answer)

    async def clean(self) -> bool:
        """Whether nothing is left of jobs that are final."""
        return True

    async def taken(self) -> list[str]:
        """What is taken by somebody, beside the record."""
        return []


class ClusterPlace(Place):
    """With a queue of its own in ZooKeeper. There is no relay: the tests put entries themselves."""

    cluster = True

    def __init__(self, folder: Path, host: str) -> None:
        super().__init__(folder)
        self.zookeeper = ZooKeeper(hosts=host, path=f"/sources-{next(_numbers)}", session_timeout=TIMEOUT)
        self.queue: LockingQueue
        self.stranger: KazooClient

    def _settings(self) -> ServerSettings:
        return ServerSettings(database=self.folder / "record.db", admin_folder=self.folder, cluster=True)

    async def open(self) -> None:
        await super().open()
        session = Session(self.zookeeper, kind="test")
        self.queue = LockingQueue(session)
        await session.start()
        self.push_async_callback(session.close)
        self.stranger = KazooClient(self.zookeeper.hosts)
        await asyncio.to_thread(self.stranger.start)

        async def end() -> None:
            await asyncio.to_thread(self.stranger.stop)
            self.stranger.close()

        self.push_async_callback(end)

    def source(self, proxy: Proxy, host: str = "", note: Path | None = None) -> ClusterSource:
        """``host``: another way to ZooKeeper."""
        settings = replace(self.zookeeper, hosts=host or self.zookeeper.hosts)
        return ClusterSource(self.client(proxy.port), str(uuid4()), Entries(settings, b"a test", note))

    async def publish(self, ids: Sequence[str]) -> None:
        await self.queue.put_many([(id_, 100) for id_ in ids])

    async def expire(self, executor: "Executor") -> None:
        """End its session from outside: somebody with its number and password closes it."""
        assert isinstance(executor.source, ClusterSource)
        thief = KazooClient(self.zookeeper.hosts, client_id=executor.source._entries.session.credentials)
        await asyncio.to_thread(thief.start)
        await asyncio.to_thread(thief.stop)
        thief.close()

    async def children(self, folder: str) -> list[str]:
        return sorted(await asyncio.to_thread(self.stranger.get_children, f"{self.zookeeper.path}/{folder}"))

    async def clean(self) -> bool:
        return not await self.children("entries") and not await self.children("taken")

    async def taken(self) -> list[str]:
        return await self.children("taken")


class Executor:
    """The exchange loop of an executor on a real source; its jobs end when the test says so."""

    def __init__(self, proxy: Proxy, source: Source, room: int, actions: Sequence[str]) -> None:
        self.proxy = proxy
        self.source: Any = source  # a Source; the tests of an adapter look into it
        self.room = room
        self.holds = Holds()
        self.granted_: list[Held] = []  # all that ever were
        self.over: list[tuple[Key, str]] = []
        self.greetings = 0
        self.moves = 0
        self.lapses = 0
        self._running: set[Held] = set()
        self._changed = asyncio.Event()
        source.listen(self)
        self.pace = Pace()
        self.exchanges = ExchangeLoop(source, self.holds, self, self)
        self.exchanges.greet(
            Hello(name="x", host="x", pid=1, version="0", processes=1, slots=room, actions=list(actions))
        )
        self._task = asyncio.create_task(self.exchanges.run())

    # --- what a test does

    async def grant(self, count: int = 1) -> list[Held]:
        """The next jobs that are granted and running."""
        return await until(lambda: len(self._running) >= count and list(self._running)[:count], f"{count} grants")

    def finish(self, *jobs: Held) -> None:
        for held in jobs:
            self._running.discard(held)
            self.holds.finish(held, Finished(*held.key, "SUCCESS", 1.0, 2.0))
        self.exchanges.look()

    def release(self, held: Held, why: str, delay: float = 0.0) -> None:
        self._running.discard(held)
        self.holds.release(held, Released(*held.key, why, delay=delay))
        self.exchanges.look()

    @property
    def running(self) -> set[Held]:
        return self._running

    async def told(self) -> None:
        """Until the record has heard how everything ended."""
        await until(lambda: not (set(self.holds.known) - self._running), "the record hearing it")

    async def close(self) -> None:
        """As a supervisor does it: nothing runs any more, and what is left is told."""
        if self._task.done():
            return
        self.room = 0
        for held in list(self._running):
            self.release(held, "stopped")
        self._task.cancel()
        await asyncio.wait((self._task,))
        self.proxy.set(down="pass", refuse=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self.exchanges.last_words()
        await self.source.close()

    @asynccontextmanager
    async def lost_answer(self, arrived: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
        """What is sent inside is done, its answer is lost, and the connection breaks."""
        self.proxy.set(down="eat")
        yield
        await until(arrived, "what was sent arriving")
        self.proxy.set(down="pass")
        self.proxy.cut()

    # --- exchange_loop.Workers and ExchangeListener, sources.SourceListener

    def free(self) -> int:
        return max(0, self.room - len(self._running))

    def add(self, jobs: Sequence[Held]) -> None:
        self.granted_ += jobs
        self._running.update(jobs)
        if self.room == 0:
            for held in jobs:
                self.release(held, "unstarted")

    def interrupt(self, jobs: Sequence[Held], why: str) -> None:
        self.over += [(held.key, why) for held in jobs]
        self._running.difference_update(jobs)

    def recorded(self, jobs: Sequence[Held]) -> None:
        return

    def on_greeted(self) -> None:
        self.greetings += 1

    def on_exchange(self) -> None:
        self._changed.set()

    def on_news(self) -> None:
        self.exchanges.look()

    def on_holds_extended(self) -> None:
        self.moves += 1

    def on_holds_lapsed(self) -> Awaitable[object]:
        self.lapses += 1
        for held in list(self._running):
            self.release(held, "lost")
        return self._given_up()

    async def _given_up(self) -> None:
        while self.holds:
            self._changed.clear()
            await self._changed.wait()
