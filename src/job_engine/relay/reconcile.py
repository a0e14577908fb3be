"""One comparison of queue and record, and the repair of what differs.

Safe to repeat, and to be done by two relays at once: the record is changed only if the job is still as it was read, and
an entry is removed only once it is taken and its job has been looked at again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from job_engine.job.errors import JobEngineError
from job_engine.job.times import epoch
from job_engine.queue import EndOutcome, LockingQueue, Session, inspection
from job_engine.queue.put import put_by
from job_engine.queue.session import ENTRIES
from job_engine.relay.compare import Adoption, Clearing, Differences, Removal, compare, ghost, in_place
from job_engine.relay.listing import QueueLister, QueueListing, list_queue
from job_engine.relay.persistence import Persistence, RepublishBackoff
from job_engine.relay.repairs import END_HOLD, MOVE, REMOVE_UNKNOWN, REPUBLISH, STRAY, Journal, Repair
from job_engine.relay.settings import RelaySettings
from job_engine.relay.window import Window
from job_engine.store import publishing
from job_engine.store.database import Store
from job_engine.store.publishing import Note, Row

REPAIRS_PER_ROUND: Final = 512
"""Repairs of a kind in one round: then what was added meanwhile is published, and the rest follows."""
WHY_GONE: Final = "its executor's session ended"

log = logging.getLogger(__name__)


class Reconciler:
    """Compares queue and record, and repairs what differs."""

    def __init__(
        self,
        store: Store,
        session: Session,
        queue: LockingQueue,
        listing: QueueLister,
        window: Window,
        journal: Journal,
        settings: RelaySettings,
        record: str,
    ) -> None:
        self._store = store
        self._session = session
        self._queue = queue
        self._listing = listing
        self._window = window
        self._journal = journal
        self._clock = asyncio.get_running_loop().time
        self._record = record
        self._ours: dict[tuple[str, str], bool] = {}  # (name, job) of jobs that there are not → whether we put it
        self.foreign: list[tuple[str, str]] = []  # (name, why it is left alone)
        # Most takes are claimed at once. Only what has been unclaimed for long is looked at more closely: by whom.
        self._unclaimed: Persistence[tuple[str, int]] = Persistence(settings.ghost / 2)
        self._ghosts: Persistence[tuple[str, int, int, str]] = Persistence(settings.ghost / 2)
        self._margin = settings.ghost
        self._backoff = RepublishBackoff()
        self._strays: set[str] = set()
        self.more = False  # a round was not enough
        self.cost = 0.0  # seconds that the last comparison took, without repairs
        self.holders: set[str] = set()  # who holds published jobs, as read last

    def due(self) -> float | None:
        """When (loop time) to look again though nothing happens; None: there is no need."""
        waits = (self._unclaimed.due(), self._ghosts.due(), self._backoff.due())
        return min((at for at in waits if at is not None), default=None)

    async def once(self) -> list[Repair]:
        """Make one comparison and its repairs; returns the repairs."""
        began = self._clock()
        listed = await self._listing.list_entries()
        self._window.watch()
        rows = await self._read(listed)
        waiting = {row.id: row.priority for row in rows.values() if _waits(row, listed)}
        claimed = [row.id for row in rows.values() if row.entry is not None and not row.final and row.id not in waiting]
        self._window.reset(waiting, claimed)
        self.holders = {row.holder for row in rows.values() if row.held and row.holder is not None}
        differences = compare(listed.entries, listed.taken, rows)
        self.cost = self._clock() - began
        clearings = await self._clearings(differences)
        removals = await self._removals(differences)
        self.more = max(len(differences.adoptions), len(clearings), len(removals)) > REPAIRS_PER_ROUND
        repairs = await self._adopt(differences.adoptions[:REPAIRS_PER_ROUND])
        repairs += await self._clear(clearings[:REPAIRS_PER_ROUND])
        repairs += await self._remove(removals[:REPAIRS_PER_ROUND])
        repairs += self._new_strays([*listed.strays, *self.foreign])
        self._report(repairs)
        return repairs

    async def judge(self, may: Callable[[], bool]) -> list[Repair]:
        """End the holds whose member is gone; only once the wait that follows a connect is over.

        Args:
            may: whether it is; asked when the members are known, because looking waits for a connection.
        """
        held = await self._store.read(publishing.holds)
        members = await self._listing.list_members()  # after the record: who has claimed since was there before
        gone = [hold for hold in held if hold.holder not in members]
        if not gone or not may():
            return []
        ended = await self._store.write(publishing.end_holds, gone, WHY_GONE)
        repairs = [Repair(END_HOLD, hold.id, hold.entry, f"its member {hold.holder} is gone") for hold in ended]
        self._report(repairs)
        return repairs

    async def differences(self, judging: bool) -> list[Repair]:
        """What a round would do now, changing nothing.

        Args:
            judging: whether members may be judged yet.
        """
        listed = await list_queue(self._session)
        differences = compare(listed.entries, listed.taken, await self._read(listed))
        repairs = [item.repair for item in differences.adoptions]
        repairs += [item.repair for item in await self._removals(differences)]
        repairs += [item.repair for item in differences.clearings if item.repair is not None]
        repairs += [Repair(STRAY, None, name, why) for name, why in [*listed.strays, *self.foreign]]
        if judging:
            held = await self._store.read(publishing.holds)
            members = await inspection.members(self._session)
            repairs += [
                Repair(END_HOLD, hold.id, hold.entry, f"its member {hold.holder} is gone")
                for hold in held
                if hold.holder not in members
            ]
        return repairs

    # What is to be done now

    async def _read(self, listed: QueueListing) -> dict[str, Row]:
        return await self._store.read(publishing.read, set(listed.entries.values()))

    async def _removals(self, differences: Differences) -> list[Removal]:
        """Those of entries that this record put, or whose job it has; the others' are left to whoever put them."""
        removals = [item for item in differences.removals if item.repair.kind == REMOVE_UNKNOWN]
        unknown = {(item.name, item.repair.job or "") for item in removals}
        new = [name for name, job in unknown if (name, job) not in self._ours]
        ours = await put_by(self._session, new, self._record) if new else set()
        self._ours = {pair: self._ours.get(pair, pair[0] in ours) for pair in unknown}
        theirs = {name: job for (name, job), is_ours in self._ours.items() if not is_ours}
        self.foreign = [
            (name, f"{job} is not in the record, and another system put it") for name, job in theirs.items()
        ]
        return [item for item in differences.removals if item.name not in theirs]

    async def _clearings(self, differences: Differences) -> list[Clearing]:
        republished = [item.row.id for item in differences.clearings if _republishes(item)]
        allowed = self._backoff.allows(republished, self._clock())
        chosen = [item for item in differences.clearings if not _republishes(item) or allowed(item.row.id)]
        return chosen + await self._ghosted(differences.unclaimed)

    async def _ghosted(self, unclaimed: Iterable[Row]) -> list[Clearing]:
        """The jobs whose entry somebody took, and neither claims nor gives back.

        Nobody can remove a taken node safely while its session lives. So the job gets another entry; the old one goes
        when it is free, or by who has it, should he only have been slow: his claim is answered *gone*.
        """
        by_name = {row.entry: row for row in unclaimed if row.entry is not None}
        old = self._unclaimed.lasting([(name, row.attempt) for name, row in by_name.items()], self._clock())
        holders = await inspection.holders(self._session, [name for name, _ in old]) if old else {}
        suspects = {
            (name, by_name[name].attempt, holder.session, holder.mark): by_name[name]
            for name, holder in holders.items()
            if not self._runs(by_name[name], holder.since)
        }
        lasting = self._ghosts.lasting(suspects, self._clock())
        return [ghost(suspects[suspect], self._margin / 2 + seconds) for suspect, seconds in lasting.items()]

    def _runs(self, row: Row, taken: float) -> bool:
        """Whether who took the entry then may well be who said that the job is RUNNING: a stranger's take comes just
        before that. Two clocks are compared, ZooKeeper's and ours, so there is a margin."""
        return row.detached and row.claimed is not None and taken < epoch(row.claimed) + self._margin

    # Doing it

    async def _adopt(self, adoptions: Sequence[Adoption]) -> list[Repair]:
        if not adoptions:
            return []
        folder = f"{self._session.settings.path}/{ENTRIES}"
        notes = [Note(item.row.seq, item.name, f"{folder}/{item.name}", item.row.entry) for item in adoptions]
        noted = await self._store.write(publishing.adopt, notes)
        done = [item for item, was in zip(adoptions, noted, strict=True) if was]
        self._window.add((item.row.id, item.row.priority) for item in done)
        return [item.repair for item in done]

    async def _clear(self, clearings: Sequence[Clearing]) -> list[Repair]:
        if not clearings:
            return []
        pairs = [(item.row.seq, item.entry) for item in clearings]
        cleared = await self._store.write(publishing.clear, pairs)
        done = [item for item, was in zip(clearings, cleared, strict=True) if was]
        for item in done:
            self._window.changed([item.row.id])
            if _republishes(item):
                self._backoff.done(item.row.id, self._clock())
        if done:
            self._window.ready()
        self.more |= any(item.repair is not None and item.repair.kind == MOVE for item in done)  # their old entries
        return [item.repair for item in done if item.repair is not None]

    async def _remove(self, removals: Sequence[Removal]) -> list[Repair]:
        if not removals:
            return []
        # to the end also when this relay is told to stop: what it has taken, nobody else can take
        return await asyncio.shield(asyncio.ensure_future(self._take_and_consume(removals)))

    async def _take_and_consume(self, removals: Sequence[Removal]) -> list[Repair]:
        """As executors do it: while we have an entry taken, nobody can claim by it."""
        takes = await self._queue.take_names([item.name for item in removals])
        try:
            rows = await self._store.read(publishing.rows, [taken.job for taken in takes])
        except JobEngineError:
            await self._queue.release(takes)
            raise
        kept = [taken for taken in takes if _is_needed(rows.get(taken.job), taken.name)]
        gone = [taken for taken in takes if taken not in kept]
        await self._queue.release(kept)  # first: a consume may be refused, and these are waited for
        try:
            outcomes = await self._queue.consume(gone)
        except JobEngineError:
            await self._queue.release(gone)
            raise
        consumed = {
            taken.name for taken, outcome in zip(gone, outcomes, strict=True) if outcome is not EndOutcome.REFUSED
        }
        return [item.repair for item in removals if item.name in consumed]

    def _new_strays(self, strays: Sequence[tuple[str, str]]) -> list[Repair]:
        """What is left alone; of each the log says so once."""
        new = [(name, why) for name, why in strays if name not in self._strays]
        for name, why in new:
            log.warning("%r in the queue is left alone: %s; remove it by hand if nobody needs it", name[:100], why)
        self._strays = {name for name, _ in strays}
        return [Repair(STRAY, None, name, why) for name, why in new]

    def _report(self, repairs: Sequence[Repair]) -> None:
        self._journal.note(repairs)
        counts = Counter(repair.kind for repair in repairs)
        for kind, count in sorted(counts.items()):
            example = next(repair for repair in repairs if repair.kind == kind)
            level = logging.WARNING if kind == REMOVE_UNKNOWN else logging.INFO
            if kind != STRAY:
                log.log(level, "%s: %d, e.g. %s (%s): %s", kind, count, example.job, example.entry, example.why)


def _waits(row: Row, listed: QueueListing) -> bool:
    """Whether it is in the queue, to be claimed."""
    return row.entry is not None and row.wanted and listed.entries.get(row.entry) == row.id


def _is_needed(row: Row | None, name: str) -> bool:
    """Whether an entry that was to be removed is needed after all."""
    if row is None or row.final:
        return False
    return row.entry == name or (row.entry is None and (row.held or (row.wanted and in_place(row, name))))


def _republishes(item: Clearing) -> bool:
    return item.repair is not None and item.repair.kind == REPUBLISH
