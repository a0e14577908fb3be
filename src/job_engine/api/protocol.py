"""Uvicorn's HTTP protocol with one write an answer.

Uvicorn writes the head of an answer and its body one after the other, so a client is woken twice, and both sides pay
for two packets. Here what one step of the event loop writes goes out together.
"""

from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from job_engine.api.transport import CERTIFIED

FAREWELL: Final = 0.5
"""Seconds that a stopping server waits for a client to end TLS on its side too, which idle ones do not."""


class OneWriteProtocol(HttpToolsProtocol):
    """For uvicorn's setting ``http``."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Part of `asyncio.Protocol`."""
        super().connection_made(cast(Transport, _Joining(transport, self.loop)))
        if transport.get_extra_info("peercert"):  # only one that was verified is told
            self.app_state = {**self.app_state, CERTIFIED: True}

    def shutdown(self) -> None:
        """Part of uvicorn's protocol: the server stops."""
        joining = cast(_Joining, self.transport)
        joining.leaving = self.scheme == "https"
        super().shutdown()


class _Joining:
    """A transport that gathers what is written until the event loop's next step."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self.leaving = False  # the server stops, and waits for nobody's farewell
        self._kept = False
        self.on_close: Callable[[], bool] = lambda: False
        """Answers whether whoever closes is to wait; then somebody else ends the connection."""

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        self._flush()
        if not self._kept and not self.leaving:
            self._kept = self.on_close()
        if not self._kept:
            self._transport.close()
        if self.leaving:
            self._loop.call_later(FAREWELL, self._transport.abort)

    def is_closing(self) -> bool:
        return self._kept or self._transport.is_closing()

    def _flush(self) -> None:
        if self._waiting:
            data, self._waiting = b"".join(self._waiting), []
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
