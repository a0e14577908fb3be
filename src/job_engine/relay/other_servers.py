"""Servers of other records, or of copies of this record, on the same path: one works, the others wait.

The member node of each server names its record and its process. `ownership` decides which record owns the path.
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

RELAY_KIND: Final = "relay"
"""The kind of member that servers have."""
POLL_SECONDS: Final = 5.0
"""Seconds between two inspections of the members."""
HEARTBEATS_OF_A_LIVING_SERVER: Final = 2
"""Heartbeats after which a server counts as alive: a single one may be old, read from a follower that lags."""

_DESCRIPTION = re.compile(r"(?:, server ([0-9a-f]+))?, record ([0-9a-f]+)$")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RelayServer:
    """A server that is connected to ZooKeeper."""

    member: str
    about: str  # how it calls itself
    server: str  # its process; empty: its version does not tell
    record: str
    beats: int  # how often it has been heard

    def lives(self, first: int) -> bool:
        """Whether it has written heartbeats since ``first``, and was not only read from a faster follower."""
        return self.beats >= first + HEARTBEATS_OF_A_LIVING_SERVER


def description(record: str, server: str) -> str:
    """The description of this process in its member node."""
    return f"{socket.gethostname()}, pid {os.getpid()}, server {server}, record {record}"


def by_record(names: Iterable[str]) -> dict[str, list[str]]:
    """The descriptions of servers by record, without those that name no record."""
    servers: dict[str, list[str]] = {}
    for name in names:
        if match := _DESCRIPTION.search(name):
            servers.setdefault(match[2], []).append(name)
    return servers


async def connected_servers(session: Session) -> list[RelayServer]:
    """All servers that are connected. Raises as `Link.call` does."""
    nodes = await inspection.members_of(session, RELAY_KIND)
    return [
        RelayServer(member, text, match[1] or "", match[2], node.version)
        for member, node in nodes.items()
        if (match := _DESCRIPTION.search(text := node.data.decode(errors="replace")))
    ]


class OtherServers:
    """The servers of other records, and of copies of this one, that a session sees.

    Args:
        record: the identity of the record that this server serves.
        server: the identity of this process.
    """

    def __init__(self, session: Session, record: str, server: str) -> None:
        self.descriptions: list[str] = []
        """How they describe themselves, as of the last inspection."""
        self._session = session
        self._record = record
        self._server = server
        self._beats: dict[str, int] = {}

    @property
    def trouble(self) -> str:
        """What is wrong, and what to do about it; empty: nothing is wrong."""
        if not self.descriptions:
            return ""
        return (
            f"{self._session.settings.path} in ZooKeeper is also used by a server of another record, or of a copy of"
            f" this one ({'; '.join(self.descriptions)}): only one puts jobs there, those of the others wait."
            " Give each record a --zk-path of its own"
        )

    async def inspect(self) -> list[str]:
        """Inspect the members now. Raises as `Link.call` does."""
        others = [peer for peer in await connected_servers(self._session) if peer.server != self._server]
        # One of this record that beats no more has died; its session is not over yet.
        self.descriptions = [
            peer.about
            for peer in others
            if peer.record != self._record or peer.lives(self._beats.get(peer.member, peer.beats))
        ]
        self._beats = {peer.member: self._beats.get(peer.member, peer.beats) for peer in others}
        return self.descriptions

    async def watch(self) -> None:
        """Inspect the members every few seconds, until cancelled. Each change is logged once."""
        told = ""
        while True:
            # Away: the members of a while ago are as good as any.
            with contextlib.suppress(JobEngineError, KazooException):
                await self.inspect()
            if told != self.trouble:
                told = self.trouble
                if told:
                    log.error("%s.", told)
                else:
                    log.warning("%s has no other server any more", self._session.settings.path)
            await asyncio.sleep(POLL_SECONDS)
