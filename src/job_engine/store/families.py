"""Bulk jobs that wait for their children: what became of those, counted by the record.

Upstream asks every half minute, for 10,000 children at most, and says SUCCESS whatever failed. Here each commit that
changes jobs is a reason to look, a moment later, and the end says whether children failed.
"""

import asyncio
import logging
import sqlite3
from typing import Final

import msgspec

from job_engine.job.bulk import MONITOR, BulkResult
from job_engine.job.bulk_message import found
from job_engine.job.errors import JobEngineError
from job_engine.job.states import State
from job_engine.store import jobs
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction

log = logging.getLogger(__name__)

PACE: Final = 0.5
"""Seconds between two looks, while children end; a family so large that a look takes long is looked at less often."""
SHARE: Final = 0.05
"""Part of the time that looking may take."""
RETRY: Final = 1.0
"""Seconds after which it is tried again when the record cannot be used."""
MESSAGE: Final = 2000
"""Characters of what a child that did not succeed says that are read."""


class Families:
    """Watches over the bulk jobs that are tagged ``monitor`` and held by nobody."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parents: dict[str, BulkResult] = {}  # by id: what the bulk job itself did, without its children
        self._saved: set[str] = set()  # those of which that is in the record
        self._spoilt: set[str] = set()  # those that cannot be looked at, by a fault of ours
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._found = True  # which there are is to be asked
        self._changed = False
        self._may_look = 0.0  # loop time
        store.after_commit.append(self._told)

    async def start(self) -> None:
        """Look for those that a server before this one left."""
        self._arm()

    def stop(self) -> None:
        """Look no more."""
        for handle in (self._timer, self._task):
            if handle is not None:
                handle.cancel()

    def _told(self, tx: Transaction) -> None:
        self._found = self._found or tx.monitored
        self._changed = self._changed or bool(self._parents)
        if self._found or self._changed:
            self._arm()

    def _arm(self) -> None:
        if self._timer is None and (self._task is None or self._task.done()):
            self._timer = self._loop.call_at(max(self._loop.time(), self._may_look), self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = self._loop.create_task(self._look())

    async def _look(self) -> None:
        began, pause = self._loop.time(), PACE
        try:
            if self._found:
                self._found = False
                found = await self._store.read(_monitored)
                self._parents = {
                    id_: self._parents.get(id_) or _own(text) for id_, text in found.items() if id_ not in self._spoilt
                }
                self._saved &= self._parents.keys()
            self._changed = False
        except JobEngineError as error:
            log.warning("the families of bulk jobs cannot be looked for: %s", error)
            self._found, pause = True, RETRY
        for id_, own in list(self._parents.items()):
            try:
                await self._tell(id_, own)
            except JobEngineError as error:
                log.warning("the family of %s cannot be looked at: %s", id_, error)
                self._changed, pause = True, RETRY
            except Exception:  # boundary: whatever is wrong with one family, the others are looked at
                log.exception("looking at the family of %s failed; it is left alone until the next start", id_)
                del self._parents[id_]
                self._spoilt.add(id_)
        self._may_look = self._loop.time() + max(pause, (self._loop.time() - began) / SHARE)
        self._loop.call_soon(self._again)

    def _again(self) -> None:
        if self._found or self._changed:
            self._arm()

    async def _tell(self, id_: str, own: BulkResult) -> None:
        result, text = await self._store.read(_result, id_, own)
        state = None
        if not result.active:
            state = State.FAILED if result.failed_count else State.SUCCESS
        saved = None if id_ in self._saved else own.text()
        if await self._store.write(jobs.tell_family, id_, saved, text, result.progress, state):
            self._saved.add(id_)
        else:
            del self._parents[id_]


def _own(saved: str | None) -> BulkResult:
    """What a bulk job did itself."""
    return found(saved) or BulkResult()  # it says something else: the children are all that is known


def _monitored(connection: sqlite3.Connection) -> dict[str, str | None]:
    """The bulk jobs that wait for their children, and what they did themselves; at first that is what they say."""
    rows = connection.execute(
        "select id, tags, message, (select value from checkpoint where job = seq)"
        " from job where state = 'RUNNING' and holder is null and tags is not null"
    )
    found: dict[str, str | None] = {}
    for id_, tags, message, checkpoint in rows:
        if MONITOR in msgspec.json.decode(tags):
            saved = msgspec.json.decode(checkpoint) if checkpoint else None
            found[id_] = saved["own"] if isinstance(saved, dict) and "own" in saved else message
    return found


def _result(connection: sqlite3.Connection, id_: str, own: BulkResult) -> tuple[BulkResult, str]:
    """The result of a bulk job and its children, and its text: for 10,000 of them a matter of 50 ms."""
    children = connection.execute(
        "select id, state, target, iif(state in ('FAILED', 'CANCELED'), substr(message, 1, ?), null)"
        " from job where parent = ? order by seq",
        (MESSAGE, id_),
    )
    result = own.with_children(children)
    return result, result.text()
