"""Servers of other records on the same path. One of all leads, and removes the entries of jobs that it does not know.

Each server's member node says of which record it is. Nothing stays behind in ZooKeeper, so a path is free for another
record as soon as the servers of the one before are gone.
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
from collections.abc import Iterable
from typing import Final

from kazoo.exceptions import KazooException

from job_engine.job.errors import JobEngineError
from job_engine.queue import Session, look

NAME: Final = "relay"
"""Kind of the member."""
LOOK: Final = 5.0
"""Seconds between two looks."""

_RECORD = re.compile(r", record ([0-9a-f]+)$")

log = logging.getLogger(__name__)


def about(record: str) -> str:
    """How a server of this record calls itself."""
    return f"{socket.gethostname()}, pid {os.getpid()}, record {record}"


def by_record(names: Iterable[str]) -> dict[str, list[str]]:
    """Servers by their record; without those that do not name theirs."""
    found: dict[str, list[str]] = {}
    for name in names:
        if record := _RECORD.search(name):
            found.setdefault(record[1], []).append(name)
    return found


class Rivals:
    """Those that a session sees.

    Args:
        record: the identity of the record that this server serves.
    """

    def __init__(self, session: Session, record: str) -> None:
        self.found: list[str] = []
        """How they call themselves, as seen last."""
        self._session = session
        self._record = record

    @property
    def trouble(self) -> str:
        """What is wrong and what to do; empty: nothing."""
        if not self.found:
            return ""
        return (
            f"{self._session.settings.path} in ZooKeeper is also used by a server of another record"
            f" ({'; '.join(self.found)}): only one leads, and it removes the entries of the other's jobs."
            " Give each record a --zk-path of its own"
        )

    async def look(self) -> list[str]:
        """Look now. Raises as `Link.call` does."""
        names = await look.members_of(self._session, NAME)
        self.found = [name for record, some in by_record(names).items() if record != self._record for name in some]
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
                    log.warning("%s has no server of another record any more", self._session.settings.path)
            await asyncio.sleep(LOOK)
