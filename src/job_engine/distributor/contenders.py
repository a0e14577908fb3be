"""The contenders for a distribution, reported to the record whenever they change, for operators to see."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from job_engine.distributor.distribution_state import DistributionState
from job_engine.queue import Election, Session, WatchedFolder
from job_engine.queue.election import ELECTION_PATH
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.link import Link

RETRY_SECONDS: Final = 1.0
"""Seconds until a retry when the election does not exist yet or ZooKeeper did not answer."""


class Contenders:
    """Watches one election. A listener of the session; made before it starts."""

    def __init__(self, session: Session, election: Election, state: DistributionState) -> None:
        self._session = session
        self._election = election
        self._standing = state
        self._changed = asyncio.Event()
        self._folder = WatchedFolder(ELECTION_PATH, state.name, changed=self._changed)
        session.add(self)

    async def watch(self) -> None:
        """Report the contenders, until cancelled."""
        while True:
            self._changed.clear()
            link = await self._session.usable()
            try:
                (names,) = await link.responses(self._folder.send(link))
                if isinstance(names, Exception):
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                contenders = await self._election.contenders()
            except (SessionLost, Unanswered):
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._standing.tell(leader=contenders[0] if contenders else None, contenders=contenders)
            await self._changed.wait()

    def on_session_lapsed(self) -> Awaitable[object] | None:
        """Do nothing: a lapse changes no contender that is shown."""
        return None

    async def on_reconnected(self, link: Link) -> None:
        """List the contenders again."""
        self._folder.fire()

    def on_session_renewed(self, link: Link) -> None:
        """List the contenders again."""
        self._folder.fire()
