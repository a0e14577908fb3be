"""Locks on the record's files: one server at a time, and who else keeps SQLite from writing."""

import contextlib
import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Final

from job_engine.job.errors import JobEngineError

LOCK_WAIT: Final = 10.0
"""Seconds to wait for the lock of the record: a server that was killed may take a moment to end."""
_OURS: Final = 1 << 62
"""The byte of the database file that its server locks: none that SQLite locks, and far beyond the end of the file."""
_WRITING: Final = range(120, 123)
"""The bytes of the -shm file that SQLite locks to write, to copy and to recover the write-ahead log (sqlite.org,
walformat.html, 2.3.1)."""

Inodes = dict[str, tuple[int, int]]
"""Device and number of files, by their names."""


def inodes(*names: str) -> Inodes:
    """Which files have these names; without those that there are not."""
    found: Inodes = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.stat(name)
            found[name] = status.st_dev, status.st_ino
    return found


def lock(path: Path) -> tuple[int, int]:
    """The locks of the server of the record ``path``: descriptors of the lock file beside it and of the record itself.

    The second is a lock on the file, whatever its names: a symbolic link, a bind mount and a lock file that was deleted
    lead to the same one. It must stay open as long as SQLite has the file open in this process.

    Raises:
        JobEngineError: another server has it; or a file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JobEngineError(f"cannot write beside the record {path}: {error.strerror}") from None
    record = -1
    try:
        # password digests are in it: it is its owner's alone
        record = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _wait(path, beside, record)
    except BaseException as error:
        for descriptor in (record, beside):
            if descriptor >= 0:
                os.close(descriptor)
        if isinstance(error, OSError):
            raise JobEngineError(f"cannot write the record {path}: {error.strerror}; see its owner and mode") from None
        raise
    return beside, record


def _wait(path: Path, beside: int, record: int) -> None:
    # A lock of the open file description: other than those of SQLite it outlasts the closing of other descriptors.
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _OURS, 1, 0)
    give_up = time.monotonic() + LOCK_WAIT
    while True:
        try:
            fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.fcntl(record, fcntl.F_OFD_SETLK, wanted)
            return
        except (BlockingIOError, PermissionError):  # EAGAIN, or as POSIX allows EACCES
            if time.monotonic() > give_up:
                raise JobEngineError(f"the record {path} is in use by another server: stop that one first") from None
            time.sleep(0.05)


def who_writes(path: Path) -> str:
    """Who else holds SQLite's lock for writing on the record, as far as this machine tells: its name and pid."""
    with contextlib.suppress(OSError, ValueError):
        found = inodes(str(path), f"{path}-shm")
        for line in Path("/proc/locks").read_text().splitlines():
            # 1: POSIX  ADVISORY  WRITE 4711 fe:00:2154516 120 120
            kind, _, mode, pid, file, first, last = line.replace("->", "").split()[1:8]
            major, minor, number = file.split(":")
            at = os.makedev(int(major, 16), int(minor, 16)), int(number)
            if (kind, mode) != ("POSIX", "WRITE") or int(pid) == os.getpid() or at not in found.values():
                continue
            if at == found.get(str(path)) or any(int(first) <= byte and _until(last) >= byte for byte in _WRITING):
                return _called(int(pid))
    return "another process"


def _until(last: str) -> float:
    return float("inf") if last == "EOF" else int(last)


def _called(pid: int) -> str:
    if pid <= 0:
        return "a process outside this container"
    name = ""
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    return f"{name or 'another process'} (pid {pid})"
