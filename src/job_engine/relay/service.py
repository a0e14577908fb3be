"""A relay in a server: session, election, and overview. The server runs with or without ZooKeeper."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from typing import Final

from job_engine.job.errors import JobEngineError
from job_engine.queue import Election, LockingQueue, Session, ZooKeeper
from job_engine.relay.other_servers import RELAY_KIND, OtherServers, description
from job_engine.relay.overview import Overview
from job_engine.relay.ownership import Ownership, PathNotOurs
from job_engine.relay.relay import RETRY_SECONDS, Relay
from job_engine.relay.settings import RelaySettings
from job_engine.store import settings as remembered
from job_engine.store.database import Store
from job_engine.store.executors import Executors

SILENT_SECONDS: Final = 5.0
"""Seconds after which an unreachable ZooKeeper is logged."""

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def open_relay(
    zookeeper: ZooKeeper, store: Store, executors: Executors, settings: RelaySettings | None = None
) -> AsyncIterator[Overview]:
    """A relay that works, whenever ZooKeeper is there and this server is elected, until the end of the block."""
    record = await store.read(remembered.text, remembered.RECORD)
    server = secrets.token_hex(4)
    name = description(record, server).encode()
    session = Session(zookeeper, kind=RELAY_KIND, about=name)
    queue = LockingQueue(session)
    election = Election(session, RELAY_KIND, name, path=f"{zookeeper.path}/election")
    ownership = Ownership(store, session, record, server)
    relay = Relay(store, session, queue, ownership, lambda: executors.longest_session, settings)
    other_servers = OtherServers(session, record, server)
    tasks = [
        asyncio.create_task(_keep(session, election, relay, ownership), name=RELAY_KIND),
        asyncio.create_task(other_servers.watch(), name="watching for other servers"),
    ]
    try:
        yield Overview(store, session, election, relay, other_servers, ownership)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        relay.leave()
        await session.close()


async def _keep(session: Session, election: Election, relay: Relay, ownership: Ownership) -> None:
    """Connect, contend and lead for ever. Each problem is logged once."""
    trouble = ""
    while True:
        try:
            await session.start(within=SILENT_SECONDS)
            break
        except JobEngineError as error:
            if trouble != (trouble := str(error)):
                log.warning("%s The API works, and jobs wait.", trouble)
    while True:
        try:
            await ownership.settle()  # who may not use the path does not contend: that would keep its owner from it
            await election.run(relay.run)
        except PathNotOurs:
            continue
        except Exception:  # boundary: jobs must go on being published, whatever went wrong this time
            log.exception("the relay failed; it goes on in %g s", RETRY_SECONDS)
        await asyncio.sleep(RETRY_SECONDS)
