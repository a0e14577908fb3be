"""A relay in a server: session, election, and what is shown of it. The server runs with or without ZooKeeper."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from typing import Final

from job_engine.job.errors import JobEngineError
from job_engine.queue import Election, LockingQueue, Session, ZooKeeper
from job_engine.relay.overview import Overview
from job_engine.relay.ownership import NotOurs, Ownership
from job_engine.relay.relay import RETRY, Relay
from job_engine.relay.rivals import NAME, Rivals, about
from job_engine.relay.settings import RelaySettings
from job_engine.store import settings as remembered
from job_engine.store.database import Store
from job_engine.store.executors import Executors

FIRST: Final = 5.0
"""Seconds without ZooKeeper after which the log says so."""

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def open_relay(
    zookeeper: ZooKeeper, store: Store, executors: Executors, settings: RelaySettings | None = None
) -> AsyncIterator[Overview]:
    """A relay that works, whenever ZooKeeper is there and this server is elected, until the end of the block."""
    record = await store.read(remembered.text, remembered.RECORD)
    server = secrets.token_hex(4)
    name = about(record, server).encode()
    session = Session(zookeeper, kind=NAME, about=name)
    queue = LockingQueue(session)
    election = Election(session, NAME, name, path=f"{zookeeper.path}/election")
    ownership = Ownership(store, session, record, server)
    relay = Relay(store, session, queue, ownership, lambda: executors.longest_session, settings)
    rivals = Rivals(session, record, server)
    tasks = [
        asyncio.create_task(_keep(session, election, relay, ownership), name=NAME),
        asyncio.create_task(rivals.watch(), name="looking for rivals"),
    ]
    try:
        yield Overview(store, session, election, relay, rivals, ownership)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        relay.leave()
        await session.close()


async def _keep(session: Session, election: Election, relay: Relay, ownership: Ownership) -> None:
    """Connect, contend and lead for ever. The log tells each trouble once."""
    trouble = ""
    while True:
        try:
            await session.start(within=FIRST)
            break
        except JobEngineError as error:
            if trouble != (trouble := str(error)):
                log.warning("%s The API works, and jobs wait.", trouble)
    while True:
        try:
            await ownership.settle()  # who may not use the path does not contend: that would keep its owner from it
            await election.run(relay.run)
        except NotOurs:
            continue
        except Exception:  # boundary: jobs must go on being published, whatever went wrong this time
            log.exception("the relay failed; it goes on in %g s", RETRY)
        await asyncio.sleep(RETRY)
