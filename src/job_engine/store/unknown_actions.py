"""Jobs whose action no executor has: they wait for the grace, and are FAILED with the reason.

While an executor reports a module that does not load, none of them fails: the module may have the action. The grace
begins anew when all modules load.

In a cluster executors of other kinds may run a job, and do not tell what they can. So there an action counts only once
one of ours was refused a job because it lacks the action, and the grace begins anew when another kind runs one of them.
Which these actions are is kept in the record: an executor does not try an entry again that it could not run.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from job_engine.job.errors import JobEngineError
from job_engine.store import jobs, settings
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction
from job_engine.store.waits import IS_READY

if TYPE_CHECKING:
    from job_engine.store.executors import Executors

log = logging.getLogger(__name__)

CHUNK: Final = 500
"""Jobs failed in one transaction: more would hold up what executors say."""
ALIKE: Final = 0.7
"""How alike the names of two actions are, from 0 to 1, so that one may be meant by the other."""
RETRY: Final = 1.0
"""Seconds after which it is tried again when the record cannot be used."""


class UnknownActions:
    """Watches for them: when jobs are added, executors greet or fall silent, and when a grace is over.

    Args:
        grace: seconds that a job waits for an executor that has its action.
        settled: seconds after a start of the server within which executors that lived through it are heard again.
        cluster: whether executors that nobody knows may have an action.
    """

    def __init__(
        self, store: Store, executors: "Executors", grace: float, settled: float, cluster: bool = False
    ) -> None:
        self._store = store
        self._executors = executors
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._settled = self._loop.time() + settled
        self._cluster = cluster
        self._lacked: set[str] = set()  # in a cluster: actions that count
        self._since: dict[str, float] = {}  # action that nobody has → loop time since when
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self._told: tuple[list[str], dict[str, str]] | None = None  # what was logged last
        store.after_commit.append(self._look_at_added)

    def due(self, action: str) -> float | None:
        """When jobs of ``action`` are FAILED (loop time); None: somebody has it, or may have it."""
        since = self._since.get(action)
        return None if since is None else max(since + self._grace, self._settled)

    def look(self) -> None:
        """See whether there are such jobs, soon."""
        if self._looking:
            self._again = True
            return
        self._task = self._loop.create_task(self._look())

    def stop(self) -> None:
        """Look no more."""
        for handle in (self._timer, self._task):
            if handle is not None:
                handle.cancel()

    @property
    def _looking(self) -> bool:
        return self._task is not None and not self._task.done()

    def _look_at_added(self, tx: Transaction) -> None:
        added = tx.added
        if self._cluster:
            self._lacked |= tx.lacked
            added = added & self._lacked | tx.lacked
        if added and self._executors.met:
            unknown = added - self._executors.actions
            # what is known to be nobody's has its timer already, but for a look under way: that may have read before
            if unknown - self._since.keys() or (unknown and self._looking):
                self.look()
        if tx.foreign:
            now = self._loop.time()
            self._since |= dict.fromkeys(tx.foreign & self._since.keys(), now)

    async def _look(self) -> None:
        again = True
        while again:
            self._again = False
            try:
                await self._look_once()
            except JobEngineError as error:
                log.warning("jobs whose action nobody has cannot be looked for: %s", error)
                await asyncio.sleep(RETRY)
                self._again = True
            again = self._again

    async def _look_once(self) -> None:
        if not self._executors.met:
            return  # never before the first executor said hello
        waiting = await self._store.read(_waiting_actions)
        unknown = waiting - self._executors.actions
        if self._cluster:
            unknown &= await self._remembered(waiting)
        now = self._loop.time()
        held_back = unknown and self._executors.failed_imports
        self._since = {} if held_back else {action: self._since.get(action, now) for action in unknown}
        self._tell(sorted(unknown), self._executors.failed_imports)
        for action in list(self._since):
            await self._fail(action)
        following = [at for action in self._since if (at := self.due(action)) is not None]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(following), self.look) if following else None

    async def _fail(self, action: str) -> None:
        """Fail the jobs of ``action`` once they are due; what speaks for them is looked at again after each await."""
        message = ""
        while (at := self.due(action)) is not None and at <= self._loop.time():
            if action in self._executors.actions or self._executors.failed_imports:
                return  # since this look began; another one follows
            if not message:  # made beside the loop and the writer: to compare long names takes a while
                message = await asyncio.to_thread(not_implemented, action, sorted(self._executors.actions))
                continue
            if await self._store.write(jobs.fail_unknown, action, message, CHUNK) < CHUNK:
                self._since.pop(action, None)  # what is added from now on has a grace of its own

    def _tell(self, unknown: list[str], failed: Mapping[str, str]) -> None:
        """Log once that jobs wait because of modules that do not load."""
        waits = (unknown, dict(failed)) if unknown and failed else None
        if waits is not None and waits != self._told:
            modules = "; ".join(f"{source} does not load: {error}" for source, error in failed.items())
            log.warning("jobs wait for an executor that has the action %s; %s", ", ".join(unknown), modules)
        self._told = waits

    async def _remembered(self, waiting: set[str]) -> set[str]:
        """The actions that executors lacked; those that nobody has and nothing waits for any more are forgotten."""
        self._lacked = await self._store.read(_lacked_actions)
        for action in self._lacked - waiting - self._executors.actions:
            await self._store.write(_forget, action)
            self._lacked.discard(action)
        return self._lacked


def not_implemented(action: str, known: Sequence[str]) -> str:
    """What a job of an ``action`` that nobody has fails with; the most alike of the ``known`` is named."""
    alike = get_close_matches(action, known, 1, ALIKE)
    return f"Not implemented action ID: {action}" + (f" (did you mean {alike[0]}?)" if alike else "")


def _waiting_actions(connection: sqlite3.Connection) -> set[str]:
    """The actions of ready jobs: from each to the next one in the index, however many jobs there are."""
    found: set[str] = set()
    last: str | None = ""
    while last is not None:
        (last,) = connection.execute(
            f"select min(action) from job indexed by job_queued where {IS_READY} and action > ?",
            (last,),
        ).fetchone()
        if last is not None:
            found.add(last)
    return found


def _lacked_actions(connection: sqlite3.Connection) -> set[str]:
    prefix = settings.LACKED
    rows = connection.execute("select substr(name, ?) from setting where name glob ?", (len(prefix) + 1, f"{prefix}*"))
    return {action for (action,) in rows}


def _forget(tx: Transaction, action: str) -> None:
    """Forget that an executor lacked ``action``, unless a job of it waits again."""
    tx.execute(
        "delete from setting where name = ? and not exists (select 1 from job indexed by job_queued"
        f" where {IS_READY} and action = ?)",
        (f"{settings.LACKED}{action}", action),
    )
