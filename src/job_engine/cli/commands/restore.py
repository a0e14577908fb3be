"""``job-engine restore``: puts jobs of a Nuvla server whose entries were lost back into the queue."""

import asyncio
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from job_engine.cli.options.api_server import Locate, api_server
from job_engine.cli.options.shared import command, engine_option
from job_engine.cli.options.zookeeper import ZK_SEVERAL, zk_options
from job_engine.cli.screen import say
from job_engine.client import Client
from job_engine.job.bulk import MONITOR
from job_engine.job.errors import Conflict, Invalid, JobEngineError
from job_engine.job.states import State

if TYPE_CHECKING:
    from job_engine.queue import Session, ZooKeeper

PRIORITY: Final = 100
"""Of a job whose document has none any more: Nuvla's server drops it at the first edit."""
UNFINISHED: Final = f"(state='{State.QUEUED}' or state='{State.RUNNING}') and execution-mode!='pull'"
PAGE: Final = 1000
LIMIT: Final = 10_000
"""Documents: as deep as a Nuvla server's search reaches."""
PUT: Final = 256
"""Entries put together, so that an answer that is lost leaves few to look for."""


@command("restore", several=("--es-hosts", *ZK_SEVERAL))
@api_server
@zk_options
@engine_option(
    "--es-hosts", metavar="HOST...", multiple=True, help="Accepted for Nuvla's sake: jobs are read from the API."
)
def restore(
    locate: Locate,
    zookeeper: "ZooKeeper | None",
    es_hosts: tuple[str, ...],
) -> None:
    """Put the unfinished jobs of a Nuvla server back into the queue, after ZooKeeper has lost its data.

    QUEUED and RUNNING jobs that are not for pull mode, oldest first; those that are in the queue stay as they are.
    """
    if zookeeper is None:
        raise Invalid("say which ZooKeeper has the queue: --zk-hosts HOST:PORT")
    if es_hosts:
        say("--es-hosts is not needed: jobs are read from the API, not from Elasticsearch", err=True)
    with Client.of(locate()) as client:
        if client.extended:
            say(f"{client.url} keeps its queue itself; see what it repairs: job-engine reconcile --dry-run")
            return
        jobs = list(unfinished(client))
        say(f"{len(jobs)} unfinished jobs")
        put = asyncio.run(_restore(zookeeper, jobs))
        say(f"{put} put into the queue, {len(jobs) - put} were there")


def unfinished(client: Client) -> Iterator[tuple[str, int]]:
    """The ids and priorities of the jobs that belong into the queue, oldest first.

    Jobs end while they are read, so each page begins at the time at which the last one ended, not after so many jobs.
    """
    seen: set[str] = set()
    since, first = "", 1
    while True:
        page = client.search(
            "job",
            filter=f"{UNFINISHED} and created>='{since}'" if since else UNFINISHED,
            select=("id", "state", "created", "priority", "tags"),
            orderby="created:asc",
            first=first,
            last=first + PAGE - 1,
        )["resources"]
        for job in page:
            monitored = job["state"] == State.RUNNING and MONITOR in job.get("tags", ())
            if job["id"] not in seen and not monitored:
                yield job["id"], int(job.get("priority", PRIORITY))
            seen.add(job["id"])
        if len(page) < PAGE:
            return
        newest = page[-1]["created"]
        first = first + PAGE if newest == since else 1
        if first > LIMIT:
            raise JobEngineError(f"more than {LIMIT} jobs were created at {since}: the server does not show them all")
        since = newest


async def _restore(zookeeper: "ZooKeeper", jobs: list[tuple[str, int]]) -> int:
    """Put those that are not in the queue; how many that were.

    The jobs were read before the queue is: the server writes a new job's entry first, so it is found here.
    """
    from job_engine.queue import LockingQueue, Session, SessionLost, Unanswered

    session = Session(zookeeper, kind="restore", about=f"restore, pid {os.getpid()}".encode())
    queue = LockingQueue(session)
    await session.start()
    try:
        if await _is_ours(session):
            raise Conflict(
                f"{zookeeper.path} in ZooKeeper is the queue of a job-engine server, not of this one;"
                " nothing was put: give the --zk-path of Nuvla's server"
            )
        there = await _there(session)
        missing = [job for job in jobs if job[0] not in there]
        left = missing
        while left:
            try:
                await queue.put_many(left[:PUT])
                left = left[PUT:]
            except (Unanswered, SessionLost):  # some may have been put: look before going on
                there = await _there(session)
                left = [job for job in left if job[0] not in there]
        return len(missing)
    finally:
        await session.close()


async def _is_ours(session: "Session") -> bool:
    """Whether a server of ours has the path: it would leave these entries alone, and nobody would run their jobs."""
    from job_engine.queue import SessionLost, Unanswered
    from job_engine.relay import ownership

    while True:
        try:
            return await ownership.read(session) is not None
        except (Unanswered, SessionLost):
            continue  # the next call waits until ZooKeeper answers


async def _there(session: "Session") -> set[str]:
    from job_engine.queue import SessionLost, Unanswered, inspection

    while True:
        try:
            return set((await inspection.jobs_of(session, await inspection.names(session))).values())
        except (Unanswered, SessionLost):
            continue  # the next call waits until ZooKeeper answers
