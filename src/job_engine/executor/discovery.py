"""Which kind of record an API server keeps; asked once, at the start of an executor that could work with either."""

import asyncio
import logging
import os
import random
from typing import Final

from job_engine.client.endpoint import refusal
from job_engine.client.wire import WireClient
from job_engine.executor.sources.nuvla_api import document
from job_engine.executor.stop import Stop
from job_engine.exit_codes import ORPHANED
from job_engine.job.errors import Forbidden, Unavailable, Unreachable

log = logging.getLogger(__name__)

ENTRY_POINT: Final = "/api/cloud-entry-point"
OURS: Final = "executor"
"""The collection that only a server of ours has."""
PATIENCE: Final = 10.0
"""Seconds to wait for an answer."""
PAUSE: Final = 1.0
"""Seconds until it is asked again."""


async def is_ours(client: WireClient, *, wait: bool) -> bool:
    """Whether the server keeps holds, as ours do; a Nuvla server does not.

    Args:
        wait: for a server that does not answer.

    Raises:
        Unreachable: it does not answer, and is not waited for.
        Forbidden: it does not accept the credentials.
        JobEngineError: it answers what no API server would.
    """
    said = False
    while True:
        try:
            status, body = await client.get(ENTRY_POINT, timeout=PATIENCE)
            if status >= 500:
                raise Unavailable(f"{client.endpoint.url} cannot answer now: {refusal(status, body).message}")
        except Forbidden as error:
            raise Forbidden(f"{client.endpoint.url} accepts no login of the executor: {error.message}") from error
        except (Unreachable, Unavailable) as error:
            if not wait:
                raise Unreachable(error.message) from error
            if not said:
                log.warning("%s; waiting for it", error)
                said = True
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))  # spreads executors that wait for one server
        else:
            if status != 200:
                raise refusal(status, body)
            return OURS in (document(body).get("collections") or {})


async def unless_stopped(look: "asyncio.Task[bool]", parent_fd: int | None) -> bool | None:
    """What ``look`` finds; None when the executor is asked to stop before."""
    stop = Stop(parent_fd, lambda: os._exit(ORPHANED))
    asked = asyncio.get_running_loop().create_task(stop.asked.wait())
    await asyncio.wait((look, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if look.done():
        return look.result()
    look.cancel()
    return None
