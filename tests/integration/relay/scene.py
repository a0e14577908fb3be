"""What the relay's tests share: a record, a relay on a real ZooKeeper, and who looks at both."""

import asyncio
import contextlib
import math
import sqlite3
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop
from kazoo.exceptions import NoNodeError

from job_engine.job.attend import Claim, Finished, Released
from job_engine.job.document import new_job
from job_engine.queue import LockingQueue, Session, ZooKeeper
from job_engine.relay.ownership import Ownership
from job_engine.relay.relay import Relay
from job_engine.relay.settings import RelaySettings
from job_engine.store import jobs
from job_engine.store import settings as remembered
from job_engine.store.database import Store
from job_engine.store.holds import Claimed
from job_engine.store.transaction import Transaction
from tests.integration.queue.scene import PATIENCE, TIMEOUT, Member, Stage, until

ACL = {"owners": ["user/jane"], "edit-acl": ["group/nuvla-admin"]}
QUICK = RelaySettings(ghost=0.4)


def play(scene: Callable[["Scene"], Coroutine[Any, Any, None]], host: str, folder: Path) -> None:
    """Run a scene on a record and a queue of its own."""

    async def run() -> None:
        async with asyncio.timeout(PATIENCE), Scene(host, folder) as stage:
            await scene(stage)

    uvloop.run(run())


class Scene(Stage):
    """One record and one queue."""

    def __init__(self, host: str, folder: Path) -> None:
        super().__init__(host)
        self.store = Store(folder / "record.db")
        self.longest_session = 0.0
        self.store.start()
        self.push_async_callback(self.store.close)

    async def relay(self, host: str = "", *, timeout: float = TIMEOUT, **settings: Any) -> Relay:
        """A relay that is connected and does not run yet."""
        session = Session(
            ZooKeeper(hosts=host or self.host, path=self.path, session_timeout=timeout), kind="relay", about=b"test"
        )
        queue = LockingQueue(session)
        chosen = RelaySettings(**settings) if settings else QUICK
        record = await self.store.read(remembered.text, remembered.RECORD)
        ownership = Ownership(self.store, session, record, "1")
        relay = Relay(self.store, session, queue, ownership, lambda: self.longest_session, chosen)
        await session.start()
        self.push_async_callback(session.close)
        return relay

    async def running(self, host: str = "", **settings: Any) -> Relay:
        """A relay that runs."""
        relay = await self.relay(host, **settings)
        self.run(relay)
        return relay

    def run(self, relay: Relay) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(relay.run())

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                raise error

        self.push_async_callback(end)
        return task

    def strangers_leave(self) -> None:
        """Who looks at the queue uses a new client: kazoo's never comes back to a server that has lost its disk."""
        self._stranger = None

    # The record

    async def add(self, count: int = 1, **attributes: Any) -> list[str]:
        sent = {"action": "noop"} | {name.replace("_", "-"): value for name, value in attributes.items()}
        new = [new_job(sent, created_by="user/jane", acl=ACL, now=time.time()) for _ in range(count)]
        return await self.store.write(jobs.add, new)

    async def claim(self, member: str, entry: str, job: str) -> Any:
        """(attempt, None) when granted, else (None, verdict)."""
        granted, refused = await self.store.write(jobs.claim_entries, member, [Claim(entry, job)], {"noop"})
        return (granted[0].attempt, None) if granted else (None, refused[0][1])

    async def finish(self, job: str) -> None:
        def end(tx: Transaction) -> None:
            seq, attempt, claim = tx.execute("select seq, attempt, claim from job where id = ?", (job,)).fetchone()
            now = time.time()
            jobs.finish(tx, {seq: Claimed(claim, job, attempt)}, [Finished(seq, claim, "SUCCESS", now, now)])

        await self.store.write(end)

    async def release(self, job: str, why: str, **more: Any) -> None:
        seq, attempt = await self.row(job, "seq, attempt")
        await self.store.write(jobs.release, [Released(seq, attempt, why, **more)])

    async def edit(self, job: str, **changes: Any) -> None:
        (seq,) = await self.row(job, "seq")
        await self.store.write(jobs.edit, seq, {name.replace("_", "-"): value for name, value in changes.items()})

    async def cancel(self, job: str) -> None:
        (seq,) = await self.row(job, "seq")
        await self.store.write(jobs.cancel, [seq])

    async def row(self, job: str, columns: str) -> Any:
        def read(connection: sqlite3.Connection) -> Any:
            return connection.execute(f"select {columns} from job where id = ?", (job,)).fetchone()

        return await self.store.read(read)

    async def entry(self, job: str) -> str | None:
        return (await self.row(job, "entry"))[0]

    # ZooKeeper

    async def queue(self) -> dict[str, str]:
        """Name → job, as a stranger sees it."""
        found = {}
        with contextlib.suppress(NoNodeError):  # the folder
            for name in await self.children("entries"):
                with contextlib.suppress(NoNodeError):  # it was removed meanwhile
                    found[name] = (await self.ask("get", f"entries/{name}"))[0].decode()
        return found

    async def put(self, job: str, priority: int = 999) -> str:
        """A stranger puts an entry."""
        made = await self.ask("create", f"entries/entry-{priority:03d}-", job.encode(), sequence=True)
        return made.rpartition("/")[2]

    async def remove(self, name: str) -> None:
        """Somebody deletes an entry."""
        await self.ask("delete", f"entries/{name}")

    async def published(self, job: str) -> str:
        """Its entry, once record and queue agree on it."""
        found: list[str] = []

        async def agreed() -> bool:
            name = await self.entry(job)
            if name is None or (await self.queue()).get(name) != job:
                return False
            found[:] = [name]
            return True

        await until(agreed, f"{job} being published")
        return found[0]

    async def gone(self, name: str) -> None:
        async def is_gone() -> bool:
            return name not in await self.children("entries")

        await until(is_gone, f"{name} being removed")

    async def idle(self, relay: Relay) -> None:
        """A comparison that began after this was asked found nothing to do, and nothing calls for another.

        One that is under way says nothing: it may have listed before what the test did last.
        """

        async def nothing() -> bool:
            return not await relay.reconcile(dry_run=False) and relay._until_comparison(relay._loop.time()) == math.inf

        await until(nothing, "the relay being idle")

    async def repaired(self, relay: Relay, kind: str, count: int = 1) -> None:
        await until(lambda: relay.journal.counts[kind] >= count, f"{kind} x {count} (is {relay.journal.counts})")


__all__ = ["Member", "Scene", "play", "until"]
