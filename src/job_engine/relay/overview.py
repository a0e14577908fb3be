"""The state of the queue for operators: depth, takes, repairs. Implements the API's `QueueView`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from kazoo.exceptions import KazooException

from job_engine.job.errors import Conflict, Unavailable
from job_engine.job.times import iso
from job_engine.queue import Election, Session, inspection
from job_engine.queue.names import hexed
from job_engine.relay.listing import list_queue
from job_engine.relay.other_servers import OtherServers
from job_engine.relay.ownership import Ownership
from job_engine.relay.relay import Relay
from job_engine.store import publishing
from job_engine.store.database import Store

ANSWER_SECONDS: Final = 10.0
"""Seconds for an answer: a comparison that is under way may have thousands of repairs to make."""
SHOWN_TAKES: Final = 1000
"""Taken entries that are shown at most."""


class Overview:
    """The overview that one server gives."""

    def __init__(
        self,
        store: Store,
        session: Session,
        election: Election,
        relay: Relay,
        other_servers: OtherServers,
        ownership: Ownership,
    ) -> None:
        self._store = store
        self._session = session
        self._election = election
        self._relay = relay
        self._other_servers = other_servers
        self._ownership = ownership

    @property
    def _trouble(self) -> str:
        return self._ownership.trouble or self._other_servers.trouble

    def status(self) -> dict[str, Any]:
        """Whether ZooKeeper is there and this server's relay leads; how many servers of other records or copies there
        are, and whether the path is another's."""
        other_servers = len(self._other_servers.descriptions)
        return {
            "zookeeper": "connected" if self._session.good else "away",
            "leads": self._relay.running and self._election.leading,
            **({"rivals": other_servers} if other_servers else {}),
            **({"refused": True} if self._ownership.trouble else {}),
        }

    async def shown(self) -> dict[str, Any]:
        """The whole overview; while ZooKeeper is unreachable, the part that the record knows.

        Raises:
            Unavailable: ZooKeeper is there, but does not answer in time.
        """
        unpublished = await self._store.read(publishing.unpublished) if self._relay.prepared else None
        journal, settings = self._relay.journal, self._session.settings
        return {
            **self.status(),
            "hosts": settings.hosts,
            "path": settings.path,
            "session-timeout": settings.session_timeout,
            "waiting": unpublished,
            "window": self._relay.settings.window,
            **(await self._in_zookeeper() if self._session.good else {}),
            "repairs": {kind: count for kind, count in journal.counts.items() if count},
            "last": [repair.document() for repair in journal.last],
        }

    async def reconcile(self, dry_run: bool) -> list[dict[str, Any]]:
        """The repairs that were made, or with ``dry_run`` those that would be.

        Raises:
            Conflict: ZooKeeper is unreachable, another server's relay leads, or the path is another's too.
            Unavailable: there is no answer in time.
        """
        if not self._session.good:
            raise Conflict(f"{self._session.settings.unreachable()}; the relay repairs when it is back")
        async with self._answered():
            await self._other_servers.inspect()
        if self._trouble:
            raise Conflict(self._trouble)
        if not (dry_run or self._relay.running):
            async with self._answered():
                leader = await self._leader()
            raise Conflict(
                f"the relay of this server does not lead; ask the server of {leader or 'the leader to come'}"
            )
        async with self._answered():
            repairs = await self._relay.reconcile(dry_run)
        return [repair.document() for repair in repairs]

    async def _in_zookeeper(self) -> dict[str, Any]:
        async with self._answered():
            listed = await list_queue(self._session)
            holders = await inspection.holders(
                self._session, [name for name in listed.entries if name in listed.taken][:SHOWN_TAKES]
            )
            leader = await self._leader()
            members = await inspection.members(self._session)
            await self._other_servers.inspect()
        taken = [
            {
                "entry": name,
                "job": listed.entries[name],
                "member": holder.member,
                "session": hexed(holder.session),
                "since": iso(holder.since),
            }
            for name, holder in holders.items()
        ]
        return {
            "leader": leader,
            **({"trouble": self._trouble} if self._trouble else {}),
            "members": members,
            "published": len(listed.entries),
            "strays": [{"entry": name, "why": why} for name, why in [*listed.strays, *self._relay.foreign]],
            "taken": taken,
        }

    async def _leader(self) -> str | None:
        return next(iter(await self._election.contenders()), None)

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except TimeoutError:
            raise Unavailable(
                f"{self._session.settings.unreachable('no answer in time')}; the relay goes on when it is back"
            ) from None
        except KazooException as error:  # e.g. the members' folder has been deleted this moment
            raise Unavailable(
                f"ZooKeeper at {self._session.settings.hosts} answers {type(error).__name__}: is the queue's folder"
                f" {self._session.settings.path} whole? The relay that leads makes it anew; ask again"
            ) from None
