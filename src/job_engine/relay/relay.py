"""The relay: it makes the queue equal to what the record wants. Publishing and reconciling are one loop.

It wakes by what the record commits in this process and by watches in ZooKeeper; timers are for what has to be so for a
while. An idle queue costs nothing, and an add is in the queue after one look at an index, one put and one note. A busy
queue is compared at most a twentieth of the time.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from typing import Final

from job_engine.job.errors import Conflict, JobEngineError
from job_engine.queue import LockingQueue, Session, SessionLost, Unanswered
from job_engine.queue.link import Link
from job_engine.queue.session import ENTRIES
from job_engine.relay.listing import QueueLister
from job_engine.relay.ownership import Ownership, PathNotOurs
from job_engine.relay.reconcile import Reconciler
from job_engine.relay.repairs import Journal, Repair
from job_engine.relay.settings import RelaySettings
from job_engine.relay.window import WANT_NOTHING, Window
from job_engine.store import publishing
from job_engine.store.database import Store
from job_engine.store.publishing import Note
from job_engine.store.transaction import Transaction

PAUSE_SECONDS: Final = 0.1
"""Seconds between two comparisons, and between two compares at the members, at least."""
PAUSE_FACTOR: Final = 20
"""A comparison is followed by a pause of this many times its own length: 5,000 entries take some 50 ms."""
RETRY_SECONDS: Final = 1.0
"""Seconds after which it goes on when the record cannot be used, or ZooKeeper refuses us."""

log = logging.getLogger(__name__)


class Relay:
    """Publishes and repairs, as long as `run` runs. A listener of its session; made before that starts.

    Args:
        store: a started store.
        ownership: whose the path is.
        longest_session: the longest session timeout that an executor has told, in seconds.
    """

    def __init__(
        self,
        store: Store,
        session: Session,
        queue: LockingQueue,
        ownership: Ownership,
        longest_session: Callable[[], float],
        settings: RelaySettings | None = None,
    ) -> None:
        self.settings = settings or RelaySettings()
        self.journal = Journal()
        self.running = False
        self._store = store
        self._session = session
        self._queue = queue
        self._ownership = ownership
        self._longest_session = longest_session
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._listing = QueueLister(session, self._wake)
        self.window = Window(self.settings.window)
        self._reconciler = self._new_reconciler()
        self.prepared = False
        self._connected = math.inf  # loop time; holds end only some time after
        self._compare_first = True  # something may be in the queue that the record does not know
        self._stale = True  # the record changed under what is published
        self._judge = True  # a hold may have lost its member
        self._next_comparison = self._next_judgement = 0.0
        self._asked: list[asyncio.Future[list[Repair]]] = []
        session.add(self)

    async def run(self, lead: object = None) -> None:
        """Work until cancelled; while leading. Two at once do no harm. Raises PathNotOurs."""
        self.window = Window(self.settings.window)
        self._reconciler = self._new_reconciler()
        self._compare_first = self._judge = True
        self._store.after_commit.append(self._on_commit)
        self.running = True
        try:
            while True:
                await self._session.usable()
                try:
                    await self._round()
                except PathNotOurs:
                    raise
                except JobEngineError as error:
                    self._compare_first = True  # what was put may not be noted: look for it before putting it again
                    if not isinstance(error, Unanswered | SessionLost):
                        log.warning("the relay cannot go on yet: %s", error)
                        await asyncio.sleep(RETRY_SECONDS)
        finally:
            self.running = False
            self._store.after_commit.remove(self._on_commit)
            for asked in self._asked:
                if not asked.done():
                    asked.set_exception(Conflict("this server's relay leads no more; ask again"))
            self._asked.clear()

    async def reconcile(self, dry_run: bool) -> list[Repair]:
        """What differs; repaired, unless it is only to be told. A repair itself needs this relay to run."""
        if dry_run:
            await self._prepare()
            return await self._reconciler.differences(self._until_judging() <= 0)
        asked: asyncio.Future[list[Repair]] = self._loop.create_future()
        self._asked.append(asked)
        self._wake.set()
        return await asked

    @property
    def foreign(self) -> list[tuple[str, str]]:
        """Entries that another system put, as seen last: name, and why each is left alone."""
        return self._reconciler.foreign

    def leave(self) -> None:
        """The session is about to be closed: that is no outage."""
        self._connected = math.inf

    # SessionListener

    def on_session_lapsed(self) -> None:
        """The election ends `run`."""
        if self._connected < math.inf:
            unreachable = self._session.settings.unreachable()
            log.warning("%s: executors stop, and what is added waits until it is back", unreachable)
        self._connected = math.inf

    async def on_reconnected(self, link: Link) -> None:
        """The server may have come back with another disk."""
        self._connect()

    def on_session_renewed(self, link: Link) -> None:
        """Every name may mean something else now."""
        self._connect()

    def _connect(self) -> None:
        log.info("connected to ZooKeeper at %s", self._session.settings.hosts)
        self._connected = self._loop.time()
        self._compare_first = self._judge = True
        self._listing.forget()

    # Waking

    def _on_commit(self, tx: Transaction) -> None:
        """After each commit; a busy record has thousands a second, so it wakes only for what is new."""
        stale, judge = self.window.changed(tx.changed, tx.ready), bool(tx.blocked)
        news = tx.ready and self.window.ready()
        if news or (stale and not self._stale) or (judge and not self._judge) or self.window.hungry:
            self._wake.set()
        self._stale |= stale
        self._judge |= judge

    async def _round(self) -> None:
        """Whatever is due now, or wait until something is."""
        self._wake.clear()
        now = self._loop.time()
        await self._prepare()
        compares, judges = self._until_comparison(now) <= 0, self._until_judgement(now) <= 0
        if compares:
            await self._compare()
        if judges:
            await self._judge_holds()
        if self.window.want(self._loop.time()).limit:
            await self._publish()
        elif not compares and not judges:
            await self._wait(now)

    async def _prepare(self) -> None:
        if not self.prepared:
            await self._store.write(publishing.prepare)
            self.prepared = True

    async def _wait(self, now: float) -> None:
        due = (self._until_comparison(now), self._until_judgement(now), _or_never(self.window.due(now)))
        seconds = min(due)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._wake.wait()

    def _until_comparison(self, now: float) -> float:
        """Seconds until the next comparison; inf: nothing calls for one."""
        if self._compare_first or self._asked:
            return 0.0
        if self._listing.fired or self._stale or self._reconciler.more:
            return self._next_comparison - now
        due = self._reconciler.due()
        return math.inf if due is None else max(due, self._next_comparison) - now

    def _until_judgement(self, now: float) -> float:
        """Seconds until members are judged; inf: nothing calls for it."""
        if not (self._judge or self._listing.members_fired):
            return math.inf
        return max(self._next_judgement - now, self._until_judging())

    def _until_judging(self) -> float:
        """Seconds until members may be judged: after a wipe, or with an old disk, they vanish before their executors
        know. Those stop by themselves within the longest session timeout that one has."""
        wait = max(self._session.granted, self._longest_session())
        return self._connected + wait - self._loop.time() if self._connected < math.inf else wait

    # Working

    async def _compare(self) -> None:
        asked, self._asked = self._asked, []
        self._compare_first = self._stale = False
        try:
            if not await self._ownership.inspect():  # looked at after each connect, before anything is put
                raise PathNotOurs(self._ownership.trouble or "the path in ZooKeeper is not ours")
            repairs = await self._reconciler.once()
        except BaseException:
            self._asked = asked + self._asked
            self._compare_first = True
            raise
        now = self._loop.time()
        self._next_comparison = now + max(PAUSE_SECONDS, PAUSE_FACTOR * self._reconciler.cost)
        if self._reconciler.more:
            self._next_comparison = now
        if self._reconciler.holders - self._listing.members:
            self._judge = True  # by what is listed anew
        for future in asked:
            if not future.done():
                future.set_result(repairs)

    async def _judge_holds(self) -> None:
        self._judge = False
        self._next_judgement = self._loop.time() + PAUSE_SECONDS
        try:
            if await self._reconciler.judge(lambda: self._until_judging() <= 0):
                self._stale = True  # their entries may have vanished, or be needed by nobody
        except BaseException:
            self._judge = True
            raise

    async def _publish(self) -> None:
        """Pick, put, and note together with the next pick, until nothing is left or a comparison is due."""
        folder = f"{self._session.settings.path}/{ENTRIES}"
        notes: list[Note] = []
        while True:
            now = self._loop.time()
            want = WANT_NOTHING if notes and self._until_comparison(now) <= 0 else self.window.want(now)
            if not (notes or want.limit):
                return
            if want.limit:
                self.window.asked(want, now)
            picked = await self._store.write(publishing.publish, notes, want.limit, want.below)
            if want.limit:
                self.window.picked(want, [(job.id, job.priority) for job in picked])
            if not picked:
                return
            names = await self._queue.put_many([(job.id, job.priority) for job in picked], self._ownership.record)
            self._listing.put(zip(names, (job.id for job in picked), strict=True))
            notes = [Note(job.seq, name, f"{folder}/{name}") for job, name in zip(picked, names, strict=True)]

    def _new_reconciler(self) -> Reconciler:
        return Reconciler(
            self._store, self._session, self._queue, self._listing, self.window, self.journal, self.settings,
            self._ownership.record,
        )  # fmt: skip


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
