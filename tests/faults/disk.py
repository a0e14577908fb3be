"""Disks that fill up, and disks that lose what was not synced, mounted for a test."""

import fcntl
import os
import resource
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.integration.running import eventually

SMALL: Final = "4m"
SHUTDOWN: Final = 0x8004587D
"""EXT4_IOC_SHUTDOWN, and its flag: at once, without writing the journal; what is not synced is gone, as after a power
cut."""
NO_LOG_FLUSH: Final = 2
CHUNK: Final = 4096


class SmallDisk:
    """A folder with little room: a tmpfs, or where one cannot be mounted a limit on what a process may write."""

    def __init__(self, folder: Path, mounted: bool) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"
        self._mounted = mounted

    @property
    def says(self) -> str:
        """What SQLite says when there is no room."""
        return "the disk is full" if self._mounted else "disk I/O error"

    def fill(self, pid: int) -> None:
        """Leave no room, for the process ``pid`` at least."""
        if not self._mounted:
            log = self._folder / "record.db-wal"  # which only grows here; what the server prints is shorter
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
            return
        with self._ballast.open("wb", buffering=0) as file:
            with suppress(OSError):
                while file.write(bytes(CHUNK)):
                    pass
            assert os.statvfs(file.fileno()).f_bavail == 0

    def free(self, pid: int) -> None:
        """Make room again."""
        if self._mounted:
            self._ballast.unlink()
        else:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A small disk on the new folder ``folder``; whoever uses it must have ended before the end of the block."""
    folder.mkdir()
    mounted = _done("mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder))
    try:
        yield SmallDisk(folder, mounted)
    finally:
        if mounted:
            _unmount(folder)


class LosingDisk:
    """A file system of its own on the folder ``at``, whose power can be cut."""

    def __init__(self, image: Path, at: Path) -> None:
        self._image = image
        self.at = at

    def mount(self) -> bool:
        """Whether that is possible here."""
        return _done("mount", "-o", "loop", str(self._image), str(self.at))

    def cut_power(self, writer: int) -> None:
        """Lose all that is not synced; from now on nothing can be written or read.

        The process ``writer`` is stopped before, which ends no sync half-way: Linux 6.18 can answer one that is under
        way at this ioctl with success, and lose it (6 of 25 times, with nothing but write and fdatasync).
        """
        os.kill(writer, signal.SIGSTOP)
        eventually(lambda: all(_state(thread) == "T" for thread in Path(f"/proc/{writer}/task").iterdir()))
        folder = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def unmount(self) -> None:
        _unmount(self.at)


@contextmanager
def losing_disk(folder: Path) -> Iterator[LosingDisk | None]:
    """A disk below ``folder``, mounted; None where none can be."""
    image, at = folder / "disk.ext4", folder / "disk"
    at.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    disk = LosingDisk(image, at)
    if not (_done("mkfs.ext4", "-q", "-F", str(image)) and disk.mount()):
        yield None
        return
    try:
        yield disk
    finally:
        disk.unmount()


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def _unmount(folder: Path) -> None:
    eventually(lambda: _done("umount", str(folder)))


def _done(*command: str) -> bool:
    with suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    return False
