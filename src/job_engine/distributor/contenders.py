"""Who contends for a distribution, for people to see: told to the record whenever it changes."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from job_engine.distributor.standing import Standing
from job_engine.queue import Election, Folder, Session
from job_engine.queue.election import PATH
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.link import Link

AGAIN: Final = 1.0
"""Seconds until another look, when the election is not there yet or ZooKeeper did not answer."""


class Contenders:
    """Watches one election. A Part of the session; made before it starts."""

    def __init__(self, session: Session, election: Election, standing: Standing) -> None:
        self._session = session
        self._election = election
        self._standing = standing
        self._changed = asyncio.Event()
        self._folder = Folder(PATH, standing.name, changed=self._changed)
        session.add(self)

    async def watch(self) -> None:
        """Tell of them, until cancelled."""
        while True:
            self._changed.clear()
            link = await self._session.usable()
            try:
                (names,) = await link.answers(self._folder.send(link))
                if isinstance(names, Exception):
                    await asyncio.sleep(AGAIN)
                    continue
                found = await self._election.contenders()
            except (SessionLost, Unanswered):
                await asyncio.sleep(AGAIN)
                continue
            self._standing.tell(leader=found[0] if found else None, contenders=found)
            await self._changed.wait()

    def lapsed(self) -> Awaitable[object] | None:
        """See `queue.Part`."""
        return None

    async def returned(self, link: Link) -> None:
        """See `queue.Part`."""
        self._folder.fire()

    def renewed(self, link: Link) -> None:
        """See `queue.Part`."""
        self._folder.fire()
