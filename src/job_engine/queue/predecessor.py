"""End the session of a process that is dead, so that what it held is free at once and not after its timeout.

Only for who holds the lock of its run folder: a session that is taken over while its process lives throws that process
out, and the two throw each other out for ever. Its worker processes must be dead as well: it was the timeout that kept
others away from what they do.
"""

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from job_engine.queue.link import Link, SessionCredentials
from job_engine.queue.settings import ZooKeeper

_log = logging.getLogger(__name__)

__all__ = ["SessionCredentials", "end", "forget", "read", "save"]


def save(file: Path, credentials: SessionCredentials) -> None:
    """Note a session, for a successor; whoever reads the file can end it, so nobody else may. Raises OSError."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{credentials.session} {credentials.password.hex()}\n")
    fresh.replace(file)


def forget(file: Path) -> None:
    """The session is over: there is nothing to end."""
    file.unlink(missing_ok=True)


async def end(settings: ZooKeeper, file: Path, within: float = 5.0) -> bool:
    """End the session that is noted in the file, with its run folder's lock held. Whether it lived until now.

    Without an answer ``within`` seconds it is left to its timeout, and stays noted. No other session is ended: if the
    server does not know this one with this password, nothing happens.
    """
    credentials = read(file)
    if credentials is None:
        return False
    changed = asyncio.Event()
    link = Link(settings, changed.set, credentials)
    link.open()
    answered = True
    try:
        async with asyncio.timeout(within):
            while not (link.connected or link.ended):
                changed.clear()
                await changed.wait()
    except TimeoutError:
        answered = False
    finally:
        ended = link.connected
        await link.close()
    if answered:
        forget(file)
    if ended:
        _log.info("Ended the ZooKeeper session of our predecessor: what it held is free.")
    return ended


def read(file: Path) -> SessionCredentials | None:
    """The session that is noted; None: there is none."""
    with contextlib.suppress(OSError, ValueError):
        session, password = file.read_text().split()
        return SessionCredentials(int(session), bytes.fromhex(password))
    return None
