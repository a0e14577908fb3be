"""Who contends for a distribution, for people to see: told to the record whenever it changes."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from job_engine.distributor.standing import Standing
from job_engine.queue import Election, Session, WatchedFolder
from job_engine.queue.election import ELECTION_PATH
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.link import Link

AGAIN: Final = 1.0
"""Seconds until another look, when the election is not there yet or ZooKeeper did not answer."""


class Contenders:
    """Watches one election. A listener of the session; made before it starts."""

    def __init__(self, session: Session, election: Election, standing: Standing) -> None:
        self._session = session
        self._election = election
        self._standing = standing
        self._changed = asyncio.Event()
        self._folder = WatchedFolder(ELECTION_PATH, standing.name, changed=self._changed)
        session.add(self)

    async def watch(self) -> None:
        """Tell of them, until cancelled."""
        while True:
            self._changed.clear()
            link = await self._session.usable()
            try:
                (names,) = await link.responses(self._folder.send(link))
                if isinstance(names, Exception):
                    await asyncio.sleep(AGAIN)
                    continue
                found = await self._election.contenders()
            except (SessionLost, Unanswered):
                await asyncio.sleep(AGAIN)
                continue
            self._standing.tell(leader=found[0] if found else None, contenders=found)
            await self._changed.wait()

    def on_session_lapsed(self) -> Awaitable[object] | None:
        """See `queue.SessionListener`."""
        return None

    async def on_reconnected(self, link: Link) -> None:
        """See `queue.SessionListener`."""
        self._folder.fire()

    def on_session_renewed(self, link: Link) -> None:
        """See `queue.SessionListener`."""
        self._folder.fire()
