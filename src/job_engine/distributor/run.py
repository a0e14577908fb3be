"""Runs a distributor in this process."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from typing import Final, NoReturn

from job_engine.client.discovery import Found, entrust
from job_engine.distributor.choice import chosen
from job_engine.distributor.distributor import Distributor
from job_engine.distributor.load import load
from job_engine.distributor.settings import DistributorSettings
from job_engine.distributor.upstream import UpstreamDistributor
from job_engine.exit_codes import DONE, NO_SERVER, ORPHANED, WRONG
from job_engine.job.errors import Invalid, JobEngineError
from job_engine.parent import when_gone

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 3.0
"""Seconds from a signal to the end, to hand the elections over and to say goodbye; whatever hangs then is left."""


def run(settings: DistributorSettings) -> int:
    """Run a distributor until it is asked to stop; in the main thread, whose signals it takes.

    Returns:
        The exit code: 0, 1 or 2; why it is not 0 is logged.
    """
    if settings.parent_fd is not None:  # from now on: the import of a distribution may hang
        when_gone(settings.parent_fd, lambda: os._exit(ORPHANED))
    found = Found(settings.api_url, settings.credentials, settings.tls, "the distributor")
    entrust(settings.api_url, lambda: found)
    name = settings.name or f"{socket.gethostname()}-{secrets.token_hex(2)}"
    try:
        host = UpstreamDistributor(settings, name)
        distributions = chosen(
            load(settings.distributions, host, entry_points=settings.entry_points, needed=settings.needed), settings
        )
        for source, error in distributions.failed.items():
            log.error("%s does not load: %s", source, error)
        for line in distributions.duplicates:
            log.warning("%s", line)
        with asyncio.Runner() as runner:
            hanging = runner.run(_run(settings, Distributor(settings, distributions, name), host, name))
    except Invalid as error:
        log.error("%s", error)
        return WRONG
    except JobEngineError as error:
        log.error("%s", error)
        return NO_SERVER
    if hanging:
        _leave(f"{hanging} calls of distributions were still under way; what they would have made is not made")
    return DONE


async def _run(settings: DistributorSettings, distributor: Distributor, host: UpstreamDistributor, name: str) -> int:
    """Until a signal; how many calls of functions have not ended then."""
    settings.on_start()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked_to_stop() -> None:
        stop.set()
        # A thread: what hangs may be this loop's end, ZooKeeper's client, or a thread that a function has made.
        why = f"distributor {name} has not ended within {STOP_SECONDS:g} s; it is ended"
        late = threading.Timer(STOP_SECONDS, _leave, [why])
        late.daemon = True
        late.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop)
    work, asked = asyncio.create_task(distributor.run()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((work, asked), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()  # raises: it ends in no other way
    finally:
        host.stop_event.set()
        work.cancel()
        asked.cancel()
        await asyncio.wait((work,))
    log.info("distributor %s has stopped", name)
    return distributor.hanging


def _leave(why: str) -> NoReturn:
    """End, although functions of others still run: at its own end Python would wait for threads that they made."""
    log.warning("%s", why)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(DONE)
