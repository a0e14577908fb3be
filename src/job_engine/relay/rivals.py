"""Servers of other records, or of copies of this one, on the same path: one works, the others wait.

Each server's member node says of which record it is, and which process. Whose the path is says `ownership`.
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kazoo.exceptions import KazooException

from job_engine.job.errors import JobEngineError
from job_engine.queue import Session, inspection

NAME: Final = "relay"
"""Kind of the member."""
LOOK: Final = 5.0
"""Seconds between two looks."""
ALIVE: Final = 2
"""Heartbeats that are seen of a server that lives: one may be an old one, read first from a follower that lags."""

_ABOUT = re.compile(r"(?:, server ([0-9a-f]+))?, record ([0-9a-f]+)$")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peer:
    """A server that is connected."""

    member: str
    about: str  # how it calls itself
    server: str  # its process; empty: its version does not tell
    record: str
    beats: int  # how often it has been heard

    def lives(self, first: int) -> bool:
        """Whether it has been heard since it was seen ``first``, and not only seen by a faster follower."""
        return self.beats >= first + ALIVE


def about(record: str, server: str) -> str:
    """How a server of this record calls itself."""
    return f"{socket.gethostname()}, pid {os.getpid()}, server {server}, record {record}"


def by_record(names: Iterable[str]) -> dict[str, list[str]]:
    """Servers by their record; without those that do not name theirs."""
    found: dict[str, list[str]] = {}
    for name in names:
        if match := _ABOUT.search(name):
            found.setdefault(match[2], []).append(name)
    return found


async def peers(session: Session) -> list[Peer]:
    """All servers that are connected. Raises as `Link.call` does."""
    nodes = await inspection.members_of(session, NAME)
    return [
        Peer(member, text, match[1] or "", match[2], node.version)
        for member, node in nodes.items()
        if (match := _ABOUT.search(text := node.data.decode(errors="replace")))
    ]


class Rivals:
    """Those that a session sees: servers of other records, and of copies of this one.

    Args:
        record: the identity of the record that this server serves.
        server: the identity of this process.
    """

    def __init__(self, session: Session, record: str, server: str) -> None:
        self.found: list[str] = []
        """How they call themselves, as seen last."""
        self._session = session
        self._record = record
        self._server = server
        self._beats: dict[str, int] = {}

    @property
    def trouble(self) -> str:
        """What is wrong and what to do; empty: nothing."""
        if not self.found:
            return ""
        return (
            f"{self._session.settings.path} in ZooKeeper is also used by a server of another record, or of a copy of"
            f" this one ({'; '.join(self.found)}): only one puts jobs there, those of the others wait."
            " Give each record a --zk-path of its own"
        )

    async def look(self) -> list[str]:
        """Look now. Raises as `Link.call` does."""
        found = [peer for peer in await peers(self._session) if peer.server != self._server]
        # One of this record that beats no more has died; its session is not over yet.
        self.found = [
            peer.about
            for peer in found
            if peer.record != self._record or peer.lives(self._beats.get(peer.member, peer.beats))
        ]
        self._beats = {peer.member: self._beats.get(peer.member, peer.beats) for peer in found}
        return self.found

    async def watch(self) -> None:
        """Look now and then, until cancelled. The log tells each change once."""
        told = ""
        while True:
            # Away: the members of a while ago are as good as any.
            with contextlib.suppress(JobEngineError, KazooException):
                await self.look()
            if told != self.trouble:
                told = self.trouble
                if told:
                    log.error("%s.", told)
                else:
                    log.warning("%s has no other server any more", self._session.settings.path)
            await asyncio.sleep(LOOK)
