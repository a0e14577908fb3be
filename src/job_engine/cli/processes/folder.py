"""The data folder of an engine: made for its owner only, and used by one ``up`` at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from job_engine.job.errors import Conflict, Invalid

RECORD: Final = "record.db"
EXECUTOR: Final = "executor"
"""The run folder of the executor: its lock and its id."""
LOCK: Final = "up.lock"


def prepare(folder: Path) -> Path:
    """Makes the folder if it is missing, readable for its owner only; returns it absolute.

    Raises:
        Invalid: it cannot be made or written, or is somebody else's.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError):
        raise Invalid(f"the data folder {folder} is not a folder; name another with --data") from None
    except OSError as error:
        raise Invalid(f"the data folder {folder} cannot be made: {error.strerror}; name another with --data") from None
    from job_engine.client.private import exposure, foreign  # here: other commands need no client

    if foreign(folder):
        raise Invalid(f"{exposure(folder)}, with --data")
    return folder.resolve()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other ``up`` out of the folder; the lock ends with this process, however it ends.

    Raises:
        Conflict: another one is in it.
        Invalid: it cannot be written.
    """
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Invalid(f"the data folder {folder} cannot be written: {error.strerror}; see its owner and mode") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock, 20).decode(errors="replace").strip()
            raise Conflict(
                f"another job-engine up (pid {pid or 'unknown'}) uses the data folder {folder};"
                " stop it first, or name another folder with --data"
            ) from None
        try:
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise Invalid(f"the data folder {folder} cannot be written: {error.strerror}") from None
        yield
    finally:
        os.close(lock)


def in_use(lock: Path) -> bool:
    """Whether some process holds the lock file ``lock``."""
    try:
        found = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(found)
    return False
