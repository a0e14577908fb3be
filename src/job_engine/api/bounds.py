"""HTTP within bounds: how large a head may be, how long its client may take, and how much it may leave unread."""

import math
from asyncio import CancelledError, Task, Transport
from collections.abc import Coroutine, Generator
from contextlib import suppress
from enum import IntEnum
from ssl import SSLContext
from types import coroutine
from typing import Any, Final, NoReturn

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_remote_addr

from job_engine.api.connections import KEY, Connections, Rank
from job_engine.api.protocol import OneWriteProtocol

NEVER: Final = math.inf
SWEPT: Final = 2.0
"""Seconds within which a connection that is late has surely been counted."""
PART: Final = 16 << 10
"""Bytes that are parsed at a time: by so much a head may be too large before it is refused."""


class _Stage(IntEnum):
    IDLE = 0  # between two requests, or one is being answered
    HEAD = 1
    BODY = 2
    HANDSHAKE = 3  # of TLS, before the first request


class _RefusedError(Exception):
    """The head that is being read is refused; raised through the parser, which makes an error of its own of it."""


class BoundedProtocol(OneWriteProtocol):
    """For uvicorn's setting ``http``, as made by `bounded`."""

    the_connections: Connections
    tls: SSLContext | None

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
        self._other = False  # whether there was a part of a body among them, or the end of another request
        self._begun = False  # or the first byte of a request
        self._refusal: tuple[int, str] | None = None
        self._discarded: int | None = None  # bytes, since the client was refused and may still read why
        self._ends = False
        self._handshake: Task[None] | None = None
        self._early: list[bytes] = []  # what came with the end of the handshake

    # --- as the connections of a server see it

    @property
    def address(self) -> str:
        """See `Connection`."""
        return self.client[0] if self.client else "an unknown address"

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
            if self._stage is _Stage.HANDSHAKE:
                return f"TLS handshakes not done within {self.limits.handshake_seconds:g} s"
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
        """Part of `asyncio.Protocol`; TLS begins here, so that who does not end its handshake is a stranger as well."""
        if self.tls is None:
            self._begin(transport)
        else:
            self.transport, self.client = transport, get_remote_addr(transport)
            self._stage, self._due = _Stage.HANDSHAKE, self.loop.time() + self.limits.handshake_seconds
            encrypting = self._encrypt(transport, self.tls)
            waited = encrypting.send(None)  # now: a task begins only after the first bytes were read, as if by HTTP
            self._handshake = self.loop.create_task(_resumed(encrypting, waited))
        self.the_connections.opened(self)

    async def _encrypt(self, transport: Transport, tls: SSLContext) -> None:
        within = self.limits.handshake_seconds + SWEPT
        try:
            encrypted = await self.loop.start_tls(transport, self, tls, server_side=True, ssl_handshake_timeout=within)
        except OSError:  # the client speaks no TLS, or shows a certificate that is none
            encrypted = None
        if encrypted is None or transport.is_closing():  # the client left
            self.the_connections.closed(self)
            self.parser = None  # type: ignore[assignment]  # it refers to this
            return
        self._begin(encrypted)
        for data in self._early:
            self.data_received(data)
        self._early.clear()

    def _begin(self, transport: Any) -> None:
        super().connection_made(transport)
        self._extensions[KEY] = self
        self.transport.on_close = self._lingers  # type: ignore[attr-defined]
        self._stage, self._due = _Stage.IDLE, self.loop.time() + self.limits.head_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of `asyncio.Protocol`."""
        self.the_connections.closed(self)
        self._ends = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of `asyncio.Protocol`."""
        if self._discarded is not None:
            self._discard(len(data))
        elif self._stage is _Stage.HANDSHAKE:
            self._early.append(data)
        else:
            self._unset_keepalive_if_required()
            if len(data) <= PART or self._stage is _Stage.BODY:  # of a long body each part costs a copy
                self._parse(data)
            else:
                parts = (data[at : at + PART] for at in range(0, len(data), PART))
                all(map(self._parse, parts))

    def _parse(self, data: bytes) -> bool:
        """Whether the client may send more."""
        self._chunk = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # it is answered as if it had not asked for another protocol
        except httptools.HttpParserError:
            self._refuse(*(self._refusal or (400, "this is not an HTTP request")))
            return False
        if self._stage is not _Stage.IDLE:
            return self._within()
        if self._due == NEVER and not self._answering:
            self._due = self.loop.time() + self.limits.head_seconds  # blank lines between two requests
        return True

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
        self._other = True
        if self._due != NEVER and not self.cycle.response_complete:
            self._due += len(body) / self.limits.slowest
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        self._stage = _Stage.IDLE
        self._due = NEVER
        self._other = True
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

    def _within(self) -> bool:
        """Look at a request that is not there as a whole: whether more of it may come."""
        if self._other:  # what comes next is all of the same head, and shows whether it is too much
            self._fed = 0
        elif self._begun:
            self._fed = self._chunk
        else:
            self._fed += self._chunk
        self._other = self._begun = False
        if self._fed > self.limits.head_bytes:
            self._refuse(431, self._too_large)
            return False
        if self._due == NEVER:
            head = self._stage is _Stage.HEAD
            self._due = self.loop.time() + (self.limits.head_seconds if head else self.limits.body_seconds)
        return True

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


async def _resumed(begun: Coroutine[Any, None, None], waited: Any) -> None:
    """The rest of a coroutine that was begun outside of a task and waits for something. A task takes no generator."""
    await _rest(begun, waited)


@coroutine
def _rest(begun: Coroutine[Any, None, None], waited: Any) -> Generator[Any, None, None]:
    with suppress(Exception, CancelledError):  # it learns that itself
        yield waited
    yield from begun.__await__()


def bounded(connections: Connections, tls: SSLContext | None = None) -> type[BoundedProtocol]:
    """The protocol of a server that has these connections, encrypted by ``tls``; uvicorn is told nothing of that."""
    return type("BoundedProtocol", (BoundedProtocol,), {"the_connections": connections, "tls": tls})
