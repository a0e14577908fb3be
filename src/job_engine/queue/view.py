"""The names that one taker may try: from rare listings, kept in memory, woken by watches.

One listing serves many takes. The queue is listed again when it has changed and our share of the listing is used up, or
when it has changed and the listing is older than `FRESH_SECONDS`. A listing without an entry for us is not repeated at
once: the idle takers of a fleet together list some 300 times a second at most, however busy the queue is. On an idle
queue the number of the next entry is known, and so its owner: the owner lists at once, and the others wait a moment.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Iterable

from kazoo.exceptions import NoNodeError

from job_engine.queue import znodes
from job_engine.queue.choice import GRACE_SECONDS, Share, TakePlan, front, head, plan
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.link import Link
from job_engine.queue.names import ordered
from job_engine.queue.session import ENTRIES, MEMBERS, TAKEN, Session
from job_engine.queue.watched_folder import WatchedFolder

FRESH_SECONDS = 0.1
"""Seconds after which a changed queue is listed again although our share is not used up. Listing every 10 ms costs a
fifth of the throughput; the best entry waits this long at most, or `LISTING_COSTS_APART` times as long as a listing of
so deep a queue takes."""

LISTING_COSTS_APART = 5
COSTLY_SECONDS = 0.02
"""Seconds that a listing may take; of one that takes longer a larger head is used, since the next is far away."""

PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.003, 0.1
"""Seconds, times the number of takers, between listings that bring nothing; and at most."""

COURTESY_SECONDS = 0.01
"""Seconds that an idle taker leaves a change of an idle queue to the owner of the next entry: by then it is taken,
unless the owner has no room or is dead."""


class View:
    """The names that `Takes` may try. A listener of the session; for one caller at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed = asyncio.Event()
        path = session.settings.path
        self._entries, self._taken, self._members = (
            WatchedFolder(path, name, changed=self._changed) for name in (ENTRIES, TAKEN, MEMBERS)
        )
        self._share = Share(0, 1)
        self._plan = TakePlan([], [], [], [])
        self._blocked = False  # some listed entries are taken: a release would not show among the entries
        self._listed = 0.0
        self._cost = 0.0  # seconds that the last listing took
        self._fruitless = False
        self._grace = 0.0  # until when the others' shares are theirs
        self._next_is_ours = True  # the entry that is put next
        self._courtesy = 0.0  # until when a change is left to its owner
        self._tried: set[str] = set()  # ours, being taken, or ended since the last listing
        self._dead: list[str] = []
        self._resting: dict[str, float] = {}  # left to others until then (monotonic seconds)
        self._rested = math.inf  # when the first of them is worth a try again
        self._seen: dict[str, float] = {}  # when a free entry of the head was first seen
        self._waiting: dict[str, float] = {}  # ... and when at the front
        self.listings = 0
        session.add(self)

    async def next(self, want: int) -> list[str]:
        """At most ``want`` names worth trying now; waits for the first. They are not offered again until `freed`."""
        while True:
            link = await self._session.usable()
            if self._stale(max(FRESH_SECONDS, LISTING_COSTS_APART * self._cost)) and time.monotonic() >= self._courtesy:
                await self._list(link, want)
            names = self._pop(want)
            if names:
                return names
            await self._wait(link, want)

    def freed(self, names: Iterable[str]) -> None:
        """These are not ours any more. They count as free with a listing that is sent after this."""
        self._dead += names
        if self._dead:  # they were free when we listed: then a release did not matter to us
            self._blocked = True
            self._changed.set()

    def avoid(self, names: Iterable[str], seconds: float) -> None:
        """Leave these entries to others for a while: those that are tried now, or will be freed."""
        until = time.monotonic() + seconds
        self._resting.update(dict.fromkeys(names, until))
        if until < self._rested:
            self._rested = until
            self._changed.set()  # for who waits longer than that

    # SessionListener

    def on_session_lapsed(self) -> None:
        self._forget()

    def on_session_renewed(self, link: Link) -> None:
        self._tried.clear()
        self._dead.clear()
        self._resting.clear()
        self._rested = math.inf
        self._forget()

    async def on_reconnected(self, link: Link) -> None:
        self._forget()

    def _forget(self) -> None:
        self._plan = TakePlan([], [], [], [])
        self._seen.clear()
        self._waiting.clear()
        self._fruitless = False
        for folder in (self._entries, self._taken, self._members):
            folder.fire()

    # Choosing

    def _pop(self, want: int) -> list[str]:
        part = self._plan.neglected or self._plan.mine
        names = part[-want:][::-1]
        del part[-want:]
        self._tried.update(names)
        return names

    def _stale(self, age: float) -> bool:
        """Whether a change concerns us and the listing is older than ``age`` seconds."""
        fired = self._entries.fired or self._members.fired or (self._taken.fired and self._blocked)
        fired = fired or time.monotonic() >= self._rested
        return fired and time.monotonic() - self._listed >= age

    def _pause(self) -> float:
        """Seconds between the last listing and the next."""
        if not (self._entries.fired or self._members.fired):
            return LONGEST_PAUSE_SECONDS  # takes come by the thousand; a release is worth a look now and then
        return min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * self._share.of) if self._fruitless else 0.0

    async def _wait(self, link: Link, want: int) -> None:
        """The plan is used up: list again when something has changed, or turn to the others' entries in a while."""
        self._changed.clear()
        idle = False
        if self._stale(0):
            patience = max(self._listed + self._pause(), self._courtesy) - time.monotonic()
            if patience <= 0:
                await self._list(link, want)
                return
        elif self._plan.spare or self._plan.rest:
            patience = self._grace - time.monotonic()
            if patience <= 0:
                self._grace += GRACE_SECONDS
                _, _, spare, rest = self._plan
                self._plan = TakePlan([], spare, [], rest) if spare else TakePlan([], rest, [], [])
                return
        else:
            patience = min(link.granted, self._rested - time.monotonic())
            idle = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._changed.wait()
                if idle and not self._next_is_ours:
                    self._courtesy = time.monotonic() + COURTESY_SECONDS

    async def _list(self, link: Link, want: int) -> None:
        dead, self._dead = self._dead, []
        began = time.monotonic()
        sent = [self._entries.send(link), self._taken.send(link)]
        if self._members.fired:
            sent.append(self._members.send(link))
        answers = await link.responses(*sent)
        now = time.monotonic()
        self._listed = now
        self.listings += 1
        if failed := [answer for answer in answers if isinstance(answer, Exception)]:
            self._dead += dead
            self._forget()
            await self._mend(link, failed)
            return
        entries, taken = answers[0], set(answers[1])
        if len(answers) > 2:
            self._share = share_of(self._session.name, answers[2])
        self._next_is_ours = answers[0].made % self._share.of == self._share.place
        self._tried.difference_update(dead)
        not_free = taken | self._tried
        if self._resting:
            there = set(entries)
            self._resting = {name: at for name, at in self._resting.items() if at > now and name in there}
            self._rested = min(self._resting.values(), default=math.inf)
            not_free |= self._resting.keys()
        free = [name for name in ordered(entries) if name not in not_free]
        self._blocked = len(free) < len(entries)
        self._cost = time.monotonic() - began
        first = head(free, want * (1 + int(self._cost / COSTLY_SECONDS)), self._share)
        self._seen = {name: self._seen.get(name, now) for name in first}
        self._waiting = {name: self._waiting.get(name, now) for name in front(first, self._share)}
        ages, waits = ({name: now - since for name, since in some.items()} for some in (self._seen, self._waiting))
        divided = plan(first, self._share, ages, waits)
        self._fruitless = not (divided.neglected or divided.mine)
        self._plan = TakePlan(*(part[::-1] for part in divided))  # taken from the end, which costs nothing
        self._grace = now + GRACE_SECONDS

    async def _mend(self, link: Link, failed: "list[Exception]") -> None:
        """After listings that failed: a folder that somebody has deleted is made anew; raises what will not pass."""
        lost = [error for error in failed if isinstance(error, Unanswered | SessionLost)]
        if lost:
            return  # `usable` waits
        if not all(isinstance(error, NoNodeError) for error in failed):
            raise next(error for error in failed if not isinstance(error, NoNodeError))
        path = self._session.settings.path
        with contextlib.suppress(Unanswered, SessionLost):
            await znodes.create_missing(link, [link.path(path, name) for name in (ENTRIES, TAKEN, MEMBERS)])


def share_of(member: str, members: Iterable[str]) -> Share:
    """Our place among the members of our kind."""
    kind = member.rpartition("-")[0]
    alike = sorted(name for name in members if name.rpartition("-")[0] == kind)
    return Share(alike.index(member), len(alike)) if member in alike else Share(0, max(1, len(alike)))
