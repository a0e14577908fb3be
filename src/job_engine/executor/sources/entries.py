"""Entries of the locking queue, for a source: taken as there is room, and ended in the background."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from job_engine.executor.sources import SourceListener
from job_engine.executor.sources.entry_endings import EntryEnd, EntryEndings
from job_engine.job.attributes import JOB_ID
from job_engine.job.errors import Forbidden, JobEngineError, Unavailable, Unreachable
from job_engine.queue import LockingQueue, Session, Taken, ZooKeeper, boottime, names, predecessor
from job_engine.queue.link import Link

log = logging.getLogger(__name__)

SILENT_SECONDS: Final = 5.0
"""Seconds after which an unreachable ZooKeeper is logged."""
CONNECT_SECONDS: Final = 15.0
"""Seconds of each further try to connect."""
REFUSED_SECONDS: Final = 1.0
"""Seconds until the next try when ZooKeeper refuses: nothing mends that in a hurry."""
SETTLE_SECONDS: Final = 5.0
"""Seconds at a stop for consumes and releases; what is not done by then happens with the end of the session."""


class Entries:
    """The entries that this executor has taken from the locking queue, in one ZooKeeper session after the other.

    Args:
        about: who we are: the data of the member node.
        note: file for the session's number, by which a successor can end it; in a folder of which we hold the lock.
    """

    shared = True
    """Others take what is released."""

    def __init__(self, settings: ZooKeeper, about: bytes, note: Path | None = None) -> None:
        self.session = Session(settings, kind="executor", about=about)
        self.queue = LockingQueue(self.session)
        self.listener: SourceListener | None = None
        """Is notified of takes, of heartbeats, and of a lapse."""
        self.on_lapse: Callable[[], None] = lambda: None
        """Called before the listener: every `Taken` is void."""
        self.replaced: str | None = None
        """The member of our predecessor in the run folder, once its session is certainly over."""
        self._settings = settings
        self._note = note
        self._endings = EntryEndings(self.queue)
        self._room = 0
        self._fresh: list[Taken] = []
        self._wanted = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._started = False
        self._void = True  # until a session is there, and after it has lapsed
        self._refusal = ""  # why nothing could be taken, as the log said last
        self._unreachable = False  # ZooKeeper was logged as unreachable
        self._ending = False  # we end the session ourselves
        self._taker: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[list[Taken]] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self.session.add(self)
        self.session.on_extended = self._moved

    async def start(self) -> None:
        """Connect, if that was not done before, however long that takes; the log says once that it takes long.

        Raises:
            Forbidden: ZooKeeper does not let us.
        """
        if self._started:
            return
        async with self._connecting:
            if not self._started:  # by another, for whose end this one waited
                await self._connect(self._note)
                self._taker = asyncio.get_running_loop().create_task(self._take(), name="taking entries")
                self._started = True

    async def _connect(self, note: Path | None = None) -> None:
        """Begin a session; before it that of our predecessor is ended, if one is noted there."""
        while True:
            give_up = time.monotonic() + (CONNECT_SECONDS if self._unreachable else SILENT_SECONDS)
            try:
                if note is not None:
                    await self._follow(note)
                await self.session.start(max(1.0, give_up - time.monotonic()))
                return
            except (Unreachable, Unavailable) as error:
                self._warn_once(f"{error}; trying again")

    async def _follow(self, note: Path) -> None:
        dead = predecessor.read(note)
        await predecessor.end(self._settings, note)
        if dead is not None and predecessor.read(note) is None:  # else its session may live
            self.replaced = names.member(self.session.kind, dead.session)

    def _warn_once(self, said: str) -> None:
        if not self._unreachable:
            self._unreachable = True
            log.warning("%s", said)

    async def close(self) -> None:
        """Take no more, give back what nobody collected, and end the session once all is settled."""
        self.listener = None
        self._ending = True
        for task in (self._taker, self._renewing):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        self.ask(0)
        if not await self._endings.settle(SETTLE_SECONDS):
            log.warning("ZooKeeper does not answer; what is still taken is free when our session ends")
        await self.session.close()
        if self._note is not None and self._started:
            predecessor.forget(self._note)

    def renew(self) -> None:
        """End the session and begin another: everything that is taken is free then, and our member is another."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew(), name="another session")

    # --- what it knows

    @property
    def where(self) -> str:
        """Which servers, for messages."""
        return f"ZooKeeper at {self._settings.hosts}"

    @property
    def place(self) -> str:
        """Where the queue is in ZooKeeper; see `ZooKeeper.place`."""
        return self._settings.place

    @property
    def member(self) -> str:
        """The member's name in the session that we have or had last."""
        return self.session.name

    @property
    def granted(self) -> float:
        """The session timeout, seconds."""
        return self.session.granted

    @property
    def good_until(self) -> float:
        """The session's deadline in monotonic seconds. Its own clock goes on while the machine sleeps: ask anew."""
        return 0.0 if self._void else time.monotonic() + self.session.until - boottime()

    # --- taking and ending

    @property
    def fresh(self) -> bool:
        """Whether there is something to collect."""
        return bool(self._fresh)

    def ask(self, room: int) -> None:
        """Take up to ``room`` entries beyond those that were collected. With 0 none is kept either."""
        self._room = room
        if room > 0:
            self._wanted.set()
            return
        if self._taking is not None:
            self._taking.cancel()  # what it may take all the same is given back
        self.release(self.collect())

    def collect(self) -> list[Taken]:
        """What was taken since it was last called."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def consume(self, takes: Sequence[Taken]) -> None:
        """Nothing is left to do for these: remove them, in the background."""
        self._endings.add(EntryEnd.CONSUME, takes)

    def release(self, takes: Sequence[Taken], *, avoid: bool = False) -> None:
        """Give these back, in the background; with ``avoid`` leave them to others from now on."""
        self._endings.add(EntryEnd.AVOID if avoid else EntryEnd.RELEASE, takes)

    def leave(self, taken: Taken, seconds: float) -> None:
        """Give this one back, in the background, and leave it to others for so long."""
        self.queue.avoid([taken], seconds)
        self._endings.add(EntryEnd.RELEASE, [taken])

    def postpone(self, takes: Sequence[Taken]) -> None:
        """Give these back, in the background; nothing can be done for them now, and perhaps later."""
        self._endings.add(EntryEnd.LATER, takes)

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._wanted.clear()
                want = self._room - len(self._fresh)
                if want <= 0:
                    await self._wanted.wait()
                    continue
                taking = self._taking = loop.create_task(self.queue.take(want))
                await asyncio.wait((taking,))
                self._taking = None
                if taking.cancelled():
                    continue
                try:
                    takes = taking.result()
                except JobEngineError as error:
                    if self._refusal != (refusal := str(error)):
                        log.error("%s Trying again.", error)
                    self._refusal = refusal
                    await asyncio.sleep(REFUSED_SECONDS)
                    continue
                self._refusal = ""
                held = set(self.queue.held)  # without them if the session has lapsed this very moment
                self._took([taken for taken in takes if taken in held])
        finally:
            if self._taking is not None:
                self._taking.cancel()

    def _took(self, takes: list[Taken]) -> None:
        strange = [taken for taken in takes if not JOB_ID.fullmatch(taken.job)]
        for taken in strange:
            log.warning("the entry %s of the queue holds no job id but %.100r: left alone", taken.name, taken.job)
        if strange:
            self.postpone(strange)
            takes = [taken for taken in takes if taken not in strange]
        if self._room <= 0:
            self.release(takes)
            return
        self._fresh += takes
        if takes and self.listener is not None:
            self.listener.on_news()

    # --- SessionListener

    def on_session_lapsed(self) -> Awaitable[object] | None:
        """Interrupt all jobs: their takes are void."""
        if not (self._void or self._ending):
            self._warn_once(f"no session any more with {self.where}; nothing is taken until there is one")
        self._void = True
        self._fresh.clear()
        self._endings.forget()
        self.on_lapse()
        return None if self.listener is None else self.listener.on_holds_lapsed()

    async def on_reconnected(self, link: Link) -> None:
        """Take entries again."""
        self._welcome()

    def on_session_renewed(self, link: Link) -> None:
        """Note the new session for a successor, and take entries again."""
        if self._note is not None and link.credentials is not None:
            try:
                predecessor.save(self._note, link.credentials)
            except OSError as error:  # that costs a successor the session's time, no more
                log.warning("cannot write in the executor's run folder: %s", error)
        self._welcome()

    def _welcome(self) -> None:
        self._void = False
        if self._unreachable:
            self._unreachable = False
            log.info("connected to %s again", self.where)
        self._moved()
        if self.listener is not None:
            self.listener.on_news()  # what has been put off until now

    def _moved(self) -> None:
        if self.listener is not None:
            self.listener.on_holds_extended()

    async def _renew(self) -> None:
        self._ending = True
        await self.session.close()
        self._ending = False
        while True:
            try:
                await self._connect()
                return
            except Forbidden as error:
                log.error("%s", error)
                await asyncio.sleep(REFUSED_SECONDS)
