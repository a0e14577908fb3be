"""The children of bulk jobs that were canceled: canceled too, by the record itself, some hundred in each transaction.

What a server left that was ended in the middle is looked for at the next start. The job of ``cancel_children_jobs``
that the API adds for each (contract, section 6) most often finds nothing to do.
"""

import asyncio
import logging
import sqlite3
from typing import Final

from job_engine.job.bulk import is_bulk
from job_engine.job.errors import JobEngineError
from job_engine.store import jobs
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction

log = logging.getLogger(__name__)

MANY: Final = 500
"""Children that one transaction cancels, so that others wait for some hundredths of a second only."""
RETRY: Final = 1.0
"""Seconds after which it is tried again when the record cannot be written."""


class Cancellation:
    """Cancels families."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parents: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None
        store.after_commit.append(self._told)

    async def start(self) -> None:
        """Go on with what a server before this one left."""
        self._parents.update(dict.fromkeys(await self._store.read(_left)))
        self._go_on()

    def stop(self) -> None:
        """Leave the rest to the next start."""
        if self._task is not None:
            self._task.cancel()

    def _told(self, tx: Transaction) -> None:
        self._parents.update(dict.fromkeys(tx.canceled))
        self._go_on()

    def _go_on(self) -> None:
        if self._parents and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._cancel())

    async def _cancel(self) -> None:
        while self._parents:
            parent = next(iter(self._parents))
            try:
                while await self._store.write(jobs.cancel_children, parent, MANY) == MANY:
                    pass
            except JobEngineError as error:
                log.warning("the children of %s cannot be canceled: %s", parent, error)
                await asyncio.sleep(RETRY)
                continue
            except Exception:  # boundary: whatever is wrong with one family, the others are canceled
                log.exception("canceling the children of %s failed", parent)
            del self._parents[parent]


def _left(connection: sqlite3.Connection) -> list[str]:
    """The bulk jobs that were canceled, and of whose children some are not."""
    rows = connection.execute(
        "select id, action from job as parent where state = 'CANCELED' and exists"
        " (select 1 from job where job.parent = parent.id and state in ('QUEUED', 'RUNNING'))"
    )
    return [id_ for id_, action in rows if is_bulk(action)]
