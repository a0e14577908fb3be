"""The memory that a worker process shares with the supervisor.

The supervisor writes until when holds are good; the worker, what each slot began last. Either can be read when the
other is dead, frozen or does not get hold of its interpreter. Times are nanoseconds of the monotonic clock, which all
processes of a machine share, but for ``started``, which people read.
"""

import mmap
import os
import struct
import tempfile
import time
from typing import Final, NamedTuple

_GOOD_UNTIL, _KILL_AT, _LEFT, _CELLS = 0, 1, 2, 3
_STARTED, _DUE, _BEGAN, _HANDLE = range(4)
_CELL: Final = 4
_put_cell = struct.Struct("=4q").pack_into
_WORD: Final = 8
_SECOND: Final = 1_000_000_000

EXPIRED, ALARM, BROKEN, SLOT_BROKEN = 1, 2, 3, 4
"""Why a worker process ended itself: the holds were no longer good · a job did not heed its alarm (`alarm.py`) · a
thread of the engine had ended · that of a slot had, with the job that it ran."""


class Cell(NamedTuple):
    """What a slot began last; it may have ended."""

    handle: int  # 0: nothing yet
    started: float  # seconds since the epoch
    due: float  # monotonic seconds at which its time is up; 0: never
    began: float  # monotonic seconds


class Board:
    """One worker process's shared memory. Each word has one writer; a word is written and read at once.

    Args:
        fd: of a board that another process made; without it a new one is made.
    """

    def __init__(self, slots: int, fd: int | None = None) -> None:
        size = (_CELLS + slots * _CELL) * _WORD
        self.fd = _new(size) if fd is None else fd
        self.slots = slots
        self._map = mmap.mmap(self.fd, size)
        self._words = memoryview(self._map).cast("q")

    def close(self) -> None:
        """Let go of it, in this process."""
        self._words.release()
        self._map.close()
        os.close(self.fd)

    # --- the supervisor's words

    def set_good_until(self, at: float, kill_at: float) -> None:
        """Holds are good until ``at``; what still runs at ``kill_at`` shall die. Both in monotonic seconds."""
        self._words[_KILL_AT] = int(kill_at * _SECOND)
        self._words[_GOOD_UNTIL] = int(at * _SECOND)

    @property
    def kill_at(self) -> float:
        """Monotonic seconds at which a worker process that still runs jobs shall end itself."""
        return self._words[_KILL_AT] / _SECOND

    def expired(self) -> bool:
        """Whether the holds are no longer known to be good."""
        return time.monotonic_ns() > self._words[_GOOD_UNTIL]

    # --- the worker's

    def leave(self, why: int) -> None:
        """Note why this process is about to end itself."""
        self._words[_LEFT] = why

    @property
    def left(self) -> int:
        """Why the worker process has ended itself; 0: it has not."""
        return self._words[_LEFT]

    def begin(self, slot: int, handle: int, started: float, due: float) -> None:
        """Slot number ``slot`` begins the job ``handle``; ``due`` as in `Cell`."""
        # the handle comes last: who sees it sees the rest
        at = (_CELLS + slot * _CELL) * _WORD
        _put_cell(self._map, at, int(started * _SECOND), int(due * _SECOND), time.monotonic_ns(), handle)

    def handles(self) -> list[int]:
        """What each slot began last."""
        return self._words[_CELLS + _HANDLE :: _CELL].tolist()

    def cell(self, slot: int) -> Cell:
        """What a slot began last, and when."""
        at = _CELLS + slot * _CELL
        started, due, began, handle = self._words[at : at + _CELL]
        return Cell(handle, started / _SECOND, due / _SECOND, began / _SECOND)

    def last_begun(self) -> int:
        """The highest handle that any slot has begun: this one and all below have, since they begin in order."""
        return max(self.handles())


def _new(size: int) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("job-engine-board")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd
