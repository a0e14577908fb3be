"""The few calls that an executor makes to an API without our extensions, and whether that API answers.

A call that is not answered is made again: a GET changes nothing, and a PUT says what the job shall be, so a second one
says the same. While the API is away all calls wait until `NuvlaApi.probe` has found it again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from job_engine.client.endpoint import refusal
from job_engine.client.wire import WireClient
from job_engine.job.backoff import pauses
from job_engine.job.errors import UNREADABLE, Forbidden, JobEngineError, NotFound, Unavailable, Unreachable

log = logging.getLogger(__name__)

CONNECTIONS: Final = 8
"""Requests at once: each is some milliseconds of the server's time, and other executors ask it too."""
FIRST_ANSWER_SECONDS: Final = 10.0
LONGEST_ANSWER_SECONDS: Final = 80.0
"""Seconds to wait for an answer; doubled with each try, because a server may be slow without being away."""
PROBE_SECONDS: Final = 5.0
"""Seconds that a server may take to show that it answers at all."""
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
"""Seconds until a call is made again; they double."""
AWAY_STATUSES: Final = (502, 503, 504)
"""Answers of a proxy whose server is away, or of a server that can do nothing now."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class NuvlaApi:
    """The API of a Nuvla server, as executors need it.

    Args:
        client: logged in, or able to.
    """

    def __init__(self, client: WireClient) -> None:
        self.failure: JobEngineError | None = None
        """Why it is away; None: it answers, as far as is known."""
        self.on_away: Callable[[], None] = lambda: None
        """Called when it begins to be away."""
        self._client = client
        self._answering = asyncio.Event()
        self._answering.set()
        self._answered = 0.0  # monotonic seconds of the last answer

    @property
    def where(self) -> str:
        """The server's address."""
        return self._client.endpoint.url

    async def close(self) -> None:
        """No call can be made any more."""
        await self._client.close()

    async def probe(self) -> None:
        """Find out whether it answers, with what needs its database and, if there are credentials, a login.

        Raises:
            Unreachable, Unavailable: it does not.
            Forbidden: it does not accept the credentials.
        """
        await self._once("GET", "/api/job?last=0", None, PROBE_SECONDS)

    async def get(self, id_: str) -> bytes:
        """A document, as JSON. Waits while the API is away, as the others do.

        Raises:
            NotFound: there is none.
            JobEngineError: it is not to be had: Forbidden, or a fault of the server.
        """
        return await self._call("GET", f"/api/{id_}")

    async def state(self, id_: str) -> str | None:
        """The state of a job; None when there is no such job.

        Raises:
            JobEngineError: as `get`.
        """
        try:
            return str(document(await self.get(id_)).get("state"))
        except NotFound:
            return None

    async def states(self, ids: Sequence[str]) -> dict[str, str]:
        """The states of those of these jobs that a search finds, which may be up to a second old.

        Raises:
            JobEngineError: the search is refused.
        """
        wanted = " ".join(f"'{id_}'" for id_ in ids)
        path = f"/api/job?filter={quote(f'id=[{wanted}]')}&select=id,state&last={len(ids)}"
        found = document(await self._call("GET", path)).get("resources", [])
        return {one["id"]: one["state"] for one in found if "state" in one}

    async def edit(
        self, id_: str, changes: dict[str, Any], done: Callable[[dict[str, Any]], bool] | None = None
    ) -> None:
        """Change attributes of a job.

        Args:
            done: by the job's document, whether it was changed so before; asked after a call without an answer, for a
                change that must not be made twice.

        Raises:
            NotFound, Conflict, Forbidden, Invalid, JobEngineError: as the server says.
        """
        await self._call("PUT", f"/api/{id_}", _encode(changes), done and self._looking(id_, done))

    def _looking(self, id_: str, done: Callable[[dict[str, Any]], bool]) -> Callable[[], Any]:
        async def look() -> bool:
            return done(document(await self.get(id_)))

        return look

    async def _call(
        self, method: str, path: str, body: bytes | None = None, done: Callable[[], Any] | None = None
    ) -> bytes:
        patience, pause = (
            pauses(FIRST_ANSWER_SECONDS, LONGEST_ANSWER_SECONDS),
            pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
        )
        while True:
            try:
                status, answered = await self._once(method, path, body, next(patience))
            except (Unreachable, Unavailable, Forbidden):
                await asyncio.sleep(next(pause))
                await self._answering.wait()
                if done is not None and await done():
                    return b"{}"
                continue
            if status >= 300:
                raise refusal(status, answered)
            return answered

    async def _once(self, method: str, path: str, body: bytes | None, patience: float) -> tuple[int, bytes]:
        sent = time.monotonic()
        try:
            status, answered = await self._client.request(method, path, body, timeout=patience)
            if status in AWAY_STATUSES:
                raise Unavailable(f"{self.where} cannot answer now: {refusal(status, answered).message}")
        except JobEngineError as error:  # a login that is refused, too: nothing can be asked without it
            if self._answered < sent and self.failure is None:
                self.failure = error
                self._answering.clear()
                self.on_away()
            raise
        log.debug("%s %s: %d", method, path, status)
        self._answered = time.monotonic()
        self.failure = None
        self._answering.set()
        return status, answered


def document(body: bytes) -> dict[str, Any]:
    """What a document says.

    Raises:
        JobEngineError: that is none.
    """
    try:
        return _decode(body)
    except UNREADABLE as error:
        raise JobEngineError(f"what the server answers is no document: {error}") from None
