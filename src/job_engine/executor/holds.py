"""What an executor holds, and what it has still to tell the record of it: pure bookkeeping between two exchanges.

A hold is listed from its grant until its end is told, so that the record grants nothing twice. What was told and not
yet answered is kept, and told again when the answer got lost; the record takes it once.
"""

from asyncio import TimerHandle
from collections.abc import Iterable
from typing import Final

from job_engine.job.attend import Finished, Granted, Released, Write
from job_engine.job.states import State

Key = tuple[int, int]
"""(seq, claim): what names a hold."""

BATCH_BYTES: Final = 8 << 20
"""About how many bytes of results, outputs and logs go with one exchange: a server takes more, but not at once."""
MESSAGE: Final = 500
"""Characters of a message of our own."""


class Held:
    """A job that this executor was granted."""

    __slots__ = (
        "action", "alone", "granted", "handle", "id", "key", "over", "process", "since", "slow", "started", "timer",
        "why",
    )  # fmt: skip

    def __init__(self, granted: Granted, now: float) -> None:
        self.key: Key = (granted.seq, granted.claim)
        self.id = granted.id
        self.action = granted.action
        self.alone = granted.alone  # nothing else may run in its worker process
        self.granted: Granted | None = granted  # until it is known to have begun
        self.since = now  # monotonic seconds of the grant
        self.process: object | None = None  # the worker process that it was given to
        self.handle = 0  # its number there
        self.started: float | None = None  # seconds since the epoch, once it is known to have begun
        self.timer: TimerHandle | None = None  # gives its worker process up if it outlasts its time limit
        self.slow = False  # occupies its slot for long
        self.over = False  # the record ended the hold: nothing is told any more
        self.why: str | None = None  # the reason for which it was interrupted


class Batch:
    """What one exchange tells."""

    __slots__ = ("finished", "holds", "released", "writes")

    def __init__(self) -> None:
        self.holds: list[Key] = []
        self.finished: list[Finished] = []
        self.released: list[Released] = []
        self.writes: dict[Key, Write] = {}

    @property
    def size(self) -> int:
        """How many things it tells."""
        return len(self.finished) + len(self.released) + len(self.writes)

    @property
    def ended(self) -> list[Key]:
        """The holds whose ends it tells."""
        finished = [(item.seq, item.claim) for item in self.finished]
        return finished + [(item.seq, item.claim) for item in self.released]


class Holds:
    """The holds of one executor."""

    def __init__(self) -> None:
        self._known: dict[Key, Held] = {}  # granted, and the end is not yet known to have been heard
        self._listed: dict[Key, Held] = {}  # those of them whose end was not told
        self._finished: list[Finished] = []
        self._released: list[Released] = []
        self._writes: dict[Key, Write] = {}
        self._awaited = False  # an action waits until one of them is told

    def __len__(self) -> int:
        return len(self._known)

    @property
    def known(self) -> list[Held]:
        """The holds of whose end the record is not known to have heard."""
        return list(self._known.values())

    @property
    def urgent(self) -> bool:
        """Whether there is something to tell at once: an end, or a checkpoint."""
        return bool(self._finished or self._released or self._awaited)

    @property
    def writes(self) -> bool:
        """Whether there is anything else to tell."""
        return bool(self._writes)

    def grant(self, granted: Granted, now: float) -> Held | None:
        """A job that the record granted; None if that is known, as when an answer is repeated."""
        key = (granted.seq, granted.claim)
        if key in self._known:
            return None
        held = self._known[key] = self._listed[key] = Held(granted, now)
        return held

    def write(self, held: Held, write: Write) -> None:
        """Something changed; the newest value of each attribute is told. After the hold has ended only the log is."""
        if held.over:
            write = _log_of(write)
            if not write.log:
                return
        self._awaited = self._awaited or write.checkpoint is not None
        waiting = self._writes.get(held.key)
        self._writes[held.key] = write if waiting is None else _merged(waiting, write)

    def finish(self, held: Held, finished: Finished) -> None:
        """It reached a final state."""
        if not held.over:
            self._finished.append(finished)

    def release(self, held: Held, released: Released) -> None:
        """It ended here without a final state."""
        if not held.over:
            self._released.append(released)

    def end(self, key: Key) -> Held | None:
        """The record ended this hold; None if it is not known here any more."""
        held = self._known.pop(key, None)
        self._listed.pop(key, None)
        waiting = self._writes.pop(key, None)
        if waiting is not None and waiting.log:
            self._writes[key] = _log_of(waiting)
        if held is not None:
            held.over = True
        return held

    def listed(self) -> list[Key]:
        """The holds, for the record to compare with its own."""
        return list(self._listed)

    def batch(self, limit: int | None = None) -> Batch:
        """What is to be told now, at most ``limit`` things. `settled` or `failed` must follow."""
        if limit is not None:
            return self._part(limit)
        batch = Batch()
        batch.writes, self._writes = self._writes, {}
        left = BATCH_BYTES - sum(map(_size_of_write, batch.writes.values()))
        batch.finished, self._finished = _some(self._finished, left)
        batch.released, self._released = self._released, []
        return self._told(batch)

    def _part(self, limit: int) -> Batch:
        batch = Batch()
        for key in list(self._writes)[:limit]:  # writes first: they come before the end of their job
            batch.writes[key] = self._writes.pop(key)
        limit -= len(batch.writes)
        batch.finished, self._finished = self._finished[:limit], self._finished[limit:]
        limit -= len(batch.finished)
        batch.released, self._released = self._released[:limit], self._released[limit:]
        return self._told(batch)

    def _told(self, batch: Batch) -> Batch:
        for key in batch.ended:
            self._listed.pop(key, None)
        self._awaited = self._has_checkpoint()
        batch.holds = list(self._listed)
        return batch

    def _has_checkpoint(self) -> bool:
        return any(write.checkpoint is not None for write in self._writes.values())

    def settled(self, batch: Batch) -> list[Held]:
        """The record has heard ``batch``; the holds whose checkpoint it thereby has."""
        for key in batch.ended:
            self._known.pop(key, None)
        return self._saving(batch)

    def _saving(self, batch: Batch) -> list[Held]:
        saved = [key for key, write in batch.writes.items() if write.checkpoint is not None]
        return [held for key in saved if (held := self._known.get(key)) is not None]

    def failed(self, batch: Batch) -> None:
        """It is not known to have heard it: tell it again, before all that came later."""
        self._finished[:0] = batch.finished
        self._released[:0] = batch.released
        for key in batch.ended:
            if key in self._known:
                self._listed[key] = self._known[key]
        newer, self._writes = self._writes, {}
        for key, older in batch.writes.items():
            if key not in self._known:
                older = _log_of(older)
            if key in self._known or older.log:
                self._writes[key] = _merged(older, newer.pop(key)) if key in newer else older
        self._writes |= newer
        self._awaited = self._has_checkpoint()

    def defer(self, batch: Batch) -> None:
        """The one thing in ``batch``, which has `failed`, goes behind all others."""
        if batch.finished:
            self._finished.append(self._finished.pop(0))
        elif batch.released:
            self._released.append(self._released.pop(0))
        for key in batch.writes:
            self._writes[key] = self._writes.pop(key)

    def blame(self, batch: Batch, error: str) -> list[Held]:
        """The record does not take the one thing in ``batch``, which has `failed`: tell it in the plainest form.

        Answers the holds whose checkpoint is given up, so that nobody waits for it.
        """
        message = f"its end could not be recorded as it was: {error}"
        for item in batch.finished:
            self._finished[0] = Finished(
                item.seq, item.claim, State.FAILED, item.started, item.ended, message=message[:MESSAGE]
            )
        for released in batch.released:
            self._released[0] = Released(
                released.seq, released.claim, released.why, delay=released.delay, beside=released.beside
            )
        for key in batch.writes:
            self._writes.pop(key, None)
        return self._saving(batch)


def _merged(older: Write, newer: Write) -> Write:
    return Write(
        older.seq,
        older.claim,
        newer.started if newer.started is not None else older.started,
        {**older.changes, **newer.changes},
        newer.checkpoint if newer.checkpoint is not None else older.checkpoint,
        older.log + newer.log,
    )


def _log_of(write: Write) -> Write:
    """What may be told of a write after its hold has ended."""
    return Write(write.seq, write.claim, None, {}, None, write.log)


def _size(parts: Iterable[object]) -> int:
    return sum(len(part) for part in parts if isinstance(part, str | bytes | memoryview))


def _size_of_write(write: Write) -> int:
    checkpoint = 0 if write.checkpoint is None else len(bytes(write.checkpoint))
    return checkpoint + sum(len(line[3]) for line in write.log) + _size(write.changes.values())


def _some(finished: list[Finished], left: int) -> tuple[list[Finished], list[Finished]]:
    """As many as fit, but one at least; and the others."""
    for index, item in enumerate(finished):
        if item.result is None and item.output is None:
            continue
        left -= len(item.output or "") + (0 if item.result is None else len(bytes(item.result)))
        if left < 0 and index:
            return finished[:index], finished[index:]
    return finished, []
