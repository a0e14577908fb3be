"""The audit: who did what, from where, on what, and what came of it. It is only ever added to.

Events go to the record, and as JSON lines to a file or the log. A change and its event are one transaction. What was
refused (wrong credentials, lock-outs, missing rights) is counted in memory and written together, within a bound:
strangers cause most of it, and must fill neither the disk nor the list.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from uuid_utils import uuid7

from job_engine.api import acl
from job_engine.job.errors import JobEngineError
from job_engine.job.times import iso, least_uuid7
from job_engine.store import resources
from job_engine.store.database import Store
from job_engine.store.transaction import Transaction

log = logging.getLogger(__name__)
_lines_log = logging.getLogger("job_engine.audit")

Document = dict[str, Any]

TYPE: Final = "audit-event"
TEXT: Final = 200
"""Characters that are kept of a text that a caller chose, such as the name in a login."""
SUCCESS, REFUSED, LOCKED_OUT = "success", "refused", "locked out"
"""What came of it; wrong credentials and missing rights are refused."""
TO_LOG: Final = "-"
"""Instead of a file: the server's log."""
GATHER_SECONDS: Final = 1.0
"""How long refusals are gathered: an attack is one line, and who looks sees it soon."""
BURST: Final = 60
"""Events of refusals that may be written at once."""
REFILL_SECONDS: Final = 60.0
"""Time until one more may be written: so strangers add 1,500 a day at most, which say how many they were."""
GATHERED: Final = 1000
"""Different refusals that are told apart before they are written."""
OTHERS: Final = "others"
"""Who, whence and what, in the event that stands for many."""
KEPT: Final = 20_000
"""Events of one operation and outcome that the record keeps, some 10 MB; the oldest go. Each kind has a number of its
own, so that who logs in a hundred thousand times does not remove what was done to users."""
KEEP: Final = 365 * 86400.0
"""Seconds for which they are kept, unless the server is told otherwise."""
CLEAN_SECONDS: Final = 3600.0
"""Time between two looks for events that are to go."""
CHUNK: Final = 500
"""Events that one transaction removes."""
FOUND: Final = 20 * CHUNK
"""Events that one look finds."""
WAITING: Final = 10_000
"""Lines that wait for the file; more are left out, and that is logged."""


@dataclass(frozen=True, slots=True)
class Event:
    """What somebody does, or tries to do.

    Attributes:
        operation: ``TYPE.VERB``, such as ``user.delete``.
        who: the id of the user, or the name that a login gave.
        on: the id of the resource.
        detail: what else there is to say, such as what was changed.
    """

    operation: str
    who: str
    active: str
    address: str
    on: str
    detail: str = ""


def document_of(event: Event, outcome: str, names: tuple[str, str] = ("", ""), count: int = 1) -> Document:
    """The event as it is kept.

    Args:
        names: of the user, and of the resource.
        count: how often it happened.
    """
    now = iso(time.time())
    document: Document = {
        "id": f"{TYPE}/{uuid7()}", "resource-type": TYPE, "created": now, "updated": now,
        "operation": event.operation, "outcome": outcome, "user": event.who[:TEXT], "client-ip": event.address,
        "resource": event.on[:TEXT],
    }  # fmt: skip
    more = {
        "user-name": names[0], "resource-name": names[1], "detail": event.detail[:TEXT],
        "active-claim": event.active if event.active != event.who else "", "count": count if count > 1 else 0,
    }  # fmt: skip
    return document | {name: value for name, value in more.items() if value}


class Audit:
    """Takes events, from transactions and of refusals.

    Args:
        lines: the name of a file that gets each event as a line of JSON, or `TO_LOG`; None: neither.
        keep: seconds for which events are kept.
    """

    def __init__(self, store: Store, lines: str | None = None, keep: float = KEEP) -> None:
        self._store = store
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._gathered: dict[tuple[Event, str], int] = {}
        self._room = float(BURST)
        self._filled = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._lines = lines
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._failed = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._cleaner: asyncio.Task[None] | None = None
        if lines == TO_LOG:
            _lines_log.setLevel(logging.INFO)  # however quiet the rest of the server is

    def start(self) -> None:
        """Begin to remove what is too old, or too much."""
        self._cleaner = self._loop.create_task(self._clean())

    async def stop(self) -> None:
        """Write what is gathered, and end."""
        for ended in (self._cleaner, self._timer):
            if ended is not None:
                ended.cancel()
        await self._write_gathered()
        await asyncio.sleep(0)  # what its commit has called soon
        while self._tasks:
            await asyncio.wait(self._tasks)

    def add(
        self, tx: Transaction, event: Event, outcome: str, names: tuple[str, str] = ("", ""), count: int = 1
    ) -> None:
        """Add an event, in a transaction."""
        document = document_of(event, outcome, names, count)
        resources.put(tx, {**document, "acl": acl.owned_by(acl.ADMIN)})
        if self._lines is not None:
            line = msgspec.json.encode(document).decode()
            tx.committed.append(lambda: self._loop.call_soon_threadsafe(self._tell, line))

    # --- refusals

    def refused(self, event: Event, outcome: str) -> None:
        """Count what was refused; it is written soon, with others like it."""
        key = (event, outcome)
        if key not in self._gathered and len(self._gathered) >= GATHERED:
            key = _OTHERS
        self._gathered[key] = self._gathered.get(key, 0) + 1
        if self._timer is None:
            self._timer = self._loop.call_later(GATHER_SECONDS, self._write_soon)

    def _write_soon(self) -> None:
        self._timer = None
        self._spawn(self._write_gathered())

    async def _write_gathered(self) -> None:
        """Write as many events as there is room for; the others are one, which waits if there is no room at all.

        The last place is for the others, so that a burst that ends here is told at once.
        """
        now = time.monotonic()
        self._room = min(float(BURST), self._room + (now - self._filled) / REFILL_SECONDS)
        self._filled = now
        found, self._gathered = list(self._gathered.items()), {}
        room = int(self._room)
        own = max(room - 1, 0)
        if len(found) > own:
            found = [*found[:own], (_OTHERS, sum(count for _, count in found[own:]))]
        if room == 0 and found:
            self._gathered = dict(found)
            if self._timer is None:
                self._timer = self._loop.call_later(REFILL_SECONDS, self._write_soon)
        elif found:
            self._room -= len(found)
            try:
                await self._store.write(self._add_refused, found)
            except JobEngineError as error:
                log.warning("%d refused requests are not in the audit: %s", sum(n for _, n in found), error)

    def _add_refused(self, tx: Transaction, found: list[tuple[tuple[Event, str], int]]) -> None:
        for (event, outcome), count in found:
            self.add(tx, event, outcome, count=count)

    # --- lines

    def _tell(self, line: str) -> None:
        if self._lines == TO_LOG:
            _lines_log.info("%s", line)
            return
        if len(self._waiting) >= WAITING:
            self._left_out += 1
            return
        self._waiting.append(line)
        if len(self._waiting) == 1:
            self._spawn(self._append())

    async def _append(self) -> None:
        """Write what waits; nobody waits for a file that is slow."""
        while self._waiting:
            text = "".join(f"{line}\n" for line in self._waiting)
            number = len(self._waiting)
            failed = await asyncio.to_thread(_append_to, str(self._lines), text)
            if failed and failed != self._failed:
                log.error("the audit cannot be written to %s: %s; its events are in the record", self._lines, failed)
            if self._left_out:
                log.error("%d events of the audit are not in %s: it is too slow", self._left_out, self._lines)
            self._failed, self._left_out = failed, 0
            for _ in range(number):
                self._waiting.popleft()

    # --- retention

    async def _clean(self) -> None:
        while True:
            try:
                found = [""] * FOUND
                while len(found) == FOUND:  # looked for on a reader, because all events are looked at
                    found = await self._store.read(_surplus, time.time() - self._keep)
                    for at in range(0, len(found), CHUNK):
                        await self._store.write(_remove, found[at : at + CHUNK])
            except JobEngineError as error:
                log.warning("old events of the audit cannot be removed now: %s", error)
            await asyncio.sleep(CLEAN_SECONDS)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_OTHERS: Final = (Event(OTHERS, OTHERS, OTHERS, OTHERS, OTHERS), REFUSED)


def _surplus(connection: sqlite3.Connection, before: float) -> list[str]:
    """The ids of events that are too old, or too many of their kind; oldest first, at most `FOUND`."""
    kind = "json_extract(document, '$.operation'), json_extract(document, '$.outcome')"
    rows = connection.execute(
        f"select id from (select id, row_number() over (partition by {kind} order by id desc) as number"
        " from resource where type = ?) where id < ? or number > ? order by id limit ?",
        (TYPE, f"{TYPE}/{least_uuid7(before)}", KEPT, FOUND),
    )
    return [id_ for (id_,) in rows]


def _remove(tx: Transaction, ids: Sequence[str]) -> None:
    tx.executemany("delete from resource where id = ?", [(id_,) for id_ in ids])


def _append_to(path: str, text: str) -> str:
    """Append to the file, which is opened anew, so that it may be rotated; what went wrong, or nothing."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        return error.strerror or str(error)
    return ""
