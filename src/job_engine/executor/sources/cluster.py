"""Jobs from the locking queue in ZooKeeper, beside our API server.

ZooKeeper decides which executor may try a job: entries are taken as there is room. The record decides which executor
runs it: jobs of taken entries are claimed in the exchange that reports how other jobs ended. An entry is consumed or
released once the record knows how its job ended, and never delays an exchange.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from job_engine.client.wire import WireClient
from job_engine.executor.holds import Key
from job_engine.executor.sources.api import ApiSource
from job_engine.executor.sources.entries import Entries
from job_engine.executor.sources.entry_endings import EntryEnd
from job_engine.executor.sources.pending_claims import EntryEnding, PendingClaims
from job_engine.executor.sources.zookeeper_source import ZooKeeperSource
from job_engine.job.attend import LEAVES_QUEUE, Answer, Attend, Granted, Hello, Released
from job_engine.job.errors import Conflict, Forbidden, JobEngineError, Unavailable, Unreachable
from job_engine.queue import Taken

log = logging.getLogger(__name__)

REFUSED_SECONDS: Final = 1.0
"""Seconds without claims after an exchange that the server did not take: they may be what is wrong with it."""
LOST: Final = "lost"
"""The end of a hold after which the job may run again; after the others it is final."""


class ClusterSource(ZooKeeperSource[Entries]):
    """The adapter of `Source` for a cluster.

    Args:
        client: logged in at the API server as an administrator, or able to.
        id_: a UUID that no executor had before.
        entries: what we take of the queue.
    """

    def __init__(self, client: WireClient, id_: str, entries: Entries) -> None:
        self.id = id_
        self._api = ApiSource(client, id_)
        super().__init__(entries)
        self._claims = PendingClaims()
        self._held: dict[Key, Taken] = {}  # granted, and the end is not yet known to have been heard
        self._unwanted: list[Released] = []  # granted too late, for entries that we have not any more
        self._in_doubt = 0  # the last exchange whose claims may have been granted without our hearing it; 0: none
        self._room = 0
        self._away = True  # the server does not answer, or never did
        self._quiet_until = 0.0
        self._newest = 0
        self._hello: Hello | None = None
        self._told_timeout = 0.0  # what the record knows of our session's
        self._elsewhere = ""  # where the server's queue is, if not where we look
        self._timer: asyncio.TimerHandle | None = None
        entries.on_lapse = self._lapsed

    # --- Source

    @property
    def where(self) -> str:
        """The server's address."""
        return self._api.where

    @property
    def heard(self) -> bool:
        """Whether an exchange may have reached the server."""
        return self._api.heard

    @property
    def urgent(self) -> bool:
        """Whether there are claims to make."""
        due = self._claims.next_due()
        return self._entries.fresh or bool(self._unwanted) or (due is not None and due <= time.monotonic())

    async def attend(self, attend: Attend) -> Answer:
        """Make one exchange with the server; only exchanges that are not parked make claims."""
        await self._entries.start()
        self._room, attend.free = attend.free, 0
        attend.member = self._entries.member
        unwanted: list[Released] = []
        if attend.wait == 0:
            unwanted = self._add_own(attend)
        self._ask()
        try:
            answer = await self._api.attend(attend)
        except JobEngineError as error:
            self._unwanted[:0] = unwanted
            self._failed(attend, error)
            raise
        if attend.hello is not None:
            self._hello, self._told_timeout = attend.hello, attend.hello.session_timeout
            self._compare(answer.queue)
        self._away = False
        if attend.n > self._in_doubt:  # what was granted without our hearing it is granted again in this answer
            self._in_doubt = 0
        self._settle(attend)
        self._take(attend, answer)
        self._ask()
        self._look_again()
        return answer

    def let_go(self) -> None:
        """End the ZooKeeper session: with its member the relay ends the holds, where it reaches the server."""
        if self._held or self._in_doubt:
            log.warning("%s is away for too long: a new ZooKeeper session, so that others can run our jobs", self.where)
            self._entries.renew()

    async def close(self) -> None:
        """Close the source, once the requests under way are answered."""
        if self._timer is not None:
            self._timer.cancel()
        self._entries.release(self._claims.unanswered(time.monotonic(), done=False))
        await self._entries.close()
        await self._api.close()

    # --- saying

    def _add_own(self, attend: Attend) -> list[Released]:
        """PendingClaims, and what else we say of our own; answers the releases among it."""
        now = time.monotonic()
        self._claims.add(self._entries.collect())
        self._entries.release(self._claims.beyond(self._room))
        attend.claims = self._claims.ask(now)
        unwanted, self._unwanted = self._unwanted, []
        if unwanted:
            attend.released = attend.released + unwanted
        if attend.hello is None and self._told_timeout != self.period:
            attend.hello = self._hello
        if attend.hello is not None:
            attend.hello.session_timeout = self.period
            if self._entries.replaced is not None:
                attend.hello.replaces = self._entries.replaced  # in the record members hold jobs, not executors
        return unwanted

    def _ask(self) -> None:
        quiet = self._away or time.monotonic() < self._quiet_until
        self._entries.ask(0 if quiet else max(0, self._room - self._claims.room))

    def _failed(self, attend: Attend, error: JobEngineError) -> None:
        if isinstance(error, Conflict):
            return
        now = time.monotonic()
        if not isinstance(error, Unavailable | Unreachable | Forbidden):
            self._quiet_until = now + REFUSED_SECONDS
            self._look_again()
        self._away = True
        if isinstance(error, Unreachable) and attend.claims:
            self._in_doubt = attend.n
        self._entries.release(self._claims.unanswered(now, done=isinstance(error, Unreachable)))
        self._ask()

    # --- being answered

    def _compare(self, place: str) -> None:
        ours = self._entries.place
        if place not in ("", ours, self._elsewhere):
            log.warning(
                "the queue of %s is at %s in ZooKeeper, and we look at %s, where its jobs never are: "
                "give --zk-path, and the chroot in --zk-hosts, as to the server", self.where, place, ours,
            )  # fmt: skip
            self._elsewhere = place

    def _settle(self, attend: Attend) -> None:
        """The record has heard how these ended: so do their entries."""
        self._end(
            [(item.seq, item.claim) for item in attend.finished]
            + [(item.seq, item.claim) for item in attend.released if item.why in LEAVES_QUEUE],
            self._entries.consume,
        )
        self._end(
            [(item.seq, item.claim) for item in attend.released if item.why not in LEAVES_QUEUE], self._entries.release
        )

    def _end(self, keys: list[Key], end: Callable[[list[Taken]], None]) -> None:
        if keys:
            end([taken for key in keys if (taken := self._held.pop(key, None)) is not None])

    def _take(self, attend: Attend, answer: Answer) -> None:
        now = time.monotonic()
        if attend.n < self._newest:
            answer.jobs = []  # they may have ended since; if not, they are granted again
        self._newest = max(self._newest, attend.n)
        answer.jobs = [granted for granted in answer.jobs if self._is_ours(granted)]
        ends = [self._claims.refused(entry, verdict, now) for entry, verdict in answer.refused]
        self._end_claims([end for end in ends if end is not None])
        self._end_claims(self._claims.answered(attend.claims, now))
        lost = [(seq, claim) for seq, claim, why in answer.interrupt if why == LOST]
        final = [(seq, claim) for seq, claim, why in answer.interrupt if why != LOST]
        self._end(lost, self._entries.release)
        self._end(final, self._entries.consume)

    def _is_ours(self, granted: Granted) -> bool:
        key = (granted.seq, granted.claim)
        if key in self._held:
            return True
        taken = self._claims.granted(granted.entry)
        if taken is None:
            if all((item.seq, item.claim) != key for item in self._unwanted):
                self._unwanted.append(Released(*key, "unstarted"))
            return False
        self._held[key] = taken
        self._room -= 1
        return True

    def _end_claims(self, ends: list[EntryEnding]) -> None:
        for way in {way for way, _ in ends}:
            takes = [taken for which, taken in ends if which == way]
            if way == EntryEnd.CONSUME:
                self._entries.consume(takes)
            elif way == EntryEnd.LATER:
                self._postpone(takes)
            else:
                self._entries.release(takes, avoid=way == EntryEnd.AVOID)

    def _postpone(self, takes: list[Taken]) -> None:
        for taken in takes:
            log.warning("%s, of which the queue has the entry %s, does not exist: left alone", taken.job, taken.name)
        self._entries.postpone(takes)

    def _look_again(self) -> None:
        """Attend again when a claim is to be repeated, and take again when the pause after a refusal is over."""
        now = time.monotonic()
        dues = [] if (due := self._claims.next_due()) is None else [due]
        if self._quiet_until > now:
            dues.append(self._quiet_until)
        if not dues:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, min(dues) - now), self._due)

    def _due(self) -> None:
        self._timer = None
        self._ask()
        if self._listener is not None:
            self._listener.on_news()

    def _lapsed(self) -> None:
        self._claims.clear()
        self._held.clear()
        self._in_doubt = 0
