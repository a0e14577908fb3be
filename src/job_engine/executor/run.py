"""Runs an executor in this process."""

import asyncio
import logging
from typing import Final
from uuid import uuid4

import uvloop

from job_engine.client.wire import WireClient
from job_engine.executor.log_format import configure
from job_engine.executor.run_folder import RunFolder
from job_engine.executor.settings import ExecutorSettings
from job_engine.executor.sources.api import ApiSource
from job_engine.executor.supervisor import Supervisor
from job_engine.job.errors import Forbidden, Invalid

log = logging.getLogger(__name__)

WRONG: Final = 2
"""Exit code: what was asked cannot be done, e.g. a folder of actions that does not exist."""


def run(settings: ExecutorSettings) -> int:
    """Run an executor until it is asked to stop; in the main thread, whose signals it takes.

    Returns:
        The exit code: 0, or 2 when it was configured wrongly, which is logged.
    """
    configure(settings.log_level)
    id_ = str(uuid4())
    try:
        folder = None if settings.run_dir is None else RunFolder(settings.run_dir, id_)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, id_, folder))
    except (Invalid, Forbidden) as error:
        log.error("%s", error)
        return WRONG
    return 0


async def _run(settings: ExecutorSettings, id_: str, folder: RunFolder | None) -> None:
    client = WireClient(settings.api_url, credentials=settings.credentials, insecure=settings.insecure)
    source = ApiSource(client, id_)
    try:
        await Supervisor(settings, source, folder).run()
    finally:
        await source.close()
