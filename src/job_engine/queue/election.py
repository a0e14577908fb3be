"""An election, on the wire as kazoo's: one leader among all who contend, ours and strangers.

A contender is an ephemeral sequential node `<32 hex>__lock__NNNNNNNNNN` that holds the contender's name; the lowest
number leads. Each watches the one before it and no other, so the end of one wakes one.

kazoo's leader goes on leading after its session has ended. Ours stops at the session's deadline, before the server lets
another lead, and nothing is renewed before its work has ended. Only a server that has lost its disk forgets a leader
sooner than that: what a leader writes must be safe when another writes it too.
"""

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import EventType

from job_engine.job.errors import Forbidden
from job_engine.queue import wire, znodes
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.link import Link
from job_engine.queue.session import Session

ELECTION_PATH = "/election"
"""The folder of elections, beside the queue."""

UNNAMED_CONTENDER = "(without a name)"
"""The name shown for a contender without one, which kazoo's recipe permits."""

CONTENDER_MARK = "__lock__"
_CONTENDER = re.compile(rf"{CONTENDER_MARK}(-?[0-9]{{10}})$")

_log = logging.getLogger(__name__)


class Lead:
    """One term: from winning until it is lost or given up."""

    def __init__(self, session: Session, link: Link, node: bytes) -> None:
        self.lost = asyncio.Event()
        self.node = node  # our contender's path: a multi that checks it is refused once the term is over
        self._session, self._link = session, link
        self._left = asyncio.Event()

    @property
    def valid(self) -> bool:
        """Not lost, and before the deadline by the clock: right also just after this process had been stopped."""
        return not self.lost.is_set() and self._session.alive and self._session.current is self._link

    @property
    def left(self) -> bool:
        """Nobody works in this term any more."""
        return self._left.is_set()

    def leave(self) -> None:
        """The work of this term has ended."""
        self.lost.set()
        self._left.set()

    async def until_left(self) -> None:
        """Wait for the end of its work."""
        await self._left.wait()


class Election:
    """Contends in one election, through as many sessions as it takes.

    An election is a listener of its session, so it has to be made before the session starts; later it is refused.
    """

    def __init__(self, session: Session, name: str, about: bytes = b"", *, path: str = ELECTION_PATH) -> None:
        """``about`` is how `contenders` lists us. ``path`` is below the same chroot as the queue's."""
        self._session = session
        self._about = about
        self._path = (path, name)
        self._prefix = ""  # begins our node's name in this session; fresh in each
        self._contending = False
        self._lead: Lead | None = None
        self._changed = asyncio.Event()
        session.add(self)

    @property
    def leading(self) -> bool:
        """Whether we lead now."""
        return self._lead is not None and self._lead.valid

    async def run(self, work: Callable[[Lead], Awaitable[None]]) -> None:
        """Contend for ever, and do ``work`` while leading. A lead lost: cancel it, await its end, contend anew.

        Returns when ``work`` does and raises what it raises, but for SessionLost, which is a lead lost. Then, and when
        cancelled, it hands over. Raises Forbidden, too.
        """
        async with self._contend():
            while True:
                lead = await self._win()
                task = asyncio.ensure_future(work(lead))
                lost = asyncio.create_task(lead.lost.wait())
                try:
                    await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
                    in_time = task.done()
                finally:
                    lost.cancel()
                    task.cancel()
                    while not task.done():
                        await asyncio.wait({task})
                    lead.leave()
                try:
                    task.result()
                except SessionLost:
                    continue
                except asyncio.CancelledError:
                    if in_time:
                        raise
                except Exception:
                    if in_time:
                        raise
                    _log.exception("What was done while leading %s failed when the lead was lost", self._path[1])
                if in_time:
                    return

    @contextlib.asynccontextmanager
    async def lead(self) -> AsyncIterator[Lead]:
        """Wait until we lead; leaving the block hands over.

        When ``lost`` is set, leave soon: the session is not renewed before that, for at most one session timeout.
        """
        async with self._contend():
            lead = await self._win()
            try:
                yield lead
            finally:
                lead.leave()

    async def contenders(self) -> list[str]:
        """How all contenders call themselves, the leader first. Raises as `Link.call` does."""
        link = await self._session.usable()
        paths = [self._node(link, name) for name in await self._names(link)]
        nodes = await link.nodes(link.send_reads(paths))
        return [node.data.decode(errors="replace").strip() or UNNAMED_CONTENDER for node in nodes if node]

    # SessionListener

    def on_session_lapsed(self) -> Awaitable[object] | None:
        lead = self._lead
        if lead is None or lead.left:
            return None
        lead.lost.set()
        return lead.until_left()

    def on_session_renewed(self, link: Link) -> None:
        self._prefix = secrets.token_hex(16) + CONTENDER_MARK
        self._changed.set()

    async def on_reconnected(self, link: Link) -> None:
        """Our node is kept: watch it again, or see that it is gone; or take away what nobody needs any more."""
        if not self._contending:
            await self._withdraw(link)
        elif self._lead and not self._lead.lost.is_set():
            (node,) = await link.responses(link.send(wire.watch(self._lead.node, self._on_watch)))
            if isinstance(node, Exception) and not isinstance(node, NoNodeError):
                raise node
            if isinstance(node, NoNodeError) or node.owner != link.session:
                self._lead.lost.set()
        self._changed.set()

    # Contending

    @contextlib.asynccontextmanager
    async def _contend(self) -> AsyncIterator[None]:
        if self._contending:
            raise RuntimeError("An Election contends once at a time.")
        self._contending = True
        try:
            yield
        finally:
            self._contending = False
            link = self._session.current
            if link and self._session.good:
                with contextlib.suppress(Unanswered, SessionLost):  # `on_reconnected` does it, or the session is over
                    await asyncio.shield(self._withdraw(link))

    async def _win(self) -> Lead:
        while True:
            link = await self._session.usable()
            connection = link.connections
            self._changed.clear()
            try:
                names = await self._names(link)
                ours = next((name for name in names if name.startswith(self._prefix)), None)
                if ours is None:
                    await self._enter(link)
                    continue
                ahead = names[: names.index(ours)]
                watched = self._node(link, ahead[-1] if ahead else ours)
                await link.call(wire.watch(watched, self._on_watch))
            except (NoNodeError, Unanswered, SessionLost):
                continue  # the node has gone meanwhile, or wait for the connection
            if ahead:
                await self._changed.wait()
            elif self._session.still(link, connection):
                self._lead = Lead(self._session, link, watched)
                return self._lead

    async def _names(self, link: Link) -> list[str]:
        """The contenders in their order, as kazoo sees it: by the text of the number.

        The sync is for a create whose answer was lost: it may have come by another server.
        """
        folder = link.path(*self._path)
        link.send(wire.sync(folder))
        try:
            names = await link.call(wire.Children(folder.decode(), None))
        except NoNodeError:
            return []
        numbers = {name: match[1] for name in names if (match := _CONTENDER.search(name))}
        return sorted(numbers, key=numbers.__getitem__)

    async def _enter(self, link: Link) -> None:
        node = self._node(link, self._prefix)
        request = wire.multi([wire.create(node, self._about, link.acl, wire.EPHEMERAL | wire.SEQUENTIAL)])
        made = await link.call(request)
        if wire.NO_NODE in made.codes:
            await znodes.create_missing(link, [link.path(*self._path)])
            made = await link.call(request)
        if not made.done:
            raise Forbidden(
                f"ZooKeeper does not let us contend in {node.rpartition(b'/')[0].decode()}; check the rights."
            )

    async def _withdraw(self, link: Link) -> None:
        ours = [name for name in await self._names(link) if name.startswith(self._prefix)]
        if ours:
            await link.responses(*[link.send(wire.multi([wire.delete(self._node(link, name))])) for name in ours])

    def _node(self, link: Link, name: str) -> bytes:
        return link.path(*self._path, name)

    def _on_watch(self, event: object) -> None:
        """On kazoo's thread."""
        link = self._session.current
        if link:
            link.post(self._notice, event)

    def _notice(self, event: object) -> None:
        gone = getattr(event, "type", None) == EventType.DELETED
        if gone and self._lead and self._lead.node.endswith(str(getattr(event, "path", "")).encode()):
            self._lead.lost.set()
        self._changed.set()
