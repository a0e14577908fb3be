"""The SQLite database of the record: one writer thread that commits whatever waits together, and readers beside it.

Who is answered, is on disk: an operation's future resolves after the COMMIT of its transaction (WAL, synchronous=FULL).
Operations that arrive while a commit runs share the next one, so throughput rises with load and an idle store is quick.
"""

import asyncio
import contextlib
import logging
import math
import os
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from job_engine import threads
from job_engine.job.errors import JobEngineError, Unavailable
from job_engine.store import claim_numbers, jobs, locks, schema, settings
from job_engine.store.holds import Holds
from job_engine.store.transaction import Transaction

log = logging.getLogger(__name__)
T = TypeVar("T")
P = ParamSpec("P")

BUSY_WAIT: Final = 1.0
"""Seconds to wait for SQLite's own lock, which only a backup or a person's shell can hold: less than the patience of
executors (a quarter of their period), so that they hear that we are there and keep their holds."""
STILL_BUSY: Final = 0.05
"""Seconds to wait for it while it is known to be held: what is asked meanwhile is answered at once."""
TRY_AGAIN: Final = 1.0
"""Seconds after which a record that could not be written is tried again, though nobody asks."""
BATCH: Final = 512
"""The most operations in one transaction, so that the first of them does not wait long."""
LONGEST_SLEEP: Final = 3600.0
"""Seconds after which the writer looks at the clock again: it may be set, and no lock waits for centuries."""
RIPEN_AGAIN: Final = 1.0
"""Seconds after which jobs whose time has come are looked at again when the record could not be written."""
READERS: Final = 4
CHECKPOINT_ROWS: Final = 5000
CHECKPOINT_BYTES: Final = 8 << 20
"""Rows written, or bytes by which the write-ahead log has grown, after which a thread beside the writer copies it into
the database. Its size alone does not tell: it stays when its content is copied."""
CHECKPOINT_LIMIT: Final = 64 << 20
"""Bytes of write-ahead log after which the writer itself makes room. Most of it is copied by then."""
READER_WAIT: Final = 0.05
"""Seconds that the writer waits then for readers that still need it; if that was too short, `ROOM_AGAIN` seconds later
again. A log that is twice as long is worth `BUSY_WAIT`."""
ROOM_AGAIN: Final = 0.5

_REPLACED: Final = "its file was removed or replaced under the running server; start the server again"

AfterCommit = Callable[[Transaction], None]


class _Operation:
    __slots__ = ("arguments", "future", "verb")

    def __init__(
        self, verb: Callable[..., Any], arguments: tuple[Any, ...], future: "asyncio.Future[Any] | None"
    ) -> None:
        self.verb = verb
        self.arguments = arguments
        self.future = future


class Store:
    """The record on SQLite.

    Args:
        path: the database file; made if missing. One process at a time may open it.

    Raises:
        JobEngineError: it is in use, is no record, cannot be written, or is newer than this program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        """Why the record cannot be written, since the last try; empty: it can."""
        self._locks = locks.lock(path)
        try:
            self._writer = self._connect()
            schema.prepare(self._writer)
            self._writer.execute("pragma wal_autocheckpoint = 0")
            self._names = str(path), f"{path}-wal"
            self._files = locks.inodes(*self._names)
        except sqlite3.Error as error:
            self._unlock()
            raise JobEngineError(f"cannot open the record {path}: {self._reason(error)}") from None
        self._queue: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._reader = threading.local()
        self._reading: list[sqlite3.Connection] = []  # the readers' connections
        self._threads: list[threading.Thread] = []
        self._checkpoint = threading.Event()
        self._copying = threading.Lock()  # one copies the write-ahead log at a time
        self._closing = False
        self._copied = (0, 0)  # rows written, and bytes of the write-ahead log, when it was copied last
        self._room_at = 0.0  # when the writer makes room again, monotonic seconds
        self._acls: dict[str, int] = {}
        self._holds: dict[str, Holds] = {}
        self._claim_number = claim_numbers.drawn_from(secrets.token_bytes(32))
        self._writer.create_function("claim_number", 2, self._claim_number, deterministic=True)
        self._wakes: float | None = 0.0  # when waiting jobs are looked at next, seconds since the epoch: first at once
        self.before_commit: list[AfterCommit] = []
        """Called in the writer thread with each transaction that changed something, before its commit."""
        self.after_commit: list[AfterCommit] = []
        """Called in the event loop with each transaction that changed or refused something, after its commit."""

    def start(self) -> None:
        """Begin to serve, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        served = (("store-writer", self._serve), ("store-checkpointer", self._copy_log))
        self._threads = [threads.start(name, run) for name, run in served]

    async def close(self) -> None:
        """Finish what waits, and let go of the files."""
        self._closing = True
        self._queue.put(None)
        self._checkpoint.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._readers.shutdown()
        for connection in (*self._reading, self._writer):
            connection.close()
        self._unlock()

    def _unlock(self) -> None:
        for lock in self._locks:
            os.close(lock)

    def write(
        self, verb: Callable[Concatenate[Transaction, P], T], *arguments: P.args, **named: P.kwargs
    ) -> "asyncio.Future[T]":
        """``verb(transaction, *arguments)`` in the next transaction; its answer, once that is on disk.

        A verb that raises must not have changed anything; should it have, the whole transaction is rolled back and the
        others are repeated without it. So a verb may run twice, and has no effects but those on the record.

        Raises:
            Unavailable: the record cannot be written now, e.g. because the disk is full. Nothing was changed.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closing:
            future.set_exception(Unavailable("the server is stopping; try again"))
        else:
            self._queue.put(_Operation(partial(verb, **named) if named else verb, arguments, future))
        return future

    async def read(
        self, query: Callable[Concatenate[sqlite3.Connection, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """``query(connection, *arguments)`` on a read-only connection, seeing all that is committed.

        Raises:
            Unavailable: the record cannot be read now.
        """
        asked = partial(query, **named) if named else query
        return await self._loop.run_in_executor(self._readers, self._read, asked, arguments)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, timeout=BUSY_WAIT, check_same_thread=False, cached_statements=256
        )
        for setting in ("journal_mode = wal", "synchronous = full", "cache_size = -65536", "foreign_keys = off"):
            connection.execute(f"pragma {setting}")
        return connection

    def _read(self, query: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        try:
            if not hasattr(self._reader, "connection"):
                connection = self._connect()
                self._reading.append(connection)
                connection.execute("pragma query_only = on")
                self._reader.connection = connection
            return query(self._reader.connection, *arguments)
        except sqlite3.OperationalError as error:
            raise self._unavailable(error, "read")[1] from error

    def _serve(self) -> None:
        """The writer thread. A server without one must not go on answering: its failure ends the process."""
        stopping = False
        while not stopping:
            operations, stopping = self._next()
            if operations:
                outcomes, transaction = self._commit(operations)
                if operations[0].verb is jobs.ripen and isinstance(outcomes[0], BaseException):
                    self._wakes = min(self._wakes or math.inf, time.time() + RIPEN_AGAIN)
                with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
                    self._loop.call_soon_threadsafe(self._answer, operations, outcomes, transaction)
                self._make_room()

    def _next(self) -> tuple[list[_Operation], bool]:
        """All that waits, and whether it is the last; with it what is due by the clock."""
        operations: list[_Operation] = []
        timeout = None if self._wakes is None else min(self._wakes - time.time(), LONGEST_SLEEP)
        if timeout is not None and timeout <= 0:
            self._wakes = None
            operations.append(_Operation(jobs.ripen, (), None))
        if self.trouble:
            timeout = min(timeout or TRY_AGAIN, TRY_AGAIN)
        try:
            following = self._queue.get_nowait() if operations else self._queue.get(timeout=timeout)
            while following is not None:
                operations.append(following)
                if len(operations) >= BATCH:
                    return operations, False
                following = self._queue.get_nowait()
        except queue.Empty:
            if self.trouble and not operations:
                operations.append(_Operation(settings.note_check, (), None))
            return operations, False
        return operations, True

    def _commit(self, operations: list[_Operation]) -> tuple[list[Any], Transaction]:
        """What each operation answers or raises, all in one transaction, or each in its own if one spoils it."""
        try:
            return self._together(operations)
        except _BarredError as barred:
            return [barred.reason] * len(operations), self._transaction()
        except _SpoiltError:
            outcomes: list[Any] = []
            transaction = self._transaction()
            for operation in operations:
                try:
                    single, part = self._together([operation])
                    outcomes += single
                    transaction.merge(part)
                except _BarredError as barred:
                    return outcomes + [barred.reason] * (len(operations) - len(outcomes)), transaction
                except _SpoiltError as spoilt:
                    outcomes.append(spoilt.reason)
            return outcomes, transaction

    def _together(self, operations: list[_Operation]) -> tuple[list[Any], Transaction]:
        writer = self._writer
        transaction = self._transaction()
        outcomes: list[Any] = []
        self._begin()
        before = writer.total_changes
        try:
            for operation in operations:
                changes = writer.total_changes
                try:
                    outcomes.append(operation.verb(transaction, *operation.arguments))
                except JobEngineError as error:
                    if writer.total_changes != changes:
                        raise _SpoiltError(error) from None
                    outcomes.append(error)
            if transaction.settles:
                jobs.settle(transaction)
            for callback in self.before_commit:
                callback(transaction)
            transaction.flush()
            writer.execute("commit")
        except Exception as error:  # boundary: whatever a verb raises, the record is as before and each caller is told
            with contextlib.suppress(sqlite3.Error):
                writer.execute("rollback")
            self._acls.clear()
            self._holds.clear()
            if isinstance(error, _SpoiltError):
                raise
            if isinstance(error, sqlite3.OperationalError):
                self.trouble, reason = self._unavailable(error)
                log.error("%s", self.trouble)
                raise _SpoiltError(reason) from error
            if len(operations) == 1:
                log.exception("an operation on the record failed; nothing was changed")
            raise _SpoiltError(error) from error
        if self.trouble and writer.total_changes != before:
            self.trouble = ""
            log.warning("the record can be written again")
        for done in transaction.committed:
            done()
        if transaction.wakes is not None:
            self._wakes = min(self._wakes or math.inf, transaction.wakes)
        return outcomes, transaction

    def _transaction(self) -> Transaction:
        return Transaction(self._writer, self._acls, self._claim_number, self._holds)

    def _begin(self) -> None:
        """Begin a transaction. Should that fail it does so for all that wait, who are told at once."""
        try:
            with contextlib.suppress(OSError):  # SQLite says better what is wrong with the disk
                if locks.inodes(*self._names) != self._files:
                    raise sqlite3.OperationalError(_REPLACED)
            self._writer.execute("begin immediate")
        except sqlite3.Error as error:
            trouble, reason = self._unavailable(error)
            if trouble != self.trouble:
                log.error("%s", trouble)
            self.trouble = trouble
            self._be_patient(STILL_BUSY)
            raise _BarredError(reason) from error
        if self.trouble:
            self._be_patient(BUSY_WAIT)

    def _be_patient(self, seconds: float) -> None:
        """Wait so long for what another process, or a reader, has locked."""
        self._writer.execute(f"pragma busy_timeout = {round(seconds * 1000)}")

    def _answer(self, operations: list[_Operation], outcomes: list[Any], transaction: Transaction) -> None:
        for operation, outcome in zip(operations, outcomes, strict=True):
            future = operation.future
            if future is None or future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        for parked, answer in transaction.answers:
            if not parked.done():
                parked.set_result(answer)
        if transaction.changed or transaction.added or transaction.lacked or transaction.blocked:
            for callback in self.after_commit:
                callback(transaction)

    def _make_room(self) -> None:
        """Bound the write-ahead log. The size that it had when it was longest is the one that it has."""
        try:
            size = os.stat(f"{self.path}-wal").st_size
        except OSError:
            return
        rows = self._writer.total_changes
        if size > CHECKPOINT_LIMIT:
            if time.monotonic() >= self._room_at and not self._truncate(size):
                self._room_at = time.monotonic() + ROOM_AGAIN
        elif rows - self._copied[0] >= CHECKPOINT_ROWS or size - self._copied[1] >= CHECKPOINT_BYTES:
            self._copied = rows, size
            self._checkpoint.set()

    def _truncate(self, size: int) -> bool:
        """Copy what is left of the write-ahead log, and empty it; whether no reader needs it any more."""
        busy = 1
        if not self._copying.acquire(timeout=READER_WAIT):  # the other thread copies; everybody waits for this one
            return False
        self._be_patient(BUSY_WAIT if size > 2 * CHECKPOINT_LIMIT else READER_WAIT)
        try:
            with contextlib.suppress(sqlite3.Error):
                (busy, _, _) = self._writer.execute("pragma wal_checkpoint(truncate)").fetchone()
        finally:
            self._copying.release()
        self._be_patient(BUSY_WAIT)
        if not busy:
            self._copied = self._writer.total_changes, 0
        return not busy

    def _copy_log(self) -> None:
        """The checkpointer thread: copies the write-ahead log beside the writer, so that no commit waits for it."""
        connection = self._connect()
        while self._checkpoint.wait() and not self._closing:
            self._checkpoint.clear()
            with self._copying, contextlib.suppress(sqlite3.Error):
                connection.execute("pragma wal_checkpoint(passive)")
        connection.close()

    def _unavailable(self, error: sqlite3.Error, what: str = "written") -> tuple[str, Unavailable]:
        """Why the record cannot be read or written, for the log, and for who asked."""
        text = f"the record cannot be {what}: {self._reason(error)}"
        reason = Unavailable(text)
        if "locked" in str(error):
            reason = Unavailable(f"the record cannot be {what}: another process has locked it; try again")
            reason.for_admins = text
        return text, reason

    def _reason(self, error: sqlite3.Error) -> str:
        text = str(error)
        if "full" in text:
            return "the disk is full; it goes on when there is room"
        if "locked" in text:
            who = locks.who_writes(self.path)
            return f"{who} has locked it; it goes on when that one's transaction has ended"
        if "malformed" in text or "not a database" in text:
            return f"it is damaged or not a record ({text}); put back a backup, or move it away to begin a new one"
        if "readonly" in text or "unable to open" in text:
            return f"it cannot be written ({text}); check its owner and mode"
        return text


class _SpoiltError(Exception):
    """The transaction was rolled back because of ``reason``."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason


class _BarredError(_SpoiltError):
    """No transaction could begin because of ``reason``."""
