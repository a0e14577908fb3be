"""HTTP within bounds: how large a head may be, how long its client may take, and how much it may leave unread."""

import math
from asyncio import Transport
from contextlib import suppress
from enum import IntEnum
from ssl import SSLContext
from typing import Any, Final, NoReturn

import httptools
import msgspec
import uvloop
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from job_engine.api.connections import KEY, Connections, Limits, Rank
from job_engine.api.protocol import OneWriteProtocol

NEVER: Final = math.inf
SWEPT: Final = 2.0
"""Seconds within which a connection that is late has surely been counted."""


class _Stage(IntEnum):
    IDLE = 0  # between two requests, or one is being answered
    HEAD = 1
    BODY = 2


class _RefusedError(Exception):
    """The head that is being read is refused; raised through the parser, which makes an error of its own of it."""


class BoundedProtocol(OneWriteProtocol):
    """For uvicorn's setting ``http``, as made by `bounded`."""

    the_connections: Connections

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.rank = Rank.STRANGER
        self._extensions: dict[str, Any] = {}
        self.limits = self.the_connections.limits
        self._stage = _Stage.IDLE
        self._due = NEVER  # when the client must have sent what it is to send
        self._read_by = NEVER  # when it must have read something
        self._left = 0  # bytes that it had not read when that was last looked at
        self._chunk = 0  # bytes that are being parsed
        self._fed = 0  # bytes before them that belong to the same head, or are neither head nor body
        self._moved = False  # whether there was a part of a body among them
        self._begun = False  # or the first byte of a request
        self._refusal: tuple[int, str] | None = None
        self._discarded: int | None = None  # bytes, since the client was refused and may still read why
        self._ends = False
        if self.config.ssl is not None:
            del self.parser  # made later: it refers to this, and who leaves during the handshake is forgotten at once
            self.the_connections.greets(self, self.loop.time() + self.limits.handshake_seconds)

    # --- as the connections of a server see it

    @property
    def address(self) -> str:
        """See `Connection`."""
        return self.client[0] if self.client else "an unknown address"  # no handshake, no address

    @property
    def unread(self) -> int:
        """See `Connection`."""
        try:
            return self.transport.get_write_buffer_size()
        except RuntimeError:  # uvloop's word for a transport that has just been closed
            return 0

    def overdue(self, now: float) -> str | None:
        """See `Connection`."""
        if now > self._due:
            if self._stage is _Stage.BODY and self.flow.read_paused:  # it is this server that does not read
                self._due = now + self.limits.body_seconds
                return None
            if self._discarded is not None:
                return ""
            if self._stage is _Stage.BODY:
                return f"bodies not sent within {self.limits.body_seconds:g} s"
            return f"connections without a whole request within {self.limits.head_seconds:g} s"
        if now > self._read_by:
            left = self.unread
            if left >= self._left:
                return f"answers of which nothing was read for {self.limits.unread_seconds:g} s"
            self._left, self._read_by = left, now + self.limits.unread_seconds
        return None

    def abort(self) -> None:
        """See `Connection`."""
        self.transport.abort()

    # --- as asyncio sees it

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Part of `asyncio.Protocol`."""
        super().connection_made(transport)
        self._extensions[KEY] = self
        if self.config.ssl is not None:
            self.parser = httptools.HttpRequestParser(self)
            with suppress(AttributeError):  # of httptools before 0.6.3
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.transport.on_close = self._lingers  # type: ignore[attr-defined]
        self._due = self.loop.time() + self.limits.head_seconds
        self.the_connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of `asyncio.Protocol`."""
        self.the_connections.closed(self)
        self._ends = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of `asyncio.Protocol`."""
        if self._discarded is not None:
            self._discard(len(data))
            return
        self._unset_keepalive_if_required()
        self._chunk = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # it is answered as if it had not asked for another protocol
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, "this is not an HTTP request")))
            return
        if self._stage is not _Stage.IDLE:
            self._within()
        elif self._due == NEVER and not self._answering:
            self._due = self.loop.time() + self.limits.head_seconds  # blank lines between two requests

    def pause_writing(self) -> None:
        """Part of `asyncio.Protocol`."""
        super().pause_writing()
        self._left, self._read_by = self.unread, self.loop.time() + self.limits.unread_seconds
        self.the_connections.slow(self)

    def resume_writing(self) -> None:
        """Part of `asyncio.Protocol`."""
        self._read_by = NEVER
        self.the_connections.reads(self)
        super().resume_writing()

    def shutdown(self) -> None:
        """Part of uvicorn's protocols: the server is about to stop."""
        self._ends = True
        super().shutdown()

    # --- as the parser sees it

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._stage = _Stage.HEAD
        self._fed = 0
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header; after the body it is a trailer, which nobody wants."""
        if self._stage is _Stage.BODY:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        if len(self.headers) > self.limits.headers:
            self._give_up(431, f"a request may have {self.limits.headers} headers")

    def on_headers_complete(self) -> None:
        """The head is there: the request is handed to the application."""
        if self._fed + self._chunk > self.limits.head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.limits.head_bytes:
                self._give_up(431, self._too_large)
        if len(self.pipeline) >= self.limits.ahead:
            self._give_up(400, f"{self.limits.ahead} requests wait for their answers")
        super().on_headers_complete()
        self._stage = _Stage.BODY
        self._due = NEVER

    def on_body(self, body: bytes) -> None:
        """A part of the body; after the answer it is thrown away."""
        self._moved = True
        if self._due != NEVER and not self.cycle.response_complete:
            self._due += len(body) / self.limits.slowest
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        self._stage = _Stage.IDLE
        self._due = NEVER
        super().on_message_complete()

    # --- bounds

    @property
    def _answering(self) -> bool:
        """Whether an answer is owed: there may have been no request yet."""
        return bool(self.cycle) and not self.cycle.response_complete

    @property
    def _too_large(self) -> str:
        return f"the head of a request may have {self.limits.head_bytes} bytes"

    def _give_up(self, status: int, message: str) -> NoReturn:
        self._refusal = status, message
        raise _RefusedError

    def _within(self) -> None:
        """Look at a request that is not there as a whole."""
        if (
            self._begun
        ):  # somewhere in what has come, perhaps after others: what comes next shows whether it is too much
            self._fed = min(self._chunk, self.limits.head_bytes)
        elif self._moved:
            self._fed = 0
        else:
            self._fed += self._chunk
        self._moved = self._begun = False
        if self._fed > self.limits.head_bytes:
            self._refuse(431, self._too_large)
        elif self._due == NEVER:
            head = self._stage is _Stage.HEAD
            self._due = self.loop.time() + (self.limits.head_seconds if head else self.limits.body_seconds)

    def _refuse(self, status: int, message: str) -> None:
        """Say why, and end."""
        self.the_connections.refuse(self, f"requests with {status}: {message}")
        if self.transport.is_closing():
            return
        if self._answering:  # its answer would be taken for another's
            self.transport.abort()
            return
        body = msgspec.json.encode({"status": status, "message": message})
        head = b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (STATUS_LINE[status], len(body)) + body)
        self._stage = _Stage.HEAD
        self.transport.close()

    def _lingers(self) -> bool:
        """Whether a close waits until the client has read why: closed while it sends, it would see a reset only."""
        if self._ends or self._stage is _Stage.IDLE:
            return False
        self._discarded = 0
        self._due = self.loop.time() + self.limits.linger_seconds
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        return True

    def _discard(self, size: int) -> None:
        assert self._discarded is not None
        self._discarded += size
        if self._discarded > self.limits.linger_bytes:
            self.transport.abort()


def loops(limits: Limits) -> Any:
    """For uvicorn's setting ``loop``: event loops whose servers end what does not get through the handshake of TLS."""

    class BoundedLoop(uvloop.Loop):
        async def create_server(  # type: ignore[override]
            self, *arguments: Any, ssl: SSLContext | None = None, **named: Any
        ) -> Any:
            if ssl is not None:
                named["ssl_handshake_timeout"] = limits.handshake_seconds + SWEPT
            return await super().create_server(*arguments, ssl=ssl, **named)

    return BoundedLoop


def bounded(connections: Connections) -> type[BoundedProtocol]:
    """The protocol of a server that has these connections."""
    return type("BoundedProtocol", (BoundedProtocol,), {"the_connections": connections})
