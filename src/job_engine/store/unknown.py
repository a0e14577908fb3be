"""Jobs whose action no executor has: they wait for the grace, and are FAILED with the reason."""

import asyncio
import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from job_engine.job.errors import JobEngineError
from job_engine.store import jobs
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction

if TYPE_CHECKING:
    from job_engine.store.executors import Executors

log = logging.getLogger(__name__)

CHUNK: Final = 500
"""Jobs failed in one transaction: more would hold up what executors say."""
RETRY: Final = 1.0
"""Seconds after which it is tried again when the record cannot be used."""


class UnknownActions:
    """Watches for them: when jobs are added, executors greet or fall silent, and when a grace is over.

    Args:
        grace: seconds that a job waits for an executor that has its action.
        settled: seconds after a start of the server within which executors that lived through it are heard again.
    """

    def __init__(self, store: Store, executors: "Executors", grace: float, settled: float) -> None:
        self._store = store
        self._executors = executors
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._settled = self._loop.time() + settled
        self._since: dict[str, float] = {}  # action that nobody has → loop time since when
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False
        store.after_commit.append(self._look_at_added)

    def look(self) -> None:
        """See whether there are such jobs, soon."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = self._loop.create_task(self._look())

    def stop(self) -> None:
        """Look no more."""
        for handle in (self._timer, self._task):
            if handle is not None:
                handle.cancel()

    def _look_at_added(self, tx: Transaction) -> None:
        # what is known to be nobody's has its timer already
        if tx.added and self._executors.met and tx.added - self._executors.actions - self._since.keys():
            self.look()

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
        now = self._loop.time()
        unknown = waiting - self._executors.actions
        self._since = {action: self._since.get(action, now) for action in unknown}
        due = {action: max(since + self._grace, self._settled) for action, since in self._since.items()}
        for action in [action for action, at in due.items() if at <= now]:
            while action not in self._executors.actions:
                if await self._store.write(jobs.fail_unknown, action, self._executors.actions, CHUNK) < CHUNK:
                    self._since.pop(action, None)
                    break
        following = [at for at in due.values() if at > now]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(following), self.look) if following else None


def _waiting_actions(connection: sqlite3.Connection) -> set[str]:
    """The actions of ready jobs: from each to the next one in the index, however many jobs there are."""
    found: set[str] = set()
    last: str | None = ""
    while last is not None:
        (last,) = connection.execute(
            "select min(action) from job indexed by job_queued where state = 'QUEUED' and waits = 0 and action > ?",
            (last,),
        ).fetchone()
        if last is not None:
            found.add(last)
    return found
