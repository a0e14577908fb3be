"""The session: a member node, a heartbeat, a deadline, and a new client when there is no way back.

Pings and reads prove nothing: a follower that is cut off from its leader answers both. So the heartbeat is a write to
our member node, and the session counts as ours until two thirds of the granted timeout after the *sending* of the last
write that was answered. The server ends it after the whole timeout at the earliest; what lies between is the time to
stop.

SUSPENDED only closes the gate (nothing new is taken); LOST comes too late to be of use. One coroutine does it all, so
the order of things can be read in `_live`.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

from kazoo.exceptions import KazooException, NoNodeError

from job_engine.job.errors import Forbidden, JobEngineError, Unavailable, Unreachable
from job_engine.queue import names, openness, wire, znodes
from job_engine.queue.clock import boottime
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.link import DEADLINE_SHARE, Link, ServersWithoutMultiRead, SessionCredentials
from job_engine.queue.settings import ZooKeeper

HEARTBEATS_PER_TIMEOUT = 5
"""Heartbeats in a session timeout: three may go missing before the deadline."""

RETRY_SECONDS = 1.0
"""Seconds until the next client when the servers refuse us (credentials, rights): nothing mends that in a hurry."""

MEMBERS, ENTRIES, TAKEN = "members", "entries", "taken"

_log = logging.getLogger(__name__)


class SessionListener(Protocol):
    """Receives the events of a session. An exception that a method raises is logged and changes nothing."""

    def on_session_lapsed(self) -> Awaitable[object] | None:
        """The deadline has passed, or the session is gone or closed: stop, give up. Returns at once.

        The result is awaited, for at most one session timeout, before another session begins, so that no work of the
        old session overlaps with the new one. May be called again before that.
        """

    async def on_reconnected(self, link: Link) -> None:
        """The same session is connected again; nobody else sends a request before this has returned."""

    def on_session_renewed(self, link: Link) -> None:
        """A new session is connected: no name, version or id of the old one is valid now."""


class Session:
    """The connection to ZooKeeper from `start` to `close`, through as many of ZooKeeper's sessions as it takes."""

    def __init__(
        self, settings: ZooKeeper, *, kind: str = "executor", about: bytes = b"", clock: Callable[[], float] = boottime
    ) -> None:
        """``kind`` begins the member's name, ``about`` is its data."""
        self.settings = settings
        self.kind = kind
        self.until = -math.inf  # the deadline, on the clock
        self.on_extended: Callable[[], None] = lambda: None  # called when a heartbeat has extended it
        self._about = about
        self._clock = clock
        self._listeners: list[SessionListener] = []
        self._link: Link | None = None
        self._without_multi_read = ServersWithoutMultiRead()
        self._member = b""
        self._open = False
        self._change = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._refusal: JobEngineError | None = None
        self._warned = False  # that anybody may change the queue

    @property
    def name(self) -> str:
        """The member's name in the session that we have, or had last; empty before the first."""
        return self._member.rpartition(b"/")[2].decode()

    @property
    def member(self) -> bytes:
        """The path of the member node, as the wire wants it."""
        return self._member

    @property
    def granted(self) -> float:
        """The session timeout that the server granted, seconds."""
        return self._link.granted if self._link else self.settings.session_timeout

    @property
    def good(self) -> bool:
        """Connected, takes compared, and before the deadline."""
        return self._open and self._clock() < self.until

    @property
    def alive(self) -> bool:
        """Before the deadline, connected or not: what the session holds is still ours."""
        return self._link is not None and not self._link.ended and self._clock() < self.until

    @property
    def credentials(self) -> SessionCredentials | None:
        """Number and password of the session that we have, for a successor to end it: see `predecessor`."""
        return self._link.credentials if self._link else None

    def add(self, listener: SessionListener) -> None:
        """Notify this listener of what happens to the session.

        Raises:
            RuntimeError: the session has started, so the listener does not know of what it has missed.
        """
        if self._task is not None:
            raise RuntimeError(f"make the {type(listener).__name__} before its Session starts")
        self._listeners.append(listener)

    async def start(self, within: float = 15.0) -> None:
        """Connect. Raises Unreachable or Forbidden after ``within`` seconds; the session is closed then."""
        self._task = asyncio.create_task(self._run(), name="zookeeper session")
        try:
            async with asyncio.timeout(within):
                await self.usable()
        except TimeoutError:
            trouble = self._link.trouble if self._link else ""
            await self.close()
            raise self._refusal or Unreachable(
                f"{self.settings.unreachable(trouble)}; is it running, and the address right?"
            ) from None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def close(self) -> None:
        """End the session, once the listeners have stopped (they have at most one session timeout): the member node and
        all that was taken go with it."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def current(self) -> Link | None:
        """The link of the session that we have, whatever its state."""
        return self._link

    async def usable(self) -> Link:
        """Wait until the session is good; its link."""
        while not (self.good and self._link):
            await self._changed()
        return self._link

    def still(self, link: Link, connection: int) -> bool:
        """Whether nothing came between: this link, in this connection, is good."""
        return self._link is link and link.still(connection) and self.good

    async def back(self, link: Link) -> bool:
        """Wait until this very link is good again: True; or until its session is over: False."""
        while self._link is link and not link.ended:
            if self.good:
                return True
            await self._changed()
        return False

    async def _changed(self) -> None:
        await self._change.wait()

    def _tell(self) -> None:
        if self._link and not self._link.connected:
            self._open = False
        self._change.set()
        self._change = asyncio.Event()

    async def _run(self) -> None:
        while True:
            link = self._link = Link(self.settings, self._tell, without_multi_read=self._without_multi_read)
            try:
                link.open()
                await self._live(link)
                if link.refusal:
                    self._refusal = link.refusal
            except asyncio.CancelledError:
                await self._lapse(link, cut=False)  # nobody goes on with what ends with the session
                raise
            except Exception as error:  # noqa: BLE001 - boundary: what is ours must end with this session, and another begin
                expected = isinstance(error, Forbidden | KazooException)
                self._refusal = (
                    error
                    if isinstance(error, Forbidden)
                    else Unavailable(f"the ZooKeeper session failed: {type(error).__name__} {error}".rstrip())
                )
                _log.error("ZooKeeper: %s", self._refusal, exc_info=None if expected else error)
                await self._lapse(link)
            finally:
                self._shut()
                await link.close()
            if self._refusal:
                await asyncio.sleep(RETRY_SECONDS)

    async def _live(self, link: Link) -> None:
        """From the first connection to the end of the session."""
        lapsed = False
        while True:
            lapsed = await self._await_connection(link, lapsed)
            if not link.connected:
                break  # the session is over, or nobody came back in time: a new client
            try:
                new = not self._member_is_of(link)
                if new:
                    await self._join(link)
            except Unanswered:
                continue
            except SessionLost:
                break
            lapsed = await self._beat(link, new, lapsed)
            if link.ended:
                break
        if not lapsed:
            await self._lapse(link)

    async def _await_connection(self, link: Link, lapsed: bool) -> bool:
        """Wait for it as long as there is hope. Returns whether the deadline passed, now or before."""
        first = self.until if self._member_is_of(link) else math.inf
        while not (link.connected or link.ended):
            now = self._clock()
            if now >= first and not lapsed:
                await self._lapse(link)
                lapsed = True
            elif now >= first + link.granted:
                _log.warning("No way back to ZooKeeper for %.0f s: starting afresh.", link.granted)
                return lapsed
            else:
                await self._wait(link, (first + link.granted if lapsed else first) - now)
        if link.connected and self._clock() >= first and not lapsed:
            await self._lapse(link)  # nothing is renewed before the jobs have been told
            return True
        return lapsed

    async def _join(self, link: Link) -> None:
        """Create the member node of a new session: the first write that proves the session alive."""
        ours = [link.path(self.settings.path, name) for name in (ENTRIES, TAKEN, MEMBERS)]
        await znodes.create_missing(link, ours)
        if not self._warned and (found := await openness.open_folders(link, ours)):
            self._warned = True
            _log.warning("Anybody who reaches ZooKeeper may change %s: %s.", ", ".join(found), openness.ADVICE)
        member = link.path(self.settings.path, MEMBERS, names.member(self.kind, link.session))
        sent = self._clock()
        made = await link.call(wire.multi([wire.create(member, self._about, link.acl, wire.EPHEMERAL)]))
        if not made.done and wire.NODE_EXISTS not in made.codes:  # it is there when the first answer was lost
            raise Forbidden(f"ZooKeeper does not let us create {member.decode()}; check the rights.")
        self._member = member
        self.until = sent + link.granted * DEADLINE_SHARE

    async def _beat(self, link: Link, new: bool, lapsed: bool) -> bool:
        """Write to the member node, one write at a time, until the connection or the deadline is gone.

        Returns whether the deadline passed, now or before. After the first response the listeners are notified of this
        connection.
        """
        connection, welcomed = link.connections, False
        while link.still(connection):
            sent = self._clock()
            answer = link.send(wire.overwrite(self._member, self._about))
            limit = sent + link.granted * DEADLINE_SHARE if lapsed else self.until
            while not answer.done() and self._clock() < limit:
                await asyncio.wait([answer], timeout=min(limit - self._clock(), link.granted / HEARTBEATS_PER_TIMEOUT))
            if not lapsed and self._clock() >= limit:  # looked at before the answer is: a passed deadline stays passed
                await self._lapse(link)
                return True
            if not answer.done():
                link.cut()
                return lapsed
            if isinstance(answer.result(), NoNodeError):  # an old disk has our session, but not our member
                link.cut()
                link.ended = True
                return lapsed
            if isinstance(answer.result(), Unanswered | SessionLost):
                return lapsed
            if isinstance(answer.result(), Exception):
                raise answer.result()
            self.until, lapsed = sent + link.granted * DEADLINE_SHARE, False
            self.on_extended()
            if not welcomed:
                welcomed = True
                self._opening = asyncio.create_task(self._welcome(link, new, connection))
            while (
                link.still(connection) and (pause := sent + link.granted / HEARTBEATS_PER_TIMEOUT - self._clock()) > 0
            ):
                await self._wait(link, pause)
        return lapsed

    async def _welcome(self, link: Link, new: bool, connection: int) -> None:
        """Notify the listeners of the connection, then let others use it."""
        try:
            for listener in self._listeners:
                if new:
                    listener.on_session_renewed(link)
                else:
                    await listener.on_reconnected(link)
        except (Unanswered, SessionLost):
            return  # the connection is gone again; the next one begins anew
        except Exception:  # noqa: BLE001 - boundary: as in _guarded; nothing may be taken before the listeners have looked
            _log.exception("A listener of the ZooKeeper session failed; connecting again")
            link.cut()
            return
        if link.still(connection):
            self._open, self._refusal = True, None
            self._tell()

    async def _lapse(self, link: Link, *, cut: bool = True) -> None:
        """The deadline has passed: notify the listeners, shut the socket, wait until they are done."""
        self._shut()
        waits = [
            wait for listener in self._listeners if (wait := self._guarded(listener.on_session_lapsed)) is not None
        ]
        if cut:
            link.cut()
        if waits:
            tasks = [asyncio.ensure_future(_finished(wait)) for wait in waits]
            await asyncio.wait(tasks, timeout=link.granted)
        self._tell()

    def _shut(self) -> None:
        if self._opening:
            self._opening.cancel()
        self._open = False

    def _guarded(self, function: Callable[[], Awaitable[object] | None]) -> Awaitable[object] | None:
        try:
            return function()
        except Exception:  # noqa: BLE001 - boundary: the fault of one listener must not keep the others from being notified
            _log.exception("A listener of the ZooKeeper session failed")
            return None

    def _member_is_of(self, link: Link) -> bool:
        return self.name == names.member(self.kind, link.session)

    async def _wait(self, link: Link, seconds: float) -> None:
        """Until something changes, or that time has passed; in steps, because the loop's clock stops when the machine
        sleeps and ours does not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, link.granted / HEARTBEATS_PER_TIMEOUT)):
                await self._changed()


async def _finished(wait: Awaitable[object]) -> None:
    try:
        await wait
    except Exception:  # noqa: BLE001 - boundary: as in _guarded
        _log.exception("A listener of the ZooKeeper session failed")
