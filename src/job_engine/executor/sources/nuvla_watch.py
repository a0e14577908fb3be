"""Looks for jobs that were canceled or deleted while they run: a server without our extensions tells nobody."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from job_engine.executor.sources.nuvla_api import NuvlaApi
from job_engine.executor.sources.nuvla_job import TakenJob, why_gone
from job_engine.job.errors import JobEngineError
from job_engine.job.states import is_final

log = logging.getLogger(__name__)

LOOK: Final = 10.0
"""Seconds between two looks. All jobs are asked for together."""
ASKED: Final = 50
"""Jobs in one search: its URL has 3,000 characters then."""


async def watch(api: NuvlaApi, running: Callable[[], Sequence[TakenJob]]) -> None:
    """Look now and then, until cancelled."""
    while True:
        await asyncio.sleep(LOOK)
        jobs = running()
        try:
            for at in range(0, len(jobs), ASKED):
                await _look(api, jobs[at : at + ASKED])
        except JobEngineError as error:
            log.debug("%s: %s", api.where, error)


async def _look(api: NuvlaApi, jobs: Sequence[TakenJob]) -> None:
    states = await api.states([job.id for job in jobs])
    for job in jobs:
        state = states.get(job.id)
        if state is None:  # not in the index yet, or deleted
            state = await api.state(job.id)
        if state is None or is_final(state):
            job.gone(why_gone(state))
