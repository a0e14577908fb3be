"""Polls for jobs that were canceled or deleted while they run: a server without our extensions notifies nobody."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from job_engine.executor.sources.nuvla_api import NuvlaApi
from job_engine.executor.sources.nuvla_job import TakenJob, why_gone
from job_engine.job.errors import JobEngineError
from job_engine.job.states import is_final

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 10.0
"""Seconds between two polls. All running jobs are requested together."""
JOBS_PER_SEARCH: Final = 50
"""Jobs in one search: its URL has 3,000 characters then."""


async def watch(api: NuvlaApi, running: Callable[[], Sequence[TakenJob]]) -> None:
    """Poll the states of running jobs, until cancelled."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        jobs = running()
        try:
            for at in range(0, len(jobs), JOBS_PER_SEARCH):
                await _poll(api, jobs[at : at + JOBS_PER_SEARCH])
        except JobEngineError as error:
            log.debug("%s: %s", api.where, error)


async def _poll(api: NuvlaApi, jobs: Sequence[TakenJob]) -> None:
    states = await api.states([job.id for job in jobs])
    for job in jobs:
        state = states.get(job.id)
        if state is None:  # not in the index yet, or deleted
            state = await api.state(job.id)
        if state is None or is_final(state):
            job.gone(why_gone(state))
