"""Listings of the queue for the relay: made when a watch has fired; the content of each entry is read once."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kazoo.exceptions import NoNodeError

from job_engine.job.attributes import JOB_ID
from job_engine.queue import Session, WatchedFolder, inspection, wire
from job_engine.queue.link import Link
from job_engine.queue.names import ordered, parse
from job_engine.queue.session import ENTRIES, MEMBERS, TAKEN
from job_engine.queue.znodes import create_missing


@dataclass(frozen=True, slots=True)
class QueueListing:
    """The queue at one moment."""

    entries: dict[str, str]  # name → job id, in the order of the queue
    taken: set[str]
    strays: list[tuple[str, str]]  # name, and why it is not an entry of a job


class QueueLister:
    """Lists the queue and remembers contents, for one connection: after a wipe, names come back."""

    def __init__(self, session: Session, changed: asyncio.Event) -> None:
        self._session = session
        path = session.settings.path
        self._entries, self._taken, self._members = (
            WatchedFolder(path, name, changed=changed) for name in (ENTRIES, TAKEN, MEMBERS)
        )
        self._jobs: dict[str, str] = {}
        self.members: set[str] = set()  # as listed last

    @property
    def fired(self) -> bool:
        """Entries came or went, were taken or given back."""
        return self._entries.fired or self._taken.fired

    @property
    def members_fired(self) -> bool:
        """Members came or went."""
        return self._members.fired

    def forget(self) -> None:
        """Forget everything after a new connection: no watch is left, and all may have changed."""
        self._jobs.clear()
        self.members = set()
        for folder in (self._entries, self._taken, self._members):
            folder.fire()

    def put(self, entries: Iterable[tuple[str, str]]) -> None:
        """Remember these entries (name, job) that this relay has put, so that they are not read."""
        self._jobs.update(entries)

    async def list_entries(self) -> QueueListing:
        """List, and watch for the next change. Raises as `Link.call` does."""
        link = await self._session.usable()
        names, taken = await self._children(link, self._entries, self._taken)
        self._jobs = await _contents(self._session, names, self._jobs)
        return _listed(names, taken, self._jobs)

    async def list_members(self) -> set[str]:
        """The members, as everybody sees them now. Raises as `Link.call` does."""
        link = await self._session.usable()
        (names,) = await self._children(link, self._members)
        self.members = set(names)
        return self.members

    async def _children(self, link: Link, *folders: WatchedFolder) -> list[list[str]]:
        """The names in some folders, after one sync. A folder that somebody has deleted is made anew."""
        path = link.path(self._session.settings.path)
        try:
            sync = link.send(wire.sync(path))
            answers = (await link.responses(sync, *[folder.send(link) for folder in folders]))[1:]
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        except NoNodeError:
            await create_missing(
                link, [link.path(self._session.settings.path, name) for name in (ENTRIES, TAKEN, MEMBERS)]
            )
            self._jobs.clear()
            return await self._children(link, *folders)
        except BaseException:
            for folder in folders:
                folder.fired = True  # it was not listed: look again
            raise
        return [list(answer) for answer in answers]


async def list_queue(session: Session) -> QueueListing:
    """The queue now, without watches or memory, for operators. Raises as `Link.call` does."""
    link = await session.usable()
    path = session.settings.path
    folders = [wire.Children(link.path(path, name).decode(), None) for name in (ENTRIES, TAKEN)]
    sync = link.send(wire.sync(link.path(path)))
    _, *answers = await link.responses(sync, *[link.send(folder) for folder in folders])
    for answer in answers:
        if isinstance(answer, Exception) and not isinstance(answer, NoNodeError):
            raise answer
    # a folder that somebody has deleted is empty, until the relay makes it anew
    names, taken = ([] if isinstance(answer, NoNodeError) else answer for answer in answers)
    return _listed(names, taken, await _contents(session, names, {}))


async def _contents(session: Session, names: Sequence[str], known: dict[str, str]) -> dict[str, str]:
    """The contents of the entries among these names, in the order of the queue, without entries deleted meanwhile."""
    sound = [name for name in ordered(names) if parse(name)]
    unread = [name for name in sound if name not in known]
    if unread:
        known = known | await inspection.jobs_of(session, unread)
    return {name: known[name] for name in sound if name in known}


def _listed(names: Sequence[str], taken: Sequence[str], jobs: dict[str, str]) -> QueueListing:
    strays = [(name, "its name is no entry's") for name in names if not parse(name)]
    wrong = {name: job for name, job in jobs.items() if not JOB_ID.fullmatch(job)}
    strays += [(name, f"it holds {job[:50]!r}, no job id") for name, job in wrong.items()]
    return QueueListing({name: jobs[name] for name in jobs if name not in wrong}, set(taken), strays)
