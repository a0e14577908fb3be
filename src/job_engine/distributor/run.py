"""Runs a distributor in this process."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
from typing import Final, NoReturn

from job_engine.distributor.choice import chosen
from job_engine.distributor.distributor import Distributor
from job_engine.distributor.load import load
from job_engine.distributor.settings import DistributorSettings
from job_engine.distributor.upstream import Host
from job_engine.job.errors import Forbidden, Invalid, Unavailable, Unreachable

log = logging.getLogger(__name__)

REFUSED: Final = 1
"""Exit code, as Nuvla's engine has it: the API server accepts no login, or does not answer and is not waited for."""
WRONG: Final = 2
"""Exit code: what was asked cannot be done, e.g. a folder of distributions that does not exist."""
LEAVING: Final = 3.0
"""Seconds to hand the elections over; whoever is not told by then finds out by the end of the session."""


def run(settings: DistributorSettings) -> int:
    """Run a distributor until it is asked to stop; in the main thread, whose signals it takes.

    Returns:
        The exit code: 0, 1 or 2; why it is not 0 is logged.
    """
    name = settings.name or f"{socket.gethostname()}-{secrets.token_hex(2)}"
    try:
        host = Host(settings, name)
        distributions = chosen(load(settings.distributions, host, entry_points=settings.entry_points), settings)
        for source, error in distributions.failed.items():
            log.error("%s does not load: %s", source, error)
        for line in distributions.duplicates:
            log.warning("%s", line)
        with asyncio.Runner() as runner:
            hanging = runner.run(_run(settings, Distributor(settings, distributions, name), host, name))
    except (Forbidden, Unreachable, Unavailable) as error:
        log.error("%s", error)
        return REFUSED
    except Invalid as error:
        log.error("%s", error)
        return WRONG
    if hanging:
        _leave(hanging)
    return 0


async def _run(settings: DistributorSettings, distributor: Distributor, host: Host, name: str) -> int:
    """Until a signal; how many calls of functions have not ended then."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.parent_fd is not None:
        loop.add_reader(settings.parent_fd, _parent, settings.parent_fd)
    work, asked = asyncio.create_task(distributor.run()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((work, asked), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()  # raises: it ends in no other way
    finally:
        host.stop_event.set()
        work.cancel()
        asked.cancel()
        await asyncio.wait((work,), timeout=LEAVING)
    log.info("distributor %s has stopped", name)
    return distributor.hanging


def _leave(hanging: int) -> NoReturn:
    """End, although functions of others still run: at its own end Python would wait for threads that they made."""
    log.warning("%d calls of distributions were still under way; what they would have made is not made", hanging)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _parent(fd: int) -> None:
    """The parent is gone: end like it."""
    try:
        if os.read(fd, 64):
            return
    except OSError as error:
        log.error("the pipe to the parent cannot be read: %s", error)
    os._exit(1)
