"""Which kind of record an API server keeps, ours or Nuvla's: executors and distributors act by that."""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from job_engine.client.endpoint import refusal
from job_engine.client.wire import WireClient
from job_engine.job.backoff import pauses
from job_engine.job.entry_point import ENTRY_POINT, is_ours
from job_engine.job.errors import UNREADABLE, Forbidden, Unavailable, Unreachable

log = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 15.0
"""Seconds to wait for an answer."""
PAUSES: Final = (0.2, 5.0)
"""Seconds: the first pause before a server that did not answer is asked again, and the longest; they double."""


async def ask(client: WireClient, who: str, *, wait: bool) -> bool:
    """Whether the server is ours. The server is asked with the caller's credentials, so wrong ones show now.

    Args:
        who: calls, for messages, such as ``the executor``.
        wait: for a server that is unreachable, or cannot answer now.

    Raises:
        Unreachable: the server does not answer, or not as an API server, and is not waited for.
        Forbidden: the server does not accept the credentials.
        JobEngineError: the server refuses for another reason.
    """
    said, pause = False, pauses(*PAUSES)
    while True:
        try:
            ours = is_ours(await _entry_point(client))
        except Forbidden as error:
            raise Forbidden(f"{client.endpoint.url} accepts no login of {who}: {error.message}") from error
        except (Unreachable, Unavailable) as error:
            if not wait:
                raise Unreachable(error.message) from error
            if not said:
                log.warning("%s; waiting for it", error)
                said = True
            await asyncio.sleep(next(pause) * random.uniform(0.5, 1.0))  # spreads who waits for one server
        else:
            if said:
                log.warning("%s answers", client.endpoint.url)
            return ours


async def _entry_point(client: WireClient) -> Mapping[str, Any]:
    url = client.endpoint.url
    status, body = await client.get(f"/api/{ENTRY_POINT}", timeout=ANSWER_SECONDS)
    if status >= 500:
        raise Unavailable(f"{url} cannot answer now: {refusal(status, body).message}")
    if status != 200:
        raise refusal(status, body)
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("collections"), dict):
        raise Unavailable(
            f"what answers at {url} is no API server (status {status}, and not the JSON of one); is the address right?"
        )
    return document
