"""Runs an executor in this process."""

import asyncio
import logging
import os
import socket
from dataclasses import replace
from uuid import uuid4

import uvloop

from job_engine.client import kind
from job_engine.client.wire import WireClient
from job_engine.executor.log_format import configure
from job_engine.executor.run_folder import RunFolder
from job_engine.executor.settings import ExecutorSettings
from job_engine.executor.sources import Source
from job_engine.executor.sources.api import ApiSource
from job_engine.executor.sources.nuvla_api import CONNECTIONS, NuvlaApi
from job_engine.executor.stop import unless_stopped
from job_engine.executor.supervisor import Supervisor
from job_engine.exit_codes import DONE, NO_SERVER, WRONG
from job_engine.job.errors import Forbidden, Invalid, Unreachable

log = logging.getLogger(__name__)

WHO = "the executor"
"""Who calls, in messages."""


def run(settings: ExecutorSettings) -> int:
    """Run an executor until it is asked to stop, or its one job is done; in the main thread, whose signals it takes.

    Returns:
        The exit code: 0, 1 or 2; why it is not 0 is logged.
    """
    configure(settings.log_level)
    id_ = str(uuid4())
    try:
        folder = None if settings.run_dir is None else RunFolder(settings.run_dir, id_)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, id_, folder))
    except (Forbidden, Unreachable) as error:
        log.error("%s", error)
        return NO_SERVER
    except Invalid as error:
        log.error("%s", error)
        return WRONG
    return DONE


async def _run(settings: ExecutorSettings, id_: str, folder: RunFolder | None) -> None:
    settings.on_start()
    client = WireClient(settings.api_url, credentials=settings.credentials, tls=settings.tls, connections=CONNECTIONS)
    if settings.job_id is not None:
        await _run_one(settings, settings.job_id, id_, client)
        return
    if settings.zookeeper is None:
        if not settings.wait_for_api:
            await kind.ask(client, WHO, wait=False)
        source: Source = ApiSource(client, id_)
    else:
        ours = await unless_stopped(kind.ask(client, WHO, wait=settings.wait_for_api), settings.parent_fd)
        if ours is None:
            await client.close()
            return
        settings = replace(settings, names_hold=ours)
        source = source_in_cluster(settings, id_, folder, client)
    try:
        await Supervisor(settings, source, folder, lambda: client.session).run()
    finally:
        await source.close()


def source_in_cluster(settings: ExecutorSettings, id_: str, folder: RunFolder | None, client: WireClient) -> Source:
    """Where the executor ``id_`` gets its jobs whose entries are in ZooKeeper; in a running loop."""
    # here: who needs no ZooKeeper need not load its client
    from job_engine.executor.sources.cluster import ClusterSource
    from job_engine.executor.sources.entries import Entries
    from job_engine.executor.sources.nuvla import NuvlaSource

    assert settings.zookeeper is not None
    about = f"executor/{id_} {settings.name or '-'} on {socket.gethostname()}, pid {os.getpid()}"
    entries = Entries(settings.zookeeper, about.encode(), None if folder is None else folder.note)
    if settings.names_hold:
        return ClusterSource(client, id_, entries)
    log.info("%s is a Nuvla server: upstream's rules apply (docs/upstream.md)", client.endpoint.url)
    return NuvlaSource(NuvlaApi(client), id_, entries, settings.version, settings.unknown_action_grace)


async def _run_one(settings: ExecutorSettings, job: str, id_: str, client: WireClient) -> None:
    """Run one job, which nobody else was told to run, by edits that any API server takes."""
    from job_engine.executor.sources.named_job import NamedJobEntry
    from job_engine.executor.sources.nuvla import NuvlaSource

    await kind.ask(client, WHO, wait=False)
    entry = NamedJobEntry(job)
    source = NuvlaSource(NuvlaApi(client), id_, entry, settings.version)
    alone = replace(settings, names_hold=False, processes=1, threads=1)
    supervisor = Supervisor(alone, source, None, lambda: client.session)
    leave = asyncio.get_running_loop().create_task(_leave(supervisor, entry.ended))
    try:
        await supervisor.run()
    finally:
        leave.cancel()
        await source.close()


async def _leave(supervisor: Supervisor, done: asyncio.Event) -> None:
    await done.wait()
    supervisor.leave()
