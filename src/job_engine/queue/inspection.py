"""Reads of the queue that take nothing: for the relay, and for operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from job_engine.queue import wire
from job_engine.queue.batches import in_batches
from job_engine.queue.link import NODES_PER_READ, Link
from job_engine.queue.names import hexed, ordered, parse
from job_engine.queue.session import ENTRIES, MEMBERS, TAKEN, Session


@dataclass(frozen=True)
class TakeHolder:
    """The holder of a take: a session of job-engine has a member, a foreign one has none."""

    session: int
    member: str | None
    mark: str  # what the taken node holds: our mark of a take, or the stranger's own id
    since: float  # seconds since the epoch, by the server's clock


async def jobs_of(session: Session, names: Sequence[str]) -> dict[str, str]:
    """The job ids in these entries; deleted entries are left out. Raises as `Link.call` does."""
    nodes = await _nodes(await session.usable(), session, ENTRIES, names)
    return {name: node.data.decode(errors="replace") for name, node in nodes.items()}


async def holders(session: Session, names: Sequence[str]) -> dict[str, TakeHolder]:
    """The holders of these entries; free entries are left out."""
    link = await session.usable()
    nodes = await _nodes(link, session, TAKEN, names)
    of_session = {member.rpartition("-")[2]: member for member in await members(session)} if nodes else {}
    return {
        name: TakeHolder(
            session=node.owner,
            member=of_session.get(hexed(node.owner)),
            mark=node.data.decode(errors="replace"),
            since=node.created,
        )
        for name, node in nodes.items()
    }


async def members(session: Session) -> set[str]:
    """The members of all living sessions, as everybody sees them now."""
    link = await session.usable()
    folder = link.path(session.settings.path, MEMBERS)
    link.send(wire.sync(folder))
    return set(await link.call(wire.Children(folder.decode(), None)))


async def members_of(session: Session, kind: str) -> dict[str, wire.Node]:
    """The living sessions of this kind: how they call themselves, and as version how often they were heard.

    Raises as `Link.call` does.
    """
    theirs = sorted(name for name in await members(session) if name.startswith(f"{kind}-"))
    return await _nodes(await session.usable(), session, MEMBERS, theirs)


async def names(session: Session) -> list[str]:
    """All entries in the order of the queue, as everybody sees them now."""
    link = await session.usable()
    folder = link.path(session.settings.path, ENTRIES)
    link.send(wire.sync(folder))
    return [name for name in ordered(await link.call(wire.Children(folder.decode(), None))) if parse(name)]


async def _nodes(link: Link, session: Session, folder: str, of: Sequence[str]) -> dict[str, wire.Node]:
    async def read(some: Sequence[bytes]) -> list[wire.Node | None]:
        return await link.nodes(link.send_reads(some))

    paths = [link.path(session.settings.path, folder, name) for name in of]
    found = chain.from_iterable(await in_batches(read, paths, NODES_PER_READ))
    return {name: node for name, node in zip(of, found, strict=True) if node}
