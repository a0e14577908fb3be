"""Who attends: the executors that were heard of lately, what they can run, and the holds of those that fell silent.

Kept in memory only, so heartbeats cost the database nothing. After a start of the server everybody who holds something
gets one whole period to be heard. In a cluster holds are those of members and last as long as these, so there nobody
loses any by falling silent here: the relay ends them.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from asyncio import Future
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Final

import msgspec

from job_engine.job.attend import PERIOD, Answer, Attend, Hello
from job_engine.job.errors import Conflict, Invalid, Unavailable
from job_engine.store import settings
from job_engine.store.database import Store
from job_engine.store.exchanges import Exchanges
from job_engine.store.unknown_actions import UnknownActions

log = logging.getLogger(__name__)

LATE: Final = 2.0
"""Seconds by which a timer may be late before the server takes itself, not the executors, for the one that was away."""
LISTEN: Final = 0.1
"""Seconds to read what has arrived meanwhile before anybody is taken for silent: a process that goes on after it was
stopped sees its timers first."""
RETRY: Final = 1.0
"""Seconds after which the end of holds is tried again when the record cannot be written."""


@dataclass(slots=True)
class Executor:
    """One executor, as far as the record knows."""

    id: str
    heard: float  # loop time of the last attend
    n: int = 0
    hello: Hello | None = None
    since: float = field(default_factory=time.time)  # seconds since the epoch
    holds: int = 0
    member: str = ""  # its member in ZooKeeper; empty: it uses none
    left: bool = False  # it has said goodbye
    clock_ahead: float | None = None  # seconds by which its clock was ahead of ours; None: it does not tell
    parked: "Future[Answer] | None" = None

    @property
    def name(self) -> str:
        """How people know it."""
        return self.hello.name if self.hello is not None and self.hello.name else self.id

    @property
    def public_name(self) -> str:
        """The name, unless it is made of the host's, which is for administrators; then the id."""
        host = self.hello.host if self.hello is not None else ""
        return self.id if host and self.name.startswith(host) else self.name

    @property
    def called(self) -> str:
        """Its name and its id, for a log."""
        return self.id if self.name == self.id else f"{self.name} ({self.id})"


class Executors:
    """Attends for one store.

    Args:
        store: a started store.
        period: seconds after which a silent executor loses its holds.
        unknown_action_grace: seconds that a job waits for an executor that has its action before it is FAILED.
        cluster: whether executors take jobs from ZooKeeper and claim them, instead of asking for some.
        queue: where the queue is there, chroot and path, for executors to compare; empty: they are not told.
    """

    def __init__(
        self,
        store: Store,
        period: float = PERIOD,
        unknown_action_grace: float = 3600.0,
        cluster: bool = False,
        queue: str = "",
    ) -> None:
        self._store = store
        self._exchanges = Exchanges(store)
        self._period = period
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._cluster = cluster
        self._queue = queue
        self._unknown = UnknownActions(store, self, unknown_action_grace, settled=period / 3, cluster=cluster)
        self._tasks: set[asyncio.Future[None]] = set()
        self.alive: dict[str, Executor] = {}
        """By id. Who has left stays for a period: its actions may be back with its successor by then."""
        self.longest_session = 0.0
        """The longest session timeout that an executor of this record ever had, in seconds; 0: none ever had one."""
        self.secrets: dict[str, frozenset[str]] = {}
        """By action: the arguments that it declares secret, on some executor alive, or else on the last one."""

    async def start(self) -> None:
        """Give a whole period to everybody who holds something."""
        told = await self._store.read(settings.number, settings.LONGEST_SESSION)
        self.longest_session = max(self.longest_session, told)
        kept = await self._store.read(settings.beginning, settings.SECRET)
        self.secrets = {action: frozenset(msgspec.json.decode(names)) for action, names in kept.items()}
        if self._cluster:
            return
        for (holder,) in await self._store.read(_holders):
            self.alive.setdefault(holder, Executor(holder, self._loop.time()))
        self._arm()

    def stop(self) -> None:
        """Answer all that is parked, and end no more holds."""
        self._unknown.stop()
        if self._timer is not None:
            self._timer.cancel()
        for id_ in self.alive:
            self.leave(id_)

    @property
    def present(self) -> list[Executor]:
        """Those alive that have not said goodbye."""
        return [executor for executor in self.alive.values() if not executor.left]

    @property
    def met(self) -> bool:
        """Whether an executor has said hello."""
        return any(executor.hello for executor in self.alive.values())

    @property
    def actions(self) -> set[str]:
        """The actions that somebody alive can run."""
        return {action for executor in self.alive.values() if executor.hello for action in executor.hello.actions}

    @property
    def failed_imports(self) -> dict[str, str]:
        """What does not load on somebody alive: module or path, and the error."""
        greeted = [executor.hello for executor in self.alive.values() if executor.hello]
        return {source: error for hello in greeted for source, error in hello.failed_imports.items()}

    def fails_at(self, action: str) -> float | None:
        """When jobs of ``action`` are FAILED because nobody has it (seconds since the epoch); None: they are not."""
        due = self._unknown.due(action)
        return None if due is None else time.time() + due - self._loop.time()

    async def attend(self, id_: str, attend: Attend) -> Answer:
        """One exchange with executor ``id_``; parked until there is something to answer, at most ``attend.wait`` s.

        Raises:
            Conflict: a newer attend of this executor was heard before.
            Invalid: what it says cannot be meant, or is meant for a record of another kind.
            Unavailable: the record cannot be written now; the executor counts as heard all the same.
        """
        self._check(attend)
        executor = self.alive.get(id_)
        if executor is None:
            executor = self.alive[id_] = Executor(id_, self._loop.time())
        if attend.n <= executor.n:
            raise Conflict(f"conflict with {id_}: attend {attend.n} came after {executor.n}")
        executor.n, executor.heard, executor.holds = attend.n, self._loop.time(), len(attend.holds)
        executor.member, executor.left = attend.member, attend.leaving
        self.leave(id_)  # a newer attend ends the parked one, whatever becomes of its transaction
        if attend.hello is not None:
            executor.hello = attend.hello
            if attend.hello.clock:
                executor.clock_ahead = attend.hello.clock - time.time()
        self._arm()
        if executor.hello is None:
            attend.free, attend.wait = 0, 0.0
        future = executor.parked = self._loop.create_future() if attend.wait > 0 else None
        actions = executor.hello.actions if executor.hello else None
        answer = await self._store.write(self._exchanges.attend, id_, actions, attend, future)
        if attend.hello is not None:
            if attend.hello.replaces:
                self._forget(attend.hello.replaces)  # only now have its holds ended
            self.longest_session = max(self.longest_session, attend.hello.session_timeout)
            await self._note_secrets(attend.hello)
            self._unknown.look()
        if answer is None and future is not None:
            timer = self._loop.call_later(min(attend.wait, self._period / 3), _answer_empty, future)
            answer = await future
            timer.cancel()
        answer = answer or Answer()
        answer.hello, answer.period = executor.hello is None, self._period
        if attend.hello is not None:
            answer.queue = self._queue
        return answer

    async def _note_secrets(self, hello: Hello) -> None:
        """Keep what the actions of an executor that greets declare secret."""
        greeted = [executor.hello for executor in self.alive.values() if executor.hello is not None]
        for action in hello.actions:
            names = frozenset(name for one in greeted if (told := one.details.get(action)) for name in told.secret)
            if names != self.secrets.get(action, frozenset()):
                self.secrets[action] = names
                text = msgspec.json.encode(sorted(names)).decode()
                with contextlib.suppress(Unavailable):  # then it is known while this server runs
                    await self._store.write(settings.put, f"{settings.SECRET}{action}", text)

    def leave(self, id_: str) -> None:
        """Answer what this executor has parked: a newer attend came, or its connection is gone."""
        executor = self.alive.get(id_)
        if executor is not None and executor.parked is not None:
            _answer_empty(executor.parked)

    def _forget(self, replaced: str) -> None:
        """Who is known by this id, or in a cluster by this member, is dead."""
        for executor in list(self.alive.values()):
            if replaced in (executor.id, executor.member):
                del self.alive[executor.id]

    def _check(self, attend: Attend) -> None:
        if self._cluster and (attend.free > 0 or (attend.hello is not None and not attend.member)):
            raise Invalid("this server's jobs are in the queue of ZooKeeper: start the executor with --zk-hosts")
        if not self._cluster and (attend.member or attend.claims):
            raise Invalid(
                "this server uses no ZooKeeper: start its executors without --zk-hosts, or the server with it"
            )
        if attend.claims and not attend.member:
            raise Invalid("a claim needs the member for which the entry was taken", "member")

    # --- who fell silent

    def _arm(self) -> None:
        """Set the timer for the first executor that may fall silent; there is no polling."""
        if self._timer is None and self.alive:
            due = min(executor.heard for executor in self.alive.values()) + self._period
            self._timer = self._loop.call_at(due, self._listen, due)

    def _listen(self, due: float) -> None:
        self._timer = self._loop.call_later(LISTEN, self._sweep, due)

    def _sweep(self, due: float) -> None:
        self._timer = None
        now = self._loop.time()
        if now > due + LATE:  # this process was stopped or the machine slept: nobody could be heard
            for executor in self.alive.values():
                executor.heard = now
        silent = [executor for executor in self.alive.values() if executor.heard + self._period <= now]
        for executor in silent:
            del self.alive[executor.id]
            if not executor.left:
                again = "" if self._cluster else "; its jobs are queued again"
                log.warning("executor %s was not heard of for %g s%s", executor.called, self._period, again)
            if not self._cluster:
                self._spawn(self._end_holds(executor.id))
        if silent:
            self._unknown.look()
        self._arm()

    async def _end_holds(self, id_: str) -> None:
        how = f"its executor was not heard of for {self._period:g} s"
        while id_ not in self.alive:
            try:
                await self._store.write(self._exchanges.end_holds, id_, how)
                return
            except Exception as error:  # noqa: BLE001  # boundary: the holds must end, whatever went wrong this time
                log.warning("the holds of executor %s cannot be ended yet: %s", id_, error)
                await asyncio.sleep(RETRY)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("looking after executors failed: %s", error, exc_info=error)


def _answer_empty(future: "Future[Answer]") -> None:
    if not future.done():
        future.set_result(Answer())


def _holders(connection: sqlite3.Connection) -> list[tuple[str]]:
    rows: list[tuple[str]] = connection.execute(
        "select distinct holder from job where state = 'RUNNING' and holder is not null"
    ).fetchall()
    return rows
