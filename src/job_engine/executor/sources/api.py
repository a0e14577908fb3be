"""Jobs from an API server that decides by holds in its record: `attend` over HTTP."""

import time
from typing import Final

import msgspec

from job_engine.client.endpoint import refusal
from job_engine.client.wire import WireClient
from job_engine.executor.sources import GOOD_SHARE_OF_PERIOD, SourceListener
from job_engine.job.attend import PERIOD, Answer, Attend
from job_engine.job.errors import UNREADABLE, Forbidden, JobEngineError, Unavailable, Unreachable

ANSWER_SHARE_OF_PERIOD: Final = 1 / 4
"""Part of the period to wait for an answer: so a silent server is asked twice before the holds cannot be trusted."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Answer).decode


class ApiSource:
    """The adapter of `Source` for an API server.

    Args:
        client: logged in as an administrator, or able to.
        id_: a UUID that no executor had before.
    """

    def __init__(self, client: WireClient, id_: str) -> None:
        self.id = id_
        self.period = PERIOD
        self.good_until = 0.0
        self._client = client
        self._path = f"/api/executor/{id_}/attend"
        self._n = 0

    @property
    def where(self) -> str:
        """The server's address."""
        return self._client.endpoint.url

    @property
    def keeper(self) -> str:
        """The service whose silence ends the holds, for messages."""
        return self.where

    @property
    def urgent(self) -> bool:
        """Whether the source has something to report itself that must not wait."""
        return False

    @property
    def heard(self) -> bool:
        """Whether an exchange may have reached the server."""
        return self._n > 0

    def listen(self, listener: SourceListener) -> None:
        """Do nothing: this source has no events beside its responses."""

    def let_go(self) -> None:
        """Do nothing: the server has ended the holds of an executor that was silent for so long."""

    async def attend(self, attend: Attend) -> Answer:
        """Make one exchange with the server."""
        self._n = attend.n = self._n + 1
        body = _encode(attend)
        sent = time.monotonic()
        status, answered = await self._client.post(
            self._path, body, timeout=attend.wait + self.period * ANSWER_SHARE_OF_PERIOD
        )
        if status == 200:
            try:
                answer = _decode(answered)
            except UNREADABLE as error:
                raise JobEngineError(f"{self.where} answers what is no answer to an executor: {error}") from None
            self.period = answer.period
            self._heard(sent)
            return answer
        if status in (404, 405):
            raise Forbidden("it is not a server of job-engine; beside a Nuvla server give --zk-hosts too")
        refused = refusal(status, answered)
        if status in (502, 504):  # a proxy's: whether the server has heard is not known
            raise Unreachable(refused.message)
        if isinstance(refused, Unavailable):
            self._heard(sent)
        raise refused

    async def close(self) -> None:
        """Close the source, once the requests under way are answered."""
        await self._client.close()

    def _heard(self, sent: float) -> None:
        self.good_until = max(self.good_until, sent + self.period * GOOD_SHARE_OF_PERIOD)
