"""Take, consume and release, many at once, each with its guards.

- A take checks our member and the entry, creates the taken node and writes it once, so that its version is 1; the
  entry is read in the same flight.
- A consume checks our member and deletes entry and taken node, a release the taken node alone; always at version 1.
  So a zombie is refused, against ours (its member is gone) and against kazoo's (whose taken nodes have version 0).
- A take ends once, here: as a consume or as a release. While that is under way nothing else ends it.
- The outcome of an unanswered call is known after the next connection: `on_reconnected` compares the nodes that are
  taken in our session with those that we know, and releases the rest. Only then is anything else read: a taken node is
  ours when its owner is our session *and* it carries the mark of this very take.
"""

import asyncio
import enum
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

from kazoo.exceptions import NoNodeError

from job_engine.job.errors import Forbidden
from job_engine.queue import wire
from job_engine.queue.batches import in_batches
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.link import Link
from job_engine.queue.session import ENTRIES, TAKEN, Session

ENTRIES_PER_MULTI = 64
"""Entries in a multi: the best of what was measured, and at most some 200 operations, far below the size limit."""

REFUSED_SECONDS = 5.0
"""Seconds for which an entry is left to others that we have no right to take: rights come back, and nobody tells."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class EndOutcome(enum.Enum):
    """The outcome of a consume or release."""

    DONE = "done"
    REFUSED = "refused"  # not ours any more: nothing was changed
    UNKNOWN = "unknown"  # the session ended before the answer; the taken node went with it, the entry perhaps


class Taken:
    """An entry that is ours until it is consumed or released, or the session lapses."""

    __slots__ = ("ending", "job", "mark", "member", "name")

    def __init__(self, name: str, job: str, mark: bytes, member: str) -> None:
        self.name = name
        self.job = job  # what the entry holds; the job's id, if it was a sound one that put it
        self.mark = mark
        self.member = member
        self.ending = False

    def __repr__(self) -> str:
        return f"Taken({self.name}, {self.job})"


class Takes:
    """The entries that this session has taken. A listener of the session."""

    def __init__(
        self,
        session: Session,
        freed: Callable[[Iterable[str]], None] = lambda names: None,
        avoid: Callable[[Iterable[str], float], None] = lambda names, seconds: None,
    ) -> None:
        """``freed`` hears of names that are no longer held or tried, once that is certain; ``avoid`` of those among
        them that are not to be tried for so many seconds."""
        self._session = session
        self._freed = freed
        self._avoid = avoid
        self._held: dict[str, Taken] = {}
        self._tag = secrets.token_hex(8)
        self._count = 0
        self._forbidden: list[Forbidden] = []  # why some of the last take were not ours to take
        self._running: set[asyncio.Task[Any]] = set()
        session.add(self)

    @property
    def held(self) -> list[Taken]:
        """The entries that are taken now."""
        return list(self._held.values())

    async def take(self, names: Sequence[str]) -> list[Taken]:
        """Take those of these entries that are free. Waits for a good session; an unanswered take takes nothing.

        When the caller is cancelled, what was taken is released.
        """
        task = self._keep(self._take_all(names))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._give_back)
            raise

    async def consume(self, takes: Sequence[Taken]) -> list[EndOutcome]:
        """Delete entries whose jobs are final, or need no entry. Raises Forbidden; then they are still taken."""
        return await asyncio.shield(self._keep(self._end(takes, consume=True)))

    async def release(self, takes: Sequence[Taken]) -> list[EndOutcome]:
        """Give the entries back, for anybody to take."""
        return await asyncio.shield(self._keep(self._end(takes, consume=False)))

    # SessionListener

    def on_session_lapsed(self) -> None:
        """All takes are void; if the session comes back, `on_reconnected` releases them."""
        freed = list(self._held)
        self._held.clear()
        self._freed(freed)

    def on_session_renewed(self, link: Link) -> None:
        """Nothing to do: `on_session_lapsed` came before, and nothing was taken since."""

    async def on_reconnected(self, link: Link) -> None:
        """Release what is taken in our session and unknown to us, forget what is no longer there."""
        _, listed = await link.responses(
            link.send(wire.sync(self._folder(link, TAKEN))),
            link.send(wire.Children(self._folder(link, TAKEN).decode(), None)),
        )
        if isinstance(listed, NoNodeError):
            listed = []  # somebody has deleted the folder: nothing is taken
        if isinstance(listed, Exception):
            raise listed
        paths = [self._path(link, TAKEN, name) for name in listed]
        nodes = await link.nodes(link.send_reads(paths))
        ours = {name: node for name, node in zip(listed, nodes, strict=True) if node and node.owner == link.session}
        for name in [name for name, taken in self._held.items() if not _is_mark(ours.get(name), taken)]:
            if not self._held[name].ending:  # what ends is settled by who ends it
                del self._held[name]
        unknown = [name for name, node in ours.items() if not self._knows(name, node)]
        if unknown:
            _log.info("Releasing %d entries that were taken and not known: an answer was lost.", len(unknown))
        for failed in await self._drop_nodes(link, unknown):
            if isinstance(failed, Exception):
                raise failed
            if wire.NO_AUTH in failed.codes:  # left taken, it would be nobody's as long as this session lasts
                raise Forbidden("ZooKeeper does not let us give entries back; check the rights on the queue's folders.")

    def _knows(self, name: str, node: wire.Node) -> bool:
        taken = self._held.get(name)
        return taken is not None and _is_mark(node, taken)

    async def _drop_nodes(self, link: Link, names: Sequence[str]) -> list[Any]:
        """Release one by one, taken nodes that are in no Taken."""
        requests = [
            wire.multi([wire.check(self._session.member), wire.delete(self._path(link, TAKEN, name), 1)])
            for name in names
        ]
        return await link.responses(*[link.send(request) for request in requests]) if requests else []

    # Take

    async def _take_all(self, names: Sequence[str]) -> list[Taken]:
        link = await self._session.usable()
        self._forbidden.clear()
        taken = await in_batches(lambda batch: self._take(link, batch), names, ENTRIES_PER_MULTI)
        takes = list(chain.from_iterable(taken))
        if self._forbidden and not takes:  # what was won must not get lost
            raise self._forbidden[0]
        return takes

    async def _take(self, link: Link, names: Sequence[str]) -> list[Taken]:
        if not self._session.good:
            self._freed(names)
            return []
        self._count += 1
        mark = f"{self._tag}{self._count:016x}".encode()
        member, connection = self._session.name, link.connections
        paths = [self._path(link, ENTRIES, name) for name in names]
        first = link.send(self._take_request(link, names, mark))
        reads = link.send_reads(paths)
        answers = await link.responses(first) * len(names)
        if len(names) > 1 and isinstance(answers[0], wire.MultiResult) and not answers[0].done:
            singles = [link.send(self._take_request(link, [name], mark)) for name in names]
            reads = link.send_reads(paths)
            answers = await link.responses(*singles)
        try:
            nodes = await link.nodes(reads)
            won = [_is_done(answer) for answer in answers]
        except (Unanswered, SessionLost):
            won = []
        if not won or not self._session.still(link, connection):
            # Some may be ours: `on_reconnected` releases those before anything else is sent; then the names are free.
            await self._session.back(link)
            self._freed(names)
            return []
        takes: list[Taken] = []
        refused: list[str] = []
        forbidden: list[str] = []
        vanished: list[str] = []
        for name, ok, node in zip(names, won, nodes, strict=True):
            if isinstance(ok, Forbidden):
                self._forbidden.append(ok)
                forbidden.append(name)
            elif ok and node:
                takes.append(Taken(name, node.data.decode(errors="replace"), mark, member))
            else:
                (vanished if ok else refused).append(name)
        self._held.update((taken.name, taken) for taken in takes)
        await self._drop_nodes(link, vanished)  # a stranger removed the entry after our take
        if forbidden:
            self._avoid(forbidden, REFUSED_SECONDS)
        self._freed(vanished + refused + forbidden)
        return takes

    def _take_request(self, link: Link, names: Sequence[str], mark: bytes) -> wire.Request:
        operations = [wire.check(self._session.member)]
        for name in names:
            taken = self._path(link, TAKEN, name)
            operations += (
                wire.check(self._path(link, ENTRIES, name)),
                wire.create(taken, mark, link.acl, wire.EPHEMERAL),
                wire.write(taken, mark, 0),
            )
        return wire.multi(operations)

    # Consume and release

    async def _end(self, takes: Sequence[Taken], *, consume: bool) -> list[EndOutcome]:
        outcomes = dict.fromkeys(takes, EndOutcome.REFUSED)
        ours = [taken for taken in takes if self._held.get(taken.name) is taken and not taken.ending]
        for taken in ours:
            taken.ending = True
        try:
            for ended in await in_batches(lambda batch: self._end_batch(batch, consume), ours, ENTRIES_PER_MULTI):
                outcomes.update(ended)
        except Forbidden:  # what had no right to be consumed can still be released
            for taken in ours:
                taken.ending = False
            raise
        for taken in ours:
            if self._held.get(taken.name) is taken:
                del self._held[taken.name]
        self._freed([taken.name for taken in ours])
        return [outcomes[taken] for taken in takes]

    async def _end_batch(self, takes: Sequence[Taken], consume: bool) -> dict[Taken, EndOutcome]:
        """Send until each is settled; after a lost answer only for those that are still ours."""
        outcomes: dict[Taken, EndOutcome] = {}
        sent = False
        while True:
            link = await self._link_of(takes)
            if link is None:
                return outcomes | {
                    taken: EndOutcome.UNKNOWN if sent else EndOutcome.REFUSED
                    for taken in takes
                    if taken not in outcomes
                }
            left = [taken for taken in takes if taken not in outcomes]
            try:
                if sent:
                    there = await self._still_ours(link, left)
                    outcomes.update((taken, EndOutcome.DONE) for taken in left if taken not in there)
                    left = there
                sent = True
                outcomes.update(await self._send_end(link, left, consume))
            except SessionLost:
                continue
            except Unanswered:
                await self._session.back(link)
                continue
            if len(outcomes) == len(takes):
                return outcomes

    async def _link_of(self, takes: Sequence[Taken]) -> Link | None:
        """The link of these takes, once it is good; None when their hold has ended."""
        link = self._session.current
        if link is None or not await self._session.back(link):
            return None
        return link if all(self._held.get(taken.name) is taken for taken in takes) else None

    async def _still_ours(self, link: Link, takes: list[Taken]) -> list[Taken]:
        paths = [self._path(link, TAKEN, taken.name) for taken in takes]
        link.send(wire.sync(self._folder(link, TAKEN)))
        nodes = await link.nodes(link.send_reads(paths))
        return [
            taken
            for taken, node in zip(takes, nodes, strict=True)
            if node and node.owner == link.session and node.data == taken.mark
        ]

    async def _send_end(self, link: Link, takes: list[Taken], consume: bool) -> dict[Taken, EndOutcome]:
        if not takes:
            return {}
        answer = await link.call(self._end_request(link, takes, consume))
        if answer.done:
            return dict.fromkeys(takes, EndOutcome.DONE)
        one_by_one = await link.responses(*[link.send(self._end_request(link, [taken], consume)) for taken in takes])
        outcomes = {}
        for taken, one in zip(takes, one_by_one, strict=True):
            if isinstance(one, Exception):
                raise one
            if consume and one.codes[1] == wire.NO_NODE:  # a stranger removed the entry: without it
                one = await link.call(self._end_request(link, [taken], consume=False))
            if wire.NO_AUTH in one.codes:
                raise Forbidden("ZooKeeper does not let us remove entries; check the rights on the queue's folders.")
            outcomes[taken] = EndOutcome.DONE if one.done else EndOutcome.REFUSED
        return outcomes

    def _end_request(self, link: Link, takes: Sequence[Taken], consume: bool) -> wire.Request:
        operations = [wire.check(self._session.member)]
        for taken in takes:
            if consume:
                operations.append(wire.delete(self._path(link, ENTRIES, taken.name)))
            operations.append(wire.delete(self._path(link, TAKEN, taken.name), 1))
        return wire.multi(operations)

    # Paths and tasks

    def _folder(self, link: Link, folder: str) -> bytes:
        return link.path(self._session.settings.path, folder)

    def _path(self, link: Link, folder: str, name: str) -> bytes:
        return link.path(self._session.settings.path, folder, name)

    def _keep(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _give_back(self, task: "asyncio.Task[list[Taken]]") -> None:
        if not task.cancelled() and task.exception() is None and task.result():
            self._keep(self._end(task.result(), consume=False))


def _is_mark(node: wire.Node | None, taken: Taken) -> bool:
    return node is not None and node.data == taken.mark


def _is_done(answer: Any) -> "bool | Forbidden":
    """Whether a take was done; raises what was no answer to it."""
    if isinstance(answer, Exception):
        raise answer
    if wire.NO_AUTH in answer.codes:
        return Forbidden("ZooKeeper does not let us take entries; check the rights on the queue's folders.")
    return bool(answer.done)
