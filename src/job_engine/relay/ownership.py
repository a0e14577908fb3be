"""The owner of a path in ZooKeeper. A relay puts and removes nothing on a path that its record does not own.

A node beside the entries names the record and the server that works for it. A path without one is taken if nothing in
it is foreign: it is empty, as after a wipe, or an older version of ours filled it for this record. A record may lie
twice, as a copy: so servers are told apart, too. The one that the node names goes on as long as it lives.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from kazoo.exceptions import KazooException, NoNodeError

from job_engine.job.errors import Conflict, JobEngineError
from job_engine.queue import Session, wire
from job_engine.relay.listing import list_queue
from job_engine.relay.other_servers import RelayServer, connected_servers
from job_engine.store import publishing
from job_engine.store.database import Store

OWNER_NODE: Final = "record"
"""The node's name, beside the folders of entries, takes and members."""
RETRY_SECONDS: Final = 1.0
"""Seconds between two inspections of a path that another record owns."""

_OF_ITS_OWN: Final = "Give this server a --zk-path of its own"
_REMOVE: Final = "or, if those jobs are gone for good, stop what is connected there and delete its entries"
_STOP_ONE: Final = (
    "One of the two is a copy: stop it, or give it a --zk-path of its own. If this one is to go on, stop the other"
    " and start this one again"
)

log = logging.getLogger(__name__)


class PathNotOurs(Conflict):
    """The path is not this record's any more: nothing may be changed there."""


class OwnerMark(NamedTuple):
    """The content of the node that names the owner of a path."""

    record: str
    server: str
    version: int


@dataclass(frozen=True)
class PathContents:
    """The entries on a path, by whether the record has their jobs."""

    known: int  # entries of jobs that the record has
    foreign: list[tuple[str, str]]  # (name, job) of jobs that it does not have


def obstacle(mark: OwnerMark | None, owner: RelayServer | None, contents: PathContents | None) -> tuple[str, str]:
    """Why a path may not be taken, empty: it may; and what shows it, which changes as entries come and go. Pure.

    Args:
        owner: the living server of another record that the mark names, if there is one.
        contents: None where they do not matter, because the mark names this record.
    """
    if owner is not None:
        return f"is the queue of a server of another record ({owner.about})", ""
    if contents is None or not contents.foreign:
        return "", ""
    if mark is None and contents.known:
        return "", ""  # job ids are not made twice: an older version of ours was here, which made no mark
    whose = "another system" if mark is None else "another record"
    name, job = contents.foreign[0]
    return f"is the queue of {whose}", (
        f": {len(contents.foreign)} of its entries are of jobs that this record does not have, e.g. {name} of {job}"
    )


async def read(session: Session) -> OwnerMark | None:
    """The mark of the path; None: no server has marked it. Raises as `Link.call` does."""
    link = await session.usable()
    try:
        node = await link.call(wire.read(link.path(session.settings.path, OWNER_NODE)))
    except NoNodeError:
        return None
    record, _, server = node.data.decode(errors="replace").partition(" ")
    return OwnerMark(record, server, node.version)


class Ownership:
    """The ownership of the path in ZooKeeper that one server uses.

    Args:
        record: the identity of the record that this server serves.
        server: the identity of this process, to tell it from one that serves a copy.
    """

    def __init__(self, store: Store, session: Session, record: str, server: str) -> None:
        self.record = record
        self.server = server
        self.trouble = ""
        """Why the path is not ours, and what to do; empty: it is, or nobody has looked yet."""
        self._store = store
        self._session = session
        self._cause = ""  # the trouble without what changes while it lasts: counts, and names of entries
        self._seen: dict[str, int] = {}  # servers of this record, and how often they had been heard at first
        self._copied = False  # another server of this record lives: one of us two has a copy

    async def settle(self) -> None:
        """Wait until the path is ours. The log tells each obstacle once, however its entries come and go."""
        told = ""
        while not await self._is_taken():
            if self.trouble and told != self._cause:
                told = self._cause
                log.error("%s.", self.trouble)
            await asyncio.sleep(RETRY_SECONDS)
        if told:
            log.warning("%s in ZooKeeper is this record's now", self._session.settings.path)

    async def inspect(self) -> bool:
        """Take the path, if nothing forbids it. Whether it is ours; else ``trouble`` says why not, but for a moment
        after a crash. Raises as `Link.call` does."""
        mark = await read(self._session)
        if self._is_ours(mark):
            self._report("")
            return True
        others = [peer for peer in await connected_servers(self._session) if peer.server != self.server]
        own = mark is not None and mark.record == self.record
        owner = next((peer for peer in others if mark and peer.server and peer.server == mark.server), None)
        if self._is_copied(others):
            return False
        if own and owner is not None:
            return False  # it has died, and its session is not over yet; if not, it will be heard
        cause, evidence = obstacle(mark, owner, None if own else await self._contents())
        self._report(cause, evidence, _OF_ITS_OWN if owner else f"{_OF_ITS_OWN}; {_REMOVE}")
        return not cause and await self._write(mark)

    async def _is_taken(self) -> bool:
        try:
            return await self.inspect()
        except (JobEngineError, KazooException) as error:
            self._cause = "cannot be read"
            path = self._session.settings.path
            self.trouble = f"{path} in ZooKeeper cannot be read, to see whose queue it is: {error}"
            return False

    def _report(self, cause: str, evidence: str = "", way: str = "") -> None:
        """Say why the path is not ours; no ``cause``: it may be."""
        self._cause = cause
        self.trouble = cause and (
            f"{self._session.settings.path} in ZooKeeper {cause}{evidence}. Nothing is put or removed there, and jobs"
            f" wait. {way}"
        )

    def _is_copied(self, others: Iterable[RelayServer]) -> bool:
        """Whether another server of this record has been heard while we looked: one of us two has a copy.

        That lasts as long as this process. Else a copy would go on when the right server is away for a moment.
        """
        for peer in others:
            first = self._seen.setdefault(peer.member, peer.beats)
            if peer.record == self.record and peer.lives(first) and not self._copied:
                self._copied = True
                self._report(f"is the queue of a server of the same record ({peer.about})", way=_STOP_ONE)
        return self._copied

    async def _contents(self) -> PathContents:
        listed = await list_queue(self._session)
        rows = await self._store.read(publishing.rows, set(listed.entries.values()))
        foreign = [(name, job) for name, job in listed.entries.items() if job not in rows]
        return PathContents(len(listed.entries) - len(foreign), foreign)

    async def _write(self, mark: OwnerMark | None) -> bool:
        """Whether it was written; not if somebody else did so since it was read."""
        link = await self._session.usable()
        path, data = link.path(self._session.settings.path, OWNER_NODE), f"{self.record} {self.server}".encode()
        operation = wire.create(path, data, link.acl) if mark is None else wire.write(path, data, mark.version)
        answer = await link.call(wire.multi([operation]))
        if wire.NO_AUTH in answer.codes:
            self._cause = "cannot be written"
            self.trouble = f"{path.decode()} in ZooKeeper cannot be written: check the rights"
        return bool(answer.done) or self._is_ours(await read(self._session))

    def _is_ours(self, mark: OwnerMark | None) -> bool:
        return mark is not None and (mark.record, mark.server) == (self.record, self.server)
